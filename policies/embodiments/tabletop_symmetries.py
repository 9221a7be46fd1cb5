"""What the tabletop looks like in a mirror, or turned: a moment of an episode as it would have been.

Refuses to know action text: whoever asks for a change hands in how a step's text is rewritten.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from policies.embodiments.tabletop_places import HIGH, LOW, facing, yaw_of
from policies.moment import Moment

Action = dict[str, np.ndarray]
Rewrite = Callable[[str, Callable[[Action], Action]], str]
"""Reads one step of action text, has its action changed, and writes that."""


class Change:
    """Mirror left to right, turn by 180 degrees (seen from above), or both; neither is the identity.

    Frames, boxes, positions and actions change together, so every text written from the result is right.
    """

    def __init__(self, mirror: bool, turn: bool, rewrite: Rewrite):
        self.mirror, self.turn, self._rewrite = mirror, turn, rewrite
        # y changes sign under either, x under a turn about the workspace's centre only.
        self._sign = np.array([-1.0 if turn else 1.0, -1.0 if mirror != turn else 1.0])
        self._middle = (LOW + HIGH) / 2

    def moment(self, now: Moment) -> Moment:
        sizes = {camera: view.shape[:2] for camera, view in now.views.items()}
        first = now.first_views

        def things(found: Sequence[Mapping[str, Any]] | None) -> Sequence[Mapping[str, Any]] | None:
            return found and [self.thing(thing, sizes) for thing in found]

        return dataclasses.replace(
            now,
            prompt_assets={name: self.asset(asset) for name, asset in now.prompt_assets.items()},
            views={camera: self.picture(view) for camera, view in now.views.items()},
            first_views=first and {camera: self.picture(view) for camera, view in first.items()},
            goal=None if now.goal is None else self.picture(now.goal),
            executed=[self._rewrite(text, self.action) for text in now.executed],
            remaining=[self._rewrite(text, self.action) for text in now.remaining],
            objects=things(now.objects),
            first_objects=things(now.first_objects),
            goal_objects=things(now.goal_objects),
        )

    def picture(self, image: np.ndarray) -> np.ndarray:
        """A view (H, W, 3) or its segmentation (H, W)."""
        image = image[:, ::-1] if self.mirror != self.turn else image
        return image[::-1] if self.turn else image

    def asset(self, asset: Mapping[str, Any]) -> Mapping[str, Any]:
        """A prompt asset. Objects are shown as they always are, never turned; scenes turn with the table."""
        change = self if asset["placeholder_type"] == "scene" else Change(self.mirror, False, self._rewrite)
        if not (change.mirror or change.turn):
            return asset
        sizes = {camera: np.shape(rgb)[1:] for camera, rgb in asset["rgb"].items()}
        return {
            "rgb": _Mapped(asset["rgb"], lambda rgb: change.picture(np.moveaxis(rgb, 0, -1))),
            "segm": _Mapped(asset["segm"], lambda ids: change.picture(ids) if np.ndim(ids) == 2 else ids),
            "placeholder_type": asset["placeholder_type"],
            "objects": [change.thing(thing, sizes) for thing in asset.get("objects", ())],
        }

    def action(self, action: Action) -> Action:
        """Yaws change sense under a mirror, and a turn leaves differences of yaw alone."""
        action = dict(action)
        for pose in ("pose0", "pose1"):
            action[f"{pose}_position"] = self._point(action[f"{pose}_position"])
            if self.mirror:
                action[f"{pose}_rotation"] = action[f"{pose}_rotation"] * np.array([1, 1, -1, 1], np.float32)
        return action

    def thing(self, thing: Mapping[str, Any], sizes: Mapping[str, tuple[int, int]]) -> dict[str, Any]:
        """One object's boxes and position, and in place of its quaternion where its x axis points (seen from
        above), which a mirrored thing still has.
        """
        boxes = {
            camera: self._box(box, sizes[camera])
            for camera, box in thing["boxes"].items()
            if camera in sizes and box
        }
        position = [*self._point(np.asarray(thing["position"][:2])), thing["position"][2]]
        kept = {key: thing[key] for key in ("name", "texture", "fixed", "size") if key in thing}
        if "quaternion" in thing:
            kept["facing"] = (self._sign * facing(yaw_of(thing["quaternion"]))).tolist()
        return {**kept, "boxes": boxes, "position": position}

    def _point(self, point: np.ndarray) -> np.ndarray:
        return self._middle + self._sign * (point - self._middle)

    def _box(self, box: Sequence[int], size: tuple[int, int]) -> list[int]:
        (height, width), (top, left, bottom, right) = size, box
        if self._sign[1] < 0:
            left, right = width - 1 - right, width - 1 - left
        if self.turn:
            top, bottom = height - 1 - bottom, height - 1 - top
        return [top, left, bottom, right]


class _Mapped(Mapping[str, Any]):
    """A mapping whose values go through a function when looked at."""

    def __init__(self, values: Mapping[str, Any], function: Any):
        self._values, self._function = values, function

    def __getitem__(self, key: str) -> Any:
        return self._function(self._values[key])

    def __iter__(self) -> Iterator[str]:
        return iter(self._values)

    def __len__(self) -> int:
        return len(self._values)
