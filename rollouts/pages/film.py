"""Films of episodes, made afterwards: an episode is played again from its seed and actions, with a camera
running.

Environments are deterministic, so the film shows what was counted; evaluation itself stays free of drawing.
An environment that can be watched shows the movement inside a step too.
"""

import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from PIL import Image

from envs.floor_map import FloorMap
from policies import embodiments
from policies.embodiments.base import Embodiment
from pretrain.pages.shell import episode_name
from pretrain.progress import progress
from rollouts.errors import RolloutError
from rollouts.output import claim
from rollouts.pages.pictures import MOTION_HEIGHT, MOTION_PLACE, SIDE_WIDTH, Scene, draw, motion_picture
from rollouts.pages.video import Patch, write_video
from rollouts.pages.walk import walk
from rollouts.runner import Work
from rollouts.workers import MakeEnv

FPS = 20
_EVERY = (
    2  # an environment shows 20 pictures of a simulated second: every second one plays at twice its speed
)
_OPENING, _AIM, _AFTER, _ENDING = 16, 14, 12, 30  # pictures of each part

Shown = Scene | np.ndarray | Image.Image | Patch
"""A whole picture, to be drawn or drawn, or a part: of the motion, or by its place."""


class Moment(NamedTuple):
    """One step of a film."""

    views: Mapping[str, np.ndarray]
    """What the agent's cameras see, uint8 (H, W, 3) by camera."""
    state: np.ndarray | None
    """The body before the action; None after the last one where that is not known."""
    motion: Sequence[np.ndarray]
    """What is seen of the motion that follows: the scene as it stands, then the way of the body. Empty where
    an environment cannot be watched."""


def record(output: Path, config: Mapping[str, Any], chosen: Sequence[Mapping[str, Any]]) -> list[Path]:
    """Write `videos/<name>.mp4` of episodes of a result with a configuration, and return where they are;
    those there are kept. RolloutError where one cannot be made.
    """
    wanted = [row for row in chosen if row["actions"] and not (output / video_path(row)).exists()]
    if wanted:
        claim(output / "videos")
        with (
            progress("videos", len(wanted), unit="film", stream=sys.stderr) as advance,
            ThreadPoolExecutor(1) as writing,
        ):
            last = None
            for row in wanted:
                path = output / video_path(row)
                with _blaming(path):  # an episode is played while the film before is drawn and written
                    board = play_again(row, config["env"], MakeEnv(config["env_kwargs"]))
                if last is not None:
                    last.result()
                    advance("")
                last = writing.submit(_write, path, board)
            last.result()
            advance("")
    return [path for row in chosen if (path := output / video_path(row)).exists()]


def _write(path: Path, board: Iterable[tuple[Shown, int]]) -> None:
    with _blaming(path):
        write_film(path, board)


@contextmanager
def _blaming(path: Path) -> Iterator[None]:
    """Say which film cannot be made: the environment may not play the same again, or the disk be full."""
    try:
        yield
    except Exception as error:
        said = f"the numbers are whole, but {path} cannot be made: {type(error).__name__}: {error}"
        raise RolloutError(said) from error


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
    return f"videos/{episode_of(row)}.mp4"


def episode_of(row: Mapping[str, Any]) -> str:
    """What an episode of a result is called."""
    return episode_name(row["task"], row["level"], row["seed"])


def write_film(path: Path, board: Iterable[tuple[Shown, int]]) -> None:
    """Write the film of a storyboard."""

    def shots() -> Iterator[tuple[Image.Image | Patch, int]]:
        for shown, count in board:
            if isinstance(shown, Patch | Image.Image):
                yield shown, count
            elif isinstance(shown, Scene):
                yield draw(shown), count
            else:
                fits = shown.shape[:2] == (MOTION_HEIGHT, SIDE_WIDTH)
                yield Patch(shown if fits else motion_picture(shown), MOTION_PLACE), count

    write_video(path, shots(), FPS)


def play_again(
    row: Mapping[str, Any], env: str, make_env: Callable[[Work], Any]
) -> Iterator[tuple[Shown, int]]:
    """The storyboard of an episode of a result."""
    env = make_env(Work(index=0, env=env, task=row["task"], level=row["level"], seed=row["seed"]))
    moments = []
    try:
        observation, first = env.reset(seed=row["seed"])
        info, body = first, embodiments.of(first)
        actions = [body.action(np.asarray(vector)) for vector in row["actions"]]
        abilities = getattr(env.unwrapped, "abilities", ())
        drawn = env.unwrapped.floor_map() if "map" in abilities else None
        for action in [*actions, None]:
            seen: list[np.ndarray] = []
            if "watch" in abilities and not _walks(body):
                env.unwrapped.watch(seen.append, every=_EVERY)
            views = {camera: view.copy() for camera, view in body.views(observation).items()}
            moment = Moment(views, body.state(observation, info), seen)
            if action is not None:
                observation, _, _, _, info = env.step(action)
            moments.append(moment)
    finally:
        env.close()
    heading = f"{row['task']} · {row['level']} · seed {row['seed']}"
    return storyboard(body, first, moments, actions, heading, row["status"], drawn)


def storyboard(
    body: Embodiment,
    info: Mapping[str, Any],
    moments: Sequence[Moment],
    actions: Sequence[Any],
    heading: str,
    status: str,
    floor_map: FloorMap | None = None,
) -> Iterator[tuple[Shown, int]]:
    """From T + 1 moments and T actions: what is shown, and for how many pictures of the film.

    A scene is drawn whole; a picture after it replaces its motion, the rest of the scene stays as it is.
    A body with a rate is shown as it walks (`rollouts.pages.walk`).
    """
    if _walks(body):
        states = [moment.state for moment in moments if moment.state is not None]
        views = [moment.views for moment in moments]
        yield from walk(body, info, views, states, actions, heading, status, floor_map, FPS)
        return
    done: list[str] = []
    made: dict[Any, Any] = {}

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
            made=made,
            **more,
        )

    yield scene(0, moments[0].state), _OPENING
    for step, action in enumerate(actions):
        state = moments[step].state
        done.append(body.describe(action, state))
        yield scene(step, state, action=action), _AIM
        yield from ((picture, 1) for picture in moments[step].motion[1:])
        yield scene(step + 1, state, action=action), _AFTER
    yield scene(-1, moments[0].state, status=status), _ENDING


def _walks(body: Embodiment) -> bool:
    """Whether a step of a body is a moment and no whole motion."""
    return body.fps > 1
