"""What training needs of a stored episode, whatever it was read from."""

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

import numpy as np


class StoredEpisode(Protocol):
    """An episode of T actions and the T + 1 observations around them. Everything may be read when asked
    for."""

    embodiment: str
    task: str
    level: str
    seed: int
    index: int
    prompt: str
    """The instruction with `{placeholders}`."""
    prompt_assets: Mapping[str, Any]
    """Placeholder to asset, laid out as in the environments' info."""
    length: int
    """T."""
    success: bool
    status: str
    actions: np.ndarray
    """float32 (T, A), in the order of the embodiment's `action_names`."""
    action_texts: Sequence[str]
    expert_texts: Sequence[str]
    """What the expert would have done in the place of a policy that acted; "" where it was not asked."""
    states: np.ndarray
    """float32 (T, S), in the order of the embodiment's `state_names`."""
    frames: Mapping[str, Sequence[np.ndarray]]
    """Camera to T pictures, uint8 (H, W, 3)."""
    final: Mapping[str, np.ndarray]
    """Camera to uint8 (H, W, 3), after the last action."""
    objects: Sequence[Sequence[Mapping[str, Any]]]
    """Of each of the T frames, as `Embodiment.objects` tells."""
    final_objects: Sequence[Mapping[str, Any]]
    """The same after the last action."""
