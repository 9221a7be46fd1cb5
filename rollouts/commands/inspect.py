"""`uio2 inspect DIR`: a page with videos, prompts and actions of a dataset or an evaluation.

A dataset is shown as it was stored, frame by frame, with the recorded actions drawn over it: nothing is
simulated, so this also works where the environments are not installed. An evaluation's page is made anew from
its result.
"""

import sys
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from policies import embodiments
from pretrain.progress import progress
from pretrain.sources.lerobot import EpisodeRecord, LeRobotSource
from rollouts.errors import RolloutError
from rollouts.output import claim
from rollouts.pages import report
from rollouts.pages.film import Moment, storyboard, write_film
from rollouts.results import files as results
from uio2_agent.files import replace_file


def main(keys: Mapping[str, Any]) -> int:
    """Write the page and say where it is."""
    path = Path(keys["path"]).expanduser()
    if not path.is_dir():
        raise RolloutError(f"{path} is no directory; name a dataset or an evaluation")
    if (path / "meta" / "episodes").is_dir():
        page = inspect_dataset(path, claim(keys["output"] or path / "page"), keys["episodes"])
    elif (path / results.RESULT).exists():
        output = claim(keys["output"] or path)
        page = report.write_evaluation(path, results.load(path), output / "index.html")
    else:
        raise RolloutError(
            f"{path} holds neither a dataset (meta/episodes) nor an evaluation ({results.RESULT})"
        )
    print(f"page     {page}")
    return 0


def inspect_dataset(path: Path, output: Path, episodes: int) -> Path:
    """Write a page of at most `episodes` episodes, spread evenly over the dataset; returns its path."""
    source = LeRobotSource(path)
    places = np.unique(np.linspace(0, len(source) - 1, min(episodes, len(source))).round().astype(int))
    cards: dict[str, list[report.Card]] = {}
    with progress("videos", len(places), unit="video", stream=sys.stderr) as advance:
        for place in places:
            record = source[int(place)]
            record.check()
            name = f"episode-{record.index:06d}.mp4"
            write_film(output / name, storyboard(*_story(record)))
            heading = f"episode {record.index}, seed {record.seed}, {record.policy}"
            poster = name.replace(".mp4", ".jpg")
            card = report.Card(heading, record.status, record.instruction, record.action_texts, name, poster)
            cards.setdefault(f"{record.task} · {record.level}", []).append(card)
            advance("")
    outcomes = Counter(row["status"] for row in source.facts)
    counts = ", ".join(f"{count} {status}" for status, count in outcomes.most_common())
    steps = sum(row["length"] for row in source.facts)
    lead = f"{len(source)} episodes, {steps} steps: {counts}. Shown: {len(places)}, spread evenly."
    body = [report.section(title, report.gallery(cards[title])) for title in sorted(cards)]
    page = output / "index.html"
    replace_file(page, report.document(path.resolve().name, lead, body))
    return page


def _story(record: EpisodeRecord) -> tuple[Any, ...]:
    """What `storyboard` takes, from a stored episode."""
    body = embodiments.get(record.embodiment)
    info = {"prompt": record.prompt, "prompt_assets": record.prompt_assets}
    moments = [
        Moment({camera: seen[step] for camera, seen in record.frames.items()}, record.states[step], ())
        for step in range(record.length)
    ]
    moments.append(Moment(dict(record.final), record.states[-1], ()))  # the last state is not stored
    heading = f"{record.task} · {record.level} · seed {record.seed}"
    actions = [body.action(action) for action in record.actions]
    return body, info, moments, actions, heading, record.status
