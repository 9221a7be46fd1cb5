"""Our weight names and the official ones, translated both ways by one table, with `*` for a layer number.

Unusual: the table is closed, so a name that is not in it is a mistake and is reported; it is built from
members of layers, as the models are. The target tokenizers keep their official names below a prefix. It knows
no model and no file.
"""

import re
from collections.abc import Iterable

from uio2_agent.config import TARGET_MODALITIES, UnifiedIO2Config
from uio2_agent.errors import CheckpointError

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


PAIRS = [*_transformer_names(), *_input_names(), *_vit_names()]
"""(ours, official) of every weight but those of the target tokenizers."""

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

    Without image inputs the ViT of the image history lies below that history.
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
