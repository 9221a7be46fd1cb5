"""Habitat's episode files: gzipped JSON, with a file for each scene in `content/` or without.

Frame: metres, y up; rotations are (x, y, z, w). Unknown keys are refused, because habitat-lab refuses them.

Source of the format: habitat-lab's PointNav and ObjectNav data sets.
"""

import gzip
import json
import math
import zlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from envs.errors import EnvError, shown

PREFIX = "data/scene_datasets/"
_PLACE = "{data_path}/content/{scene}.json.gz"
_EPISODE_KEYS = (
    *("episode_id", "scene_id", "scene_dataset_config", "additional_obj_config_paths", "start_position"),
    *("start_rotation", "info", "goals", "start_room", "shortest_paths", "object_category"),
)
_MAPS = ("category_to_task_category_id", "category_to_scene_annotation_category_id")
_OLD_MAP = "category_to_mp3d_category_id"
_MOST = 2_000_000
"""Episodes of one file."""

Vector = tuple[float, float, float]
Rotation = tuple[float, float, float, float]


@dataclass(frozen=True)
class ViewPoint:
    """A place from which a goal can be seen."""

    position: Vector
    rotation: Rotation = (0.0, 0.0, 0.0, 1.0)
    iou: float = 0.0
    """How much of the picture the goal fills."""


@dataclass(frozen=True)
class Goal:
    """Where to go: a point, or an object with the places it is seen from."""

    position: Vector
    radius: float | None = None
    object_id: int | str | None = None
    object_name: str | None = None
    view_points: tuple[ViewPoint, ...] = ()


@dataclass(frozen=True)
class Episode:
    """One task: where it begins and where it leads."""

    episode_id: str
    scene_id: str
    start_position: Vector
    start_rotation: Rotation
    goals: tuple[Goal, ...]
    object_category: str | None = None
    """What to find; None for a point."""
    category_id: int | None = None
    """Its number in the task."""
    scene_dataset_config: str = "default"
    info: Mapping[str, Any] = field(default_factory=dict)


def read_episodes(path: str | Path) -> tuple[Episode, ...]:
    """Return the episodes of a file and of its `content/`.

    Raises EnvError that names file, key and remedy.
    """
    path = Path(path)
    main = _read(path)
    files = [(path, main)]
    if not main["episodes"]:
        place = str(main.get("content_scenes_path") or _PLACE)
        folder = Path(place.replace("{data_path}", str(path.parent))).parent
        files = [(each, _read(each)) for each in sorted(folder.glob("*.json.gz"))]
    found = [episode for file, record in files for episode in _episodes(file, record)]
    if not found:
        raise EnvError(f"{path}: 'episodes' is empty, and there is nothing in {path.parent / 'content'}")
    return tuple(found)


def write_episodes(path: str | Path, episodes: Iterable[Episode], *, by_scene: bool = False) -> None:
    """Write a file that habitat-lab reads; with `by_scene`, one for each scene in `content/` beside it."""
    path, episodes = Path(path), list(episodes)
    if path.suffixes[-2:] != [".json", ".gz"]:
        raise EnvError(f"{path}: an episode file's name ends in .json.gz")
    if not by_scene:
        return _write(path, _record(episodes))
    scenes: dict[str, list[Episode]] = {}
    for episode in episodes:
        scenes.setdefault(Path(episode.scene_id).name.partition(".")[0], []).append(episode)
    for scene, mine in scenes.items():
        _write(path.parent / "content" / f"{scene}.json.gz", _record(mine))
    empty = {**_record([]), **{name: value for name, value in _record(episodes).items() if name in _MAPS}}
    return _write(path, {**empty, "content_scenes_path": _PLACE})


# reading


def _read(path: Path) -> dict[str, Any]:
    try:
        opened = gzip.open if path.suffix == ".gz" else open
        with opened(path, "rt", encoding="utf-8") as file:
            record = json.load(file)
    except FileNotFoundError as error:
        raise EnvError(f"{path}: there is no such episode file; give the path of a .json.gz") from error
    except (OSError, EOFError, ValueError, RecursionError, zlib.error) as error:
        raise EnvError(f"{path}: no episode file, which is JSON, with .gz compressed ({error})") from error
    if not isinstance(record, dict) or not isinstance(record.get("episodes"), list):
        raise EnvError(f"{path}: 'episodes' is missing: it is a list of episodes")
    if len(record["episodes"]) > _MOST:
        raise EnvError(f"{path}: more than {_MOST} episodes: split the file by scene into content/")
    names = [name for name in (*_MAPS, _OLD_MAP) if name in record]
    for name in names:
        numbers = record[name].values() if isinstance(record[name], dict) else [None]
        if not all(isinstance(each, int) for each in numbers) or set(record[name]) != set(record[names[0]]):
            raise EnvError(f"{path}: {' and '.join(names)} must map the same categories to numbers")
    return record


def _episodes(path: Path, record: Mapping[str, Any]) -> Iterable[Episode]:
    by_category = record.get("goals_by_category", {})
    if not isinstance(by_category, dict):
        raise EnvError(f"{path}: 'goals_by_category' must map names to lists of goals")
    goals: dict[str, tuple[Goal, ...]] = {}
    for name, listed in by_category.items():
        goals[name] = _goals(path, f"goals_by_category[{shown(name)}]", listed)
    for number, each in enumerate(record["episodes"]):
        where = f"episodes[{number}]"
        if not isinstance(each, dict):
            raise EnvError(f"{path}: {where} is no mapping")
        if unknown := sorted(set(each) - set(_EPISODE_KEYS)):
            raise EnvError(
                f"{path}: {where} has the key {shown(unknown[0])}, unknown to PointNav and ObjectNav"
            )
        scene, category = each.get("scene_id"), each.get("object_category")
        if not isinstance(scene, str) or not scene:
            raise EnvError(f"{path}: {where}.scene_id={shown(scene)}: give the scene's file")
        if category is not None and not isinstance(category, str):
            raise EnvError(f"{path}: {where}.object_category={shown(category)}: give a name")
        for key, kind in (("info", dict), ("scene_dataset_config", str)):
            if each.get(key) is not None and not isinstance(each[key], kind):
                raise EnvError(
                    f"{path}: {where}.{key}={shown(each[key])}: give a {kind.__name__}, or leave it out"
                )
        mine = _goals(path, f"{where}.goals", each.get("goals") or [])
        if category is not None and not mine:
            key = f"{Path(scene).name}_{category}"
            if key not in goals:
                raise EnvError(
                    f"{path}: {where} looks for {shown(key)}: 'goals_by_category' does not hold it"
                )
            mine = goals[key]
        if not mine:
            raise EnvError(f"{path}: {where}.goals is empty: give at least one goal")
        yield Episode(
            str(number if category is not None else each.get("episode_id", number)),
            scene,
            _vector(path, f"{where}.start_position", each.get("start_position")),
            _rotation(path, f"{where}.start_rotation", each.get("start_rotation")),
            mine,
            category,
            record.get(_MAPS[0], {}).get(category),
            each.get("scene_dataset_config") or "default",
            each.get("info") or {},
        )


def _goals(path: Path, where: str, listed: Any) -> tuple[Goal, ...]:
    if not isinstance(listed, list):
        raise EnvError(f"{path}: {where} must be a list of goals")
    found = []
    for number, each in enumerate(listed):
        here = f"{where}[{number}]"
        if not isinstance(each, dict):
            raise EnvError(f"{path}: {here} is no mapping: it has at least a position")
        radius = each.get("radius")
        if radius is not None and not (_number(radius) and radius >= 0):
            raise EnvError(f"{path}: {here}.radius={shown(radius)}: give metres, or null")
        views = each.get("view_points") or []
        if not isinstance(views, list):
            raise EnvError(f"{path}: {here}.view_points must be a list")
        found.append(
            Goal(
                _vector(path, f"{here}.position", each.get("position")),
                radius,
                each.get("object_id"),
                each.get("object_name"),
                tuple(_view(path, f"{here}.view_points[{k}]", view) for k, view in enumerate(views)),
            )
        )
    return tuple(found)


def _view(path: Path, where: str, view: Any) -> ViewPoint:
    state = view.get("agent_state") if isinstance(view, dict) else None
    if not isinstance(state, dict):
        raise EnvError(f"{path}: {where}.agent_state is missing: it has position and rotation")
    iou = view.get("iou", 0.0)
    return ViewPoint(
        _vector(path, f"{where}.agent_state.position", state.get("position")),
        _rotation(path, f"{where}.agent_state.rotation", state.get("rotation", [0, 0, 0, 1])),
        float(iou) if _number(iou) else 0.0,
    )


def _vector(path: Path, where: str, value: Any) -> Vector:
    if not _numbers(value, 3):
        raise EnvError(f"{path}: {where}={shown(value)}: give three finite numbers, x, y (up), z in metres")
    return tuple(map(float, value))


def _rotation(path: Path, where: str, value: Any) -> Rotation:
    if not _numbers(value, 4) or abs(math.hypot(*value) - 1) > 1e-2:
        raise EnvError(f"{path}: {where}={shown(value)}: give a unit quaternion x, y, z, w")
    return tuple(map(float, value))


def _numbers(value: Any, count: int) -> bool:
    return isinstance(value, list) and len(value) == count and all(map(_number, value))


def _number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


# writing


def _record(episodes: Sequence[Episode]) -> dict[str, Any]:
    record: dict[str, Any] = {"episodes": [_plain(episode) for episode in episodes]}
    categories = sorted({each.object_category for each in episodes if each.object_category is not None})
    if categories:
        record["goals_by_category"] = {
            f"{Path(each.scene_id).name}_{each.object_category}": [
                _plain_goal(goal, each.object_category) for goal in each.goals
            ]
            for each in episodes
        }
        ids = {each.object_category: each.category_id for each in episodes}
        if None in ids.values():
            ids = {category: number for number, category in enumerate(categories)}
        for name in _MAPS:
            record[name] = {category: ids[category] for category in categories}
    return record


def _plain(episode: Episode) -> dict[str, Any]:
    found: dict[str, Any] = {
        "episode_id": episode.episode_id,
        "scene_id": episode.scene_id,
        "scene_dataset_config": episode.scene_dataset_config,
        "additional_obj_config_paths": [],
        "start_position": list(episode.start_position),
        "start_rotation": list(episode.start_rotation),
        "info": dict(episode.info),
        "goals": [],
        "start_room": None,
        "shortest_paths": None,
    }
    if episode.object_category is not None:
        return {**found, "object_category": episode.object_category}
    goals = [{"position": list(goal.position), "radius": goal.radius} for goal in episode.goals]
    return {**found, "goals": goals}


def _plain_goal(goal: Goal, category: str) -> dict[str, Any]:
    return {
        "position": list(goal.position),
        "radius": goal.radius,
        "object_id": goal.object_id,
        "object_name": goal.object_name,
        "object_name_id": None,
        "object_category": category,
        "room_id": None,
        "room_name": None,
        "view_points": [
            {
                "agent_state": {"position": list(view.position), "rotation": list(view.rotation)},
                "iou": view.iou,
            }
            for view in goal.view_points
        ],
    }


def _write(path: Path, record: Mapping[str, Any]) -> None:
    """Write in one go: a kill leaves the old file or none."""
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f".{path.name}.partial")
    text = json.dumps(record, allow_nan=False, separators=(",", ":"))
    partial.write_bytes(gzip.compress(text.encode(), mtime=0))
    partial.replace(path)
