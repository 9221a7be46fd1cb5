"""The official UIO-2 format: nested configuration and weight names, translated both ways (spec sections 2.5
and 14).

Unusual: names are a closed table, so a name that is not in it is a mistake and is reported. The target
tokenizers keep their official names below a prefix. A configuration is written only if it comes back the
same. It translates names and numbers; reading files is the business of `checkpoint.py`.
"""

import math
import re
from collections.abc import Iterable
from typing import Any

from uio2_agent.config import ResamplerConfig, UnifiedIO2Config, ViTConfig
from uio2_agent.errors import CheckpointError, UIO2Error
from uio2_agent.formats.official_constants import FIXED, UNREAD
from uio2_agent.formats.official_names import PAIRS
from uio2_agent.tokenizers.config import ViTVQGANConfig, VQGANConfig

AST_POSITIONS = (32, 16)
"""Shape of the AST's learned table, 512 rows in every official model; only the first 128 are reached."""

_TOKENIZER = re.compile(r"targets\.(image|audio)\.tokenizer\.")
_OFFICIAL_TOKENIZER = re.compile(r"target_embedders\.(image|audio)\.vqgan\.")

_TO_OFFICIAL = dict(PAIRS)
_FROM_OFFICIAL = {official: ours for ours, official in PAIRS}
_NUMBER = re.compile(r"(layers_|layers\.|blocks\.)(\d+)\.")


def name_to_official(name: str) -> str:
    """Return the official name of one of our weights."""
    if _TOKENIZER.match(name):
        return _TOKENIZER.sub(r"target_embedders.\1.vqgan.", name)
    return _translate(name, _TO_OFFICIAL, "this package's")


def name_from_official(name: str) -> str:
    """Return our name of an official weight."""
    if _OFFICIAL_TOKENIZER.match(name):
        return _OFFICIAL_TOKENIZER.sub(r"targets.\1.tokenizer.", name)
    return _translate(name, _FROM_OFFICIAL, "the official")


def official_names(config: UnifiedIO2Config, names: Iterable[str]) -> dict[str, str]:
    """Return the official name of each of our weights, as a model of this configuration writes it.

    Without image inputs the ViT of the image history lies below that history (spec section 14).
    """
    named = {name: name_to_official(name) for name in names}
    if "image" not in config.input_modalities and "image_history" in config.input_modalities:
        below = ("input_embedders.image.image_encoder.", "input_embedders.image_history.vit_image_encoder.")
        named = {name: official.replace(*below) for name, official in named.items()}
    return named


def _translate(name: str, table: dict[str, str], whose: str) -> str:
    number = _NUMBER.search(name)
    pattern = _NUMBER.sub(r"\1*.", name)
    if pattern not in table:
        raise CheckpointError(
            f"weight {name!r} is not one of {whose} names: the file is of another kind or version"
        )
    return table[pattern].replace("*", number[2]) if number else table[pattern]


def config_from_official(official: dict[str, Any]) -> UnifiedIO2Config:
    """Read the official nested dictionary; UIO2Error names a field that is absent or not supported."""
    try:
        for part, fields in FIXED.items():
            for name, value in fields.items():
                found = official.get(part, {}).get(name, value)
                if found != value:
                    raise UIO2Error(f"{part}.{name}={found!r} is not supported; releases have {value!r}")
        return _config_from_official(official)
    except KeyError as error:
        raise UIO2Error(f"the official configuration lacks the field {error}: get the whole file") from None
    except (TypeError, AttributeError) as error:
        raise UIO2Error(f"a field of the official configuration has the wrong type: {error}") from None


def _config_from_official(official: dict[str, Any]) -> UnifiedIO2Config:
    main, sequence = official["t5_config"], official["sequence_length"]
    if main["num_heads"] == 1:
        raise UIO2Error("t5_config.num_heads=1 is not supported: officially it loses its rotary positions")
    for name in ("image", "audio"):
        used, built = main[f"{name}_vit_patch_size"], official[f"{name}_vit_cfg"]["patch_size"]
        if used != built:
            raise UIO2Error(
                f"t5_config.{name}_vit_patch_size={used}, {name}_vit_cfg.patch_size={built}: differ"
            )
    hears = {"audio", "audio_history"} & set(official["input_modalities"])
    if off := [name for name, on in official.items() if re.fullmatch(r"use_\w+_vit", name) and not on]:
        raise UIO2Error(f"{', '.join(off)} is false: models that take raw patches are not supported")
    return UnifiedIO2Config(
        width=main["emb_dim"],
        heads=main["num_heads"],
        head_dim=main["head_dim"],
        mlp_dim=main["mlp_dim"],
        encoder_layers=main["num_encoder_layers"],
        decoder_layers=main["num_decoder_layers"],
        cross_every=main["decoder_xattention_internval"],
        qk_norm=main["qk_norm"],
        text_rows=main["vocab_size"],
        image_rows=main["image_vocab_size"],
        audio_rows=main["audio_vocab_size"],
        text_input_length=main["encoder_max_text_length"],
        text_target_length=main["decoder_max_text_length"],
        image_target_length=main["decoder_max_image_length"],
        audio_target_length=main["decoder_max_audio_length"],
        input_modalities=tuple(official["input_modalities"]),
        target_modalities=tuple(official["target_modalities"]),
        image_encoder=_vit_from_official(official["image_vit_cfg"], "clip"),
        audio_encoder=_vit_from_official(official["audio_vit_cfg"], "ast") if hears else None,
        image_history=_resampler_from_official(official["image_history_cfg"]),
        audio_history=_resampler_from_official(official["audio_history_cfg"]),
        image_tokenizer=vqgan_from_official(official["image_vqgan"]),
        audio_tokenizer=vit_vqgan_from_official(official["audio_vqgan"]),
        freeze_vit=official["freeze_vit"],
        image_size=tuple(main["default_image_vit_size"]),
        history_size=tuple(main["default_image_history_vit_size"]),
        audio_size=tuple(main["default_audio_vit_size"]),
        audio_history_size=_if_other(
            tuple(main["default_audio_history_vit_size"]), tuple(main["default_audio_vit_size"])
        ),
        image_tokens=sequence["image_input_samples"],
        history_tokens=sequence["image_history_input_samples"],
        history_frames=sequence["num_frames"],
        audio_tokens=sequence["audio_input_samples"],
        audio_history_tokens=_if_other(
            sequence["audio_history_input_samples"], sequence["audio_input_samples"]
        ),
        grid_scale=math.sqrt(main["decoder_max_image_length"] / main["encoder_max_image_length"]),
    )


def _if_other(value: Any, usual: Any) -> Any:
    """Return None for what is as usual."""
    return None if value == usual else value


def config_to_official(config: UnifiedIO2Config) -> dict[str, Any]:
    """Write the whole official nested dictionary; the inverse of `config_from_official`.

    Raises UIO2Error if the configuration says anything that the official one has no field for.
    """
    parts = (config.audio_encoder, config.audio_history, config.image_tokenizer, config.audio_tokenizer)
    if None in parts:
        raise UIO2Error("a model without audio inputs or without target tokenizers has no official form")
    official = _config_to_official(config)
    for part, fields in [*FIXED.items(), *UNREAD.items()]:
        official[part] = fields | official[part]
    ours, again = config.to_dict(), config_from_official(official).to_dict()
    # Only fresh models read position_init.
    if lost := [name for name in ours if ours[name] != again[name] and name != "position_init"]:
        raise UIO2Error(f"the official configuration cannot say what this model has as {', '.join(lost)}")
    return official


def _config_to_official(config: UnifiedIO2Config) -> dict[str, Any]:
    image, audio = config.image_encoder, config.audio_encoder
    main = {
        "emb_dim": config.width,
        "num_heads": config.heads,
        "head_dim": config.head_dim,
        "mlp_dim": config.mlp_dim,
        "num_encoder_layers": config.encoder_layers,
        "num_decoder_layers": config.decoder_layers,
        "decoder_xattention_internval": config.cross_every,
        "qk_norm": config.qk_norm,
        "vocab_size": config.text_rows,
        "image_vocab_size": config.image_rows,
        "audio_vocab_size": config.audio_rows,
        "encoder_max_text_length": config.text_input_length,
        # The number of image patches in every release, but what it decides is the scale.
        "encoder_max_image_length": round(config.image_target_length / config.grid_scale**2),
        "encoder_max_audio_length": math.prod(config.audio_grid),
        "decoder_max_text_length": config.text_target_length,
        "decoder_max_image_length": config.image_target_length,
        "decoder_max_audio_length": config.audio_target_length,
        "default_image_size": list(config.image_tokenizer.image_size),
        "default_image_vit_size": list(config.image_size),
        "default_image_history_vit_size": list(config.history_size),
        "default_audio_size": list(reversed(config.audio_tokenizer.spectrogram_size)),
        "default_audio_vit_size": list(config.audio_size),
        "default_audio_history_vit_size": list(config.audio_history_size or config.audio_size),
        **dict.fromkeys(("image_patch_size", "image_vit_patch_size"), image.patch_size),
        **dict.fromkeys(("audio_patch_size", "audio_vit_patch_size"), audio.patch_size),
    }
    image_vqgan = _write(config.image_tokenizer, _VQGAN_FIELDS)
    return {
        "t5_config": main,
        "image_history_cfg": _resampler_to_official(config.image_history),
        "audio_history_cfg": _resampler_to_official(config.audio_history),
        "image_vqgan": image_vqgan | {"embed_dim": image_vqgan["z_channels"]},
        "audio_vqgan": _vit_vqgan_to_official(config.audio_tokenizer),
        "image_vit_cfg": _vit_to_official(image, config.history_size),
        "audio_vit_cfg": _vit_to_official(audio, config.audio_size),
        "freeze_vit": config.freeze_vit,
        "input_modalities": list(config.input_modalities),
        "target_modalities": list(config.target_modalities),
        "sequence_length": {
            "image_input_samples": config.image_tokens,
            "image_history_input_samples": config.history_tokens,
            "audio_input_samples": config.audio_tokens,
            "audio_history_input_samples": config.audio_history_tokens or config.audio_tokens,
            "num_frames": config.history_frames,
        },
        **{f"use_{part}_vit": True for part in ("image", "audio", "image_history", "audio_history")},
    }


# (our field, official field) of the part configurations.
_VIT_FIELDS = {
    "width": "emb_dim",
    "heads": "num_heads",
    "head_dim": "head_dim",
    "mlp_dim": "mlp_dim",
    "layers": "num_layers",
    "patch_size": "patch_size",
}
_RESAMPLER_FIELDS = {
    "width": "emb_dim",
    "heads": "num_heads",
    "head_dim": "head_dim",
    "mlp_dim": "mlp_dim",
    "layers": "num_layers",
    "latents": "latents_size",
    "max_frames": "max_frames",
    "qk_norm": "xattn_qk_norm",
    "scaled_cosine": "xattn_scaled_cosine",
    "clip_logit": "clip_attn_logit",
}


_VQGAN_FIELDS = {
    "width": "ch",
    "multipliers": "ch_mult",
    "blocks": "num_res_blocks",
    "resolution": "resolution",
    "attention_resolutions": "attn_resolutions",
    "code_dim": "z_channels",
    "codes": "n_embed",
    "image_size": "default_input_size",
    "patch_size": "patch_size",
}
_VIT_VQGAN_FIELDS = {
    "encoder_layers": "encoder_num_layers",
    "decoder_layers": "decoder_num_layers",
    "code_dim": "proj_dim",
    "codes": "vocab_size",
    "spectrogram_size": "default_input_size",
    "patch_size": "patch_size",
}
# Fields the official format holds twice, for the encoder and the decoder.
_VIT_VQGAN_SIDES = {
    "width": "hidden_size",
    "heads": "num_heads",
    "head_dim": "head_dim",
    "mlp_dim": "mlp_dim",
}


def _read(part: dict[str, Any], fields: dict[str, str]) -> dict[str, Any]:
    values = {ours: part[official] for ours, official in fields.items()}
    return {name: tuple(value) if isinstance(value, list) else value for name, value in values.items()}


def _write(part: Any, fields: dict[str, str]) -> dict[str, Any]:
    values = {official: getattr(part, ours) for ours, official in fields.items()}
    return {name: list(value) if isinstance(value, tuple) else value for name, value in values.items()}


def vqgan_from_official(part: dict[str, Any]) -> VQGANConfig:
    """Read the `image_vqgan` part of an official configuration."""
    return VQGANConfig(**_read(part, _VQGAN_FIELDS))


def vit_vqgan_from_official(part: dict[str, Any]) -> ViTVQGANConfig:
    """Read the `audio_vqgan` part of an official configuration."""
    for field in _VIT_VQGAN_SIDES.values():
        if part[f"encoder_{field}"] != part[f"decoder_{field}"]:
            raise UIO2Error(f"audio_vqgan: encoder_{field} and decoder_{field} differ; no release has that")
    sides = {ours: f"encoder_{official}" for ours, official in _VIT_VQGAN_SIDES.items()}
    return ViTVQGANConfig(**_read(part, _VIT_VQGAN_FIELDS | sides))


def _vit_vqgan_to_official(part: ViTVQGANConfig) -> dict[str, Any]:
    written = _write(part, _VIT_VQGAN_FIELDS)
    for side in ("encoder", "decoder"):
        written |= _write(part, {ours: f"{side}_{field}" for ours, field in _VIT_VQGAN_SIDES.items()})
    return written


def _vit_from_official(part: dict[str, Any], lineage: str) -> ViTConfig:
    fields = _read(part, _VIT_FIELDS)
    if lineage == "clip":  # num_pos counts the class token and a square grid
        side = math.isqrt(part["num_pos"] - 1)
        return ViTConfig(**fields, channels=3, positions=(side, side))
    return ViTConfig(**fields, channels=1, positions=AST_POSITIONS, lineage="ast")


def _vit_to_official(vit: ViTConfig, size: tuple[int, int]) -> dict[str, Any]:
    count = {"num_pos": 1 + math.prod(vit.positions)} if vit.lineage == "clip" else {}
    return _write(vit, _VIT_FIELDS) | {
        "pos_patch_size": vit.patch_size,
        "default_input_size": list(size),
        **count,
    }


def _resampler_from_official(part: dict[str, Any]) -> ResamplerConfig:
    if list(part.get("xattention_index", range(part["num_layers"]))) != list(range(part["num_layers"])):
        raise UIO2Error("resamplers with self-attention layers are not supported; no release has them")
    return ResamplerConfig(**_read({"clip_attn_logit": None} | part, _RESAMPLER_FIELDS))


def _resampler_to_official(resampler: ResamplerConfig) -> dict[str, Any]:
    return _write(resampler, _RESAMPLER_FIELDS) | {"xattention_index": list(range(resampler.layers))}
