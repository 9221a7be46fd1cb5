"""Makes the picture of the README: one moment of an episode of each task, played by the expert.

Usage: python docs/make_images.py
"""

from pathlib import Path

import gymnasium as gym
import numpy as np
from PIL import Image

import envs  # noqa: F401 - registers the ids
from rollouts.pictures import HEIGHT, WIDTH, Scene, describe, draw

MOMENTS = (("visual_manipulation", 1, 0.5), ("scene_understanding", 5, 0.65))
MOMENTS += (("rotate", 0, 0.45), ("sweep_without_exceeding", 1, 0.55))
"""Task, seed, and how far the first motion has come."""
SHOWN_WIDTH = 1400


def moment(task: str, seed: int, share: float) -> Image.Image:
    """The picture of an episode in the middle of its first motion."""
    env = gym.make(f"vima/{task}-v0", level="placement", expert=True)
    observation, info = env.reset(seed=seed)
    views = {view: np.moveaxis(rgb, 0, -1).copy() for view, rgb in observation["rgb"].items()}
    motion: list[np.ndarray] = []
    env.unwrapped.watch(motion.append)
    action = info["expert_action"]
    env.step(action)
    env.close()
    tool = info["end_effector"]
    done = [describe(action, tool)]
    heading, picture = f"{task} · placement · seed {seed}", motion[int(share * (len(motion) - 1))]
    return draw(Scene(info["prompt"], info["prompt_assets"], views, picture, heading, done, action, tool))


def main() -> None:
    grid = Image.new("RGB", (2 * WIDTH, 2 * HEIGHT))
    for place, (task, seed, share) in enumerate(MOMENTS):
        grid.paste(moment(task, seed, share), (place % 2 * WIDTH, place // 2 * HEIGHT))
    path = Path(__file__).parent / "images" / "tasks.png"
    path.parent.mkdir(exist_ok=True)
    size = SHOWN_WIDTH, round(grid.height * SHOWN_WIDTH / grid.width)
    grid.resize(size, Image.LANCZOS).quantize(192).save(path, optimize=True)
    print(path)


if __name__ == "__main__":
    main()
