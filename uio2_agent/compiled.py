"""One decoder step under `torch.compile`, with shapes and addresses that never change (CUDA graphs on a GPU).

Unusual: buffers belong to the shape, not to the request. They are kept with the model, and each new batch
of requests is copied into them, so a step is compiled (and its graph recorded) once per number of rows,
source length and modality. Attention always reads the whole buffers and masks what is not there yet. It
answers like `Stepper`.
"""

import weakref
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor, nn

from uio2_agent.layers import HIDDEN
from uio2_agent.masks import target_masks
from uio2_agent.positions import rotary_pair
from uio2_agent.transformer import KeysValues

if TYPE_CHECKING:
    from uio2_agent.model import Encoded, UnifiedIO2

SOURCE_STEP = 64
"""Source lengths are rounded up to multiples of this, so that few shapes occur."""

_kept: "weakref.WeakKeyDictionary[UnifiedIO2, dict[tuple, CompiledStepper]]" = weakref.WeakKeyDictionary()


def compiled_stepper(
    model: "UnifiedIO2", encoded: "Encoded", length: int, modality: str = "text"
) -> "CompiledStepper":
    """Return the model's compiled stepper for these shapes, loaded with an encoded batch.

    It serves one decode at a time: the next call of the same shape takes it over.
    """
    rows, source = encoded.mask.shape
    source = -(-source // SOURCE_STEP) * SOURCE_STEP
    weight = model.text_table.weight
    key = (rows, source, length, modality, weight.dtype, weight.device)
    steppers = _kept.setdefault(model, {})
    if key not in steppers:
        steppers[key] = CompiledStepper(model, rows, source, length, modality)
    steppers[key].load(encoded)
    return steppers[key]


class CompiledStepper:
    """A stepper of fixed shapes; make it with `compiled_stepper`."""

    def __init__(self, model: "UnifiedIO2", rows: int, source: int, length: int, modality: str):
        self._logits, self._modality, self.rows = model.logits, modality, rows
        self._step = _Step(model, rows, source, length, modality)
        mode = "reduce-overhead" if model.device.type == "cuda" else None
        self._single = torch.compile(self._step, dynamic=False, fullgraph=True, mode=mode)

    def load(self, encoded: "Encoded") -> None:
        """Copy what an encoded batch gives to cross-attention into the buffers."""
        self._step.load(encoded)

    def __call__(self, tokens: np.ndarray, positions: np.ndarray) -> Tensor:
        """Feed each row its next tokens, both int64 [B, q]; return hidden states [B, q, D]."""
        device = self._step.device
        run = self._single if tokens.shape[1] == 1 else self._step
        hidden = run(torch.from_numpy(tokens).to(device), torch.from_numpy(positions).to(device))
        return hidden.clone()  # the graph's next run overwrites its own output

    def logits(self, hidden: Tensor) -> Tensor:
        """Score hidden states [..., D] against the modality's table, float32 [..., V]."""
        return self._logits(hidden, self._modality).float()


class _Step(nn.Module):
    """The tensors of a step, and the step."""

    def __init__(self, model: "UnifiedIO2", rows: int, source: int, length: int, modality: str):
        super().__init__()
        config = model.config
        self._decoder, self._modality = (
            [model.decoder],
            [model.targets[modality].modality],
        )  # owned by the model
        self.table, self.device, self._length = model.table(modality), model.device, length
        options = dict(device=model.device, dtype=self.table.dtype)
        shape = (rows, config.heads, length, config.head_dim)
        cross = (rows, config.heads, source, config.head_dim)
        self._crosses = [layer.cross_attention is not None for layer in model.decoder.layers]
        for layer, crosses in enumerate(self._crosses):
            sizes = {"keys": shape, "values": shape}
            if crosses:
                sizes |= {"cross_keys": cross, "cross_values": cross}
            for name, size in sizes.items():
                self.register_buffer(f"{name}_{layer}", torch.zeros(size, **options), persistent=False)
        self.register_buffer("cross_bias", torch.zeros(rows, 1, 1, source, **options), persistent=False)
        cos, sin = rotary_pair(model.targets[modality].rotary(model.device)[None, :length], self.table.dtype)
        self.register_buffer("cos", cos[0, 0].clone(), persistent=False)
        self.register_buffer("sin", sin[0, 0].clone(), persistent=False)
        masks = target_masks(config, model.targets[modality].grid, length, model.device)
        patterns = list({id(mask): mask for mask in masks}.values())
        self._pattern_of = [next(i for i, p in enumerate(patterns) if p is mask) for mask in masks]
        self._patterns = len(patterns)
        for index, mask in enumerate(patterns):
            self.register_buffer(f"pattern_{index}", mask.clone(), persistent=False)

    def load(self, encoded: "Encoded") -> None:
        (decoder,) = self._decoder
        used = encoded.mask.shape[1]
        for layer, pair in enumerate(decoder.cross(encoded.hidden, encoded.rotary)):
            if pair is not None:
                for name, value in zip(("cross_keys", "cross_values"), pair, strict=True):
                    getattr(self, f"{name}_{layer}")[:, :, :used] = value
        self.cross_bias.fill_(HIDDEN)
        self.cross_bias[:, :, :, :used].masked_fill_(encoded.mask[:, None, None], 0)

    def append(self, layer: int, keys: Tensor, values: Tensor) -> KeysValues:
        """Store keys and values [B, H, q, head_dim] at the present positions; return the whole buffers."""
        rows = torch.arange(len(keys), device=keys.device)[:, None]
        stored = getattr(self, f"keys_{layer}"), getattr(self, f"values_{layer}")
        for store, new in zip(stored, (keys, values), strict=True):
            store[rows, :, self._at] = new.transpose(1, 2)
        return stored

    def forward(self, tokens: Tensor, at: Tensor) -> Tensor:
        self._at = at
        (decoder,), (modality,) = self._decoder, self._modality
        embed = nn.functional.embedding(tokens, self.table) + modality
        zero = torch.zeros((), dtype=embed.dtype, device=embed.device)
        biases = [
            torch.where(getattr(self, f"pattern_{index}")[at][:, None], zero, HIDDEN)  # [B, 1, q, length]
            for index in range(self._patterns)
        ]
        cross = [
            (getattr(self, f"cross_keys_{layer}"), getattr(self, f"cross_values_{layer}"))
            if crosses
            else None
            for layer, crosses in enumerate(self._crosses)
        ]
        rotary = (self.cos[at][:, None], self.sin[at][:, None])  # [B, 1, q, head_dim]
        chosen = [biases[index] for index in self._pattern_of]
        return decoder(embed, chosen, rotary, cross, self.cross_bias, self)
