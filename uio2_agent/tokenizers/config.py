"""Shapes of the target tokenizers; the defaults are the released ones."""

from dataclasses import dataclass
from typing import Annotated

from uio2_agent.errors import UIO2Error
from uio2_agent.fields import Range, check_fields
from uio2_agent.sizes import Heads, Layers, Patch, Rows, Side, Sides, Width, grid_of

GROUPS = 32
"""Groups of channels that the VQGAN norms; widths are multiples of it."""


@dataclass(frozen=True, kw_only=True)
class VQGANConfig:
    """Shape of the network; sizes are (height, width) in pixels."""

    width: Width = 128
    multipliers: Annotated[tuple[Annotated[int, Range(1, 64)], ...], Range(1, 8)] = (1, 2, 2, 4)
    blocks: Layers = 2
    """Residual blocks of a level in the encoder; the decoder has one more."""
    resolution: Side = 256
    """Nominal side, halved at each level, by which `attention_resolutions` names levels."""
    attention_resolutions: Annotated[tuple[Side, ...], Range(0, 8)] = (32,)
    code_dim: Width = 4
    codes: Rows = 16_384
    image_size: Sides = (256, 256)
    patch_size: tuple[Patch, Patch] = (8, 8)

    def __post_init__(self) -> None:
        check_fields(self)
        if self.width % GROUPS:
            raise UIO2Error(f"width={self.width} is not possible: it takes multiples of {GROUPS}")
        stride = 2 ** (len(self.multipliers) - 1)
        if self.patch_size != (stride, stride):
            raise UIO2Error(
                f"patch_size={self.patch_size} is not possible: {len(self.multipliers)} multipliers halve a "
                f"picture to patches of {(stride, stride)}"
            )
        grid_of("image_size", self.image_size, self.patch_size)

    @property
    def total_layers(self) -> int:
        """Residual blocks of encoder and decoder."""
        return (2 * self.blocks + 1) * len(self.multipliers)

    @property
    def grid(self) -> tuple[int, int]:
        """Rows and columns of codes."""
        return self.image_size[0] // self.patch_size[0], self.image_size[1] // self.patch_size[1]


@dataclass(frozen=True, kw_only=True)
class ViTVQGANConfig:
    """Shape of the network, the same width in encoder and decoder; sizes are (mel bins, time steps)."""

    width: Width = 512
    heads: Heads = 8
    head_dim: Width = 64
    mlp_dim: Width = 2048
    encoder_layers: Layers = 8
    decoder_layers: Layers = 8
    code_dim: Width = 32
    codes: Rows = 8_192
    spectrogram_size: Sides = (128, 256)
    patch_size: tuple[Patch, Patch] = (8, 8)

    def __post_init__(self) -> None:
        check_fields(self)
        if self.width % 4:
            raise UIO2Error(f"width={self.width} is not possible: it takes multiples of 4")
        grid_of("spectrogram_size", self.spectrogram_size, self.patch_size)

    @property
    def total_layers(self) -> int:
        """Layers of encoder and decoder."""
        return self.encoder_layers + self.decoder_layers

    @property
    def grid(self) -> tuple[int, int]:
        """Rows (mel) and columns (time) of codes."""
        (height, width), (rows, columns) = self.spectrogram_size, self.patch_size
        return height // rows, width // columns
