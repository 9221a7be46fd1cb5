"""`uio2 inspect DIR`: a page with videos, prompts and actions of a dataset or an evaluation.

A dataset is shown as it was stored, frame by frame, with the recorded actions drawn over it, and of a body
that walks the way on the map that was stored: nothing is simulated, so this also works where the environments
are not installed. An evaluation's page is made anew from its result.
"""

import sys
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from envs.floor_map import FloorMap
from policies import embodiments
from policies.embodiments.base import Embodiment
from pretrain.progress import progress
from pretrain.sources.lerobot import EpisodeRecord, LeRobotSource
from rollouts.datasets.maps import read_map
from rollouts.errors import RolloutError
from rollouts.output import claim
from rollouts.pages import report
from rollouts.pages.film import Moment, storyboard, write_film
from rollouts.pages.maps import draw_map, plain_map, told
from rollouts.results import files as results
from uio2_agent.files import replace_file

_MAP = 400
"""Pixels of a map's longer side on the page."""


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
            card = _card(record, output)
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


def _card(record: EpisodeRecord, output: Path) -> report.Card:
    """Write an episode's film and map, and return what the page shows of it."""
    name, drawn = f"episode-{record.index:06d}", read_map(record.root, record.index)
    body = embodiments.get(record.embodiment)
    actions = [body.action(action) for action in record.actions]
    write_film(output / f"{name}.mp4", storyboard(*_story(record, body, actions, drawn)))
    track = body.track(record.states, actions[: record.length - 1])
    walked: dict[str, str] = {}
    if track is not None:
        chart = draw_map(drawn or plain_map(track), track, (_MAP, _MAP))
        chart.save(output / f"{name}-map.jpg", quality=88)
        walked = {"map": f"{name}-map.jpg", "map_words": told(track, drawn)}
    return report.Card(
        f"episode {record.index}, seed {record.seed}, {record.policy}",
        record.status,
        record.instruction,
        record.action_texts,
        f"{name}.mp4",
        f"{name}.jpg",
        notes=_notes(record, drawn),
        **walked,
    )


def _notes(record: EpisodeRecord, drawn: FloorMap | None) -> list[tuple[str, str]]:
    """The objects that the episode tells of, and those of its rooms where they are known."""
    notes = []
    seen: dict[Any, str] = {}
    for things in (*record.objects, record.final_objects):
        for place, thing in enumerate(things):
            seen.setdefault(thing.get("id", place), f"{thing['texture']} {thing['name']}".strip())
    if seen:
        notes.append((f"{len(seen)} objects seen", _counted(seen.values())))
    if drawn is not None and drawn.rooms:
        count = sum(len(room.objects) for room in drawn.rooms)
        lines = [f"{room.name}: {_counted(room.objects) or 'nothing'}" for room in drawn.rooms]
        notes.append((f"{len(drawn.rooms)} rooms, {count} objects", "\n".join(lines)))
    return notes


def _counted(names: Iterable[str]) -> str:
    counts = Counter(names)
    return ", ".join(name if counts[name] == 1 else f"{name} × {counts[name]}" for name in sorted(counts))


def _story(
    record: EpisodeRecord, body: Embodiment, actions: Sequence[Any], drawn: FloorMap | None
) -> tuple[Any, ...]:
    """What `storyboard` takes, from a stored episode."""
    info = {"prompt": record.prompt, "prompt_assets": record.prompt_assets}
    moments = [
        Moment({camera: seen[step] for camera, seen in record.frames.items()}, record.states[step], ())
        for step in range(record.length)
    ]
    moments.append(Moment(dict(record.final), None, ()))
    heading = f"{record.task} · {record.level} · seed {record.seed}"
    return body, info, moments, actions, heading, record.status, drawn
