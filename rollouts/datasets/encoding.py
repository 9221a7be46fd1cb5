"""From an episode to what its files hold: PNG bytes, columns and statistics, all but the episode's rank.

Runs where the episode was played, so that many workers share the cost and the driver only writes bytes.
Pictures are PNG (few frames, flat colours: lossless and small); their statistics come from histograms of
every fourth pixel. Boxes are inclusive pixel bounds read from the segmentation. Prompt pictures are named by
their content, because the same object placeholder returns in thousands of episodes.

It refuses to know where the files go.
"""

import hashlib
import io
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pyarrow as pa
from PIL import Image

import envs
from policies.embodiments.base import Record
from policies.prompts import boxes_target, described_prompt, named_prompt
from pretrain.sources import schema
from pretrain.sources.schema import Layout
from rollouts.datasets.maps import encode_map
from rollouts.runner import Episode
from rollouts.versions import git_sha

_PIXEL_STRIDE = 4
_PNG_CACHE = 4096
_prompt_pngs: dict[str, bytes] = {}  # by name: encoding costs more than hashing


@dataclass
class EncodedEpisode:
    """An episode ready to be published."""

    record: Record
    """What is kept of it; that of all episodes of a set."""
    instruction: str
    """The prompt in words, LeRobot's task string: placeholders are replaced by what they show."""
    length: int
    frames: dict[str, Any]
    """Column of each feature that does not depend on the rank, length T."""
    stats: dict[str, dict[str, Any]]
    facts: dict[str, Any]
    """Values of `schema.EPISODE_COLUMNS`."""
    final: dict[str, bytes]
    """PNG of each view after the last action."""
    files: dict[str, bytes] = field(default_factory=dict)
    """Prompt pictures by relative path."""
    floor_map: dict[str, bytes] = field(default_factory=dict)
    """The files of the episode's map by kind; empty where there is none."""


def encode_episode(episode: Episode) -> EncodedEpisode:
    """Turn a finished episode of at least one action into columns, PNG bytes and statistics."""
    body, first, length = episode.body, episode.infos[0], episode.steps
    record = body.record(episode.observations[0])
    layout = schema.layout(record)
    objects, states = [], []
    for observation, info in zip(episode.observations, episode.infos, strict=True):
        objects.append(body.objects(observation, info))
        states.append(body.state(observation, info))
    last = np.arange(length) == length - 1
    numbers = {
        **({"observation.state": np.stack(states[:length]).astype(np.float32)} if record.state else {}),
        "action": np.stack([body.vector(action) for action in episode.actions]),
        "next.reward": np.array(episode.rewards, np.float32),
        "next.done": last,
        "next.success": last & episode.success,
        "next.truncated": last & (episode.status == "truncated"),
        "timestamp": np.arange(length, dtype=np.float32) / record.fps,
        "frame_index": np.arange(length, dtype=np.int64),
    }
    style = body.style().fitted(body.cameras)
    advice = _advice(episode, states)
    strings = {
        "scene.objects": [json.dumps(things) for things in objects[:length]],
        "scene.boxes": [boxes_target(body, things, style, record.cameras) for things in objects[:length]],
        "action.text": episode.action_texts,
        "action.expert": advice,
        "action.tokens": [
            "" if ids is None else json.dumps(np.asarray(ids).tolist()) for ids in episode.tokens
        ],
    }
    frames = {key: _column(layout, key, values) for key, values in (numbers | strings).items()}
    stats = {key: statistics(numbers[key]) for key in layout.statistic_keys if key in numbers}
    final = {}
    seen = [body.views(observation) for observation in episode.observations]
    for camera in record.cameras:
        key = schema.image_key(camera)
        pictures = np.stack([views[camera] for views in seen])  # T+1 H W C
        frames[key] = _column(
            layout, key, [{"bytes": png(picture), "path": None} for picture in pictures[:length]]
        )
        stats[key] = image_statistics(pictures[:length])
        final[camera] = png(pictures[length])
    assets, files = _prompt_files(first["prompt_assets"])
    has_tokens = any(strings["action.tokens"])
    facts = {
        "embodiment": body.name,
        "suite": episode.work.env,
        "env_id": envs.suite(episode.work.env).env_id(episode.work.task),
        "env_kwargs": json.dumps(episode.env_kwargs, sort_keys=True),
        "task_name": episode.work.task,
        "level": episode.work.level,
        "seed": episode.work.seed,
        "work_index": episode.work.index,
        "status": episode.status,
        "success": episode.success,
        "failure": episode.failure,
        "has_expert": any(advice),
        "prompt": first["prompt"],
        "named_prompt": named_prompt(first["prompt"], first["prompt_assets"]),
        "prompt_assets": json.dumps(assets),
        "final_objects": json.dumps(objects[-1]),
        "policy": episode.policy,
        "vocabulary_hash": episode.vocabulary_hash if has_tokens else "",
        "git_sha": git_sha(),
    }
    instruction = described_prompt(first["prompt"], first["prompt_assets"])
    drawn = {} if episode.floor_map is None else encode_map(episode.floor_map)
    return EncodedEpisode(record, instruction, length, frames, stats, facts, final, files, drawn)


def _advice(episode: Episode, states: Sequence[np.ndarray]) -> list[str]:
    """What the expert said before each action, as text; all empty where the episode is the expert's own."""
    body, said = episode.body, []
    for number, info in enumerate(episode.infos[: episode.steps]):
        action = info.get("expert_action")
        text = "" if action is None else body.action_text(body.checked(action), states[number], number)
        said.append(text)
    return [""] * len(said) if said == list(episode.action_texts) else said


def statistics(values: np.ndarray) -> dict[str, Any]:
    """Return LeRobot's ten statistics of (T,) or (T, D) numbers over T, as lists of D."""
    columns = np.asarray(values, float).reshape(len(values), -1)
    result = {"min": columns.min(0), "max": columns.max(0), "mean": columns.mean(0), "std": columns.std(0)}
    result |= dict(zip(schema.QUANTILES, _quantiles(np.sort(columns, axis=0)), strict=True))
    return {name: value.tolist() for name, value in result.items()} | {"count": [len(values)]}


def _quantiles(ordered: np.ndarray) -> list[np.ndarray]:
    """Linear quantiles of sorted (T, D) columns; `np.quantile` costs ten times as much on a few rows."""
    places = [q * (len(ordered) - 1) for q in schema.QUANTILES.values()]
    lower = [int(place) for place in places]
    upper = [min(low + 1, len(ordered) - 1) for low in lower]
    return [
        ordered[low] + (place - low) * (ordered[up] - ordered[low])
        for place, low, up in zip(places, lower, upper, strict=True)
    ]


def image_statistics(pictures: np.ndarray) -> dict[str, Any]:
    """Return statistics of (T, H, W, 3) uint8 pictures per channel, in [0, 1], as (3, 1, 1) lists."""
    sampled = np.moveaxis(pictures[:, ::_PIXEL_STRIDE, ::_PIXEL_STRIDE], -1, 0).reshape(3, -1)
    counts = np.stack([np.bincount(channel, minlength=256) for channel in sampled])  # 3, 256
    values, total = np.arange(256) / 255, sampled.shape[1]
    mean = counts @ values / total
    variance = counts @ values**2 / total - mean**2
    cumulative = counts.cumsum(1)

    def at(fraction: float) -> np.ndarray:
        return values[(cumulative > fraction * (total - 1)).argmax(1)]

    result = {"min": at(0), "max": at(1), "mean": mean, "std": np.sqrt(np.maximum(variance, 0))}
    result |= {name: at(fraction) for name, fraction in schema.QUANTILES.items()}
    return {name: value.reshape(3, 1, 1).tolist() for name, value in result.items()} | {
        "count": [len(pictures)]
    }


class StatisticsFold:
    """Statistics of a growing set from those of its episodes, added in order.

    Quantiles of a union are not known from quantiles of its parts; as LeRobot does, they are averaged by
    count.
    """

    def __init__(self) -> None:
        self._sums: dict[str, dict[str, np.ndarray]] = {}

    def add(self, stats: Mapping[str, Mapping[str, Any]]) -> None:
        """Add one episode."""
        for key, of_key in stats.items():
            new = {name: np.asarray(value, float) for name, value in of_key.items()}
            old = self._sums.get(key)
            self._sums[key] = new if old is None else _joined(old, new)

    def as_dict(self) -> dict[str, dict[str, Any]]:
        """Return nested lists, ready for JSON, in an order that does not depend on how it was resumed."""
        return {
            key: {
                name: (values[name].astype(int) if name == "count" else values[name]).tolist()
                for name in schema.STATISTICS
            }
            for key, values in sorted(self._sums.items())
        }


def _joined(old: dict[str, np.ndarray], new: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    count = old["count"] + new["count"]
    weight = float(new["count"][0] / count[0])
    shift = new["mean"] - old["mean"]
    variance = (1 - weight) * old["std"] ** 2 + weight * new["std"] ** 2 + weight * (1 - weight) * shift**2
    joined = {name: old[name] + weight * (new[name] - old[name]) for name in ("mean", *schema.QUANTILES)}
    return joined | {
        "min": np.minimum(old["min"], new["min"]),
        "max": np.maximum(old["max"], new["max"]),
        "std": np.sqrt(variance),
        "count": count,
    }


def png(picture: np.ndarray) -> bytes:
    """Return (H, W, 3) or (H, W) uint8 as PNG, fast rather than smallest."""
    sink = io.BytesIO()
    image = Image.fromarray(np.ascontiguousarray(picture))
    image.save(sink, "PNG", compress_level=1)
    return sink.getvalue()


def _prompt_files(assets: Mapping[str, Mapping[str, Any]]) -> tuple[dict[str, Any], dict[str, bytes]]:
    """Return the assets with paths instead of pictures, and the files those paths name."""
    described: dict[str, Any] = {}
    files: dict[str, bytes] = {}
    for name, asset in assets.items():
        paths: dict[str, dict[str, str]] = {"rgb": {}, "segm": {}}
        segm = asset.get("segm", {})
        for view in asset["rgb"]:
            for kind, pictures in (("rgb", asset["rgb"]), ("segm", segm)):
                if view in pictures:
                    path, content = _named_png(pictures[view])
                    paths[kind][view] = path
                    files[path] = content
        obj_info = segm.get("obj_info", ())
        obj_info = dict(obj_info) if isinstance(obj_info, Mapping) else [dict(item) for item in obj_info]
        described[name] = {"placeholder_type": asset["placeholder_type"], "obj_info": obj_info, **paths}
    return described, files


def _named_png(picture: np.ndarray) -> tuple[str, bytes]:
    """Return the path and the PNG of a (3, H, W) or (H, W) picture."""
    name = hashlib.sha256(str(picture.shape).encode() + picture.tobytes()).hexdigest()[:20]
    content = _prompt_pngs.get(name)
    if content is None:
        if len(_prompt_pngs) >= _PNG_CACHE:
            _prompt_pngs.clear()
        content = _prompt_pngs[name] = png(np.moveaxis(picture, 0, -1) if picture.ndim == 3 else picture)
    return f"prompts/{name[:2]}/{name}.png", content


def _column(layout: Layout, key: str, values: Any) -> pa.Array:
    kind = layout.data.field(key).type
    if isinstance(values, np.ndarray):
        values = values.reshape(len(values), -1)
        if values.shape[1] == 1:
            return pa.array(values[:, 0], kind)
    if pa.types.is_fixed_size_list(kind):
        return pa.FixedSizeListArray.from_arrays(
            pa.array(values.reshape(-1), kind.value_type), kind.list_size
        )
    return pa.array(values, kind)
