"""Every number that fixes the shape of a model, and the named sizes.

Unusual: one dataclass covers the official models (square images, every patch kept) and the small ones
(rectangular images, background patches left out), so both run through the same code. The official nested
dictionary is read and written in `formats.official_config`.
"""

import dataclasses
from dataclasses import dataclass
from typing import Any

from uio2_agent.errors import UIO2Error, did_you_mean
from uio2_agent.formats.official_config import config_from_official, config_to_official
from uio2_agent.presets import PRESETS
from uio2_agent.tokenizers.config import ViTVQGANConfig, VQGANConfig

INPUT_MODALITIES = ("text", "image", "image_history", "audio", "audio_history")
TARGET_MODALITIES = ("text", "image", "audio")


@dataclass(frozen=True, kw_only=True)
class ViTConfig:
    """A frozen-feature patch encoder: the CLIP-like image tower or the AST-like audio tower."""

    width: int
    heads: int
    head_dim: int
    mlp_dim: int
    layers: int
    patch_size: int
    channels: int
    """3 for images, 1 for spectrograms."""
    positions: tuple[int, int]
    """Rows and columns of the learned position grid. Images resize it, spectrograms index it."""
    lineage: str = "clip"
    """"clip": class token, norm before the blocks, exact GELU, eps 1e-5. "ast": two extra tokens, a patch
    bias, tanh GELU, eps 1e-6, and a position grid that is indexed transposed."""

    @property
    def patch_dim(self) -> int:
        return self.patch_size**2 * self.channels


@dataclass(frozen=True, kw_only=True)
class ResamplerConfig:
    """The perceiver that turns the patches of one history frame into a few latents."""

    width: int
    heads: int
    head_dim: int
    mlp_dim: int
    layers: int
    latents: int
    max_frames: int = 8
    qk_norm: bool = True
    scaled_cosine: bool = False
    clip_logit: float | None = None
    """Bound of attention logits before masking; no release has one."""


@dataclass(frozen=True, kw_only=True)
class UnifiedIO2Config:
    """The whole model. Sizes of images are (height, width) in pixels, of spectrograms (time, mel)."""

    width: int
    heads: int
    head_dim: int
    mlp_dim: int
    encoder_layers: int
    decoder_layers: int
    cross_every: int = 1
    """Decoder layer i has cross-attention when i is a multiple of this, or the last."""
    qk_norm: bool = True
    text_rows: int
    """Rows of the text table: the vocabulary rounded up to a multiple of 128."""
    image_rows: int = 0
    audio_rows: int = 0
    text_input_length: int = 512
    text_target_length: int = 512
    image_target_length: int = 1024
    audio_target_length: int = 512
    input_modalities: tuple[str, ...] = INPUT_MODALITIES
    target_modalities: tuple[str, ...] = TARGET_MODALITIES
    image_encoder: ViTConfig
    audio_encoder: ViTConfig | None = None
    image_history: ResamplerConfig
    audio_history: ResamplerConfig | None = None
    image_tokenizer: VQGANConfig | None = None
    audio_tokenizer: ViTVQGANConfig | None = None
    freeze_vit: bool = True
    """Features of the ViTs carry no gradient."""
    sparse_patterns: bool = False
    """Decoder layers see a row, a column or a neighbourhood of an image or audio target (the paper's method).
    Off reproduces the released weights, whose code builds these patterns and never applies them."""
    dynamic_masking: bool = False
    """Target tokens that were hidden from the encoder are seen by no other target token (likewise)."""
    image_size: tuple[int, int] = (384, 384)
    history_size: tuple[int, int] = (256, 256)
    audio_size: tuple[int, int] = (256, 128)
    audio_history_size: tuple[int, int] | None = None
    """None: that of `audio_size`, as in every release."""
    image_tokens: int = 576
    """Most patches of an image that enter the model; the length of the image part with fixed shapes."""
    history_tokens: int = 256
    history_frames: int = 4
    """Most history frames of a request; the number of frames with fixed shapes."""
    audio_tokens: int = 128
    audio_history_tokens: int | None = None
    """None: as many as `audio_tokens`."""
    grid_scale: float = 4 / 3
    """Factor on rotary coordinates of image and audio patches: sqrt(image target length / patches)."""
    drop_background: bool = False
    """Leave out patches that show nothing but the image's median colour."""
    position_init: float = 0.02
    """Spread of a fresh position table; above 0.1 it starts as sines and cosines of that amplitude."""

    def __post_init__(self) -> None:
        if self.heads * self.head_dim != self.width:
            raise UIO2Error(
                f"heads * head_dim must equal width: {self.heads} * {self.head_dim} != {self.width}"
            )
        for name, known in (("input_modalities", INPUT_MODALITIES), ("target_modalities", TARGET_MODALITIES)):
            if unknown := set(getattr(self, name)) - set(known):
                raise UIO2Error(f"{name} contains {sorted(unknown)}; known are {', '.join(known)}")
        for name in ("image", "audio"):
            if name in self.target_modalities and getattr(self, f"{name}_tokenizer") is None:
                raise UIO2Error(f"target modality {name!r} needs {name}_tokenizer in the configuration")
        encoders = {
            "image_size": self.image_encoder,
            "history_size": self.image_encoder,
            "audio_size": self.audio_encoder,
            "audio_history_size": self.audio_encoder,
        }
        for name, encoder in encoders.items():
            size = getattr(self, name)
            if encoder and size and any(side % encoder.patch_size for side in size):
                raise UIO2Error(f"{name} {size} must be a multiple of {encoder.patch_size}")

    @property
    def image_grid(self) -> tuple[int, int]:
        """Rows and columns of image patches."""
        patch = self.image_encoder.patch_size
        return self.image_size[0] // patch, self.image_size[1] // patch

    @property
    def history_grid(self) -> tuple[int, int]:
        patch = self.image_encoder.patch_size
        return self.history_size[0] // patch, self.history_size[1] // patch

    @property
    def audio_grid(self) -> tuple[int, int]:
        """Rows (time) and columns (mel) of spectrogram patches."""
        patch = self.audio_encoder.patch_size if self.audio_encoder else 16
        return self.audio_size[0] // patch, self.audio_size[1] // patch

    @property
    def audio_history_grid(self) -> tuple[int, int]:
        """Rows (time) and columns (mel) of the patches of a history segment."""
        if self.audio_history_size is None or self.audio_encoder is None:
            return self.audio_grid
        patch = self.audio_encoder.patch_size
        return self.audio_history_size[0] // patch, self.audio_history_size[1] // patch

    @classmethod
    def preset(cls, name: str) -> "UnifiedIO2Config":
        """Return the named size: nano, base, large, xl or xxl."""
        if name not in PRESETS:
            raise UIO2Error(
                f"there is no preset {name!r}{did_you_mean(name, PRESETS)}; there are {', '.join(PRESETS)}"
            )
        return cls.from_dict(PRESETS[name])

    def to_dict(self) -> dict[str, Any]:
        """Return plain dictionaries, lists and numbers, ready for JSON."""
        return dataclasses.asdict(self)

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> "UnifiedIO2Config":
        """Rebuild a configuration from `to_dict`; unknown or missing fields are named in the error."""
        return _build(cls, values, "config")

    @classmethod
    def from_official(cls, official: dict[str, Any]) -> "UnifiedIO2Config":
        """Read the nested dictionary of an official checkpoint's config.json."""
        return config_from_official(official, cls.from_dict)

    def to_official(self) -> dict[str, Any]:
        """Write the official nested dictionary."""
        return config_to_official(self.to_dict(), self.from_dict)


_PARTS = {
    "image_encoder": ViTConfig,
    "audio_encoder": ViTConfig,
    "image_history": ResamplerConfig,
    "audio_history": ResamplerConfig,
    "image_tokenizer": VQGANConfig,
    "audio_tokenizer": ViTVQGANConfig,
}


def _build(kind: type, values: dict[str, Any], where: str) -> Any:
    fields = {field.name: field for field in dataclasses.fields(kind)}
    if unknown := set(values) - set(fields):
        raise UIO2Error(f"{where} has unknown fields {sorted(unknown)}; known are {', '.join(fields)}")
    required = {name for name, field in fields.items() if field.default is dataclasses.MISSING}
    if missing := required - set(values):
        raise UIO2Error(f"{where} lacks {sorted(missing)}: the file is not a configuration of this package")
    built = {}
    for name, value in values.items():
        if name in _PARTS and isinstance(value, dict):
            value = _build(_PARTS[name], value, f"{where}.{name}")
        built[name] = tuple(value) if isinstance(value, list) else value
    return kind(**built)
