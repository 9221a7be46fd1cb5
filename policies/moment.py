"""What is known at one step of an episode, whoever asks: a policy that acts, or training from a dataset."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np


@dataclass(frozen=True, kw_only=True)
class Moment:
    """One step of an episode."""

    task: str
    prompt: str
    """The instruction; `{name}` stands for `prompt_assets[name]`."""
    prompt_assets: Mapping[str, Any]
    state: np.ndarray
    """float32, in the order of the embodiment's `state_names`."""
    views: Mapping[str, np.ndarray]
    """What each camera sees now, uint8 (H, W, 3)."""
    first_views: Mapping[str, np.ndarray] | None = None
    """What each camera saw before the first step."""
    executed: Sequence[str] = ()
    """Action texts of the steps done; they are numbered from 0 in requests."""
    past_states: Sequence[np.ndarray] = ()
    """The states before the steps done, as many; empty where nobody kept them."""
    past_views: Sequence[Mapping[str, np.ndarray]] = ()
    """What each camera saw before the latest steps done, oldest first; as many as are known."""
    remaining: Sequence[str] = ()
    """Action texts of the steps to come, where they are known."""
    goal: np.ndarray | None = None
    """How it looks when the task is done, laid out as the picture of a request, uint8 (H, W, 3); None where
    nobody knows or imagined it."""
    goal_objects: Sequence[Mapping[str, Any]] | None = None
    """The objects as the goal shows them, where that is known."""
    next_state: np.ndarray | None = None
    """The state after the first of them, where it is known."""
    objects: Sequence[Mapping[str, Any]] | None = None
    """Objects of the scene, as `Embodiment.objects` returns them; None where nobody looked."""
    first_objects: Sequence[Mapping[str, Any]] | None = None
    """The same before the first step."""
