"""One decoder step under `torch.compile`, with shapes and addresses that never change (CUDA graphs on a GPU).

Unusual: buffers belong to the shape, not to the request. They are kept with the model, and each new batch
of requests is copied into them, so a step is compiled (and its graph recorded) once per number of rows,
source length and modality. Attention always reads the whole buffers and masks what is not there yet. It
answers like `Stepper`.
"""

import weakref
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn

from uio2_agent.errors import UIO2Error
from uio2_agent.model import Encoded, Network
from uio2_agent.network.layers import HIDDEN
from uio2_agent.network.masks import target_masks
from uio2_agent.network.positions import rotary_pair
from uio2_agent.network.transformer import KeysValues

SOURCE_STEP = 64
"""Source lengths are rounded up to multiples of this, so that few shapes occur."""


def compiled_stepper(
    model: Network, encoded: Encoded, length: int, modality: str = "text"
) -> "CompiledStepper":
    """Return a stepper over the model's compiled step for these shapes, loaded with an encoded batch.

    A step serves one decode at a time: the next one of the same shapes takes it over, and the stepper that
    had it before raises UIO2Error.
    """
    rows, source = encoded.mask.shape
    source = -(-source // SOURCE_STEP) * SOURCE_STEP
    weight = model.text_table.weight
    key = (rows, source, length, modality, weight.dtype, weight.device)
    kept = _kept.setdefault(model, {})
    if key not in kept:
        step = _Step(model, rows, source, length, modality)
        mode = "reduce-overhead" if model.device.type == "cuda" else None
        kept[key] = _Kept(step, torch.compile(step, dynamic=False, fullgraph=True, mode=mode))
    return CompiledStepper(model, kept[key], encoded, modality)


class CompiledStepper:
    """One decode with a step of fixed shapes; make it with `compiled_stepper`."""

    def __init__(self, model: Network, kept: "_Kept", encoded: Encoded, modality: str):
        self._model, self._kept, self._modality, self.rows = model, kept, modality, len(encoded.mask)
        kept.step.load(encoded)
        kept.decodes += 1
        self._decode = kept.decodes

    def __call__(self, tokens: np.ndarray, positions: np.ndarray) -> Tensor:
        """Feed each row its next tokens, both int64 [B, q]; return hidden states [B, q, D]."""
        if self._decode != self._kept.decodes:
            raise UIO2Error(
                "another compiled answer of the same shapes was begun before this one ended: end one first"
            )
        device = self._model.device
        run = self._kept.single if tokens.shape[1] == 1 else self._kept.step
        hidden = run(torch.from_numpy(tokens).to(device), torch.from_numpy(positions).to(device))
        return hidden.clone()  # the graph's next run overwrites its own output

    def logits(self, hidden: Tensor) -> Tensor:
        """Score hidden states [..., D] against the modality's table, float32 [..., V]."""
        return self._model.logits(hidden, self._modality).float()


@dataclass
class _Kept:
    """A step, the same compiled for a single token a row, and how many decodes it has served."""

    step: "_Step"
    single: Callable[[Tensor, Tensor], Tensor]
    decodes: int = 0


_kept: "weakref.WeakKeyDictionary[Network, dict[tuple, _Kept]]" = weakref.WeakKeyDictionary()
"""What is kept holds parts of its model but not the model, so it goes when the model does."""


class _Step(nn.Module):
    """The tensors of a step, and the step."""

    def __init__(self, model: Network, rows: int, source: int, length: int, modality: str):
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

    def load(self, encoded: Encoded) -> None:
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
