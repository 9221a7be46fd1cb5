"""Compare the model with recorded outputs of the official one: `python -m tests.parity DIR [--case NAME]
[--strict]`.

DIR holds `weights/NAME.config.json`, `weights/NAME.safetensors` and `cases/NAME__CASE.npz` in the official
formats. Prints the largest error of each case; exits 1 if a known case is off. Cases of parts that are not
built yet are listed as *not yet*, and count as off under --strict. `--case` takes a file's stem or what
follows its `__`; no match exits 2.
"""

import argparse
import json
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors.torch import load_file
from torch import Tensor

from uio2_agent.batch import Batch, CodeTarget, Patches, TextInput, TokenTarget
from uio2_agent.checkpoint import load_official_weights
from uio2_agent.config import UnifiedIO2Config
from uio2_agent.generation import decode
from uio2_agent.model import UnifiedIO2
from uio2_agent.official import name_to_official, vqgan_from_official
from uio2_agent.scoring import option_losses
from uio2_agent.text import TextTokenizer
from uio2_agent.tokenizers.vit_vqgan import ViTVQGAN
from uio2_agent.tokenizers.vocoder import Vocoder, VocoderConfig, fuse_weight_norm
from uio2_agent.tokenizers.vqgan import VQGAN

TOLERANCE = 1e-4
PATCH_INPUTS = ("image", "image_history", "audio", "audio_history")
Errors = dict[str, float]
"""Largest error by array; integer and boolean arrays count their differences."""


def load_model(directory: Path, name: str) -> UnifiedIO2:
    """Build the model NAME from its official configuration and weights."""
    official, weights = _official(directory, name)
    model = UnifiedIO2(UnifiedIO2Config.from_official(official))
    load_official_weights(model, weights)
    return model.eval()


def _official(directory: Path, name: str) -> tuple[dict[str, Any], dict[str, Tensor]]:
    """Read a configuration and the weights of the same name."""
    stem = directory / "weights" / name
    return json.loads(Path(f"{stem}.config.json").read_text()), load_file(f"{stem}.safetensors")


def official_batch(arrays: Mapping[str, np.ndarray]) -> Batch:
    """Read a flat official batch (`in/inputs/text/tokens`, ...)."""

    def part(name: str, kinds: tuple[str, ...]) -> list[Tensor]:
        tensors = [torch.from_numpy(arrays[f"in/{name}/{kind}"]) for kind in kinds]
        return [
            tensor if tensor.is_floating_point() else tensor.bool() if kind == "mask" else tensor.long()
            for kind, tensor in zip(kinds, tensors, strict=True)
        ]

    patches = {
        name: Patches(*part(f"inputs/{name}", ("input", "mask", "pos_ids")))
        for name in PATCH_INPUTS
        if f"in/inputs/{name}/input" in arrays
    }
    targets = {}
    if "in/targets/text/targets" in arrays:
        targets["text_target"] = TokenTarget(*part("targets/text", ("inputs", "targets", "mask", "pos_ids")))
    for name in ("image", "audio"):
        if f"in/targets/{name}/{name}" in arrays:
            values, *masks = part(f"targets/{name}", (name, "mask", "loss_mask"))
            targets[f"{name}_target"] = CodeTarget(values, *(mask.bool() for mask in masks))
    return Batch(TextInput(*part("inputs/text", ("tokens", "mask", "pos_ids"))), **patches, **targets)


def check_forward(model: UnifiedIO2, arrays: Mapping[str, np.ndarray]) -> Errors:
    """Compare a teacher-forced forward pass, stage by stage, where the masks are set."""
    batch = official_batch(arrays)
    encoded = model.encode(batch)
    output = model(batch)
    sources = arrays["mid/encoder_in_mask"] > 0
    errors = {
        "encoder_in_mask": _different(arrays["mid/encoder_in_mask"], encoded.mask),
        "encoder_in_embed": _distance(arrays["mid/encoder_in_embed"], encoded.inputs.embed, sources),
        "encoder_in_pos": _distance(arrays["mid/encoder_in_pos"], encoded.inputs.rotary, sources),
        "encoder_out": _distance(arrays["mid/encoder_out"], encoded.hidden, sources),
    }
    for name, logits in output.logits.items():
        counted = arrays[f"out/{name}/mask"] > 0
        errors |= {
            f"{name}/targets": _different(arrays[f"out/{name}/targets"], output.targets[name]),
            f"{name}/mask": _different(arrays[f"out/{name}/mask"], output.masks[name]),
            f"{name}/logits": _distance(arrays[f"out/{name}/logits"], logits, counted),
        }
    if "mid/decoder_out" in arrays and len(output.hidden) == 1:
        (name,) = output.hidden
        counted = arrays[f"out/{name}/mask"] > 0
        errors["decoder_out"] = _distance(arrays["mid/decoder_out"], output.hidden[name], counted)
    return errors


def check_losses(model: UnifiedIO2, arrays: Mapping[str, np.ndarray]) -> Errors:
    """Compare losses, and the gradient of their sum: every norm, and the gradients recorded whole."""
    with torch.inference_mode(False), torch.enable_grad():
        model.zero_grad(set_to_none=True)
        output = model(official_batch(arrays))
        output.loss.backward()
    errors = {"loss/total": abs(float(arrays["out/loss/total"]) - output.loss.item())}
    for name, loss in output.losses.items():
        square = output.logits[name].logsumexp(-1).square()[output.masks[name]].mean()
        errors[f"loss/{name}"] = abs(float(arrays[f"out/loss/{name}"]) - loss.item())
        errors[f"mean_sq_logZ/{name}"] = abs(float(arrays[f"out/mean_sq_logZ/{name}"]) - square.item())
    gradients = {name_to_official(name): value.grad for name, value in model.named_parameters()}
    norms = dict(zip(arrays["out/param_names"].tolist(), arrays["out/grad_norms"].tolist(), strict=True))
    errors["parameters"] = float(len(norms.keys() ^ gradients.keys()))
    for name in norms.keys() & gradients.keys():
        found = -1.0 if gradients[name] is None else gradients[name].norm().item()
        errors[f"norm/{name}"] = abs(norms[name] - found) / max(1.0, abs(norms[name]))
        if f"out/grad/{name}" in arrays:
            errors[f"grad/{name}"] = _distance(arrays[f"out/grad/{name}"], gradients[name])
    return errors


def check_greedy(model: UnifiedIO2, arrays: Mapping[str, np.ndarray]) -> Errors:
    """Compare greedy decoding: ids exactly, scores of every step up to each row's end."""
    sequences = arrays["out/sequences"]  # [B, 1 + steps], starting with 0, filled with 1 after the end
    steps = sequences.shape[1] - 1
    scores: list[Tensor] = []
    rows = decode(model, model.encode(official_batch(arrays)), limit=steps, scores=scores)
    ours = np.ones_like(sequences)
    ours[:, 0] = 0
    alive = np.zeros((len(rows), steps), bool)
    for row, tokens in enumerate(rows):
        ours[row, 1 : 1 + len(tokens)] = tokens
        alive[row, : len(tokens)] = True
    stacked = torch.stack(scores, 1)
    length = min(stacked.shape[1], arrays["out/scores"].shape[1])
    return {
        "sequences": _different(sequences, torch.from_numpy(ours)),
        "scores": _distance(arrays["out/scores"][:, :length], stacked[:, :length], alive[:, :length]),
    }


def check_score_options(model: UnifiedIO2, arrays: Mapping[str, np.ndarray]) -> Errors:
    """Compare answer scoring, as a mean and as a sum."""
    targets = torch.from_numpy(arrays["in/options"]).long()  # [options, T], 0 is padding
    inputs = torch.nn.functional.pad(targets[:, :-1], (1, 0))
    positions = torch.arange(targets.shape[1]).expand_as(targets)
    options = TokenTarget(inputs, targets, targets > 0, positions)
    encoded = model.encode(official_batch(arrays))
    return {
        name: _distance(arrays[f"out/{name}"], option_losses(model, encoded, options, average=average))
        for name, average in (("scores_mean", True), ("scores_sum_batches_of_2", False))
    }


def check_tokenizer(directory: Path) -> Errors:
    """Compare the text tokenizer with the stand-in for LLaMA's."""
    tokenizer = TextTokenizer(directory / "mock_llama_tokenizer.model")
    cases = json.loads((directory / "cases" / "prep__tokenizer.json").read_text())
    encoded, decoded = cases["encode"], cases["decode"]
    return {
        "vocab_size": float(tokenizer.vocabulary.size != cases["vocab_size"]),
        "encode": float(sum(tokenizer.encode(case["text"]) != case["ids"] for case in encoded)),
        "decoded_again": float(
            sum(tokenizer.decode(case["ids"]) != case["decoded_again"] for case in encoded)
        ),
        "decode": float(sum(tokenizer.decode(case["ids"]) != case["text"] for case in decoded)),
    }


def check_vqgan(vqgan: VQGAN, arrays: Mapping[str, np.ndarray], prefix: str = "") -> Errors:
    """Compare the image tokenizer: features, codes, their vectors, and both ways to an image."""
    images, codes = (torch.from_numpy(arrays[f"in/{prefix}{name}"]) for name in ("image", "codes"))
    indices = vqgan.encode(images)
    return {
        f"{prefix}pre_quant": _distance(arrays[f"out/{prefix}pre_quant"], vqgan.features(images)),
        f"{prefix}indices": _different(arrays[f"out/{prefix}indices"], indices),
        f"{prefix}quantised": _distance(arrays[f"out/{prefix}quantised"], vqgan.look_up(indices)),
        f"{prefix}reconstruction": _distance(arrays[f"out/{prefix}reconstruction"], vqgan.decode(indices)),
        f"{prefix}decode_code": _distance(arrays[f"out/{prefix}decode_code"], vqgan.decode(codes)),
    }


def check_vit_vqgan(vqgan: ViTVQGAN, arrays: Mapping[str, np.ndarray]) -> Errors:
    """Compare the audio tokenizer, as `check_vqgan` does."""
    spectrograms = torch.from_numpy(arrays["in/vitvqgan/spec"])[..., 0]
    codes = torch.from_numpy(arrays["in/vitvqgan/codes"])
    indices = vqgan.encode(spectrograms)
    pictures = {"reconstruction": vqgan.decode(indices), "decode_code": vqgan.decode(codes)}
    return {
        "vitvqgan/pre_quant": _distance(arrays["out/vitvqgan/pre_quant"], vqgan.encoder(spectrograms)),
        "vitvqgan/indices": _different(arrays["out/vitvqgan/indices"], indices),
        "vitvqgan/quantised": _distance(arrays["out/vitvqgan/quantised"], vqgan.look_up(indices)),
        **{
            f"vitvqgan/{name}": _distance(arrays[f"out/vitvqgan/{name}"], picture[:, None])
            for name, picture in pictures.items()
        },
    }


def check_towers(model: UnifiedIO2, arrays: Mapping[str, np.ndarray]) -> Errors:
    """Compare both ViTs and both resamplers, stage by stage, where the masks are set."""
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
        last, second = vit(values, mask.bool(), positions.long(), grid)
        tower = {"image": "image_vit", "image_hist": "image_vit_hist", "audio": "audio_vit"}[given]
        valid = mask.numpy() > 0
        for name, features in (("last", last), ("second", second)):
            if f"out/{tower}/{name}" in arrays:
                errors[f"{tower}/{name}"] = _distance(arrays[f"out/{tower}/{name}"], features, valid)
        history = model.inputs["audio_history" if modality == "audio" else modality]
        if given != "image":
            stage = "audio_hist" if modality == "audio" else given
            context = history.pre_projection(last)
            resampled = history.resampler(context, mask.bool())
            stages = {"resampled": resampled, "post_projection": history.post_projection(resampled)}
            for name, found in stages.items():
                if f"out/{stage}/{name}" in arrays:
                    errors[f"{stage}/{name}"] = _distance(arrays[f"out/{stage}/{name}"], found)
            if f"out/{stage}/pre_projection" in arrays:
                expected = arrays[f"out/{stage}/pre_projection"]
                errors[f"{stage}/pre_projection"] = _distance(expected, context, valid)
    return errors


def check_encoders_tokenizers(model: UnifiedIO2, arrays: Mapping[str, np.ndarray]) -> Errors:
    """Compare the towers and the two target tokenizers of a whole model."""
    return (
        check_towers(model, arrays)
        | check_vqgan(model.targets["image"].tokenizer, arrays, "vqgan/")
        | check_vit_vqgan(model.targets["audio"].tokenizer, arrays)
    )


def check_unit_vqgan(directory: Path, name: str, arrays: Mapping[str, np.ndarray]) -> Errors:
    """Compare a stand-alone image tokenizer."""
    official, weights = _official(directory, name)
    vqgan = VQGAN(vqgan_from_official(official))
    vqgan.load_state_dict(weights)
    return check_vqgan(vqgan, arrays)


def check_vocoder(directory: Path, name: str, arrays: Mapping[str, np.ndarray]) -> Errors:
    """Compare the vocoder, from weights with weight norm, in a batch and alone."""
    official = json.loads((directory / "weights" / f"{name}.config.json").read_text())
    vocoder = Vocoder(VocoderConfig.from_official(official))
    weights = load_file(directory / "weights" / f"{name}_weightnorm.safetensors")
    vocoder.load_state_dict(fuse_weight_norm(weights))
    log_mel = torch.from_numpy(arrays["in/log_mel"])
    return {
        "wave": _distance(arrays["out/wave"][:, 0], vocoder(log_mel)),
        "wave_weight_norm_removed": _distance(arrays["out/wave_weight_norm_removed"][:, 0], vocoder(log_mel)),
        "wave_unbatched_first": _distance(arrays["out/wave_unbatched_first"], vocoder(log_mel[:1])),
    }


PARTS: dict[str, Callable[[Path, str, Mapping[str, np.ndarray]], Errors]] = {
    "vqgan4": check_unit_vqgan,
    "hifigan": check_vocoder,
}
"""Checks of stand-alone modules: the case `unit__NAME` has the weights NAME."""

CASES: dict[str, Callable[[UnifiedIO2, Mapping[str, np.ndarray]], Errors]] = {
    "text_only": check_forward,
    "image_text_to_text": check_forward,
    "image_subset_to_text": check_forward,
    "history_to_text": check_forward,
    "all_to_text": check_forward,
    "image_target": check_forward,
    "audio_target": check_forward,
    "multi_target": check_forward,
    "loss_grads": check_losses,
    "score_options": check_score_options,
    "encoders_tokenizers": check_encoders_tokenizers,
    "generate_text_greedy": check_greedy,
}


def run(directory: Path, case: str | None = None) -> dict[str, Errors | None]:
    """Return the errors of every case of the folder by file stem; None for a case that is not built yet."""
    results: dict[str, Errors | None] = {}
    models: dict[str, UnifiedIO2] = {}
    for path in sorted((directory / "cases").glob("*.*")):
        name, _, kind = path.stem.partition("__")
        if case is not None and case not in (path.stem, kind):
            continue
        if path.name == "prep__tokenizer.json":
            results[path.stem] = check_tokenizer(directory)
            continue
        if kind in PARTS:
            with torch.inference_mode(), np.load(path) as arrays:
                results[path.stem] = PARTS[kind](directory, kind, dict(arrays))
            continue
        if kind not in CASES or path.suffix != ".npz":
            results.setdefault(path.stem, None)
            continue
        if name not in models:
            models[name] = load_model(directory, name)
        with torch.inference_mode(), np.load(path) as arrays:
            results[path.stem] = CASES[kind](models[name], dict(arrays))
    return results


def off(errors: Errors) -> bool:
    """Return True if any array differs by more than its tolerance (a NaN does)."""
    return not all(error <= TOLERANCE for error in errors.values())


def _distance(expected: np.ndarray, found: Tensor, where: np.ndarray | None = None) -> float:
    if expected.shape != tuple(found.shape):
        return float("inf")
    where = np.ones(expected.shape, bool) if where is None else where
    if not where.any():
        return 0.0
    difference = np.abs(expected - found.float().numpy())[where].max()
    return float("inf") if np.isnan(difference) else float(difference)


def _different(expected: np.ndarray, found: Tensor) -> float:
    if expected.shape != tuple(found.shape):
        return float("inf")
    return float((expected != found.numpy().astype(expected.dtype)).sum())


def main(arguments: list[str] | None = None) -> int:
    """Run the command; returns the exit code."""
    parser = argparse.ArgumentParser(prog="python -m tests.parity", description=__doc__.splitlines()[0])
    parser.add_argument("directory", type=Path, help="folder with weights/ and cases/")
    parser.add_argument("--case", help="only this case: a file's stem, or what follows its __")
    parser.add_argument("--strict", action="store_true", help="count cases that are not built yet as off")
    options = parser.parse_args(arguments)
    if not (options.directory / "cases").is_dir():
        print(
            f"{options.directory} holds no folder 'cases': give a folder of recorded outputs", file=sys.stderr
        )
        return 2
    results = run(options.directory, options.case)
    if not results:
        print(f"no case {options.case!r} in {options.directory / 'cases'}", file=sys.stderr)
        return 2
    print(f"{'case':36} {'largest error':>14}  where")
    failed = 0
    for stem, errors in results.items():
        if errors is None:
            failed += options.strict
            print(f"{stem:36} {'not yet':>14}")
            continue
        failed += off(errors)
        worst = max(errors, key=errors.get)
        print(f"{stem:36} {errors[worst]:14.2e}  {worst}{'  OFF' if off(errors) else ''}")
    known = sum(errors is not None for errors in results.values())
    print(f"{known} compared, {len(results) - known} not yet, {failed} off (tolerance {TOLERANCE:g})")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
