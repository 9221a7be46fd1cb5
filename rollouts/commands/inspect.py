"""`uio2 inspect DIR`: a page with pictures, prompts and actions of a dataset or an evaluation; films of the
episodes that are named.

A dataset is shown as it was stored, frame by frame, with the recorded actions drawn over it, and of a body
that walks the way on the map that was stored: nothing is simulated, so this also works where the environments
are not installed. An evaluation's page is made anew from its result; its films need its environment.
"""

import sys
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

import numpy as np

from envs.floor_map import FloorMap
from policies import embodiments
from policies.embodiments.base import Embodiment
from pretrain.pages.shell import document, episode_name
from pretrain.progress import progress
from pretrain.sources.lerobot import EpisodeRecord, LeRobotSource
from rollouts.datasets.maps import read_map
from rollouts.errors import RolloutError
from rollouts.output import claim
from rollouts.pages import report
from rollouts.pages.cards import Card, gallery
from rollouts.pages.film import Moment, episode_of, record, storyboard, write_film
from rollouts.pages.maps import draw_map, plain_map, told
from rollouts.pages.strip import Sketcher, Strip, main_camera, shown_steps
from rollouts.results import files as results
from uio2_agent.errors import did_you_mean
from uio2_agent.files import replace_file

T = TypeVar("T")
ALL = "all"
"""Instead of names of films."""
_MAP = 400
"""Pixels of a map's longer side on the page."""


def main(keys: Mapping[str, Any]) -> int:
    """Write the page and say where it is."""
    path = Path(keys["path"]).expanduser()
    if not path.is_dir():
        raise RolloutError(f"{path} is no directory; name a dataset or an evaluation")
    films = [keys["film"]] if isinstance(keys["film"], str) else keys["film"] or []
    if (path / "meta" / "episodes").is_dir():
        page = inspect_dataset(path, claim(keys["output"] or path / "page"), keys["episodes"], films)
    elif (path / results.RESULT).exists():
        output = claim(keys["output"] or path)
        result = results.load(path)
        record(path, result["config"], _named(films, {episode_of(row): row for row in result["episodes"]}))
        page = report.write_evaluation(path, result, output / "index.html")
    else:
        raise RolloutError(
            f"{path} holds neither a dataset (meta/episodes) nor an evaluation ({results.RESULT})"
        )
    print(f"page     {page}")
    return 0


def _named(films: Sequence[str], episodes: Mapping[str, T]) -> list[T]:
    """The episodes of these names; `all` is every one. RolloutError for a name there is none of."""
    if ALL in films:
        return list(episodes.values())
    for name in films:
        if name not in episodes:
            raise RolloutError(
                f"film={name}: there is no such episode{did_you_mean(name, episodes)}; the page's links "
                "have the names"
            )
    return [episodes[name] for name in films]


def inspect_dataset(path: Path, output: Path, episodes: int, films: Sequence[str] = ()) -> Path:
    """Write a page of at most `episodes` episodes, spread evenly over the dataset, and of those of which
    `films` are wanted, by name; returns its path.
    """
    source = LeRobotSource(path)
    places = set(np.linspace(0, len(source) - 1, min(episodes, len(source))).round().astype(int).tolist())
    names = {
        episode_name(fact["task_name"], fact["level"], fact["seed"]): place
        for place, fact in enumerate(source.facts)
    }
    filmed = places if ALL in films else set(_named(films, names))
    places |= filmed
    cards = []
    with progress("pictures", len(places), stream=sys.stderr) as advance:
        for place in sorted(places):
            stored = source[place]
            stored.check()
            cards.append(_card(stored, output, place in filmed))
            advance("")
    outcomes = Counter(row["status"] for row in source.facts)
    counts = ", ".join(f"{count} {status}" for status, count in outcomes.most_common())
    steps = sum(row["length"] for row in source.facts)
    lead = f"{len(source)} episodes, {steps} steps: {counts}."
    if len(places) < len(source):
        lead += f" Shown: {len(places)}, spread evenly; more with episodes=."
    page = output / "index.html"
    replace_file(page, document(path.resolve().name, lead, [gallery(cards)], kind="dataset"))
    return page


def _card(stored: EpisodeRecord, output: Path, filmed: bool) -> Card:
    """Write an episode's pictures, map and, if wanted, film; return what the page shows of it."""
    name, drawn = f"episode-{stored.index:06d}", read_map(stored.root, stored.index)
    body = embodiments.get(stored.embodiment)
    actions = [body.action(action) for action in stored.actions]
    if filmed:
        write_film(output / f"{name}.mp4", storyboard(*_story(stored, body, actions, drawn)))
    strip = _strip(stored, body, actions)
    replace_file(output / f"{name}.jpg", strip.jpeg)
    track = body.track(stored.states, actions[: stored.length - 1])
    walked: dict[str, str] = {}
    if track is not None:
        chart = draw_map(drawn or plain_map(track), track, (_MAP, _MAP))
        chart.save(output / f"{name}-map.jpg", quality=88)
        walked = {"map": f"{name}-map.jpg", "map_words": told(track, drawn)}
    steps = f"{stored.length} step{'' if stored.length == 1 else 's'}"
    return Card(
        task=stored.task,
        level=stored.level,
        seed=stored.seed,
        status=stored.status,
        facts=f"{steps}, episode {stored.index}, {stored.policy}",
        prompt=stored.instruction,
        lines=stored.action_texts,
        strip=f"{name}.jpg",
        strip_shape=strip[1:],
        film=f"{name}.mp4" if (output / f"{name}.mp4").exists() else "",
        notes=_notes(stored, drawn),
        **walked,
    )


def _strip(stored: EpisodeRecord, body: Embodiment, actions: Sequence[Any]) -> Strip:
    camera, sketcher = main_camera(body, stored.frames), Sketcher()
    for step in shown_steps(stored.length):
        sketcher.step(body, {camera: stored.frames[camera][step]}, stored.states[step], actions[step])
    return sketcher.strip(body, {camera: stored.final[camera]})


def _notes(stored: EpisodeRecord, drawn: FloorMap | None) -> list[tuple[str, str]]:
    """The objects that the episode tells of, and those of its rooms where they are known."""
    notes = []
    seen: dict[Any, str] = {}
    for things in (*stored.objects, stored.final_objects):
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
    stored: EpisodeRecord, body: Embodiment, actions: Sequence[Any], drawn: FloorMap | None
) -> tuple[Any, ...]:
    """What `storyboard` takes, from a stored episode."""
    info = {"prompt": stored.prompt, "prompt_assets": stored.prompt_assets}
    moments = [
        Moment({camera: seen[step] for camera, seen in stored.frames.items()}, stored.states[step], ())
        for step in range(stored.length)
    ]
    moments.append(Moment(dict(stored.final), None, ()))
    heading = f"{stored.task} · {stored.level} · seed {stored.seed}"
    return body, info, moments, actions, heading, stored.status, drawn
