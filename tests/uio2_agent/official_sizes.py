"""Official configurations of sizes that no shared fixture has, and random official state dicts for them.

Names and shapes follow the official state dicts, not our modules. Weights are drawn as the
README of the shared fixtures says, so that outputs vary and codes are spread. It knows no array of a case.
"""

import math

import torch

from tests.uio2_agent.reference_tokenizers import Tokenizers

VIT = dict(emb_dim=24, num_heads=2, num_layers=3, head_dim=12, mlp_dim=40, mlp_activations=["gelu"])
RESAMPLER = dict(
    resampler_type="perceiver",
    max_frames=8,
    latents_size=5,
    emb_dim=24,
    num_heads=3,
    num_layers=2,
    xattention_index=[0, 1],
    head_dim=8,
    mlp_dim=40,
    mlp_activations=["gelu"],
    xattn_qk_norm=True,
    xattn_scaled_cosine=False,
    attn_qk_norm=True,
    attn_scaled_cosine=False,
    clip_attn_logit=None,
)
BASE = dict(
    t5_config=dict(
        vocab_size=256,
        image_vocab_size=56,
        audio_vocab_size=40,
        emb_dim=48,
        num_heads=3,
        head_dim=16,
        mlp_dim=80,
        num_encoder_layers=2,
        num_decoder_layers=3,
        mlp_activations=["silu", "linear"],
        logits_via_embedding=True,
        decoder_xattention_internval=1,
        qk_norm=True,
        encoder_max_image_length=16,
        encoder_max_audio_length=8,
        encoder_max_text_length=24,
        decoder_max_image_length=64,
        decoder_max_audio_length=32,
        decoder_max_text_length=40,
        default_image_size=[16, 16],
        default_image_vit_size=[16, 16],
        default_image_history_vit_size=[12, 8],
        default_audio_size=[16, 8],
        default_audio_vit_size=[16, 8],
        default_audio_history_vit_size=[16, 8],
        image_patch_size=4,
        image_vit_patch_size=4,
        audio_patch_size=4,
        audio_vit_patch_size=4,
    ),
    image_history_cfg=RESAMPLER,
    audio_history_cfg=RESAMPLER | dict(latents_size=2, num_heads=1, head_dim=24),
    image_vit_cfg=VIT | dict(patch_size=4, pos_patch_size=4, default_input_size=[12, 8], num_pos=26),
    audio_vit_cfg=VIT
    | dict(patch_size=4, pos_patch_size=4, default_input_size=[16, 8], transpose_input=True, vit_embed=True),
    image_vqgan=dict(
        embed_dim=4,
        n_embed=48,
        double_z=False,
        z_channels=4,
        resolution=16,
        in_channels=3,
        out_ch=3,
        ch=32,
        ch_mult=[1, 2],
        num_res_blocks=1,
        attn_resolutions=[8],
        default_input_size=[16, 16],
        patch_size=[2, 2],
    ),
    audio_vqgan=dict(
        vocab_size=36,
        proj_dim=6,
        **{
            f"{side}_{name}": value
            for side in ("encoder", "decoder")
            for name, value in dict(
                hidden_size=32, num_layers=1, mlp_dim=40, num_heads=2, head_dim=16
            ).items()
        },
        use_bias=False,
        act_fn="relu",
        default_input_size=[8, 16],
        patch_size=[2, 2],
        output_channel=1,
        use_decoder=True,
    ),
    freeze_vit=True,
    input_modalities=["text", "image", "image_history", "audio", "audio_history"],
    target_modalities=["text", "image", "audio"],
    sequence_length=dict(
        is_training=True,
        image_input_samples=16,
        image_history_input_samples=6,
        audio_input_samples=8,
        audio_history_input_samples=8,
        num_frames=4,
    ),
    **{f"use_{name}_vit": True for name in ("image", "audio", "image_history", "audio_history")},
)
COSINE = dict(xattn_qk_norm=False, xattn_scaled_cosine=True)

CHANGES = {
    "xxl_like": dict(
        t5_config=dict(num_encoder_layers=3, num_decoder_layers=5, decoder_xattention_internval=3),
        image_history_cfg=COSINE,
        audio_history_cfg=COSINE | dict(num_layers=3, xattention_index=[0, 1, 2]),
    ),
    "every_second": dict(
        t5_config=dict(
            num_heads=2, head_dim=24, num_decoder_layers=5, decoder_xattention_internval=2, qk_norm=False,
        ),
        image_history_cfg=COSINE | dict(clip_attn_logit=0.8),
    ),
    # Nothing square, no two grids alike, a length field that is no number of patches.
    "odd": dict(
        t5_config=dict(
            vocab_size=384,
            image_vocab_size=70,
            audio_vocab_size=44,
            encoder_max_image_length=18,
            decoder_max_image_length=100,
            decoder_max_text_length=50,
            encoder_max_text_length=30,
            default_image_size=[16, 32],
            default_image_vit_size=[24, 40], default_image_history_vit_size=[16, 48],
            default_audio_size=[24, 8], default_audio_vit_size=[18, 6],
            default_audio_history_vit_size=[9, 12],
            image_patch_size=8, image_vit_patch_size=8, audio_patch_size=3, audio_vit_patch_size=3,
        ),
        image_vit_cfg=dict(patch_size=8, pos_patch_size=8, num_pos=10, num_layers=2),
        audio_vit_cfg=dict(patch_size=3, pos_patch_size=3, num_layers=4, emb_dim=32, num_heads=4, head_dim=8),
        image_history_cfg=dict(max_frames=9, latents_size=3),
        image_vqgan=dict(
            resolution=32, ch_mult=[1, 1, 2], num_res_blocks=2, attn_resolutions=[8, 16],
            z_channels=3, embed_dim=3, n_embed=60, default_input_size=[16, 32], patch_size=[4, 4],
        ),
        audio_vqgan=dict(
            encoder_num_layers=2, default_input_size=[8, 24], patch_size=[4, 2], vocab_size=40, proj_dim=5,
        ),
        sequence_length=dict(image_input_samples=15, image_history_input_samples=12, num_frames=5),
    ),
    # A decoder of sounds unlike its encoder, in every way that the format can say.
    "other_decoder": dict(
        t5_config=dict(
            num_decoder_layers=4, decoder_xattention_internval=3, default_image_vit_size=[20, 12],
            default_audio_size=[24, 8], default_audio_vit_size=[24, 8],
        ),
        image_history_cfg=COSINE | dict(num_layers=3, xattention_index=[0, 1, 2]),
        audio_history_cfg=dict(num_layers=3, xattention_index=[0, 1, 2]),
        audio_vqgan=dict(
            decoder_num_heads=4, decoder_head_dim=8, decoder_mlp_dim=56, decoder_num_layers=3,
            default_input_size=[8, 24], patch_size=[4, 2],
        ),
        sequence_length=dict(image_input_samples=15, audio_input_samples=12),
    ),
    "one_layer": dict(t5_config=dict(num_encoder_layers=1, num_decoder_layers=1)),
    "one_head": dict(t5_config=dict(num_heads=1, head_dim=48, qk_norm=False)),
}  # fmt: skip
"""What each configuration of `official_config` changes in BASE."""
SUPPORTED = tuple(name for name in CHANGES if name != "one_head")
"""A single head loses its rotary positions officially; our reader refuses it."""


def official_config(name):
    """The official nested dictionary of a name in CHANGES."""
    changes = CHANGES[name]
    return {
        key: value | changes.get(key, {}) if isinstance(value, dict) else value for key, value in BASE.items()
    }


def official_state(config, seed):
    """A random official state dict, codebooks spread like what the encoders give."""
    draw = torch.Generator().manual_seed(seed)
    state = {name: _draw(name, shape, draw) for name, shape in official_shapes(config)}
    tokenizers = Tokenizers(state, config)
    images = torch.rand(4, 3, *config["image_vqgan"]["default_input_size"], generator=draw) * 2 - 1
    sounds = torch.randn(4, *config["audio_vqgan"]["default_input_size"], 1, generator=draw)
    for name, latents in (
        ("image", tokenizers.image_latents(images).permute(0, 2, 3, 1)),
        ("audio", tokenizers.audio_latents(sounds)),
    ):
        table = state[f"target_embedders.{name}.vqgan.quantize.embedding.weight"]
        flat = latents.flatten(0, -2)
        table.mul_(flat.std(0)).add_(flat.mean(0))
    return state


def _draw(name, shape, draw):
    x = torch.randn(shape, generator=draw)
    if name.endswith("logit_scale"):
        return torch.linspace(1, 5.5, *shape)  # some beyond ln 100
    if name.endswith("scale") or (
        ("norm" in name or ".ln_" in name or "pre_ln" in name) and name.endswith("weight")
    ):
        return 1 + 0.2 * x
    if name.endswith("bias"):
        return 0.1 * x
    if name.endswith("positional_embedding"):
        return 0.5 * x
    if (
        len(shape) == 1
        or "embedder.weight" in name
        or name.endswith(("latents", "quantize.embedding.weight"))
    ):
        return x
    gain = 1.0
    if name.startswith("decoder.layers"):
        gain = (
            40.0 if name.endswith("mlp.wo.weight") else 8.0 if name.endswith("attention.out.weight") else 1.0
        )
    return x * gain / math.sqrt(math.prod(shape[1:]))


def official_shapes(config):
    """Name and shape of every weight."""
    yield from _main(config)
    for modality in ("image", "audio"):
        settings = config[f"{modality}_vit_cfg"]
        prefix = f"input_embedders.{modality}.image_encoder.vision_transformer."
        yield from ((prefix + name, shape) for name, shape in _vit(settings, modality))
        yield from _history(config, modality)
    for prefix, shapes in (
        ("image", _vqgan(config["image_vqgan"])),
        ("audio", _vit_vqgan(config["audio_vqgan"])),
    ):
        yield from ((f"target_embedders.{prefix}.vqgan.{name}", shape) for name, shape in shapes)


def _attention(prefix, width, head_dim, qk_norm, cosine=None):
    yield from ((f"{prefix}.{part}.weight", (width, width)) for part in ("query", "key", "value", "out"))
    if qk_norm:
        yield from ((f"{prefix}.{part}_norm.scale", (head_dim,)) for part in ("query", "key"))
    if cosine:
        yield f"{prefix}.logit_scale", (cosine,)


def _main(config):
    main = config["t5_config"]
    width, mlp = main["emb_dim"], main["mlp_dim"]
    for modality in ("text", "image", "audio"):
        rows = main["vocab_size" if modality == "text" else f"{modality}_vocab_size"]
        yield f"{modality}_token_embedder.weight", (rows, width)
        yield f"target_embedders.{modality}.modality_embedding", (width,)
    for modality in config["input_modalities"]:
        yield f"input_embedders.{modality}.modality_embedding", (width,)
    for modality in ("image", "audio"):
        features = 2 * config[f"{modality}_vit_cfg"]["emb_dim"]
        yield f"input_embedders.{modality}.projection.weight", (width, features)
    layers = main["num_decoder_layers"]
    stacks = [(f"encoder.layers_{i}", {"attention": "attention"}) for i in range(main["num_encoder_layers"])]
    for i in range(layers):
        parts = {"self_attention": "self_attention"}
        if i % main["decoder_xattention_internval"] == 0 or i == layers - 1:
            parts["cross_attention"] = "encoder_decoder_attention"
        stacks.append((f"decoder.layers_{i}", parts))
    for prefix, parts in stacks:
        for norm, name in parts.items():
            yield f"{prefix}.pre_{norm}_norm.scale", (width,)
            yield from _attention(f"{prefix}.{name}", width, main["head_dim"], main["qk_norm"])
        yield f"{prefix}.pre_mlp_norm.scale", (width,)
        yield from ((f"{prefix}.mlp.{part}.weight", (mlp, width)) for part in ("wi_0", "wi_1"))
        yield f"{prefix}.mlp.wo.weight", (width, mlp)
    yield from ((f"{side}.{side}_norm.scale", (width,)) for side in ("encoder", "decoder"))


def _norm(name, width):
    yield from ((f"{name}.{part}", (width,)) for part in ("weight", "bias"))


def _affine(name, outputs, inputs, between="."):
    yield f"{name}{between}weight", (outputs, inputs)
    yield f"{name}{between}bias", (outputs,)


def _vit(settings, modality):
    width, patch = settings["emb_dim"], settings["patch_size"]
    image = modality == "image"
    yield "embedding.weight", (width, patch * patch * (3 if image else 1))
    yield "positional_embedding", (settings["num_pos"] if image else 514, width)
    if image:
        yield "class_embedding", (width,)
        yield from _norm("pre_ln", width)
    else:
        yield "embedding.bias", (width,)
        yield from ((name, (width,)) for name in ("cls_token", "dist_token"))
    for layer in range(settings["num_layers"]):
        block = f"transformer.resblocks.{layer}"
        for name in ("ln_1", "ln_2"):
            yield from _norm(f"{block}.{name}", width)
        for part in ("query", "key", "value"):
            yield from _affine(f"{block}.attn.{part}_in_proj", width, width, "_")
        yield from _affine(f"{block}.attn.out_proj", width, width)
        yield from _affine(f"{block}.mlp.fc1", settings["mlp_dim"], width)
        yield from _affine(f"{block}.mlp.fc2", width, settings["mlp_dim"])


def _history(config, modality):
    settings, prefix = config[f"{modality}_history_cfg"], f"input_embedders.{modality}_history"
    width, mlp = settings["emb_dim"], settings["mlp_dim"]
    yield f"{prefix}.pre_projection.weight", (width, config[f"{modality}_vit_cfg"]["emb_dim"])
    yield f"{prefix}.post_projection.weight", (config["t5_config"]["emb_dim"], width)
    prefix += ".resampler.perceiver"
    yield f"{prefix}.latents", (settings["latents_size"], width)
    yield from ((f"{prefix}.{name}_norm.scale", (width,)) for name in ("context", "perceiver"))
    cosine = settings["num_heads"] if settings["xattn_scaled_cosine"] else None
    for layer in range(settings["num_layers"]):
        block = f"{prefix}.layers_{layer}"
        yield from ((f"{block}.pre_{name}_norm.scale", (width,)) for name in ("xattention", "mlp"))
        yield from _attention(
            f"{block}.xattention", width, settings["head_dim"], settings["xattn_qk_norm"], cosine
        )
        yield f"{block}.mlp.wi.weight", (mlp, width)
        yield f"{block}.mlp.wo.weight", (width, mlp)


def _conv(name, outputs, inputs, side=3):
    yield f"{name}.weight", (outputs, inputs, side, side)
    yield f"{name}.bias", (outputs,)


def _residual(name, inputs, outputs):
    yield from _norm(f"{name}.norm1", inputs)
    yield from _conv(f"{name}.conv1", outputs, inputs)
    yield from _norm(f"{name}.norm2", outputs)
    yield from _conv(f"{name}.conv2", outputs, outputs)
    if inputs != outputs:
        yield from _conv(f"{name}.nin_shortcut", outputs, inputs, 1)


def _spatial(name, width):
    yield from _norm(f"{name}.norm", width)
    for part in ("q", "k", "v", "proj_out"):
        yield from _conv(f"{name}.{part}", width, width, 1)


def _vqgan(settings):
    z, ch = settings["z_channels"], settings["ch"]
    widths = [ch * each for each in settings["ch_mult"]]
    for side, levels, blocks in (
        ("encoder", list(enumerate(widths)), settings["num_res_blocks"]),
        ("decoder", list(enumerate(widths))[::-1], settings["num_res_blocks"] + 1),
    ):
        stem, change = ("down", "downsample") if side == "encoder" else ("up", "upsample")
        width = ch if side == "encoder" else widths[-1]
        yield from _conv(f"{side}.conv_in", width, 3 if side == "encoder" else z)
        for step, (level, outputs) in enumerate(levels):
            for block in range(blocks):
                yield from _residual(f"{side}.{stem}_{step}_block_{block}", width, outputs)
                width = outputs
                if settings["resolution"] // 2**level in settings["attn_resolutions"]:
                    yield from _spatial(f"{side}.{stem}_{step}_attn_{block}", width)
            if step < len(levels) - 1:
                yield from _conv(f"{side}.{stem}_{step}_{change}.conv", width, width)
        for name in ("mid_block_1", "mid_block_2"):
            yield from _residual(f"{side}.{name}", widths[-1], widths[-1])
        yield from _spatial(f"{side}.mid_attn_1", widths[-1])
        yield from _norm(f"{side}.norm_out", width)
        yield from _conv(f"{side}.conv_out", z if side == "encoder" else 3, width)
    yield from _conv("quant_conv", z, z, 1)
    yield from _conv("post_quant_conv", z, z, 1)
    yield "quantize.embedding.weight", (settings["n_embed"], z)


def _vit_vqgan(settings):
    width, code = settings["encoder_hidden_size"], settings["proj_dim"]
    height, across = settings["patch_size"]
    yield from _affine("encoder.embedding", width, height * across)
    for side in ("encoder", "decoder"):
        mlp = settings[f"{side}_mlp_dim"]
        for layer in range(settings[f"{side}_num_layers"]):
            block = f"{side}.transformer.encoderblock_{layer}"
            for name in ("ln_1", "ln_2"):
                yield from _norm(f"{block}.{name}", width)
            yield from _attention(f"{block}.attn", width, None, False)
            yield from _affine(f"{block}.mlp.fc1", mlp, width)
            yield from _affine(f"{block}.mlp.fc2", width, mlp)
        yield from _norm(f"{side}.transformer.encoder_norm", width)
    yield "encoder.encoder_proj.weight", (code, width)
    yield "encoder.encoder_norm.bias", (code,)
    yield "quantize.embedding.weight", (settings["vocab_size"], code)
    yield "decoder.decoder_proj.weight", (width, code)
    yield "decoder.conv_transpose.weight", (width, 1, height, across)
