"""Cases of single modules: target tokenizers, towers, vocoder, layers, positions and masks."""

import re
from collections.abc import Mapping

import numpy as np
import torch
from torch import Tensor, nn

from tests.parity.compare import TOLERANCE, Case, Errors, different, distance
from uio2_agent.embedders.vit import transposed_positions
from uio2_agent.formats.official_config import part_from_official
from uio2_agent.network.layers import MLP, Attention, GatedMLP, RMSNorm, attention_bias
from uio2_agent.network.masks import causal, column_pattern, convolution_pattern, row_pattern
from uio2_agent.network.positions import grid_resize, rotary_1d, rotary_2d, rotary_pair, rotate, sincos_2d
from uio2_agent.tokenizers.config import VQGANConfig
from uio2_agent.tokenizers.vit_vqgan import ViTVQGAN
from uio2_agent.tokenizers.vocoder import Vocoder, VocoderConfig, fuse_weight_norm
from uio2_agent.tokenizers.vqgan import VQGAN
from uio2_agent.unified_io2 import UnifiedIO2

Arrays = Mapping[str, np.ndarray]
CPU = torch.device("cpu")
NUMBER = re.compile(r"\d+(?:\.\d+)?")
CLIPS = (0.5, 0.1, 0.2, 0.25, 0.3, 0.75, 1.0, 1.5, 2.0, 3.0, 5.0, 10.0)
"""Bounds that `attn_clip` may have, which the case does not record: the first that fits one array counts."""


def vqgan_errors(vqgan: VQGAN, arrays: Arrays, prefix: str = "") -> Errors:
    """Compare the image tokenizer: features, codes, their vectors, and both ways to an image."""
    images, codes = (torch.from_numpy(arrays[f"in/{prefix}{name}"]) for name in ("image", "codes"))
    indices = vqgan.encode(images)
    return {
        f"{prefix}pre_quant": distance(arrays[f"out/{prefix}pre_quant"], vqgan.features(images)),
        f"{prefix}indices": different(arrays[f"out/{prefix}indices"], indices),
        f"{prefix}quantised": distance(arrays[f"out/{prefix}quantised"], vqgan.look_up(indices)),
        f"{prefix}reconstruction": distance(arrays[f"out/{prefix}reconstruction"], vqgan.decode(indices)),
        f"{prefix}decode_code": distance(arrays[f"out/{prefix}decode_code"], vqgan.decode(codes)),
    }


def vit_vqgan_errors(vqgan: ViTVQGAN, arrays: Arrays) -> Errors:
    """Compare the audio tokenizer, as `vqgan_errors` does."""
    spectrograms = torch.from_numpy(arrays["in/vitvqgan/spec"])[..., 0]
    codes = torch.from_numpy(arrays["in/vitvqgan/codes"])
    indices = vqgan.encode(spectrograms)
    pictures = {"reconstruction": vqgan.decode(indices), "decode_code": vqgan.decode(codes)}
    return {
        "vitvqgan/pre_quant": distance(arrays["out/vitvqgan/pre_quant"], vqgan.encoder(spectrograms)),
        "vitvqgan/indices": different(arrays["out/vitvqgan/indices"], indices),
        "vitvqgan/quantised": distance(arrays["out/vitvqgan/quantised"], vqgan.look_up(indices)),
        **{
            f"vitvqgan/{name}": distance(arrays[f"out/vitvqgan/{name}"], picture[:, None])
            for name, picture in pictures.items()
        },
    }


def tower_errors(model: UnifiedIO2, arrays: Arrays) -> Errors:
    """Compare both ViTs and both resamplers, stage by stage, where the masks are set.

    Frames without any valid patch are left out: the official code averages what nothing reads.
    """
    errors = {}
    parts = {
        "image": ("image", model.image_encoder, model.config.image_grid),
        "image_hist": ("image_history", model.image_encoder, model.config.history_grid),
        "audio": ("audio", model.audio_encoder, model.config.audio_grid),
    }
    for given, (modality, vit, grid) in parts.items():
        values, mask, positions = (
            torch.from_numpy(arrays[f"in/{given}/{kind}"]) for kind in ("input", "mask", "pos_ids")
        )
        if f"in/{given}/patch_num" in arrays:
            grid = tuple(arrays[f"in/{given}/patch_num"].tolist())
        last, second = vit(values, mask.bool(), positions.long(), grid)
        tower = {"image": "image_vit", "image_hist": "image_vit_hist", "audio": "audio_vit"}[given]
        valid = mask.numpy() > 0
        for name, features in (("last", last), ("second", second)):
            if f"out/{tower}/{name}" in arrays:
                errors[f"{tower}/{name}"] = distance(arrays[f"out/{tower}/{name}"], features, valid)
        history = model.inputs["audio_history" if modality == "audio" else modality]
        if given != "image":
            stage = "audio_hist" if modality == "audio" else given
            context = history.pre_projection(last)
            resampled = history.resampler(context, mask.bool())
            stages = {"resampled": resampled, "post_projection": history.post_projection(resampled)}
            for name, found in stages.items():
                if f"out/{stage}/{name}" in arrays:
                    expected = arrays[f"out/{stage}/{name}"]
                    errors[f"{stage}/{name}"] = distance(expected, found, valid.any(1))
            if f"out/{stage}/pre_projection" in arrays:
                expected = arrays[f"out/{stage}/pre_projection"]
                errors[f"{stage}/pre_projection"] = distance(expected, context, valid)
    return errors


def check_encoders_tokenizers(case: Case) -> Errors:
    """Compare the towers and the two target tokenizers of a whole model."""
    model, arrays = case.model(), case.arrays
    return (
        tower_errors(model, arrays)
        | vqgan_errors(model.targets["image"].tokenizer, arrays, "vqgan/")
        | vit_vqgan_errors(model.targets["audio"].tokenizer, arrays)
    )


def check_vqgan(case: Case) -> Errors:
    """Compare a stand-alone image tokenizer."""
    official, weights = case.unit_weights()
    vqgan = VQGAN(VQGANConfig(**part_from_official("image_vqgan", official)))
    vqgan.load_state_dict(weights)
    return vqgan_errors(vqgan, case.arrays)


def check_vocoder(case: Case) -> Errors:
    """Compare the vocoder, from weights with weight norm, in a batch and alone."""
    official, weights = case.unit_weights("_weightnorm")
    vocoder = Vocoder(VocoderConfig.from_official(official))
    vocoder.load_state_dict(fuse_weight_norm(weights))
    arrays, log_mel = case.arrays, torch.from_numpy(case.arrays["in/log_mel"])
    return {
        "wave": distance(arrays["out/wave"][:, 0], vocoder(log_mel)),
        "wave_weight_norm_removed": distance(arrays["out/wave_weight_norm_removed"][:, 0], vocoder(log_mel)),
        "wave_unbatched_first": distance(arrays["out/wave_unbatched_first"], vocoder(log_mel[:1])),
    }


def check_layers(case: Case) -> Errors:
    """Compare norm, every variant of attention (rotary, masked, bare) and both MLPs."""
    arrays = case.arrays
    sizes, weights = case.unit_weights()
    x, context, mask = (torch.from_numpy(arrays[f"in/{name}"]) for name in ("x", "kv", "mask"))
    width, mlp_dim = sizes["dim"], sizes["mlp"]

    def loaded(module: nn.Module, prefix: str, names: Mapping[str, str] | None = None) -> nn.Module:
        own = {key.removeprefix(prefix): value for key, value in weights.items() if key.startswith(prefix)}
        module.load_state_dict({(names or {}).get(key, key): value for key, value in own.items()})
        return module

    variants = {
        "qknorm": dict(qk_norm=True),
        "plain": dict(qk_norm=False),
        "cosine": dict(qk_norm=False, scaled_cosine=True),
        "bias": dict(qk_norm=True, bias=True),
        "clip": dict(qk_norm=True, clip_logit=CLIPS[0]),
        "headscale": dict(qk_norm=True, head_scale=True),
    }
    gated = {"wi_0.weight": "gate.weight", "wi_1.weight": "up.weight", "wo.weight": "down.weight"}
    plain = {"wi.weight": "up.weight", "wo.weight": "down.weight"}
    errors = {
        "rms_norm": distance(arrays["out/rms_norm"], loaded(RMSNorm(width), "norm.")(x)),
        "mlp_swiglu": distance(
            arrays["out/mlp_swiglu"], loaded(GatedMLP(width, mlp_dim), "mlp_swiglu.", gated)(x)
        ),
        "mlp_gelu": distance(arrays["out/mlp_gelu"], loaded(MLP(width, mlp_dim), "mlp_gelu.", plain)(x)),
    }
    queries, keys = (
        rotary_pair(rotary_1d(part.shape[1], sizes["head_dim"], CPU)[None]) for part in (x, context)
    )
    hide = attention_bias(mask, x.dtype)
    for name, options in variants.items():
        attention = loaded(Attention(width, sizes["heads"], sizes["head_dim"], **options), f"attn_{name}.")
        if name == "clip":
            attention.clip_logit = _clip_that_fits(attention, x, context, arrays["out/attn_clip_nomask"])
        for kind, bias, at, key_at in (
            ("", hide, None, None),
            ("_rope", hide, queries, keys),
            ("_nomask", None, None, None),
        ):
            found = attention(attention.queries(x, at), *attention.keys_values(context, key_at), bias)
            errors[f"attn_{name}{kind}"] = distance(arrays[f"out/attn_{name}{kind}"], found)
    return errors


def _clip_that_fits(attention: Attention, x: Tensor, context: Tensor, expected: np.ndarray) -> float:
    def error(bound: float) -> float:
        attention.clip_logit = bound
        return distance(
            expected, attention(attention.queries(x, None), *attention.keys_values(context, None), None)
        )

    return next((bound for bound in CLIPS if error(bound) <= TOLERANCE), CLIPS[0])


def check_positions_masks(case: Case) -> Errors:
    """Compare rotary and sine tables, rotation, patterns, decoder masks, position grids.

    Sizes stand in the arrays' names: `rope2d/h3_w5_dim16_res1.000000`.
    """
    arrays = case.arrays
    patterns = {"row": row_pattern, "col": column_pattern, "conv": convolution_pattern}
    errors: Errors = {}
    for key, expected in arrays.items():
        kind, _, sizes = key.removeprefix("out/").partition("/")
        numbers = [float(number) for number in NUMBER.findall(sizes)]
        whole = [int(number) for number in numbers]
        if kind == "rope1d":
            errors[key] = distance(expected, rotary_1d(*whole, CPU))
        elif kind == "rope2d":
            rows, columns, dim = whole[:3]
            errors[key] = distance(expected, rotary_2d(rows, columns, dim, _scale(numbers[3]), CPU))
        elif kind == "sincos2d":  # dim16_im32x64_p8x8
            dim, height, width, patch_height, patch_width = whole
            table = sincos_2d(height // patch_height, width // patch_width, dim, CPU)
            errors[key] = distance(expected, table)
        elif kind.startswith("pattern_"):
            rows, columns = whole
            name = kind.removeprefix("pattern_")
            found = causal(rows * columns, CPU) if name == "full" else patterns[name](rows, columns, CPU)
            errors[key] = different(expected, found)
        elif key.startswith("out/pos_resized_"):
            rows, columns = map(int, key.removeprefix("out/pos_resized_").split("x"))
            grid = torch.from_numpy(arrays["in/pos_grid"])  # [rows, columns, width]
            resized = grid_resize(tuple(grid.shape[:2]), (rows, columns), CPU) @ grid.flatten(0, 1)
            errors[key] = distance(expected, resized.view(rows, columns, -1))
        elif key.startswith("out/audio_pos_transpose_"):
            rows, columns = map(int, key.removeprefix("out/audio_pos_transpose_").split("x"))
            errors[key] = different(expected, transposed_positions(rows, columns, CPU))
    x, rows = (torch.from_numpy(arrays[f"in/{name}"]) for name in ("rotary_x", "rotary_cache"))
    turned = rotate(x.transpose(1, 2), rotary_pair(rows)).transpose(1, 2)  # recorded as [B, L, H, head_dim]
    errors["rotary_y"] = distance(arrays["out/rotary_y"], turned)
    valid = torch.from_numpy(arrays["in/decoder_mask_tokens"]) > 0
    segments = torch.from_numpy(arrays["in/decoder_mask_segments"])
    look = causal(valid.shape[1], CPU) & valid[:, None] & valid[:, :, None]  # [B, T, T]
    same = segments[:, None] == segments[:, :, None]
    errors["decoder_mask"] = different(arrays["out/decoder_mask"], look[:, None])
    errors["decoder_mask_segments"] = different(arrays["out/decoder_mask_segments"], (look & same)[:, None])
    return errors


def _scale(written: float) -> float:
    """Read a coordinate scale that was written with six digits: thirds are meant exactly."""
    thirds = round(written * 3) / 3
    return thirds if abs(thirds - written) < 1e-6 else written
