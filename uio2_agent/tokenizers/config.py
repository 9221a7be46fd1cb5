"""Shapes of the target tokenizers; the defaults are the released ones."""

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class VQGANConfig:
    """Shape of the network; sizes are (height, width) in pixels."""

    width: int = 128
    multipliers: tuple[int, ...] = (1, 2, 2, 4)
    blocks: int = 2
    """Residual blocks of a level in the encoder; the decoder has one more."""
    resolution: int = 256
    """Nominal side, halved at each level, by which `attention_resolutions` names levels."""
    attention_resolutions: tuple[int, ...] = (32,)
    code_dim: int = 4
    codes: int = 16_384
    image_size: tuple[int, int] = (256, 256)
    patch_size: tuple[int, int] = (8, 8)

    @property
    def grid(self) -> tuple[int, int]:
        """Rows and columns of codes."""
        return self.image_size[0] // self.patch_size[0], self.image_size[1] // self.patch_size[1]


@dataclass(frozen=True, kw_only=True)
class ViTVQGANConfig:
    """Shape of the network, the same width in encoder and decoder; sizes are (mel bins, time steps)."""

    width: int = 512
    heads: int = 8
    head_dim: int = 64
    mlp_dim: int = 2048
    encoder_layers: int = 8
    decoder_layers: int = 8
    code_dim: int = 32
    codes: int = 8_192
    spectrogram_size: tuple[int, int] = (128, 256)
    patch_size: tuple[int, int] = (8, 8)

    @property
    def grid(self) -> tuple[int, int]:
        """Rows (mel) and columns (time) of codes."""
        (height, width), (rows, columns) = self.spectrogram_size, self.patch_size
        return height // rows, width // columns
