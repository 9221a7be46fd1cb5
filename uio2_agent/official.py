"""The official UIO-2 format: nested configuration and weight names, translated both ways (spec sections 2.5
and 14).

Unusual: names are a closed table of pairs, with `*` for a layer number, so a name that is not in it is a
mistake and is reported. The target tokenizers keep their official names below a prefix. It translates names
and numbers; reading files is the business of `checkpoint.py`.
"""

import math
import re
from typing import Any

from uio2_agent.config import TARGET_MODALITIES, ResamplerConfig, UnifiedIO2Config, ViTConfig
from uio2_agent.errors import CheckpointError, UIO2Error
from uio2_agent.tokenizers.config import ViTVQGANConfig, VQGANConfig

AST_POSITIONS = (32, 16)
"""Shape of the AST's learned table, 512 rows in every official model; only the first 128 are reached."""

_TOKENIZER = re.compile(r"targets\.(image|audio)\.tokenizer\.")
_OFFICIAL_TOKENIZER = re.compile(r"target_embedders\.(image|audio)\.vqgan\.")

_ATTENTION = [
    *((f"{part}.weight", f"{part}.weight") for part in ("query", "key", "value", "out")),
    ("query_norm.scale", "query_norm.scale"),
    ("key_norm.scale", "key_norm.scale"),
    ("logit_scale", "logit_scale"),
]
_GATED_MLP = [("gate.weight", "wi_0.weight"), ("up.weight", "wi_1.weight"), ("down.weight", "wo.weight")]
_MLP = [("up.weight", "wi.weight"), ("down.weight", "wo.weight")]
_WEIGHT_BIAS = [("weight", "weight"), ("bias", "bias")]

Pairs = list[tuple[str, str]]


def _under(ours: str, official: str, pairs: Pairs) -> Pairs:
    return [(ours + a, official + b) for a, b in pairs]


def _layers(ours: str, official: str, members: Pairs) -> Pairs:
    return _under(f"{ours}layers.*.", f"{official}layers_*.", members)


def _vit_names() -> Pairs:
    block = [
        *_under("attention_norm.", "ln_1.", _WEIGHT_BIAS),
        *_under("mlp_norm.", "ln_2.", _WEIGHT_BIAS),
        *(
            (f"attention.{part}.{kind}", f"attn.{part}_in_proj_{kind}")
            for part in ("query", "key", "value")
            for kind in ("weight", "bias")
        ),
        *_under("attention.out.", "attn.out_proj.", _WEIGHT_BIAS),
        *_under("up.", "mlp.fc1.", _WEIGHT_BIAS),
        *_under("down.", "mlp.fc2.", _WEIGHT_BIAS),
    ]
    shared = [
        ("positions", "positional_embedding"),
        *_under("patch.", "embedding.", _WEIGHT_BIAS),
        *_under("input_norm.", "pre_ln.", _WEIGHT_BIAS),
        *_under("blocks.*.", "transformer.resblocks.*.", block),
    ]
    image = [("class_token", "class_embedding"), *shared]
    audio = [("class_token", "cls_token"), ("distillation_token", "dist_token"), *shared]
    tower = "input_embedders.{}.image_encoder.vision_transformer."
    return [
        *_under("image_encoder.", tower.format("image"), image),
        *_under("audio_encoder.", tower.format("audio"), audio),
    ]


def _input_names() -> Pairs:
    resampler_layer = [
        ("attention_norm.scale", "pre_xattention_norm.scale"),
        *_under("attention.", "xattention.", _ATTENTION),
        ("mlp_norm.scale", "pre_mlp_norm.scale"),
        *_under("mlp.", "mlp.", _MLP),
    ]
    resampler = [
        ("latents", "latents"),
        ("context_norm.scale", "context_norm.scale"),
        ("norm.scale", "perceiver_norm.scale"),
        *_layers("", "", resampler_layer),
    ]
    history = [
        *((f"{part}.weight", f"{part}.weight") for part in ("pre_projection", "post_projection")),
        *_under("resampler.", "resampler.perceiver.", resampler),
    ]
    members = {
        "text": [],
        "image": [("projection.weight", "projection.weight")],
        "audio": [("projection.weight", "projection.weight")],
        "image_history": history,
        "audio_history": history,
    }
    return [
        pair
        for name, parts in members.items()
        for pair in _under(
            f"inputs.{name}.", f"input_embedders.{name}.", [("modality", "modality_embedding"), *parts]
        )
    ]


def _transformer_names() -> Pairs:
    mlp = [("mlp_norm.scale", "pre_mlp_norm.scale"), *_under("mlp.", "mlp.", _GATED_MLP)]
    encoder_layer = [
        ("attention_norm.scale", "pre_attention_norm.scale"),
        *_under("attention.", "attention.", _ATTENTION),
        *mlp,
    ]
    decoder_layer = [
        ("self_norm.scale", "pre_self_attention_norm.scale"),
        *_under("self_attention.", "self_attention.", _ATTENTION),
        ("cross_norm.scale", "pre_cross_attention_norm.scale"),
        *_under("cross_attention.", "encoder_decoder_attention.", _ATTENTION),
        *mlp,
    ]
    return [
        *((f"{name}_table.weight", f"{name}_token_embedder.weight") for name in TARGET_MODALITIES),
        *(
            (f"targets.{name}.modality", f"target_embedders.{name}.modality_embedding")
            for name in TARGET_MODALITIES
        ),
        *_layers("encoder.", "encoder.", encoder_layer),
        ("encoder.norm.scale", "encoder.encoder_norm.scale"),
        *_layers("decoder.", "decoder.", decoder_layer),
        ("decoder.norm.scale", "decoder.decoder_norm.scale"),
    ]


_PAIRS = [*_transformer_names(), *_input_names(), *_vit_names()]
_TO_OFFICIAL = dict(_PAIRS)
_FROM_OFFICIAL = {official: ours for ours, official in _PAIRS}
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


def _translate(name: str, table: dict[str, str], whose: str) -> str:
    number = _NUMBER.search(name)
    pattern = _NUMBER.sub(r"\1*.", name)
    if pattern not in table:
        raise CheckpointError(
            f"weight {name!r} is not one of {whose} names: the file is of another kind or version"
        )
    return table[pattern].replace("*", number[2]) if number else table[pattern]


def config_from_official(official: dict[str, Any]) -> UnifiedIO2Config:
    """Read the official nested dictionary."""
    main, sequence = official["t5_config"], official["sequence_length"]
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
        audio_encoder=_vit_from_official(official["audio_vit_cfg"], "ast"),
        image_history=_resampler_from_official(official["image_history_cfg"]),
        audio_history=_resampler_from_official(official["audio_history_cfg"]),
        image_tokenizer=vqgan_from_official(official["image_vqgan"]),
        audio_tokenizer=vit_vqgan_from_official(official["audio_vqgan"]),
        freeze_vit=official["freeze_vit"],
        image_size=tuple(main["default_image_vit_size"]),
        history_size=tuple(main["default_image_history_vit_size"]),
        audio_size=tuple(main["default_audio_vit_size"]),
        image_tokens=sequence["image_input_samples"],
        history_tokens=sequence["image_history_input_samples"],
        history_frames=sequence["num_frames"],
        audio_tokens=sequence["audio_input_samples"],
        grid_scale=math.sqrt(main["decoder_max_image_length"] / main["encoder_max_image_length"]),
    )


def config_to_official(config: UnifiedIO2Config) -> dict[str, Any]:
    """Write the fields of the official nested dictionary that `config_from_official` reads; its inverse."""
    parts = (config.audio_encoder, config.audio_history, config.image_tokenizer, config.audio_tokenizer)
    if None in parts:
        raise UIO2Error("a model without audio inputs or without target tokenizers has no official form")
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
        "encoder_max_image_length": math.prod(config.image_grid),
        "encoder_max_audio_length": math.prod(config.audio_grid),
        "decoder_max_text_length": config.text_target_length,
        "decoder_max_image_length": config.image_target_length,
        "decoder_max_audio_length": config.audio_target_length,
        "default_image_vit_size": list(config.image_size),
        "default_image_history_vit_size": list(config.history_size),
        "default_audio_vit_size": list(config.audio_size),
        "default_audio_history_vit_size": list(config.audio_size),
        "image_vit_patch_size": config.image_encoder.patch_size,
        "audio_vit_patch_size": config.audio_encoder.patch_size,
    }
    return {
        "t5_config": main,
        "image_history_cfg": _resampler_to_official(config.image_history),
        "audio_history_cfg": _resampler_to_official(config.audio_history),
        "image_vqgan": _write(config.image_tokenizer, _VQGAN_FIELDS),
        "audio_vqgan": _vit_vqgan_to_official(config.audio_tokenizer),
        "image_vit_cfg": _vit_to_official(config.image_encoder),
        "audio_vit_cfg": _vit_to_official(config.audio_encoder),
        "freeze_vit": config.freeze_vit,
        "input_modalities": list(config.input_modalities),
        "target_modalities": list(config.target_modalities),
        "sequence_length": {
            "image_input_samples": config.image_tokens,
            "image_history_input_samples": config.history_tokens,
            "audio_input_samples": config.audio_tokens,
            "audio_history_input_samples": config.audio_tokens,
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


def _vit_to_official(vit: ViTConfig) -> dict[str, Any]:
    count = {"num_pos": 1 + math.prod(vit.positions)} if vit.lineage == "clip" else {}
    return _write(vit, _VIT_FIELDS) | count


def _resampler_from_official(part: dict[str, Any]) -> ResamplerConfig:
    unsupported = {"resampler_type": "perceiver", "clip_attn_logit": None}
    for name, only in unsupported.items():
        if part.get(name, only) != only:
            raise UIO2Error(f"resampler field {name}={part[name]!r} is not supported; releases have {only!r}")
    if list(part.get("xattention_index", range(part["num_layers"]))) != list(range(part["num_layers"])):
        raise UIO2Error("resamplers with self-attention layers are not supported; no release has them")
    return ResamplerConfig(**_read(part, _RESAMPLER_FIELDS))


def _resampler_to_official(resampler: ResamplerConfig) -> dict[str, Any]:
    return _write(resampler, _RESAMPLER_FIELDS) | {"xattention_index": list(range(resampler.layers))}
