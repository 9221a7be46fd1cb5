"""Objects instead of pictures: per view and object a box and a crop, the tokens of VIMA's own policy.

Boxes come from the segmentation, so this is what a perfect detector would see. Slots are padded to a fixed
number, as vector environments need equal shapes. Source: the object tokens of VIMA (arXiv 2210.03094) and
the behaviour of its published policy.
"""

from collections.abc import Iterable, Mapping
from typing import Any

import gymnasium
import numpy as np
from gymnasium.utils import RecordConstructorArgs
from PIL import Image

from envs.assets import FrozenMapping
from envs.errors import EnvError, shown
from envs.inputs import whole_number

CROP_SIZE = 32
SLOTS = 8
"""The most objects that a task of the benchmark puts on the table."""
MOST_SLOTS = 250
"""No segmentation tells more objects apart."""
MIN_PIXELS = 2
"""An object of fewer pixels counts as not seen."""


class ObjectCrops(gymnasium.Wrapper, RecordConstructorArgs):
    """Adds `objects` to the observation and `prompt_objects` to info, as `object_tokens` gives them.

    By view; slots are in the order of `info["objects"]`, the same in all views. `info["prompt_objects"]`
    holds it for every prompt picture, by name and view, with as many slots as the picture shows objects.

    Arguments:
        env: the environment.
        slots: how many objects the observation has room for; EnvError at a reset with more.
    """

    def __init__(self, env: gymnasium.Env, slots: int = SLOTS) -> None:
        RecordConstructorArgs.__init__(self, slots=slots)
        gymnasium.Wrapper.__init__(self, env)
        self._slots = slots = whole_number(slots, "slots", 1, MOST_SLOTS)
        spaces, space = gymnasium.spaces, env.observation_space
        if not isinstance(space, spaces.Dict) or not {"rgb", "segm"} <= set(space):
            raise EnvError(
                f"ObjectCrops takes an environment that observes `rgb` and `segm`; got {shown(env)}"
            )
        objects = {}
        for view, segm in space["segm"].spaces.items():
            parts = {
                "box": spaces.Box(0, max(segm.shape), (slots, 4), np.int32),
                "crop": spaces.Box(0, 255, (slots, 3, CROP_SIZE, CROP_SIZE), np.uint8),
                "mask": spaces.MultiBinary(slots),
            }
            objects[view] = spaces.Dict(parts)
        self.observation_space = spaces.Dict({**space.spaces, "objects": spaces.Dict(objects)})

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[dict[str, Any], dict[str, Any]]:
        return self._with_objects(*self.env.reset(seed=seed, options=options))

    def step(self, action: Any) -> tuple[dict[str, Any], Any, bool, bool, dict[str, Any]]:
        observation, reward, terminated, truncated, info = self.env.step(action)
        observation, info = self._with_objects(observation, info)
        return observation, reward, terminated, truncated, info

    def _with_objects(
        self, observation: dict[str, Any], info: dict[str, Any]
    ) -> tuple[dict[str, Any], dict[str, Any]]:
        ids = [state.id for state in info["objects"]]
        if len(ids) > self._slots:
            raise EnvError(f"{len(ids)} objects on the table, room for {self._slots}: ObjectCrops(slots=...)")
        rgb, segm = observation["rgb"], observation["segm"]
        objects = {view: object_tokens(rgb[view], segm[view], ids, self._slots) for view in rgb}
        prompt = {name: prompt_tokens(asset) for name, asset in info["prompt_assets"].items()}
        return {**observation, "objects": objects}, {**info, "prompt_objects": FrozenMapping(prompt)}


def object_tokens(
    rgb: np.ndarray, segm: np.ndarray, ids: Iterable[int], slots: int | None = None
) -> dict[str, np.ndarray]:
    """Cut the objects with these segmentation ids out of a picture.

    Arguments:
        rgb: uint8 (3, H, W).
        segm: uint8 (H, W), the id at each pixel.
        ids: one object per slot.
        slots: number N of slots, the last ones empty; None is one for each id.

    Returns:
        `box` int32 (N, 4): column and row of the middle, height and width, in pixels between the outermost
        ones; `crop` uint8 (N, 3, 32, 32): the box of the picture, black beside it to make it square; `mask`
        int8 (N,): 1 where the object is seen with at least 2 pixels, all else being 0.
    """
    ids = list(ids)
    count = len(ids) if slots is None else slots
    box = np.zeros((count, 4), np.int32)
    crop = np.zeros((count, 3, CROP_SIZE, CROP_SIZE), np.uint8)
    mask = np.zeros(count, np.int8)
    for slot, number in enumerate(ids):
        rows, columns = np.nonzero(segm == number)
        if len(rows) < MIN_PIXELS:
            continue
        top, bottom, left, right = rows.min(), rows.max(), columns.min(), columns.max()
        box[slot] = (left + right) // 2, (top + bottom) // 2, bottom - top, right - left
        crop[slot] = _square(rgb[:, top : bottom + 1, left : right + 1])
        mask[slot] = 1
    return {"box": box, "crop": crop, "mask": mask}


def prompt_tokens(asset: Mapping[str, Any]) -> dict[str, dict[str, np.ndarray]]:
    """Cut the objects out of a prompt picture, by view; a scene has one slot for each of its objects."""
    shown = asset["segm"]["obj_info"]
    ids = [item["obj_id"] for item in ([shown] if isinstance(shown, Mapping) else shown)]
    return {view: object_tokens(rgb, asset["segm"][view], ids) for view, rgb in asset["rgb"].items()}


def _square(cut: np.ndarray) -> np.ndarray:
    """Pad (3, h, w) evenly to a square with black and bring it to (3, 32, 32) by averaging."""
    _, height, width = cut.shape
    side = max(height, width)
    square = np.zeros((side, side, 3), np.uint8)
    top, left = (side - height) // 2, (side - width) // 2
    square[top : top + height, left : left + width] = cut.transpose(1, 2, 0)
    small = Image.fromarray(square).resize((CROP_SIZE, CROP_SIZE), Image.Resampling.BOX)
    return np.asarray(small).transpose(2, 0, 1)
