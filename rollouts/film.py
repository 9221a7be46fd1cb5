"""Films of episodes, made afterwards: an episode is played again from its seed and actions, with a camera
running.

Environments are deterministic, so the film shows what was counted; evaluation itself stays free of drawing.
An environment that offers `motion(action)` shows the movement inside a step too. Which episodes are filmed
follows from the results alone: the first successes and the first failures of each task and level.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import repeat
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from pretrain.sources.schema import action_dict
from rollouts.pictures import Scene, describe, draw
from rollouts.progress import progress
from rollouts.runner import Work
from rollouts.video import write_video
from rollouts.workers import MakeEnv

FPS = 20  # an environment that can be watched shows 20 pictures of a simulated second
_OPENING, _AIM, _AFTER, _ENDING = 16, 14, 12, 30  # pictures of each part

Views = Mapping[str, np.ndarray]
"""Camera to picture, uint8 (128, 256, 3)."""


def record(output: Path, result: Mapping[str, Any], each: int) -> None:
    """Write `videos/<name>.mp4` and a poster beside it for the episodes that `choose` picks; those there are
    kept.
    """
    wanted = [row for row in choose(result["episodes"], each) if not (output / video_path(row)).exists()]
    if not wanted:
        return
    (output / "videos").mkdir(exist_ok=True)
    config = result["config"]
    with progress("videos", len(wanted)) as advance:
        for row in wanted:
            write_film(
                output / video_path(row), play_again(row, config["env"], MakeEnv(config["env_kwargs"]))
            )
            advance("")


def choose(episodes: Iterable[Mapping[str, Any]], each: int) -> list[Mapping[str, Any]]:
    """The first `each` solved and the first `each` unsolved episodes of every task and level."""
    taken: dict[tuple, int] = {}
    chosen = []
    for row in episodes:
        group = row["task"], row["level"], row["success"]
        if row["actions"] and taken.get(group, 0) < each:
            taken[group] = taken.get(group, 0) + 1
            chosen.append(row)
    return chosen


def video_path(row: Mapping[str, Any]) -> str:
    """Where the film of an episode lies in its result's directory."""
    return f"videos/{row['task']}-{row['level']}-{row['seed']}.mp4"


def write_film(path: Path, scenes: Iterable[tuple[Scene, int]]) -> None:
    """Write the film, and as its poster the first picture that shows an action."""
    poster = None

    def pictures() -> Iterator[Image.Image]:
        nonlocal poster
        for scene, count in scenes:
            picture = draw(scene)
            if scene.action is not None and poster is None:
                poster = picture
            yield from repeat(picture, count)

    write_video(path, pictures(), FPS)
    if poster is not None:
        poster.save(path.with_suffix(".jpg"), quality=88)


def play_again(row: Mapping[str, Any], env: str, make_env: Callable[[Work], Any]) -> list[tuple[Scene, int]]:
    """The scenes of an episode, each with how many pictures it stays."""
    env = make_env(Work(index=0, env=env, task=row["task"], level=row["level"], seed=row["seed"]))
    actions = [action_dict(np.asarray(vector)) for vector in row["actions"]]
    views: list[Views] = []
    moves: list[list[Views]] = [[] for _ in actions]
    try:
        observation, info = env.reset(seed=row["seed"])
        views.append(_pictures(observation["rgb"]))
        for action, seen in zip(actions, moves, strict=True):
            if hasattr(env.unwrapped, "watch"):
                env.unwrapped.watch(lambda rgb, seen=seen: seen.append(_pictures(rgb)))
            observation, *_ = env.step(action)
            views.append(_pictures(observation["rgb"]))
    finally:
        env.close()
    heading = f"{row['task']} · {row['level']} · seed {row['seed']}"
    return list(storyboard(info, views, actions, heading, row["status"], moves))


def storyboard(
    info: Mapping[str, Any],
    views: Sequence[Views],
    actions: Sequence[Mapping[str, np.ndarray]],
    heading: str,
    status: str,
    moves: Sequence[Sequence[Views]] = (),
) -> Iterator[tuple[Scene, int]]:
    """Scenes from T + 1 views and T actions; `moves` holds what was seen on the way, for each action."""
    done: list[str] = []

    def scene(shown: Views, **more: Any) -> Scene:
        return Scene(info["prompt"], info["prompt_assets"], shown, heading, tuple(done), **more)

    yield scene(views[0]), _OPENING
    for step, action in enumerate(actions):
        done.append(describe(action, int(info["end_effector"])))
        yield scene(views[step], action=action), _AIM
        for shown in moves[step] if moves else ():
            yield scene(shown, action=action), 1
        yield scene(views[step + 1], action=action), _AFTER
    yield scene(views[-1], status=status), _ENDING


def _pictures(rgb: Mapping[str, np.ndarray]) -> Views:
    return {view: np.moveaxis(np.asarray(picture), 0, -1).copy() for view, picture in rgb.items()}
