"""Makes the pictures of the README and of vima.md: one moment of an episode of each task, played by the
expert; and those that the README's request to the packaged model shows.

Usage: python docs/make_images.py
"""

import math
from collections.abc import Sequence
from pathlib import Path

import gymnasium as gym
import numpy as np
from PIL import Image

import envs  # noqa: F401 - registers the ids
from envs.vima.levels import TASK_LEVELS
from policies import UnifiedIO2Policy
from policies.embodiments.vima import VIMA
from policies.moment import Moment
from rollouts.pages.pictures import HEIGHT, WIDTH, Scene, draw
from uio2_agent import Request

MOMENTS = (("visual_manipulation", 1, 0.5), ("scene_understanding", 5, 0.65))
MOMENTS += (("rotate", 0, 0.45), ("sweep_without_exceeding", 1, 0.55))
"""Task, seed, and how far the first motion has come."""
ALL = tuple((task, 4, 0.55) for task in TASK_LEVELS)
SHOWN_WIDTH = 1400
REQUEST = ("visual_manipulation", "placement", 7)
"""Task, level and seed of the request."""


def moment(task: str, seed: int, share: float) -> Image.Image:
    """The picture of an episode in the middle of its first motion."""
    level = TASK_LEVELS[task][0]
    env = gym.make(f"vima/{task}-v0", level=level, expert=True)
    observation, info = env.reset(seed=seed)
    views = {camera: view.copy() for camera, view in VIMA.views(observation).items()}
    motion: list[np.ndarray] = []
    env.unwrapped.watch(motion.append)
    action = info["expert_action"]
    env.step(action)
    env.close()
    state = VIMA.state(observation, info)
    done = [VIMA.describe(action, state)]
    heading, picture = f"{task} · {level} · seed {seed}", motion[int(share * (len(motion) - 1))]
    shown = info["prompt"], info["prompt_assets"], views, picture, heading, done, action
    return draw(Scene(VIMA, state, *shown))


def sheet(name: str, moments: Sequence[tuple[str, int, float]], columns: int) -> None:
    """Save moments side by side as docs/images/NAME."""
    rows = math.ceil(len(moments) / columns)
    width = SHOWN_WIDTH // columns
    height = round(HEIGHT * width / WIDTH)
    grid = Image.new("RGB", (columns * width, rows * height), "white")
    for place, which in enumerate(moments):
        picture = moment(*which).resize((width, height), Image.LANCZOS)
        grid.paste(picture, (place % columns * width, place // columns * height))
    path = Path(__file__).parent / "images" / name
    path.parent.mkdir(exist_ok=True)
    grid.quantize(192).save(path, optimize=True)
    print(path)


def request() -> Request:
    """What the packaged policy asks its model at the start of an episode."""
    task, level, seed = REQUEST
    env = gym.make(f"vima/{task}-v0", level=level)
    observation, info = env.reset(seed=seed)
    env.close()
    state, views = VIMA.state(observation, info), VIMA.views(observation)
    now = Moment(
        task=task, prompt=info["prompt"], prompt_assets=info["prompt_assets"], state=state, views=views
    )
    return VIMA.request(now, UnifiedIO2Policy.from_pretrained("nano").style["vima"])


def main() -> None:
    asked = request()
    folder = Path(__file__).parent / "images" / "put"
    folder.mkdir(exist_ok=True)
    pictures = (asked.image, *asked.image_history)
    for name, picture in zip(("table", "thing", "container"), pictures, strict=True):
        Image.fromarray(picture).save(folder / f"{name}.png", optimize=True)
    print(folder, asked.text)
    sheet("tasks.png", MOMENTS, columns=2)
    sheet("vima.png", ALL, columns=3)


if __name__ == "__main__":
    main()
