"""The decoder advanced a few tokens at a time, with everything kept that does not change.

Unusual: keys and values of *both* attentions are stored: those of the encoder's output are computed once,
those of earlier tokens go into buffers that are allocated once. Rows of a batch may stand at different
positions, and places may be left out: what was not fed is not seen. Knows tokens and positions, not what is
chosen next.
"""

import numpy as np
import torch
from torch import Tensor

from uio2_agent.config import UnifiedIO2Config
from uio2_agent.model import Encoded, Network
from uio2_agent.network.layers import Rotary, attention_bias
from uio2_agent.network.masks import target_masks
from uio2_agent.network.positions import rotary_pair
from uio2_agent.network.transformer import KeysValues

START = 0
"""The token every target starts with, at position 0."""


class StaticCache:
    """Keys and values of all decoder layers, allocated once for `length` positions of every row."""

    def __init__(self, config: UnifiedIO2Config, rows: int, length: int, like: Tensor):
        shape = (config.decoder_layers, rows, config.heads, length, config.head_dim)
        self._keys = torch.zeros(shape, device=like.device, dtype=like.dtype)
        self._values = torch.zeros_like(self._keys)
        self._rows = torch.arange(rows, device=like.device)[:, None]
        self._positions: Tensor | slice = self._rows
        self._length = 0

    def move_to(self, positions: Tensor | slice, length: int) -> None:
        """Let the next keys and values belong to positions [B, q]; attention reads the first `length`.

        A slice stands for positions that all rows share.
        """
        self._positions, self._length = positions, length

    def append(self, layer: int, keys: Tensor, values: Tensor) -> KeysValues:
        """Store keys and values [B, H, q, head_dim] of a layer, return those of all positions so far."""
        for store, new in ((self._keys[layer], keys), (self._values[layer], values)):
            if isinstance(self._positions, slice):
                store[:, :, self._positions] = new
            else:
                store[self._rows, :, self._positions] = new.transpose(1, 2).to(store.dtype)
        return self._keys[layer, :, :, : self._length], self._values[layer, :, :, : self._length]

    def reorder(self, rows: Tensor) -> None:
        """Let row i continue what row rows[i] holds."""
        self._keys[..., : self._length, :] = self._keys[:, rows, :, : self._length]
        self._values[..., : self._length, :] = self._values[:, rows, :, : self._length]


class Stepper:
    """The decoder of one encoded batch.

    Arguments:
        length: most tokens of an answer.
        modality: target modality the tokens belong to.
    """

    def __init__(self, model: Network, encoded: Encoded, length: int, modality: str = "text"):
        self._model, self._target, self._table = model, model.targets[modality], model.table(modality)
        self._modality, self.rows = modality, len(encoded.mask)
        dtype = encoded.hidden.dtype
        self._cross = model.decoder.cross(encoded.hidden, encoded.rotary)
        self._cross_bias = attention_bias(encoded.mask[:, None, None], dtype)
        self._cache = StaticCache(model.config, self.rows, length, encoded.hidden)
        self._rotary = rotary_pair(self._target.rotary(model.device)[None, :length], dtype)
        masks = target_masks(model.config, self._target.grid, length, model.device)
        self._patterns = masks if model.config.sparse_patterns and self._target.grid else None
        self._fed = np.zeros(length, bool)  # rows leave out the same places, if any

    def __call__(self, tokens: np.ndarray, positions: np.ndarray) -> Tensor:
        """Feed each row its next tokens, both int64 [B, q]; return hidden states [B, q, D].

        A row with fewer than q tokens to feed repeats its last one at its position, which changes nothing.
        """
        device = self._model.device
        fed = torch.from_numpy(tokens).to(device)
        seen = int(positions.max()) + 1
        self._fed[positions] = True
        if (positions == np.arange(positions[0, 0], positions[0, 0] + positions.shape[1])).all():
            at: Tensor | slice = slice(int(positions[0, 0]), seen)
            rotary: Rotary = tuple(factor[:, :, at] for factor in self._rotary)
        else:
            at = torch.from_numpy(positions).to(device)
            rotary = tuple(factor[0, 0][at][:, None] for factor in self._rotary)  # [B, 1, q, head_dim]
        self._cache.move_to(at, seen)
        embed = torch.nn.functional.embedding(fed, self._table) + self._target.modality
        return self._model.decoder(
            embed, self._biases(at, seen, embed.dtype), rotary, self._cross, self._cross_bias, self._cache
        )

    def logits(self, hidden: Tensor) -> Tensor:
        """Score hidden states [..., D] against the modality's table, float32 [..., V]."""
        return self._model.logits(hidden, self._modality).float()

    def reorder(self, rows: Tensor) -> None:
        """Let row i go on from what row rows[i] has been fed; both must answer the same request."""
        self._cache.reorder(rows)

    def _biases(self, at: Tensor | slice, seen: int, dtype: torch.dtype) -> list[Tensor | None]:
        """Return each layer's bias of earlier positions, [q, seen] or [B, 1, q, seen]."""
        layers = self._model.config.decoder_layers
        there = self._fed[:seen]
        fed = None if there.all() else torch.from_numpy(there).to(self._model.device)
        if self._patterns is None:
            if fed is None and isinstance(at, slice) and at.stop - at.start == 1:
                return [None] * layers  # a single token sees all that is stored
            places = torch.arange(seen, device=self._model.device)
            masks = [places <= (places[at][:, None] if isinstance(at, slice) else at[:, None, :, None])]
            masks *= layers
        else:
            masks = self._patterns
        biases = {}
        for mask in masks:
            if id(mask) not in biases:
                rows = mask if self._patterns is None else _rows(mask, at)[..., :seen]
                biases[id(mask)] = attention_bias(rows if fed is None else rows & fed, dtype)
        return [biases[id(mask)] for mask in masks]


def _rows(mask: Tensor, at: Tensor | slice) -> Tensor:
    return mask[at] if isinstance(at, slice) else mask[at][:, None]
