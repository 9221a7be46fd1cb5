"""Reads the trajectories that VIMA's authors published, in the shape of our own stored episodes.

    <task>/<index, six digits>/rgb_front/{0..T}.jpg, rgb_top/{0..T}.jpg    T + 1 frames
                               obs.pkl          segmentation and end effector of the T + 1 frames
                               action.pkl       poses of the T actions
                               trajectory.pkl   prompt, its pictures, objects, seed, outcome

What is unusual: those pickles refer to code that is not here, and a pickle from the web may refer to
anything, so they are read by `inert_pickle`, which runs none of it. The files know no places of objects: a
place is the middle of what the camera above sees of an object, and what it does not see is left out.

It refuses to know requests, tokens and batches. Source: VIMA-Bench's published data (arXiv 2210.03094).
"""

import hashlib
import json
import re
from collections.abc import Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from policies.embodiments.vima import PARTS, VIMA, state_of
from policies.prompts import seen_boxes
from pretrain.sources import inert_pickle
from pretrain.sources.schema import DatasetError

# The camera above: the pixel of the workspace's middle, and pixels for each metre.
_MIDDLE, _MIDDLE_PIXEL, _SCALE = np.array([0.5, 0.0]), np.array([64, 128]), 250.98
_INDEX = re.compile(r"\d{6}")
_HEIGHT, _WIDTH = 128, 256
_PACKAGES = ("vimasim", "vima_bench")


class VimaEpisode:
    """One published episode of T actions; attributes as those of `pretrain.sources.lerobot.EpisodeRecord`.

    Known at once: `task`, `level` ("train"), `seed`, `prompt`, `prompt_assets` (`rgb` (3, H, W) and `segm`
    (H, W) arrays by view, `segm["obj_info"]`, `placeholder_type`), `length` (T), `actions`, `success`,
    `failure`, `status`. The others are read when asked for.
    Raises DatasetError, here or then, for what is missing, damaged, of another shape, or refused.
    """

    embodiment = VIMA.name
    level = "train"
    policy = "upstream oracle"
    vocabulary_hash = ""

    def __init__(self, directory: str | Path):
        self.root = Path(directory)
        self.task = self.root.parent.name
        self.index = int(self.root.name)
        self._about = self._read("trajectory.pkl", ("prompt", "prompt_assets", "success", "failure", "seed"))
        try:
            self.seed, self.prompt = int(self._about["seed"]), str(self._about["prompt"])
        except (TypeError, ValueError) as error:
            raise self._broken("trajectory.pkl", f"its seed is no number ({error})") from error
        self.success, self.failure = bool(self._about["success"]), bool(self._about["failure"])
        self.status = "success" if self.success else "failure" if self.failure else "truncated"
        self.prompt_assets = self._assets()
        self.actions = self._actions()
        self.length = len(self.actions)
        for view in VIMA.cameras:
            for number in range(self.length + 1):
                if not self._frame_path(view, number).is_file():
                    raise DatasetError(
                        f"{self._frame_path(view, number)} is missing: {self.length} actions have "
                        f"{self.length + 1} frames of each view; get the episode again"
                    )

    def __reduce__(self) -> tuple[Any, ...]:
        return VimaEpisode, (self.root,)  # loader processes read for themselves

    def __repr__(self) -> str:
        return f"VimaEpisode({self.task}/{self.root.name}: seed {self.seed}, {self.status})"

    @cached_property
    def frames(self) -> Mapping[str, np.ndarray]:
        """View to (T, H, W, 3) uint8 RGB seen before each action."""
        return {
            view: np.stack([self._frame(view, number) for number in range(self.length)])
            for view in VIMA.cameras
        }

    @cached_property
    def final(self) -> Mapping[str, np.ndarray]:
        """View to (H, W, 3) uint8 RGB after the last action."""
        return {view: self._frame(view, self.length) for view in VIMA.cameras}

    @cached_property
    def states(self) -> np.ndarray:
        """(T, 2) float32, one-hot: the tool at hand."""
        return np.stack([state_of(int(tool)) for tool in self._observed["ee"][: self.length]])

    @cached_property
    def action_texts(self) -> list[str]:
        """The actions in the model's action language, one string per step, numbered from 0."""
        steps = zip(self.actions, self.states, strict=True)
        return [
            VIMA.action_text(VIMA.action(action), state, number)
            for number, (action, state) in enumerate(steps)
        ]

    @property
    def expert_texts(self) -> list[str]:
        """Nobody was asked."""
        return [""] * self.length

    @property
    def tokens(self) -> list[None]:
        """A script acted."""
        return [None] * self.length

    @cached_property
    def objects(self) -> list[list[dict[str, Any]]]:
        """The objects that the camera above sees in each of the T frames: id, name, texture, `position`
        (metres, from the middle of its box; z is 0) and `boxes`, as in an `EpisodeRecord`."""
        return [self._seen(number) for number in range(self.length)]

    @cached_property
    def final_objects(self) -> list[dict[str, Any]]:
        """The objects after the last action, as in `objects`."""
        return self._seen(self.length)

    @cached_property
    def _observed(self) -> dict[str, Any]:
        """`obs.pkl`, of the right shapes."""
        found = self._read("obs.pkl", ("segm", "ee"))
        shape = (self.length + 1, _HEIGHT, _WIDTH)
        try:
            for view in VIMA.cameras:
                self._expect("obs.pkl", f"segm of {view}", found["segm"][view], shape, np.uint8)
            self._expect("obs.pkl", "ee", np.asarray(found["ee"]), shape[:1])
        except (TypeError, KeyError, IndexError) as error:
            raise self._broken("obs.pkl", f"its segm has no {error}") from error
        return found

    def _seen(self, number: int) -> list[dict[str, Any]]:
        named = self._about.get("obj_id_to_info")
        if not isinstance(named, Mapping):
            raise self._broken("trajectory.pkl", "it has no obj_id_to_info")
        segmentation = {view: self._observed["segm"][view][number] for view in VIMA.cameras}
        things = []
        for key, boxes in zip(named, seen_boxes(list(named), segmentation), strict=True):
            box = boxes["top"]
            if box is None:
                continue
            middle = np.array([box[0] + box[2] + 1, box[1] + box[3] + 1]) / 2
            place = _MIDDLE + (middle - _MIDDLE_PIXEL) / _SCALE
            try:
                name, texture = named[key]["obj_name"], named[key]["texture_name"]
            except (TypeError, KeyError) as error:
                raise self._broken("trajectory.pkl", f"object {key} has no {error}") from error
            things.append(
                {
                    "id": int(key),
                    "name": name,
                    "texture": texture,
                    "position": [*place.tolist(), 0.0],
                    "boxes": boxes,
                }
            )
        return things

    def _assets(self) -> dict[str, dict[str, Any]]:
        found = self._about["prompt_assets"]
        wanted = set(re.findall(r"{(\w+)}", self.prompt))
        if not isinstance(found, Mapping) or set(found) != wanted:
            raise self._broken("trajectory.pkl", f"its prompt shows {sorted(wanted)}, its assets are others")
        for name, asset in found.items():
            try:
                for view in VIMA.cameras:
                    shape = (_HEIGHT, _WIDTH)
                    rgb, ids = asset["rgb"][view], asset["segm"][view]
                    self._expect("trajectory.pkl", f"rgb of {name}", rgb, (3, *shape), np.uint8)
                    self._expect("trajectory.pkl", f"segm of {name}", ids, shape, np.uint8)
                if asset["placeholder_type"] not in ("object", "scene") or not asset["segm"]["obj_info"]:
                    raise self._broken("trajectory.pkl", f"asset {name} is neither an object nor a scene")
            except (TypeError, KeyError, IndexError) as error:
                raise self._broken("trajectory.pkl", f"asset {name} lacks {error}") from error
        return dict(found)

    def _actions(self) -> np.ndarray:
        """(T, 12) float32, columns `VIMA.action_names`."""
        found = self._read("action.pkl", tuple(PARTS))
        length = len(np.atleast_1d(found["pose0_position"]))
        for part, size in PARTS.items():
            self._expect("action.pkl", part, found[part], (length, size))
        if length == 0:
            raise self._broken("action.pkl", "it holds no action")
        actions = np.concatenate([np.asarray(found[part], np.float32) for part in PARTS], axis=1)
        if not np.isfinite(actions).all():
            raise self._broken("action.pkl", "an action holds what is no number")
        return actions

    def _read(self, name: str, keys: Sequence[str]) -> dict[str, Any]:
        found = inert_pickle.load(self.root / name, _PACKAGES)
        if not isinstance(found, dict):
            raise self._broken(name, f"it holds a {type(found).__name__}, not a dict")
        if missing := [key for key in keys if key not in found]:
            raise self._broken(name, f"it has no {', '.join(missing)}")
        return found

    def _expect(self, name: str, what: str, array: Any, shape: tuple[int, ...], dtype: Any = None) -> None:
        if not isinstance(array, np.ndarray) or array.shape != shape or array.dtype.kind not in "fiu":
            found = f"{array.dtype} {array.shape}" if isinstance(array, np.ndarray) else type(array).__name__
            raise self._broken(name, f"{what} is {found}, not an array of {shape}")
        if dtype is not None and array.dtype != dtype:
            raise self._broken(name, f"{what} is {array.dtype}, not {np.dtype(dtype)}")

    def _broken(self, name: str, reason: str) -> DatasetError:
        return DatasetError(f"{self.root / name} is no trajectory of VIMA's: {reason}")

    def _frame_path(self, view: str, number: int) -> Path:
        return self.root / f"rgb_{view}" / f"{number}.jpg"

    def _frame(self, view: str, number: int) -> np.ndarray:
        path = self._frame_path(view, number)
        try:
            with Image.open(path) as image:
                frame = np.array(image.convert("RGB"))
        except Exception as error:  # damaged bytes make a decoder do anything at all
            raise DatasetError(f"cannot read {path}: {error}; get the episode again") from error
        if frame.shape != (_HEIGHT, _WIDTH, 3):
            raise DatasetError(
                f"{path} has {frame.shape[:2]} pixels, not {(_HEIGHT, _WIDTH)}; get the episode again"
            )
        return frame


class VimaTrajectories(Sequence[VimaEpisode]):
    """The episodes of VIMA's folder, or of one of its task folders, by task and index; each read when taken.

    Raises DatasetError when there is no folder or none of its form in it.
    """

    def __init__(self, root: str | Path):
        self.root = Path(root)
        places = [*self.root.glob("*"), *self.root.glob("*/*")]
        self._places = sorted(place for place in places if _INDEX.fullmatch(place.name) and place.is_dir())
        if not self._places:
            raise DatasetError(
                f"{root} holds no trajectories of VIMA's: name the folder that holds <task>/<six digits>/"
            )

    def __len__(self) -> int:
        return len(self._places)

    def __getitem__(self, index: int) -> VimaEpisode:  # type: ignore[override] - no slices
        """Return the episode at `index`."""
        return VimaEpisode(self._places[index])

    @cached_property
    def identities(self) -> list[str]:
        """What the folder holds, in a word."""
        digest = hashlib.sha256(json.dumps(self.facts, sort_keys=True).encode())
        return [f"{len(self)} episodes {digest.hexdigest()[:16]}"]

    @cached_property
    def facts(self) -> list[Mapping[str, Any]]:
        """`embodiment`, `task_name`, `seed`, `success` and `final_objects` (JSON) of each episode. Every one
        is read for it: about a millisecond each, once they are in memory.
        """
        return [
            {
                "embodiment": e.embodiment,
                "task_name": e.task,
                "seed": e.seed,
                "success": e.success,
                "has_expert": False,
                "final_objects": json.dumps(e.final_objects),
            }
            for e in self
        ]
