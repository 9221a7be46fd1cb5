"""Pairs of our weight names and the official ones, with `*` for a layer number (spec section 14).

Unusual: built from members of layers, as the models are. It knows no model and no file.
"""

from uio2_agent.config import TARGET_MODALITIES

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
