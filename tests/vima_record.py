"""Record what the original VIMA-Bench makes of seeds: `python -m tests.vima_record OUT.jsonl`.

Needs an installed `vima_bench` (docs/vima_upstream.md). Resets every task at every level of the benchmark to
seeds 100 to 105, or `--seeds FIRST END`, and writes one line an episode: task, level, seed, prompt, what the
prompt's pictures show, and objects with names, textures, sizes and poses, as `tests.vima_seeds` reads them.
Nothing is played.
"""

import argparse
import dataclasses
import json
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import gymnasium
from rich.progress import track

import envs  # noqa: F401 - registers the ids
from envs.errors import EnvError
from envs.vima.levels import TASK_LEVELS


def record(task: str, level: str, seeds: range) -> Iterator[dict[str, Any]]:
    """Reset one task at one level to each seed."""
    env = gymnasium.make(f"vima/{task}-v0", level=level, backend="upstream", disable_env_checker=True)
    try:
        for seed in seeds:
            info = env.reset(seed=seed)[1]
            assets = info["prompt_assets"].items()
            yield {
                "task": task,
                "level": level,
                "seed": seed,
                "prompt": info["prompt"],
                "prompt_assets": {
                    name: {"obj_info": _plain(asset["segm"]["obj_info"])} for name, asset in assets
                },
                "objects": [dataclasses.asdict(each) for each in info["objects"]],
            }
    finally:
        env.close()


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {name: _plain(item) for name, item in value.items()}
    return [_plain(item) for item in value] if isinstance(value, list | tuple) else value


def main(arguments: list[str] | None = None) -> int:
    """Run the command; returns the exit code."""
    parser = argparse.ArgumentParser(prog="python -m tests.vima_record", description=__doc__.splitlines()[0])
    parser.add_argument("output", type=Path, metavar="OUT.jsonl")
    parser.add_argument("--seeds", type=int, nargs=2, default=(100, 106), metavar=("FIRST", "END"))
    options = parser.parse_args(arguments)
    kinds = [(task, level) for task, levels in TASK_LEVELS.items() for level in levels if level != "train"]
    try:
        with options.output.open("w", encoding="utf-8") as lines:
            for kind in track(kinds, "recording"):
                for episode in record(*kind, range(*options.seeds)):
                    lines.write(json.dumps(episode) + "\n")
    except (OSError, EnvError) as error:
        print(f"cannot record: {error}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
