"""Pictures by view as one picture, and depth: for any environment of ours that has them.

This module refuses to know simulators: views come from the observation space, depth from the ability of that
name (envs.base). Pictures of another size need no wrapper where the environment draws them so, as on the
tabletop: `gymnasium.make(..., image_size=(256, 512))`.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import gymnasium
import numpy as np
from gymnasium.utils import RecordConstructorArgs
from PIL import Image

from envs.errors import EnvError, shown, unknown_name
from envs.inputs import whole_number

LARGEST_SIDE = 8192


class FlatImage(gymnasium.ObservationWrapper, RecordConstructorArgs):
    """The views as one picture, uint8 (H, W, 3), the first view on top.

    Arguments:
        env: an environment whose observation has `rgb`, pictures uint8 (3, h, w) by view.
        views: which views, from the top down; None is all.
        size: rows and columns of the whole picture, shrunk or enlarged by averaging; None leaves the views as
            they are.

    Raises EnvError for an environment without such pictures, an unknown view and an impossible size.
    """

    def __init__(
        self, env: gymnasium.Env, views: Sequence[str] | None = None, size: Sequence[int] | None = None
    ) -> None:
        RecordConstructorArgs.__init__(self, views=views, size=size)
        gymnasium.ObservationWrapper.__init__(self, env)
        known = _views(env, "FlatImage")
        if views is not None and (isinstance(views, str) or not isinstance(views, Sequence) or not views):
            raise EnvError(f"views={shown(views)}: give a list of views, of {', '.join(known)}")
        self._views = tuple(known) if views is None else tuple(views)
        for view in self._views:
            if not isinstance(view, str) or view not in known:
                raise unknown_name("view", view, known)
        _, height, width = known[self._views[0]].shape
        self._size = (len(self._views) * height, width) if size is None else _size(size)
        self.observation_space = gymnasium.spaces.Box(0, 255, (*self._size, 3), np.uint8)

    def observation(self, observation: Mapping[str, Any]) -> np.ndarray:
        picture = np.concatenate([observation["rgb"][view].transpose(1, 2, 0) for view in self._views])
        if picture.shape[:2] == self._size:
            return picture
        height, width = self._size
        return np.array(Image.fromarray(picture).resize((width, height), Image.Resampling.BOX))


class Depth(gymnasium.ObservationWrapper, RecordConstructorArgs):
    """Adds `depth` to the observation: float32 (h, w) by view, in metres along the camera's direction.

    The tabletop's cameras are orthographic, so any plane across the direction may count as their eye: there
    the one 2 m before the camera's centre. From above, a point at height z is 2 - z metres away.

    Raises EnvError for an environment without the ability `depth` or without pictures by view.
    """

    def __init__(self, env: gymnasium.Env) -> None:
        RecordConstructorArgs.__init__(self)
        gymnasium.ObservationWrapper.__init__(self, env)
        if "depth" not in getattr(env.unwrapped, "abilities", ()):
            reason = getattr(env.unwrapped, "reasons", {}).get("depth")
            said = f"{type(env.unwrapped).__name__} measures no depth"
            raise EnvError(f"{said}: {reason}" if reason else said)
        farthest = env.unwrapped.farthest_m
        maps = {
            view: gymnasium.spaces.Box(0.0, farthest, space.shape[1:], np.float32)
            for view, space in _views(env, "Depth").items()
        }
        spaces = {**env.observation_space.spaces, "depth": gymnasium.spaces.Dict(maps)}
        self.observation_space = gymnasium.spaces.Dict(spaces)

    def observation(self, observation: Mapping[str, Any]) -> dict[str, Any]:
        return {**observation, "depth": self.env.unwrapped.depth()}


def _views(env: gymnasium.Env, wrapper: str) -> Mapping[str, gymnasium.spaces.Box]:
    """Return the spaces of the pictures that an environment observes, by view."""
    spaces = getattr(env.observation_space, "spaces", None)
    views = spaces.get("rgb") if isinstance(spaces, Mapping) else None
    if not isinstance(views, gymnasium.spaces.Dict):
        raise EnvError(f"{wrapper} takes an environment that observes `rgb` by view; got {shown(env)}")
    return views.spaces


def _size(size: Sequence[int]) -> tuple[int, int]:
    if isinstance(size, str) or not isinstance(size, Sequence | np.ndarray) or len(size) != 2:
        raise EnvError(f"size={shown(size)}: give the rows and columns of the picture, such as (84, 84)")
    rows, columns = (whole_number(side, f"size={shown(size)}: each side", 1, LARGEST_SIDE) for side in size)
    return rows, columns
