"""An episode as reinforcement learning writes it: T actions between T + 1 observations.

Of our sets the last observation's pictures are stored; the body's state then is not, nor is anything of it in
sets of others: what was seen before the last action stands there again, and `complete` says so.
"""

from dataclasses import dataclass

import numpy as np

from pretrain.sources import schema
from pretrain.sources.lerobot import EpisodeRecord
from pretrain.sources.robot_meta import EpisodePlace
from pretrain.sources.schema import DatasetError
from rollouts.datasets.stored import StoredSet

_STATES = "observation."


@dataclass(frozen=True)
class Transitions:
    """One episode: arrays over time, observations with one row more."""

    observations: dict[str, np.ndarray]
    """By name: cameras uint8 (T+1, H, W, 3), numbers (T+1, *shape)."""
    actions: np.ndarray
    """(T, A)."""
    rewards: np.ndarray
    """(T,) float32; 0 where the set keeps none."""
    terminated: np.ndarray
    """(T,) bool: the last action solved the task or lost it."""
    truncated: np.ndarray
    """(T,) bool: the episode ended for another reason."""
    success: bool | None
    """None where the set does not say."""
    instruction: str
    complete: bool
    """Whether the last pictures are those after the last action."""


def observation_keys(stored: StoredSet) -> dict[str, str]:
    """Return the features that are observations by a short name: `images.top` is `top`."""
    keys = [*stored.cameras, *(key for key in stored.numbers if key.startswith(_STATES))]
    return {key.removeprefix(_STATES).removeprefix("images."): key for key in keys}


def transitions(stored: StoredSet, place: EpisodePlace) -> Transitions:
    """Read an episode; DatasetError for a damaged one, or a set without actions."""
    if "action" not in stored.numbers:
        raise DatasetError(f"{stored.root} has no feature action: it cannot be exported to this format")
    rows = stored.rows(place)
    final = {}
    if stored.is_ours:
        record = EpisodeRecord(stored.root, place.facts, schema.read_record(stored.root))
        final = {schema.image_key(camera): picture for camera, picture in record.final.items()}
    observations = {}
    for name, key in observation_keys(stored).items():
        if key in stored.cameras:
            seen = np.stack(list(stored.pictures(place, key, rows)))
        else:
            seen = stored.values(rows, key).reshape(place.length, -1)
        observations[name] = np.concatenate([seen, final.get(key, seen[-1])[None]])
    last = np.arange(place.length) == place.length - 1
    truncated = _flags(stored, rows, "next.truncated", False)
    return Transitions(
        observations,
        stored.values(rows, "action").reshape(place.length, -1),
        stored.values(rows, "next.reward").astype(np.float32)
        if "next.reward" in stored.numbers
        else np.zeros(place.length, np.float32),
        last & ~truncated,
        last & truncated,
        bool(_flags(stored, rows, "next.success", False).any()) if "next.success" in stored.numbers else None,
        place.instruction,
        bool(final),
    )


def _flags(stored: StoredSet, rows: object, key: str, default: bool) -> np.ndarray:
    if key in stored.numbers:
        return stored.values(rows, key).astype(bool)
    return np.full(rows.num_rows, default)


def facts(place: EpisodePlace) -> dict[str, object]:
    """Return what the tables say of an episode that is a text, a number or a truth value."""
    return {
        key: value
        for key, value in place.facts.items()
        if isinstance(value, str | int | float | bool) and "/" not in key
    }
