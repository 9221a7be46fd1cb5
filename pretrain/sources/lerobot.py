"""Reads our trajectory datasets (LeRobot v3.0 folders) for training, with pyarrow and PIL alone.

Opening reads one line per episode; everything else waits until it is looked at. A record keeps the PNG bytes
of its frames and decodes a view when asked, so that ten thousand episodes cost their files' size and no more.
The index is the authority: files of an episode that was not published completely are not seen.

It refuses to know requests, tokens and batches.
"""

from collections import OrderedDict
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from policies.embodiments.base import Record
from pretrain.sources import checks, schema
from pretrain.sources.schema import DatasetError

_PROMPT_PICTURES = 1024  # decoded, about 100 kB each


class _Lazy(Mapping[str, Any]):
    """A read-only mapping whose values are made when first looked at."""

    def __init__(self, makers: Mapping[str, Callable[[], Any]]):
        self._makers = dict(makers)
        self._made: dict[str, Any] = {}

    def __getitem__(self, key: str) -> Any:
        if key not in self._made:
            self._made[key] = self._makers[key]()
        return self._made[key]

    def __iter__(self) -> Iterator[str]:
        return iter(self._makers)

    def __len__(self) -> int:
        return len(self._makers)


class _Rows:
    """The rows of an episode's file, read when first looked at."""

    def __init__(self, path: Path, index: int, length: int, layout: schema.Layout, group: int | None):
        self.path, self.index, self.length = path, index, length
        self._layout, self._group = layout, group

    @cached_property
    def table(self) -> pa.Table:
        return checks.read_frames(self.path, self.index, self.length, self._layout, self._group)

    def place(self, number: int) -> str:
        """What a complaint calls a row."""
        return f"{self.path} (episode {self.index}), frame {number}"


class EpisodeRecord:
    """One stored episode of T actions.

    Nothing that it keeps refers to it, so that its pictures go when it goes: cycles wait for a collector that
    comes late where a million other things are kept.

    Attributes known at once: `embodiment`, `record` (what its set keeps), `task`, `level`, `seed`, `suite`,
    `env_id`, `env_kwargs` (JSON), `prompt` (with placeholders), `instruction` (the prompt in words), `length`
    (T), `status`, `success`, `failure`, `policy`, `vocabulary_hash`, `index` (rank in its dataset). The
    others are read from files when asked for; all arrays are read-only.
    """

    def __init__(self, root: Path, facts: Mapping[str, Any], record: Record):
        self.root = root
        self.record = record
        self._facts = facts
        self.index: int = facts["episode_index"]
        self.instruction: str = facts["tasks"][0]
        self.length: int = facts["length"]
        self.task: str = facts["task_name"]
        self.level: str = facts["level"]
        self.seed: int = facts["seed"]
        self.embodiment: str = facts["embodiment"]
        self.suite: str = facts["suite"]
        self.env_id: str = facts["env_id"]
        self.env_kwargs: str = facts["env_kwargs"]
        self.status: str = facts["status"]
        self.success: bool = facts["success"]
        self.failure: bool = facts["failure"]
        self.prompt: str = facts["prompt"]
        self.policy: str = facts["policy"]
        self.vocabulary_hash: str = facts["vocabulary_hash"]

    def __reduce__(self) -> tuple[Any, ...]:
        return EpisodeRecord, (self.root, self._facts, self.record)  # loader processes read for themselves

    def __repr__(self) -> str:
        what = f"{self.env_id}, {self.level}, seed {self.seed}, {self.status}"
        return f"EpisodeRecord({self.root.name}[{self.index}]: {what})"

    @cached_property
    def frames(self) -> Mapping[str, "Film"]:
        """Camera to (T, H, W, 3) uint8 RGB seen before each action."""
        return {view: Film(self._rows, view, size) for view, size in self.record.cameras.items()}

    @cached_property
    def final(self) -> Mapping[str, np.ndarray]:
        """Camera to (H, W, 3) uint8 RGB after the last action."""
        place = schema.place(self.index)
        paths = {
            view: self.root / schema.FINAL_PATH.format(**place, view=view) for view in self.record.cameras
        }
        sizes = self.record.cameras
        return _Lazy(
            {view: lambda v=view, p=path: _picture(p, sizes[v], channels=3) for view, path in paths.items()}
        )

    @cached_property
    def actions(self) -> np.ndarray:
        """(T, A) float32, columns `record.action`, exactly as executed."""
        return self._numbers("action")

    @cached_property
    def rewards(self) -> np.ndarray:
        """(T,) float32, of each action."""
        return self._numbers("next.reward")[:, 0]

    @cached_property
    def action_texts(self) -> list[str]:
        """The executed actions in the model's action language, one string per step."""
        return self._rows.table["action.text"].to_pylist()

    @cached_property
    def expert_texts(self) -> list[str]:
        """What the expert would have done at each step, "" where nobody asked it or it knew nothing."""
        if "action.expert" not in self._rows.table.column_names:
            return [""] * self.length
        return self._rows.table["action.expert"].to_pylist()

    @cached_property
    def tokens(self) -> list[np.ndarray | None]:
        """Ids a model answered with at each step, of the vocabulary `vocabulary_hash`; None for scripts."""
        texts = self._rows.table["action.tokens"].to_pylist()
        return [
            _token_ids(text, self._rows.place(number)) if text else None for number, text in enumerate(texts)
        ]

    @cached_property
    def states(self) -> np.ndarray:
        """(T, S) float32, columns `record.state`: the body before each action."""
        if not self.record.state:
            return np.zeros((self.length, 0), np.float32)
        return self._numbers("observation.state")

    @cached_property
    def objects(self) -> list[list[dict[str, Any]]]:
        """The objects at each of the T frames, as the embodiment tells of them: at least name, texture,
        position and `boxes`: camera to [first row, first column, last row, last column] or None if unseen."""
        texts = self._rows.table["scene.objects"].to_pylist()
        return [checks.json_objects(text, self._rows.place(number)) for number, text in enumerate(texts)]

    @cached_property
    def final_objects(self) -> list[dict[str, Any]]:
        """The objects after the last action, as in `objects`."""
        return checks.json_objects(self._facts["final_objects"], f"final_objects of {self._place}")

    @cached_property
    def prompt_assets(self) -> Mapping[str, Mapping[str, Any]]:
        """Placeholder to asset, laid out as the environments' info: `rgb` (3, H, W) and `segm` (H, W) by
        view, `segm["obj_info"]`, `placeholder_type`. Pictures are decoded when looked at."""
        assets = checks.prompt_assets(self._facts["prompt_assets"], f"prompt_assets of {self._place}")
        root = self.root
        return _Lazy({name: lambda asset=asset: _asset(root, asset) for name, asset in assets.items()})

    def check(self) -> None:
        """Read all there is of the episode; DatasetError for the first thing that is damaged."""
        for view, size in self.record.cameras.items():
            key = schema.image_key(view)
            for number, item in enumerate(self._rows.table[key].to_pylist()):
                checks.check_picture(item["bytes"], f"{self._rows.place(number)} of {key}", size)
        _ = self.actions, self.states, self.tokens, self.objects, self.final_objects, dict(self.final)
        for asset in self.prompt_assets.values():
            _ = dict(asset["rgb"]), dict(asset["segm"])

    @property
    def _place(self) -> str:
        return f"episode {self.index} of {self.root}"

    @cached_property
    def _rows(self) -> _Rows:
        names, group = schema.data_place(self._facts)
        path = self.root / schema.DATA_PATH.format(**names)
        return _Rows(path, self.index, self.length, schema.layout(self.record), group)

    def _numbers(self, key: str) -> np.ndarray:
        return checks.numbers(self._rows.table, key, f"{self._rows.path} (episode {self.index})")


class Film(Sequence[np.ndarray]):
    """The pictures of an episode's camera, (T, H, W, 3) uint8, each decoded when it is looked at; numpy takes
    it as an array.
    """

    def __init__(self, rows: _Rows, view: str, size: tuple[int, int]):
        self._rows, self._key, self._size = rows, schema.image_key(view), size
        self.shape = (rows.length, *size, 3)

    def __len__(self) -> int:
        return self._rows.length

    def __getitem__(self, index: Any) -> np.ndarray:
        if not isinstance(index, int | np.integer):
            return self.__array__()[index]
        number = range(len(self))[index]
        where = f"{self._rows.place(number)} of {self._key}"
        content = self._rows.table[self._key][number].as_py()["bytes"]
        return _frozen(checks.decoded(content, where, self._size, 3))

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray:
        return np.stack([self[number] for number in range(len(self))]).astype(dtype or np.uint8, copy=False)


class LeRobotSource(Sequence[EpisodeRecord]):
    """The episodes of one or several dataset folders, in order of folder and rank.

    The `cache_episodes` records used last stay in memory, with what was decoded of them (about 0.2 MB per
    frame). Raises DatasetError when a folder is missing, empty, or no dataset of ours.
    """

    def __init__(self, paths: str | Path | Sequence[str | Path], cache_episodes: int = 256):
        self.paths = [Path(path) for path in ([paths] if isinstance(paths, str | Path) else paths)]
        self._facts = [(path, row) for path in self.paths for row in schema.read_index(path)]
        if not self._facts:
            raise DatasetError(
                f"no episodes in {', '.join(map(str, self.paths)) or 'an empty list of folders'}"
            )
        self._records = {path: schema.read_record(path) for path in self.paths}
        self._cache: OrderedDict[int, EpisodeRecord] = OrderedDict()
        self._cache_episodes = cache_episodes

    def __len__(self) -> int:
        return len(self._facts)

    def __getitem__(self, index: int) -> EpisodeRecord:  # type: ignore[override] - no slices
        """Return the episode at `index`."""
        index = range(len(self))[index]
        record = self._cache.pop(index, None) or self._record(*self._facts[index])
        self._cache[index] = record
        if len(self._cache) > self._cache_episodes:
            self._cache.popitem(last=False)
        return record

    def _record(self, path: Path, facts: Mapping[str, Any]) -> EpisodeRecord:
        return EpisodeRecord(path, facts, self._records[path])

    @property
    def identities(self) -> list[str]:
        """What each folder holds, in a word (`schema.identity`)."""
        return [schema.identity(path) for path in self.paths]

    @property
    def facts(self) -> list[Mapping[str, Any]]:
        """The index line of each episode (`schema.INDEX_COLUMNS`), for choosing without reading."""
        return [row for _, row in self._facts]


def _frozen(array: np.ndarray) -> np.ndarray:
    array.flags.writeable = False
    return array


def _token_ids(text: str, where: str) -> np.ndarray:
    ids = checks.json_value(text, where)
    if not isinstance(ids, list) or not all(type(token) is int and 0 <= token < 2**31 for token in ids):
        raise DatasetError(f"{where} holds no list of token ids; {checks.AGAIN}")
    return np.array(ids, np.int64)


def _asset(root: Path, asset: Mapping[str, Any]) -> dict[str, Any]:
    """A prompt asset as environments lay it out, its pictures not read yet."""

    def picture(path: str, channels: int) -> Callable[[], np.ndarray]:
        return lambda: _prompt_picture(root / path, None, channels)

    rgb = {v: lambda p=p: picture(p, 3)().transpose(2, 0, 1) for v, p in asset["rgb"].items()}
    segm = {v: picture(p, 1) for v, p in asset.get("segm", {}).items()}
    segm["obj_info"] = lambda: asset["obj_info"]
    return {"rgb": _Lazy(rgb), "segm": _Lazy(segm), "placeholder_type": asset["placeholder_type"]}


def _picture(path: Path, size: Sequence[int] | None, channels: int) -> np.ndarray:
    return checks.decoded(checks.read_bytes(path), str(path), size, channels)


_prompt_picture = lru_cache(maxsize=_PROMPT_PICTURES)(_picture)
