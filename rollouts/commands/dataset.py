"""`uio2 dataset ACTION PATH`: check, join, shrink, replay, describe, export and publish LeRobot datasets."""

import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from rich.table import Table

from pretrain.progress import progress
from pretrain.sources.lerobot import LeRobotSource
from pretrain.sources.schema import STATS_PATH
from rollouts.datasets.card import write_card
from rollouts.datasets.compact import compact
from rollouts.datasets.exports import export
from rollouts.datasets.merge import merge
from rollouts.datasets.push import push
from rollouts.datasets.recount import EXACT, counted, differences, loose_cameras
from rollouts.datasets.replay import replayed
from rollouts.datasets.stored import StoredSet
from rollouts.datasets.verify import verify
from rollouts.output import write_json
from rollouts.pages.console import show

_NAMED = 20
"""Faults that are told one by one."""


def main(keys: Mapping[str, Any]) -> int:
    """Do it; returns 0, or 1 where the set is not whole, its statistics differ, or a replay does."""
    return _ACTIONS[keys["action"]](keys)


def _verify(keys: Mapping[str, Any]) -> int:
    stored = StoredSet(keys["path"])
    with _bar("verify", stored) as advance:
        problems = verify(stored.root, advance)
    for problem in problems[:_NAMED]:
        print(f"wrong    {problem}")
    if len(problems) > _NAMED:
        print(f"wrong    and {len(problems) - _NAMED} more")
    frames = sum(place.length for place in stored.episodes)
    verdict = "damaged" if problems else "whole"
    print(f"{verdict:<9}{stored.root}: {len(stored.episodes)} episodes, {frames} frames")
    return int(bool(problems))


def _stats(keys: Mapping[str, Any]) -> int:
    stored = StoredSet(keys["path"])
    with _bar("stats", stored) as advance:
        found = counted(stored, pictures=True, advance=advance)
    table = Table()
    for name in ("feature", *EXACT, "q01", "q99"):
        table.add_column(name, justify="left" if name == "feature" else "right")
    for key, of_key in found.items():
        table.add_row(key, *(_shown(of_key[name]) for name in (*EXACT, "q01", "q99")))
    show(table)
    apart = differences(stored.info_statistics, found, loose_cameras(stored))
    for line in apart:
        print(f"wrong    {line}")
    if keys["write"]:
        write_json(stored.root / STATS_PATH, found)
        print(f"written  {stored.root / STATS_PATH}")
        return 0
    return int(bool(apart))


def _merge(keys: Mapping[str, Any]) -> int:
    paths = keys["path"] if isinstance(keys["path"], list) else [keys["path"]]
    count = merge([Path(path).expanduser() for path in paths], Path(keys["output"]).expanduser())
    print(f"dataset  {keys['output']}: {count} episodes")
    return 0


def _compact(keys: Mapping[str, Any]) -> int:
    stored = StoredSet(keys["path"])
    with _bar("compact", stored) as advance:
        done = compact(stored.root, keys["output"], keys["video"], keys["file_mb"], advance)
    before, after = done["files"]
    said = f", films off by {done['difference']:.2f} levels at most" if keys["video"] else ""
    print(f"dataset  {keys['output']}: {done['episodes']} episodes, {after} files of {before}{said}")
    return 0


def _replay(keys: Mapping[str, Any]) -> int:
    source = LeRobotSource(keys["path"])
    count = min(keys["episodes"] or len(source), len(source))
    chosen = np.unique(np.linspace(0, len(source) - 1, count).round().astype(int))
    table, apart = Table(), 0
    for name in ("episode", "task", "seed", "steps", "pixels", "state", "reward", "success", ""):
        table.add_column(name, justify="left" if name == "task" else "right")
    with progress("replay", len(chosen), unit="episode", stream=sys.stderr) as advance:
        for number in chosen:
            made = replayed(source[int(number)])
            same = made.same(keys["tolerance"])
            apart += not same
            table.add_row(
                *(str(made.index), made.task, str(made.seed), f"{made.steps}/{made.stored_steps}"),
                *(f"{value:.3g}" for value in (made.pixels, made.state, made.reward)),
                f"{made.success}/{made.stored_success}",
                "same" if same else "DIFFERS",
            )
            advance("")
    show(table)
    print(f"replayed {len(chosen)} episodes: {len(chosen) - apart} the same, {apart} differ")
    return int(bool(apart))


def _card(keys: Mapping[str, Any]) -> int:
    print(f"card     {write_card(keys['path'], keys['license'], keys['output'])}")
    return 0


def _export(keys: Mapping[str, Any]) -> int:
    stored = StoredSet(keys["path"])
    options = {"video": keys["video"]} if keys["to"] == "lerobot21" else {}
    with _bar("export", stored) as advance:
        made = export(stored, keys["to"], Path(keys["output"]).expanduser(), advance, **options)
    print(f"{'export':<9}{made}")
    return 0


def _push(keys: Mapping[str, Any]) -> int:
    stored = StoredSet(keys["path"])
    with _bar("verify", stored) as advance:
        place = push(stored.root, keys["repo"], keys["private"], keys["license"], advance)
    print(f"pushed   {place}")
    return 0


_ACTIONS: dict[str, Callable[[Mapping[str, Any]], int]] = {
    **{"verify": _verify, "stats": _stats, "merge": _merge, "compact": _compact},
    **{"replay": _replay, "card": _card, "export": _export, "push": _push},
}


def _bar(name: str, stored: StoredSet) -> Any:
    return progress(name, len(stored.episodes), unit="episode", stream=sys.stderr)


def _shown(values: Any) -> str:
    numbers = np.ravel(values)
    words = [f"{value:.4g}" for value in numbers[:3]]
    return " ".join([*words, "…"] if len(numbers) > 3 else words)
