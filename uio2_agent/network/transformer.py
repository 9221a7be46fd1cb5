"""Encoder and decoder stacks.

Unusual: cross-attention is rotary too, decoder positions on the queries and encoder positions on the keys.
The decoder takes the encoder's keys and values ready-made (`Decoder.cross`), because they are the same at
every step of a decode, and asks a cache, if there is one, for the keys and values of earlier positions. Each
decoder layer has its own bias, because sparse patterns differ from layer to layer. Biases are those of
`layers.attention_bias`, or attentions with a mask of their own (`packed_masks`).
"""

from collections.abc import Callable, Sequence
from functools import partial
from typing import NamedTuple, Protocol

from torch import Tensor, nn

from uio2_agent.config import UnifiedIO2Config
from uio2_agent.network.layers import Attend, Attention, GatedMLP, RMSNorm, Rotary

KeysValues = tuple[Tensor, Tensor]
"""Each [B, H, S, head_dim]."""
Bias = Tensor | Attend | None


class Context(NamedTuple):
    """Encoder output [B, S, D] and its rotary factors, of which a layer makes keys and values itself."""

    hidden: Tensor
    rotary: Rotary


class Cache(Protocol):
    """Takes keys and values of the current positions, gives those of all positions so far."""

    def append(self, layer: int, keys: Tensor, values: Tensor) -> KeysValues: ...


class EncoderLayer(nn.Module):
    """Self-attention, then a gated MLP."""

    def __init__(self, config: UnifiedIO2Config):
        super().__init__()
        self.attention_norm = RMSNorm(config.width)
        self.attention = _attention(config)
        self.mlp_norm = RMSNorm(config.width)
        self.mlp = GatedMLP(config.width, config.mlp_dim)

    def forward(self, x: Tensor, bias: Bias, rotary: Rotary) -> Tensor:
        normed = self.attention_norm(x)
        x = x + self.attention(*self.attention.queries_keys_values(normed, rotary), bias)
        return x + self.mlp(self.mlp_norm(x))


class Encoder(nn.Module):
    """Bidirectional layers and a final norm."""

    def __init__(self, config: UnifiedIO2Config):
        super().__init__()
        self.layers = nn.ModuleList(EncoderLayer(config) for _ in range(config.encoder_layers))
        self.norm = RMSNorm(config.width)

    def forward(self, x: Tensor, bias: Bias, rotary: Rotary) -> Tensor:
        """Encode x [B, S, D] with a bias that broadcasts to [B, H, S, S]."""
        for layer in self.layers:
            x = layer(x, bias, rotary)
        return self.norm(x)


class DecoderLayer(nn.Module):
    """Causal self-attention, cross-attention if the layer has it, then a gated MLP."""

    def __init__(self, config: UnifiedIO2Config, crosses: bool):
        super().__init__()
        self.self_norm = RMSNorm(config.width)
        self.self_attention = _attention(config)
        self.cross_norm = RMSNorm(config.width) if crosses else None
        self.cross_attention = _attention(config) if crosses else None
        self.mlp_norm = RMSNorm(config.width)
        self.mlp = GatedMLP(config.width, config.mlp_dim)

    def forward(
        self,
        x: Tensor,
        bias: Bias,
        rotary: Rotary,
        cross: KeysValues | Context | None,
        cross_bias: Bias,
        extend: Callable[[Tensor, Tensor], KeysValues] | None,
    ) -> Tensor:
        normed = self.self_norm(x)
        queries, keys, values = self.self_attention.queries_keys_values(normed, rotary)
        if extend is not None:
            keys, values = extend(keys, values)
        x = x + self.self_attention(queries, keys, values, bias)
        if self.cross_attention is not None:
            if isinstance(cross, Context):
                cross = self.cross_attention.keys_values(*cross)
            queries = self.cross_attention.queries(self.cross_norm(x), rotary)
            x = x + self.cross_attention(queries, *cross, cross_bias)
        return x + self.mlp(self.mlp_norm(x))


class Decoder(nn.Module):
    """Causal layers and a final norm."""

    def __init__(self, config: UnifiedIO2Config):
        super().__init__()
        last = config.decoder_layers - 1
        self.layers = nn.ModuleList(
            DecoderLayer(config, crosses=index % config.cross_every == 0 or index == last)
            for index in range(config.decoder_layers)
        )
        self.norm = RMSNorm(config.width)
        self.crosses_inside = False
        """Layers make keys and values themselves, of packed rows: for training in which a layer's weights are
        there only while it runs, or what it computed is not kept."""

    def cross(self, encoded: Tensor, rotary: Rotary) -> list[KeysValues | Context | None]:
        """Return each layer's keys and values of encoder output [B, S, D]; None without cross-attention."""
        if self.crosses_inside:
            context = Context(encoded, rotary)
            return [None if layer.cross_attention is None else context for layer in self.layers]
        return [
            None if layer.cross_attention is None else layer.cross_attention.keys_values(encoded, rotary)
            for layer in self.layers
        ]

    def forward(
        self,
        x: Tensor,
        biases: Sequence[Bias],
        rotary: Rotary,
        cross: Sequence[KeysValues | Context | None],
        cross_bias: Bias,
        cache: Cache | None = None,
    ) -> Tensor:
        """Decode x [B, T, D].

        biases, one a layer, broadcast to [B, H, T, positions so far], cross_bias to [B, H, T, S].
        """
        for index, (layer, bias, encoder_side) in enumerate(zip(self.layers, biases, cross, strict=True)):
            extend = None if cache is None else partial(cache.append, index)
            x = layer(x, bias, rotary, encoder_side, cross_bias, extend)
        return self.norm(x)


def _attention(config: UnifiedIO2Config) -> Attention:
    return Attention(config.width, config.heads, config.head_dim, qk_norm=config.qk_norm)
