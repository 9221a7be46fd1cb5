"""Images to codes and back: the convolutional VQGAN of image targets.

Unusual: encoder and decoder are plain sequences whose members carry the official weight names, so an official
state dict loads as it is. The network is frozen wherever it is used; nothing here is trained, and its
training losses are left out.
"""

from collections import OrderedDict
from collections.abc import Iterator

import torch.nn.functional as F
from torch import Tensor, nn

from uio2_agent.tokenizers.config import GROUPS, VQGANConfig


class VQGAN(nn.Module):
    """Encode images to a raster of codes, and decode codes to images.

    >>> import torch
    >>> config = VQGANConfig(width=32, multipliers=(1, 1), codes=8, image_size=(16, 16), patch_size=(2, 2))
    >>> vqgan = VQGAN(config)
    >>> codes = vqgan.encode(torch.zeros(1, 3, 16, 16))
    >>> codes.shape, vqgan.decode(codes).shape
    (torch.Size([1, 64]), torch.Size([1, 3, 16, 16]))
    """

    def __init__(self, config: VQGANConfig):
        super().__init__()
        self.config = config
        self.encoder = nn.Sequential(OrderedDict(_encoder(config)))
        self.quant_conv = nn.Conv2d(config.code_dim, config.code_dim, 1)
        self.quantize = nn.ModuleDict({"embedding": nn.Embedding(config.codes, config.code_dim)})
        self.post_quant_conv = nn.Conv2d(config.code_dim, config.code_dim, 1)
        self.decoder = nn.Sequential(OrderedDict(_decoder(config)))

    def features(self, images: Tensor) -> Tensor:
        """Return what is quantised, [B, code_dim, rows, columns], for images [B, 3, H, W] in [-1, 1]."""
        return self.quant_conv(self.encoder(images))

    def encode(self, images: Tensor) -> Tensor:
        """Return codes int64 [B, rows * columns], raster, of images [B, 3, H, W] in [-1, 1]."""
        features = self.features(images).flatten(2).transpose(1, 2)  # [B, N, code_dim]
        return nearest(features, self.quantize["embedding"].weight)

    def look_up(self, codes: Tensor) -> Tensor:
        """Return the vectors [B, code_dim, rows, columns] of raster codes [B, N]."""
        return self.quantize["embedding"](codes).transpose(1, 2).unflatten(2, self.config.grid)

    def decode(self, codes: Tensor) -> Tensor:
        """Return images [B, 3, H, W], roughly in [-1, 1], of raster codes [B, N]."""
        return self.decoder(self.post_quant_conv(self.look_up(codes)))


def nearest(vectors: Tensor, codebook: Tensor) -> Tensor:
    """Return int64 [...]: the row of codebook [C, d] nearest to each of vectors [..., d]."""
    squared = vectors.square().sum(-1, keepdim=True) + codebook.square().sum(-1) - 2 * vectors @ codebook.T
    return squared.argmin(-1)


class ResidualBlock(nn.Module):
    """x plus two normed convolutions of it; a 1x1 convolution carries x over a change of width."""

    def __init__(self, inputs: int, outputs: int):
        super().__init__()
        self.norm1 = _norm(inputs)
        self.conv1 = nn.Conv2d(inputs, outputs, 3, padding=1)
        self.norm2 = _norm(outputs)
        self.conv2 = nn.Conv2d(outputs, outputs, 3, padding=1)
        self.nin_shortcut = nn.Conv2d(inputs, outputs, 1) if inputs != outputs else nn.Identity()

    def forward(self, x: Tensor) -> Tensor:
        hidden = self.conv1(F.silu(self.norm1(x)))
        return self.nin_shortcut(x) + self.conv2(F.silu(self.norm2(hidden)))


class PositionAttention(nn.Module):
    """x plus one head of attention over all its positions."""

    def __init__(self, width: int):
        super().__init__()
        self.norm = _norm(width)
        self.q, self.k, self.v, self.proj_out = (nn.Conv2d(width, width, 1) for _ in range(4))

    def forward(self, x: Tensor) -> Tensor:
        normed = self.norm(x)
        q, k, v = (part(normed).flatten(2).transpose(1, 2)[:, None] for part in (self.q, self.k, self.v))
        mixed = F.scaled_dot_product_attention(q, k, v)  # [B, 1, H * W, width]
        return x + self.proj_out(mixed[:, 0].transpose(1, 2).unflatten(2, x.shape[2:]))


class Downsample(nn.Module):
    """Halve both sides; the frame of zeros is at the right and the bottom only."""

    def __init__(self, width: int):
        super().__init__()
        self.conv = nn.Conv2d(width, width, 3, stride=2)

    def forward(self, x: Tensor) -> Tensor:
        return self.conv(F.pad(x, (0, 1, 0, 1)))


class Upsample(nn.Module):
    """Double both sides by repetition, then smooth."""

    def __init__(self, width: int):
        super().__init__()
        self.conv = nn.Conv2d(width, width, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        return self.conv(F.interpolate(x, scale_factor=2.0, mode="nearest"))


Members = Iterator[tuple[str, nn.Module]]


def _encoder(config: VQGANConfig) -> Members:
    width = config.width
    yield "conv_in", nn.Conv2d(3, width, 3, padding=1)
    for level, multiplier in enumerate(config.multipliers):
        attends = config.resolution // 2**level in config.attention_resolutions
        yield from _level(f"down_{level}", width, config.width * multiplier, config.blocks, attends)
        width = config.width * multiplier
        if level < len(config.multipliers) - 1:
            yield f"down_{level}_downsample", Downsample(width)
    yield from _middle(width)
    yield from _end(width, config.code_dim)


def _decoder(config: VQGANConfig) -> Members:
    width = config.width * config.multipliers[-1]
    yield "conv_in", nn.Conv2d(config.code_dim, width, 3, padding=1)
    yield from _middle(width)
    top = len(config.multipliers) - 1
    for step, multiplier in enumerate(reversed(config.multipliers)):
        attends = config.resolution // 2 ** (top - step) in config.attention_resolutions
        yield from _level(f"up_{step}", width, config.width * multiplier, config.blocks + 1, attends)
        width = config.width * multiplier
        if step < top:
            yield f"up_{step}_upsample", Upsample(width)
    yield from _end(width, 3)


def _level(name: str, inputs: int, outputs: int, blocks: int, attends: bool) -> Members:
    for block in range(blocks):
        yield f"{name}_block_{block}", ResidualBlock(outputs if block else inputs, outputs)
        if attends:
            yield f"{name}_attn_{block}", PositionAttention(outputs)


def _middle(width: int) -> Members:
    yield "mid_block_1", ResidualBlock(width, width)
    yield "mid_attn_1", PositionAttention(width)
    yield "mid_block_2", ResidualBlock(width, width)


def _end(width: int, outputs: int) -> Members:
    yield "norm_out", _norm(width)
    yield "act_out", nn.SiLU()
    yield "conv_out", nn.Conv2d(width, outputs, 3, padding=1)


def _norm(width: int) -> nn.GroupNorm:
    return nn.GroupNorm(GROUPS, width, eps=1e-6)
