"""Films of episodes, made afterwards: an episode is played again from its seed and actions, with a camera
running.

Environments are deterministic, so the film shows what was counted; evaluation itself stays free of drawing.
An environment that offers `motion(action)` shows the movement inside a step too. Which episodes are filmed
follows from the results alone: the first successes and the first failures of each task and level.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import repeat
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from PIL import Image

from policies import embodiments
from policies.embodiments.base import Embodiment
from pretrain.progress import progress
from rollouts.pages.pictures import Scene, draw, show_motion
from rollouts.pages.video import write_video
from rollouts.runner import Work
from rollouts.workers import MakeEnv

FPS = 20
_EVERY = (
    2  # an environment shows 20 pictures of a simulated second: every second one plays at twice its speed
)
_OPENING, _AIM, _AFTER, _ENDING = 16, 14, 12, 30  # pictures of each part


class Moment(NamedTuple):
    """One step of a film."""

    views: Mapping[str, np.ndarray]
    """What the agent's cameras see, uint8 (H, W, 3) by camera."""
    state: np.ndarray
    """The body before the action."""
    motion: Sequence[np.ndarray]
    """What is seen of the motion that follows: the scene as it stands, then the way of the body. Empty where
    an environment cannot be watched."""


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


def write_film(path: Path, board: Iterable[tuple[Scene | np.ndarray, int]]) -> None:
    """Write the film of a storyboard, and as its poster the first picture that shows an action."""
    poster = None

    def pictures() -> Iterator[Image.Image]:
        nonlocal poster
        for shown, count in board:
            if isinstance(shown, Scene):
                picture = draw(shown)
                if shown.action is not None and poster is None:
                    poster = picture
            else:
                picture = picture.copy()
                show_motion(picture, shown)
            yield from repeat(picture, count)

    write_video(path, pictures(), FPS)
    if poster is not None:
        poster.save(path.with_suffix(".jpg"), quality=88)


def play_again(
    row: Mapping[str, Any], env: str, make_env: Callable[[Work], Any]
) -> Iterator[tuple[Any, int]]:
    """The storyboard of an episode of a result."""
    env = make_env(Work(index=0, env=env, task=row["task"], level=row["level"], seed=row["seed"]))
    moments = []
    try:
        observation, first = env.reset(seed=row["seed"])
        info, body = first, embodiments.of(first)
        actions = [body.action(np.asarray(vector)) for vector in row["actions"]]
        for action in [*actions, None]:
            seen: list[np.ndarray] = []
            if "watch" in getattr(env.unwrapped, "abilities", ()):
                env.unwrapped.watch(seen.append)
            views = {camera: view.copy() for camera, view in body.views(observation).items()}
            moment = Moment(views, body.state(observation, info), seen)
            if action is not None:
                observation, _, _, _, info = env.step(action)
            moments.append(moment)
    finally:
        env.close()
    heading = f"{row['task']} · {row['level']} · seed {row['seed']}"
    return storyboard(body, first, moments, actions, heading, row["status"])


def storyboard(
    body: Embodiment,
    info: Mapping[str, Any],
    moments: Sequence[Moment],
    actions: Sequence[Any],
    heading: str,
    status: str,
) -> Iterator[tuple[Scene | np.ndarray, int]]:
    """From T + 1 moments and T actions: what is shown, and for how many pictures of the film.

    A scene is drawn whole; a picture after it replaces its motion, the rest of the scene stays as it is.
    """
    done: list[str] = []

    def scene(step: int, state: np.ndarray, **more: Any) -> Scene:
        views, _, motion = moments[step]
        return Scene(
            body,
            state,
            info["prompt"],
            info["prompt_assets"],
            views,
            motion[0] if len(motion) else None,
            heading,
            tuple(done),
            **more,
        )

    yield scene(0, moments[0].state), _OPENING
    for step, action in enumerate(actions):
        state = moments[step].state
        done.append(body.describe(action, state))
        yield scene(step, state, action=action), _AIM
        yield from ((picture, 1) for picture in moments[step].motion[1::_EVERY])
        yield scene(step + 1, state, action=action), _AFTER
    yield scene(-1, moments[-1].state, status=status), _ENDING
