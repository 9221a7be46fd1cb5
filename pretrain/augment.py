"""One frame of an episode, as it was or as it would have been on a mirrored or turned table.

The workspace is symmetric about its middle, so a stored step gives up to four: mirrored left to right (y →
-y), turned by half a turn (seen from above only), or both. Frames, boxes, positions and actions change
together, so every text written from the result is right. Tasks whose words name a direction keep what they
say.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from policies.embodiments.vima import HIGH, LOW, VimaActionCodec
from pretrain.sources import EpisodeRecord, VimaEpisode

NOT_MIRRORED = ("rotate", "twist", "manipulate_old_neighbor")
"""Their words name a sense of rotation or a point of the compass."""
TURNED = ("visual_manipulation", "scene_understanding", "rotate")
"""Their layouts know no direction; the sweeps', for one, open away from the robot."""


@dataclass(frozen=True)
class Moment:
    """What is known at one step of an episode; see `policies.prompts.action_request` for the parts."""

    prompt: str
    prompt_assets: Mapping[str, Any]
    end_effector: int
    rgb: Mapping[str, np.ndarray]
    first_rgb: Mapping[str, np.ndarray]
    executed: Sequence[str]
    remaining: Sequence[str]
    objects: Sequence[Mapping[str, Any]]


def moment(
    record: EpisodeRecord | VimaEpisode,
    step: int,
    views: Sequence[str],
    mirror: bool = False,
    turn: bool = False,
) -> Moment:
    """Take step `step` of an episode, in the given camera views, as stored or mirrored and turned where
    allowed.

    A turn needs views that look straight down: with any other view it is left out.
    """
    mirror = mirror and record.task not in NOT_MIRRORED
    turn = turn and record.task in TURNED and set(views) == {"top"}
    change = _Change(mirror, turn)
    texts = record.action_texts
    if change.any:
        texts = [change.text(text) for text in texts]
    return Moment(
        prompt=record.prompt,
        prompt_assets={name: change.asset(asset) for name, asset in record.prompt_assets.items()},
        end_effector=record.end_effector,
        rgb={view: change.picture(record.frames[view][step]) for view in views},
        first_rgb={view: change.picture(record.frames[view][0]) for view in views},
        executed=texts[:step],
        remaining=texts[step:],
        objects=[change.thing(thing) for thing in record.objects[step]],
    )


class _Change:
    """Mirror left to right, turn by 180 degrees, or both; `any` is False for neither."""

    _codec = VimaActionCodec()

    def __init__(self, mirror: bool, turn: bool):
        self.mirror, self.turn = mirror, turn
        self.any = mirror or turn
        # y changes sign under either, x under a turn about the workspace's centre only.
        self._sign = np.array([-1.0 if turn else 1.0, -1.0 if mirror != turn else 1.0])
        self._middle = (LOW + HIGH) / 2

    def picture(self, image: np.ndarray) -> np.ndarray:
        """A view (H, W, 3) or its segmentation (H, W)."""
        image = image[:, ::-1] if self.mirror != self.turn else image
        return image[::-1] if self.turn else image

    def asset(self, asset: Mapping[str, Any]) -> Mapping[str, Any]:
        """A prompt asset. Objects are shown as they always are, never turned; scenes turn with the table."""
        if not self.any:
            return asset
        change = self if asset["placeholder_type"] == "scene" else _Change(self.mirror, False)
        if not change.any:
            return asset
        return {
            "rgb": _Mapped(asset["rgb"], lambda rgb: change.picture(np.moveaxis(rgb, 0, -1))),
            "segm": _Mapped(asset["segm"], lambda ids: change.picture(ids) if np.ndim(ids) == 2 else ids),
            "placeholder_type": asset["placeholder_type"],
        }

    def text(self, text: str) -> str:
        """One step of action text; yaws change sense under a mirror, and a turn leaves differences of yaw
        alone.
        """
        (step,) = self._codec.parse(f"0: {text}" if ":" not in text else text)
        action = dict(step.action)
        for pose in ("pose0", "pose1"):
            action[f"{pose}_position"] = self._point(action[f"{pose}_position"])
            if self.mirror:
                action[f"{pose}_rotation"] = action[f"{pose}_rotation"] * np.array([1, 1, -1, 1], np.float32)
        return self._codec.encode(action, step.end_effector)

    def thing(self, thing: Mapping[str, Any]) -> Mapping[str, Any]:
        """One object's boxes and position. Its quaternion is left out: nothing here reads it."""
        if not self.any:
            return thing
        boxes = {view: box and self._box(box) for view, box in thing["boxes"].items()}
        position = [*self._point(np.asarray(thing["position"][:2])), thing["position"][2]]
        return {"name": thing["name"], "texture": thing["texture"], "boxes": boxes, "position": position}

    def _point(self, point: np.ndarray) -> np.ndarray:
        return self._middle + self._sign * (point - self._middle)

    def _box(self, box: Sequence[int]) -> list[int]:
        top, left, bottom, right = box
        if self._sign[1] < 0:
            left, right = 255 - right, 255 - left
        if self.turn:
            top, bottom = 127 - bottom, 127 - top
        return [top, left, bottom, right]


class _Mapped(Mapping[str, Any]):
    """A mapping whose values go through a function when looked at."""

    def __init__(self, values: Mapping[str, Any], function: Any):
        self._values, self._function = values, function

    def __getitem__(self, key: str) -> Any:
        return self._function(self._values[key])

    def __iter__(self):
        return iter(self._values)

    def __len__(self) -> int:
        return len(self._values)
