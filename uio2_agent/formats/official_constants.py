"""Fields of the official configuration that are the same in every release: plain data.

Unusual: those of `FIXED` decide what the network computes, so a configuration that says otherwise is refused;
those of `UNREAD` are written because the official code expects them, and only their types matter when read.
"""

from typing import Any

_PLAIN = {"dropout_rate": 0.0, "float32_attention_logits": True}
_ROPE = "llama_rope"

FIXED: dict[str, dict[str, Any]] = {
    "t5_config": {
        "mlp_activations": ["silu", "linear"],
        "logits_via_embedding": True,
        "text_pos_emb": _ROPE,
        "image_pos_emb": _ROPE,
        "audio_pos_emb": _ROPE,
        "image_history_pos_emb": _ROPE,
        "audio_history_pos_emb": _ROPE,
        "image_tokenizer_type": "vqgan",
    },
    "image_history_cfg": {"resampler_type": "perceiver", "mlp_activations": ["gelu"]},
    "audio_history_cfg": {"resampler_type": "perceiver", "mlp_activations": ["gelu"]},
    "image_vqgan": {"double_z": False, "in_channels": 3, "out_ch": 3},
    "audio_vqgan": {"use_bias": False, "act_fn": "relu", "output_channel": 1, "use_decoder": True},
    "image_vit_cfg": {"mlp_activations": ["gelu"]},
    "audio_vit_cfg": {"mlp_activations": ["gelu"], "vit_embed": True, "transpose_input": True},
}

_RESAMPLER = {
    **_PLAIN,
    "dropout_broadcast_dims": [-2],
    "droppath_rate": 0.0,
    "layer_drop": 0.0,
    "attn_qk_norm": True,  # of self-attention layers, which no resampler has
    "attn_scaled_cosine": False,
}

SWITCHES = tuple(f"use_{part}_vit" for part in ("image", "audio", "image_history", "audio_history"))
"""Fields of the whole that are true in every release."""

METADATA = (
    *("architectures", "model_type", "torch_dtype", "dtype", "transformers_version", "library_name"),
    *("_name_or_path", "_commit_hash"),
)
"""Fields of the whole that hubs add and nobody computes with."""

UNREAD: dict[str, dict[str, Any]] = {
    # The two masks are built and never applied by the official code, whatever these say.
    "t5_config": {
        **_PLAIN,
        "dropout_broadcast_dims": [-2],
        "dalle_attn_mask": True,
        "dynamic_unk_mask": True,
    },
    "image_history_cfg": _RESAMPLER,
    "audio_history_cfg": _RESAMPLER,
    "image_vqgan": {"dropout": 0, "checkpoint_path": ""},
    "audio_vqgan": {
        "dropout_rate": 0.0,
        "droppath_rate": 0.0,
        "attention_dropout_rate": 0.0,
        "checkpoint_path": "",
    },
    "image_vit_cfg": {**_PLAIN, "dropout_broadcast_dims": []},
    "audio_vit_cfg": {**_PLAIN, "dropout_broadcast_dims": []},
    "sequence_length": {"is_training": True},
}
