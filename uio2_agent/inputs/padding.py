"""Padding: rows of different lengths in one tensor, zeros and a False mask behind each.

Knows no modality.
"""

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from uio2_agent.inputs.batch import Patches
from uio2_agent.media.images import PatchList


def pad_ids(rows: Sequence[Sequence[int]], length: int | None) -> Tensor:
    """Pad ids to int64 [B, L], 0 behind each row; L is the length, or that of the longest row."""
    longest = max(map(len, rows)) if length is None else length
    padded = np.zeros((len(rows), longest), np.int64)
    for row, ids in enumerate(rows):
        padded[row, : len(ids)] = ids
    return torch.from_numpy(padded)


def pad_patches(rows: list[list[PatchList]], frames: int, length: int | None, patch_dim: int) -> Patches:
    """Pad frames of patches to [B, F, N, patch dim]; N is the length, or that of the longest frame.

    Frames that are the same object are told as such (`Patches.first`).
    """
    every = [patches for row in rows for patches in row]
    count = max([1, *(len(patches.mask) for patches in every)]) if length is None else length
    values = np.zeros((len(rows), frames, count, patch_dim), np.float32)
    mask = np.zeros((len(rows), frames, count), bool)
    positions = np.zeros((len(rows), frames, count), np.int64)
    first = np.arange(len(rows) * frames).reshape(len(rows), frames)
    seen: dict[int, int] = {}
    for row, row_frames in enumerate(rows):
        for frame, patches in enumerate(row_frames):
            n = len(patches.mask)
            values[row, frame, :n] = patches.values
            mask[row, frame, :n] = patches.mask
            positions[row, frame, :n] = patches.positions
            first[row, frame] = seen.setdefault(id(patches), first[row, frame])
    return Patches(*map(torch.from_numpy, (values, mask, positions, first)))
