"""Arithmetic of a training step, counted from the shapes of the matrices, and the peak of known cards."""

from collections.abc import Sequence

import torch

from uio2_agent.config import UnifiedIO2Config

BACKWARD = 3
"""Forward and backward pass together, in forward passes."""
PEAK_BF16 = {"H100": 989.4e12, "H200": 989.4e12, "A100": 312e12}
"""Dense bfloat16 operations a second, from the data sheets of the SXM cards."""


def peak_of(device: torch.device) -> float | None:
    """Return the peak of the card that this device is, in operations a second; None where it is not known."""
    if device.type != "cuda":
        return None
    name = torch.cuda.get_device_name(device)
    return next((peak for card, peak in PEAK_BF16.items() if card in name), None)


def layer_flops(config: UnifiedIO2Config) -> tuple[float, float, float]:
    """Return operations of a forward pass for one token: an encoder layer, a decoder layer, and what its
    cross-attention adds for one token of the encoder. Attention itself comes on top (`transformer_flops`).
    """
    attention, mlp = 2 * config.width**2, 6 * config.width * config.mlp_dim
    return 4 * attention + mlp, 6 * attention + mlp, 2 * attention


def transformer_flops(config: UnifiedIO2Config, lengths: Sequence[tuple[int, int]]) -> float:
    """Return operations of a forward pass of encoder, decoder and logits over examples of these lengths.

    `lengths` are tokens in the encoder and in the decoder. A product of two numbers and its sum are two
    operations. Every pair of tokens of an example counts in attention, also where a causal mask hides it;
    the ViTs and the target tokenizers, which are frozen, are left out, as is usual for a utilisation.
    """
    encoder, decoder, cross = layer_flops(config)
    pair = 4 * config.width
    total = 0.0
    for inputs, targets in lengths:
        total += config.encoder_layers * (inputs * encoder + inputs**2 * pair)
        total += config.decoder_layers * (
            targets * decoder + inputs * cross + (targets**2 + inputs * targets) * pair
        )
        total += 2 * targets * config.width * config.text_rows
    return total
