"""A dataset's README for people and for the Hugging Face hub: what is in it, pictures, a licence.

Knows no network.
"""

import io
from collections import Counter
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import yaml
from PIL import Image

from pretrain.sources import schema
from pretrain.sources.robot_meta import EpisodePlace
from rollouts.datasets.stored import StoredSet
from uio2_agent.files import replace_files

PICTURES = "assets/frames.png"
_EPISODES, _HEIGHT = 4, 128
_SIZES = ((1_000, "n<1K"), (10_000, "1K<n<10K"), (100_000, "10K<n<100K"), (1_000_000, "100K<n<1M"))


def write_card(root: str | Path, licence: str | None, output: str | Path | None = None) -> Path:
    """Write README.md and its picture into the set's folder, or into another; returns the README's path.

    `licence` is the identifier that the hub knows, such as cc-by-4.0; None says `unknown`.
    """
    stored = StoredSet(root)
    folder = Path(output or root).expanduser()
    chosen = np.unique(np.linspace(0, len(stored.episodes) - 1, _EPISODES).round().astype(int))
    shown = _pictures(stored, [stored.episodes[number] for number in chosen])
    header = yaml.safe_dump(_header(stored, licence or "unknown"), sort_keys=False)
    text = f"---\n{header}---\n\n{_body(stored, bool(shown))}"
    files = {folder / PICTURES: shown} if shown else {}
    replace_files({**files, folder / "README.md": text.encode()})
    return folder / "README.md"


def _header(stored: StoredSet, licence: str) -> dict[str, object]:
    frames = sum(place.length for place in stored.episodes)
    size = next((name for limit, name in _SIZES if frames < limit), "n>1M")
    data = [{"config_name": "default", "data_files": "data/*/*.parquet"}]
    return {
        "license": licence,
        "task_categories": ["robotics"],
        "tags": ["LeRobot", "uio2-agent"] if stored.is_ours else ["LeRobot"],
        "size_categories": [size],
        "configs": data,
    }


def _body(stored: StoredSet, pictured: bool) -> str:
    info, episodes = stored.info, stored.episodes
    frames = sum(place.length for place in episodes)
    lines = [f"# {stored.root.resolve().name}", ""]
    lines += [f"{len(episodes)} episodes, {frames} frames at {stored.meta.fps:g} a second, by a "]
    lines[-1] += f"{info.get('robot_type') or 'robot'}; LeRobot {stored.meta.version}."
    lines += ["", f"![Frames of some episodes]({PICTURES})"] if pictured else []
    if stored.is_ours:
        lines += ["", "| task | level | episodes | success | policy |", "| --- | --- | --- | --- | --- |"]
        lines += [f"| {' | '.join(row)} |" for row in _tasks(stored)]
        seeds = [place.facts["seed"] for place in episodes]
        lines += [
            "",
            f"Seeds {min(seeds)} to {max(seeds)}; evaluation seeds begin at {schema.FIRST_HELD_OUT_SEED}.",
        ]
    lines += ["", "| feature | type | shape |", "| --- | --- | --- |"]
    lines += [
        f"| `{key}` | {about['dtype']} | {' × '.join(map(str, about['shape']))} |"
        for key, about in stored.meta.features.items()
    ]
    tasks = stored.tasks
    lines += ["", f"{len(tasks)} task strings, among them:", "", *(f"- {task}" for task in tasks[:5])]
    lines += ["", "```python", "from lerobot.datasets.lerobot_dataset import LeRobotDataset", ""]
    lines += [f'dataset = LeRobotDataset("{stored.root.resolve().name}", root="PATH")', "```", ""]
    return "\n".join(lines)


def _tasks(stored: StoredSet) -> list[list[str]]:
    named = ("task_name", "level", "policy")
    groups: Mapping = Counter(tuple(place.facts[name] for name in named) for place in stored.episodes)
    solved = Counter(
        tuple(place.facts[name] for name in named) for place in stored.episodes if place.facts["success"]
    )
    return [
        [task, level, str(count), f"{solved[task, level, policy] / count:.0%}", policy]
        for (task, level, policy), count in sorted(groups.items())
    ]


def _pictures(stored: StoredSet, places: list[EpisodePlace]) -> bytes:
    """First, middle and last frame of each camera, a row an episode, as PNG; nothing without cameras."""
    rows = []
    for place in places if stored.cameras else []:
        table, row = stored.rows(place), []
        for key in stored.cameras:
            frames = list(stored.pictures(place, key, table))
            row += [_scaled(frames[number]) for number in (0, len(frames) // 2, -1)]
        rows.append(np.concatenate(row, axis=1))
    if not rows:
        return b""
    width = min(row.shape[1] for row in rows)
    sink = io.BytesIO()
    Image.fromarray(np.concatenate([row[:, :width] for row in rows])).save(sink, "PNG")
    return sink.getvalue()


def _scaled(picture: np.ndarray) -> np.ndarray:
    width = max(1, picture.shape[1] * _HEIGHT // picture.shape[0])
    return np.asarray(Image.fromarray(picture).resize((width, _HEIGHT)))
