"""Shapes of the target tokenizers; the defaults are the released ones (spec section 2.4)."""

from dataclasses import dataclass
from typing import Any, Self

from uio2_agent.errors import UIO2Error


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

    @classmethod
    def from_official(cls, official: dict[str, Any]) -> Self:
        """Read the `image_vqgan` part of an official configuration."""
        return cls(
            width=official["ch"],
            multipliers=tuple(official["ch_mult"]),
            blocks=official["num_res_blocks"],
            resolution=official["resolution"],
            attention_resolutions=tuple(official["attn_resolutions"]),
            code_dim=official["z_channels"],
            codes=official["n_embed"],
            image_size=tuple(official["default_input_size"]),
            patch_size=tuple(official["patch_size"]),
        )

    def to_official(self) -> dict[str, Any]:
        """Write the fields `from_official` reads; its inverse."""
        return {
            "ch": self.width,
            "ch_mult": list(self.multipliers),
            "num_res_blocks": self.blocks,
            "resolution": self.resolution,
            "attn_resolutions": list(self.attention_resolutions),
            "z_channels": self.code_dim,
            "n_embed": self.codes,
            "default_input_size": list(self.image_size),
            "patch_size": list(self.patch_size),
        }


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

    @classmethod
    def from_official(cls, official: dict[str, Any]) -> Self:
        """Read the `audio_vqgan` part of an official configuration."""
        for part in ("hidden_size", "num_heads", "head_dim", "mlp_dim"):
            if official[f"encoder_{part}"] != official[f"decoder_{part}"]:
                raise UIO2Error(f"audio_vqgan: encoder_{part} and decoder_{part} differ; no release has that")
        return cls(
            width=official["encoder_hidden_size"],
            heads=official["encoder_num_heads"],
            head_dim=official["encoder_head_dim"],
            mlp_dim=official["encoder_mlp_dim"],
            encoder_layers=official["encoder_num_layers"],
            decoder_layers=official["decoder_num_layers"],
            code_dim=official["proj_dim"],
            codes=official["vocab_size"],
            spectrogram_size=tuple(official["default_input_size"]),
            patch_size=tuple(official["patch_size"]),
        )

    def to_official(self) -> dict[str, Any]:
        """Write the fields `from_official` reads; its inverse."""
        both = {
            "hidden_size": self.width,
            "num_heads": self.heads,
            "head_dim": self.head_dim,
            "mlp_dim": self.mlp_dim,
        }
        return {
            **{f"{side}_{part}": value for side in ("encoder", "decoder") for part, value in both.items()},
            "encoder_num_layers": self.encoder_layers,
            "decoder_num_layers": self.decoder_layers,
            "proj_dim": self.code_dim,
            "vocab_size": self.codes,
            "default_input_size": list(self.spectrogram_size),
            "patch_size": list(self.patch_size),
        }
