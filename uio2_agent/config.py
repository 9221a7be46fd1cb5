"""Every number that fixes the shape of a model, and the named sizes.

Unusual: one dataclass covers the official models (square images, every patch kept) and the small ones
(rectangular images, background patches left out), so both run through the same code. A field's annotation is
its type and range, checked whenever a configuration is made. The official nested dictionary is read and
written in `formats.official_config`.
"""

import dataclasses
import math
from dataclasses import dataclass
from typing import Annotated, Any, Literal

from uio2_agent.errors import UIO2Error, did_you_mean
from uio2_agent.fields import Range, build, check_fields
from uio2_agent.formats.official_config import config_from_official, config_to_official
from uio2_agent.presets import PRESETS
from uio2_agent.sizes import Heads, Layers, Length, Patch, Pieces, Rows, Sides, Width, grid_of
from uio2_agent.tokenizers.config import ViTVQGANConfig, VQGANConfig

FIRST_CODE = 2
"""Code c of an image or audio target is token c + 2; 0 starts a target."""
MASK_CODE = 1
"""The token that stands for one that is hidden, with `mask_hidden_inputs`."""
MOST_RESIZE = 2**28
"""Numbers of the matrix that resizes a grid of positions to one of patches."""
ADJUSTABLE = (
    *("text_input_length", "text_target_length", "image_target_length", "audio_target_length"),
    *("image_tokens", "history_tokens", "audio_tokens", "audio_history_tokens", "history_frames"),
    *("freeze_vit", "position_init"),
)
"""Fields that may be changed for weights that are there: limits, and what only training reads."""
INPUT_MODALITIES = ("text", "image", "image_history", "audio", "audio_history")
TARGET_MODALITIES = ("text", "image", "audio")


@dataclass(frozen=True, kw_only=True)
class ViTConfig:
    """A frozen-feature patch encoder: the CLIP-like image tower or the AST-like audio tower."""

    width: Width
    heads: Heads
    head_dim: Width
    mlp_dim: Width
    layers: Layers
    patch_size: Patch
    channels: Annotated[int, Range(1, 64)]
    """3 for images, 1 for spectrograms."""
    positions: Sides
    """Rows and columns of the learned position grid. Images resize it, spectrograms index it."""
    lineage: Literal["clip", "ast"] = "clip"
    """"clip": class token, norm before the blocks, exact GELU, eps 1e-5. "ast": two extra tokens, a patch
    bias, tanh GELU, eps 1e-6, and a position grid that is indexed transposed."""

    def __post_init__(self) -> None:
        check_fields(self)
        grid_of("positions", self.positions, (1, 1))

    @property
    def patch_dim(self) -> int:
        return self.patch_size**2 * self.channels


@dataclass(frozen=True, kw_only=True)
class ResamplerConfig:
    """The perceiver that turns the patches of one history frame into a few latents."""

    width: Width
    heads: Heads
    head_dim: Width
    mlp_dim: Width
    layers: Layers
    latents: Length
    max_frames: Pieces = 8
    qk_norm: bool = True
    scaled_cosine: bool = False
    clip_logit: Annotated[float, Range(1e-6, 1e6)] | None = None
    """Bound of attention logits before masking; no release has one."""

    def __post_init__(self) -> None:
        check_fields(self)


@dataclass(frozen=True, kw_only=True)
class UnifiedIO2Config:
    """The whole model. Sizes of images are (height, width) in pixels, of spectrograms (time, mel)."""

    width: Width
    heads: Heads
    head_dim: Width
    mlp_dim: Width
    encoder_layers: Layers
    decoder_layers: Layers
    cross_every: Layers = 1
    """Decoder layer i has cross-attention when i is a multiple of this, or the last."""
    qk_norm: bool = True
    text_rows: Rows
    """Rows of the text table: the vocabulary rounded up to a multiple of 128."""
    image_rows: Annotated[int, Range(0, 16_777_216)] = 0
    audio_rows: Annotated[int, Range(0, 16_777_216)] = 0
    text_input_length: Length = 512
    text_target_length: Length = 512
    image_target_length: Length = 1024
    audio_target_length: Length = 512
    input_modalities: Annotated[
        tuple[Literal["text", "image", "image_history", "audio", "audio_history"], ...], Range(1, 5)
    ] = INPUT_MODALITIES
    target_modalities: Annotated[tuple[Literal["text", "image", "audio"], ...], Range(1, 3)] = (
        TARGET_MODALITIES
    )
    image_encoder: ViTConfig
    audio_encoder: ViTConfig | None = None
    image_history: ResamplerConfig | None = None
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
    mask_hidden_inputs: bool = False
    """The decoder reads the mask token in place of target tokens that were hidden from the encoder."""
    align_hidden_inputs: bool = False
    """Where any target token was hidden, the decoder reads at each place the token it predicts there, not the
    one before; possible with `mask_hidden_inputs` only, because it would read the answers."""
    image_size: Sides = (384, 384)
    history_size: Sides = (256, 256)
    audio_size: Sides = (256, 128)
    audio_history_size: Sides | None = None
    """None: that of `audio_size`, as in every release."""
    image_tokens: Length = 576
    """Most patches of an image that enter the model; the length of the image part with fixed shapes."""
    history_tokens: Length = 256
    history_frames: Pieces = 4
    """Most history frames of a request; the number of frames with fixed shapes."""
    audio_tokens: Length = 128
    audio_history_tokens: Length | None = None
    """None: as many as `audio_tokens`."""
    grid_scale: Annotated[float, Range(1e-3, 1e3)] = 4 / 3
    """Factor on rotary coordinates of image and audio patches: sqrt(image target length / patches)."""
    drop_background: bool = False
    """Leave out patches that show nothing but the image's median colour."""
    position_init: Annotated[float, Range(0, 100)] = 0.02
    """Spread of a fresh position table; above 0.1 it starts as sines and cosines of that amplitude."""
    tokenizer: Annotated[str, Range(16, 16)] | None = None
    """`Vocabulary.hash()` of the text tokenizer that the text table is of; None where it is not known, as in
    official checkpoints."""

    def __post_init__(self) -> None:
        check_fields(self)
        if self.heads * self.head_dim != self.width:
            raise UIO2Error(
                f"heads * head_dim must equal width: {self.heads} * {self.head_dim} != {self.width}"
            )
        if self.align_hidden_inputs and not self.mask_hidden_inputs:
            raise UIO2Error(
                "align_hidden_inputs=True is not possible without mask_hidden_inputs: the decoder would read "
                "what it predicts"
            )
        self._check_modalities()
        self._check_grids()

    def _check_modalities(self) -> None:
        """Raise UIO2Error unless all that the modalities need is there and fits together."""
        for name in ("input_modalities", "target_modalities"):
            if len(set(getattr(self, name))) < len(getattr(self, name)):
                raise UIO2Error(f"{name}={getattr(self, name)} is not possible: it names one more than once")
        if "text" not in self.input_modalities:
            raise UIO2Error(
                f"input_modalities={self.input_modalities} is not possible: every request has text"
            )
        for name, part in (("audio", "audio_encoder"), ("audio_history", "audio_encoder")):
            if name in self.input_modalities and getattr(self, part) is None:
                raise UIO2Error(f"input modality {name!r} needs {part} in the configuration")
        for name in ("image_history", "audio_history"):
            if name not in self.input_modalities:
                continue
            if (resampler := getattr(self, name)) is None:
                raise UIO2Error(f"input modality {name!r} needs {name} in the configuration")
            if self.history_frames > resampler.max_frames:
                raise UIO2Error(
                    f"history_frames={self.history_frames} is not possible: {name}.max_frames is "
                    f"{resampler.max_frames}"
                )
        for name in ("image", "audio"):
            if name not in self.target_modalities:
                continue
            tokenizer, rows = getattr(self, f"{name}_tokenizer"), getattr(self, f"{name}_rows")
            if tokenizer is None:
                raise UIO2Error(f"target modality {name!r} needs {name}_tokenizer in the configuration")
            if rows < tokenizer.codes + FIRST_CODE:
                raise UIO2Error(
                    f"{name}_rows={rows} is not possible: {name}_tokenizer.codes={tokenizer.codes} needs "
                    f"{tokenizer.codes + FIRST_CODE} or more"
                )
        lines = self.input_modalities == self.target_modalities == ("text",)
        if self.head_dim % (2 if lines else 4):
            raise UIO2Error(
                f"head_dim={self.head_dim} is not possible: rotary positions take multiples of "
                f"{2 if lines else 4}"
            )

    def _check_grids(self) -> None:
        """Raise UIO2Error unless each size is one of whole patches, with a position for each."""
        encoders = {
            "image_size": self.image_encoder,
            "history_size": self.image_encoder,
            "audio_size": self.audio_encoder,
            "audio_history_size": self.audio_encoder,
        }
        for name, encoder in encoders.items():
            size = getattr(self, name)
            if encoder is None or size is None:
                continue
            grid = grid_of(name, size, (encoder.patch_size,) * 2)
            cells, learned = math.prod(grid), math.prod(encoder.positions)
            if encoder.lineage == "ast" and cells > learned:
                raise UIO2Error(
                    f"{name}={size} is not possible: its {cells} patches have {learned} positions"
                )
            if cells * learned > MOST_RESIZE:
                raise UIO2Error(
                    f"{name}={size} is not possible: {learned} positions are not resized to {cells} patches"
                )

    @property
    def total_layers(self) -> int:
        """Layers of all parts of the network, each of which has weights of its own."""
        parts = [self.image_encoder, self.audio_encoder]
        parts += [getattr(self, name) for name in self.input_modalities if name.endswith("_history")]
        layers = self.encoder_layers + self.decoder_layers + sum(part.layers for part in parts if part)
        return layers + sum(
            getattr(self, f"{name}_tokenizer").total_layers
            for name in self.target_modalities
            if name != "text"
        )

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
        return build(cls, values)

    @classmethod
    def from_official(cls, official: dict[str, Any]) -> "UnifiedIO2Config":
        """Read the nested dictionary of an official checkpoint's config.json."""
        return config_from_official(official, cls)

    def to_official(self) -> dict[str, Any]:
        """Write the official nested dictionary."""
        return config_to_official(self.to_dict(), type(self))
