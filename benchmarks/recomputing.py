"""A stand-in for the official port's decoding, to measure against: `--against benchmarks.recomputing:run`.

It spends what that port is known to spend, on weights of the same shape: the encoder's keys and values are
projected again in every layer of every step, caches grow by concatenation, attention is spelled out in
float32, padding is kept. It is not the port: its framework's overhead per step is missing, so the real one is
slower.
"""

import functools
import time

import torch
from torch import Tensor

from benchmarks.model import batch_of, config_of
from uio2_agent import UnifiedIO2
from uio2_agent.network.layers import HIDDEN, Attention
from uio2_agent.network.positions import rotary_pair


@functools.cache
def _model() -> UnifiedIO2:
    torch.manual_seed(1)
    return UnifiedIO2(config_of("bench")).eval()


@torch.inference_mode()
def run(inputs: dict[str, Tensor], n_tokens: int) -> float:
    """Encode a flat official batch and decode tokens greedily; returns the seconds it took."""
    model, batch = _model(), batch_of(inputs, "cpu")
    begin = time.perf_counter()
    encoded = model.encode(batch)
    hide = torch.zeros_like(encoded.mask, dtype=torch.float32).masked_fill(~encoded.mask, HIDDEN)
    hide = hide[:, None, None]  # [B, 1, 1, S]
    rows = model.targets["text"].rotary(model.device)
    cache: list[tuple[Tensor, Tensor]] = [None] * len(model.decoder.layers)
    token = torch.zeros(batch.rows, 1, dtype=torch.long)
    for step in range(n_tokens):
        rotary = rotary_pair(rows[None, step : step + 1])
        x = torch.nn.functional.embedding(token, model.table("text")) + model.targets["text"].modality
        for index, layer in enumerate(model.decoder.layers):
            normed = layer.self_norm(x)
            queries, keys, values = layer.self_attention.queries_keys_values(normed, rotary)
            if cache[index] is not None:
                keys, values = (
                    torch.cat(pair, dim=2) for pair in zip(cache[index], (keys, values), strict=True)
                )
            cache[index] = keys, values
            x = x + _attend(layer.self_attention, queries, keys, values)
            queries = layer.cross_attention.queries(layer.cross_norm(x), rotary)
            keys, values = layer.cross_attention.keys_values(encoded.hidden, encoded.rotary)
            x = x + _attend(layer.cross_attention, queries, keys, values, hide)
            x = x + layer.mlp(layer.mlp_norm(x))
        token = model.logits(model.decoder.norm(x), "text").argmax(-1)
    return time.perf_counter() - begin


def _attend(
    attention: Attention, queries: Tensor, keys: Tensor, values: Tensor, bias: Tensor | None = None
) -> Tensor:
    logits = (queries.float() * queries.shape[-1] ** -0.5) @ keys.float().transpose(-1, -2)
    logits = logits if bias is None else logits + bias
    mixed = logits.softmax(-1).to(values.dtype) @ values
    return attention.out(mixed.transpose(1, 2).flatten(2))
