"""What the official configuration says, field by field: one table for reading and writing, plain data.

Unusual: what the format says twice, or by way of another number, is a table of its own (`DERIVED`), computed
from our fields. An official field has the type and range of the field of ours that it holds, unless its row
says another. Paths are dotted: ours through `UnifiedIO2Config.to_dict()`, the official one's through its
nested dictionary. Fields that are the same in every release are in `official_constants`.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated, Any

from uio2_agent.errors import UIO2Error
from uio2_agent.fields import Range
from uio2_agent.sizes import MOST_CELLS, Length, Patch, Sides, Width

AST_POSITIONS = (32, 16)
"""Shape of the AST's learned table, 512 rows in every official model; only the first 128 are reached."""

Get = Callable[[str], Any]
"""Looks up a field by its path."""


@dataclass(frozen=True)
class Field:
    """An official field and the field of ours that it holds.

    read and write compute one side from fields of the other, where the values are not simply the same.
    """

    official: str
    ours: str
    read: Callable[[Get], Any] | None = None
    write: Callable[[Get], Any] | None = None
    may_lack: bool = False
    """Where the official field is absent or null, ours is None."""
    kind: Any = None
    """Type and range (`uio2_agent.fields`), where they are not those of our field."""


@dataclass(frozen=True)
class Derived:
    """An official field that follows from fields of ours."""

    official: str
    write: Callable[[Get], Any]
    kind: Any = None
    """Type and range of a field that the official code does not compute with; None where it does, so that a
    file that says something else is refused."""
    may_lack: bool = False


def _fields(official: str, ours: str, names: dict[str, str]) -> list[Field]:
    """Return fields of one part, official name: our name."""
    return [Field(f"{official}.{theirs}", f"{ours}.{own}".lstrip(".")) for theirs, own in names.items()]


_TRANSFORMER = {"emb_dim": "width", "num_heads": "heads", "head_dim": "head_dim", "mlp_dim": "mlp_dim"}
_VIT = _TRANSFORMER | {"num_layers": "layers", "patch_size": "patch_size"}
_RESAMPLER = _TRANSFORMER | {
    "num_layers": "layers",
    "latents_size": "latents",
    "max_frames": "max_frames",
    "xattn_qk_norm": "qk_norm",
    "xattn_scaled_cosine": "scaled_cosine",
}
_SIDES = {"hidden_size": "width", "num_heads": "heads", "head_dim": "head_dim", "mlp_dim": "mlp_dim"}
"""What the ViT-VQGAN has for its encoder and for its decoder, and we have once."""


def _square(of: Get) -> tuple[int, int]:
    cells = of("image_vit_cfg.num_pos") - 1  # beside the class token
    if (side := math.isqrt(cells)) ** 2 != cells:
        raise UIO2Error(f"image_vit_cfg.num_pos={cells + 1} is not supported: it takes 1 + a square number")
    return side, side


def _unless(usual: str, other: str) -> Callable[[Get], Any]:
    """Read a field as None where it is as the usual one."""
    return lambda of: None if of(other) == of(usual) else of(other)


FIELDS: list[Field] = [
    *_fields(
        "t5_config",
        "",
        _TRANSFORMER
        | {
            "num_encoder_layers": "encoder_layers",
            "num_decoder_layers": "decoder_layers",
            "decoder_xattention_internval": "cross_every",
            "qk_norm": "qk_norm",
            "vocab_size": "text_rows",
            "image_vocab_size": "image_rows",
            "audio_vocab_size": "audio_rows",
            "encoder_max_text_length": "text_input_length",
            "decoder_max_text_length": "text_target_length",
            "decoder_max_image_length": "image_target_length",
            "decoder_max_audio_length": "audio_target_length",
            "default_image_vit_size": "image_size",
            "default_image_history_vit_size": "history_size",
            "default_audio_vit_size": "audio_size",
        },
    ),
    Field(
        "t5_config.default_audio_history_vit_size",
        "audio_history_size",
        _unless("t5_config.default_audio_vit_size", "t5_config.default_audio_history_vit_size"),
        lambda our: our("audio_history_size") or our("audio_size"),
    ),
    # The number of image patches in every release, but what it decides is the scale.
    Field(
        "t5_config.encoder_max_image_length",
        "grid_scale",
        lambda of: math.sqrt(
            of("t5_config.decoder_max_image_length") / of("t5_config.encoder_max_image_length")
        ),
        lambda our: round(our("image_target_length") / our("grid_scale") ** 2),
        kind=Length,
    ),
    *_fields("image_history_cfg", "image_history", _RESAMPLER),
    *_fields("audio_history_cfg", "audio_history", _RESAMPLER),
    Field("image_history_cfg.clip_attn_logit", "image_history.clip_logit", may_lack=True),
    Field("audio_history_cfg.clip_attn_logit", "audio_history.clip_logit", may_lack=True),
    *_fields(
        "image_vqgan",
        "image_tokenizer",
        {
            "ch": "width",
            "ch_mult": "multipliers",
            "num_res_blocks": "blocks",
            "resolution": "resolution",
            "attn_resolutions": "attention_resolutions",
            "z_channels": "code_dim",
            "n_embed": "codes",
            "default_input_size": "image_size",
            "patch_size": "patch_size",
        },
    ),
    *_fields(
        "audio_vqgan",
        "audio_tokenizer",
        {
            "encoder_num_layers": "encoder_layers",
            "decoder_num_layers": "decoder_layers",
            "proj_dim": "code_dim",
            "vocab_size": "codes",
            "default_input_size": "spectrogram_size",
            "patch_size": "patch_size",
        }
        | {f"encoder_{theirs}": own for theirs, own in _SIDES.items()},
    ),
    *_fields("image_vit_cfg", "image_encoder", _VIT),
    Field(
        "image_vit_cfg.num_pos",
        "image_encoder.positions",
        _square,
        lambda our: 1 + math.prod(our("image_encoder.positions")),
        kind=Annotated[int, Range(2, MOST_CELLS + 1)],
    ),
    *_fields("audio_vit_cfg", "audio_encoder", _VIT),
    *(Field(name, name) for name in ("freeze_vit", "input_modalities", "target_modalities")),
    *_fields(
        "sequence_length",
        "",
        {
            "image_input_samples": "image_tokens",
            "image_history_input_samples": "history_tokens",
            "audio_input_samples": "audio_tokens",
            "num_frames": "history_frames",
        },
    ),
    Field(
        "sequence_length.audio_history_input_samples",
        "audio_history_tokens",
        _unless("sequence_length.audio_input_samples", "sequence_length.audio_history_input_samples"),
        lambda our: our("audio_history_tokens") or our("audio_tokens"),
    ),
]

DERIVED: list[Derived] = [
    *(
        Derived(
            f"t5_config.{name}_vit_patch_size",
            lambda our, name=name: our(f"{name}_encoder.patch_size"),
        )
        for name in ("image", "audio")
    ),
    *(
        Derived(
            f"audio_vqgan.decoder_{theirs}",
            lambda our, own=own: our(f"audio_tokenizer.{own}"),
        )
        for theirs, own in _SIDES.items()
    ),
    *(
        # Cross-attention in every layer: no release has a resampler with layers of self-attention.
        Derived(
            f"{name}_cfg.xattention_index",
            lambda our, name=name: list(range(our(f"{name}.layers"))),
            may_lack=True,
        )
        for name in ("image_history", "audio_history")
    ),
    *(
        Derived(place, lambda our, name=name: our(f"{name}_encoder.patch_size"), kind=Patch)
        for name in ("image", "audio")
        for place in (f"t5_config.{name}_patch_size", f"{name}_vit_cfg.pos_patch_size")
    ),
    Derived(
        "t5_config.encoder_max_audio_length",
        lambda our: math.prod(side // our("audio_encoder.patch_size") for side in our("audio_size")),
        kind=Length,
    ),
    *(
        Derived(place, write, kind=Sides)
        for place, write in (
            ("t5_config.default_image_size", lambda our: our("image_tokenizer.image_size")),
            ("t5_config.default_audio_size", lambda our: our("audio_tokenizer.spectrogram_size")[::-1]),
            ("image_vit_cfg.default_input_size", lambda our: our("history_size")),
            ("audio_vit_cfg.default_input_size", lambda our: our("audio_size")),
        )
    ),
    Derived("image_vqgan.embed_dim", lambda our: our("image_tokenizer.code_dim"), kind=Width),
]

OURS: dict[str, Any] = {
    "image_encoder.channels": 3,
    "image_encoder.lineage": "clip",
    "audio_encoder.channels": 1,
    "audio_encoder.lineage": "ast",
    "audio_encoder.positions": AST_POSITIONS,
}
"""Fields of ours that every official model has alike."""
