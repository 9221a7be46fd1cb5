"""Cases of a whole model: one teacher-forced pass, its losses and gradients, answer scoring."""

import dataclasses
from collections.abc import Mapping

import numpy as np
import torch
from torch import Tensor

from tests.parity.compare import Case, Errors, different, distance
from uio2_agent.formats.official_names import name_to_official
from uio2_agent.generation.answer_scoring import option_losses
from uio2_agent.inputs.batch import Batch, CodeTarget, Patches, TextInput, TokenTarget
from uio2_agent.network.masks import causal, column_pattern, convolution_pattern, dynamic_mask, row_pattern
from uio2_agent.unified_io2 import UnifiedIO2

PATCH_INPUTS = ("image", "image_history", "audio", "audio_history")


def official_batch(arrays: Mapping[str, np.ndarray], where: str = "in") -> Batch:
    """Read a flat official batch (`in/inputs/text/tokens`, ...)."""

    def part(name: str, kinds: tuple[str, ...]) -> list[Tensor]:
        tensors = [torch.from_numpy(arrays[f"{where}/{name}/{kind}"]) for kind in kinds]
        return [
            tensor if tensor.is_floating_point() else tensor.bool() if "mask" in kind else tensor.long()
            for kind, tensor in zip(kinds, tensors, strict=True)
        ]

    patches = {
        name: Patches(*part(f"inputs/{name}", ("input", "mask", "pos_ids")))
        for name in PATCH_INPUTS
        if f"{where}/inputs/{name}/input" in arrays
    }
    targets = {}
    if f"{where}/targets/text/targets" in arrays:
        targets["text_target"] = TokenTarget(*part("targets/text", ("inputs", "targets", "mask", "pos_ids")))
    for name in ("image", "audio"):
        if f"{where}/targets/{name}/{name}" in arrays:
            kinds = (name, "mask", "loss_mask", "task_mask")
            targets[f"{name}_target"] = CodeTarget(*part(f"targets/{name}", kinds))
    return Batch(TextInput(*part("inputs/text", ("tokens", "mask", "pos_ids"))), **patches, **targets)


def check_forward(case: Case) -> Errors:
    """Compare a teacher-forced forward pass, stage by stage, where the masks are set.

    The official encoder keeps its padding, ours does not: rows are compared token by token.
    """
    arrays, model = case.arrays, case.model()
    batch = official_batch(arrays)
    encoded = model.encode(batch)
    output = model(batch)
    sources = arrays["mid/encoder_in_mask"] > 0  # [B, S]
    errors = {"encoder_in_mask": different(sources.sum(1), encoded.mask.sum(1))}
    ours = encoded.mask.numpy()
    for name, tensor in (
        ("encoder_in_embed", encoded.inputs.embed),
        ("encoder_in_pos", encoded.inputs.rotary),
        ("encoder_out", encoded.hidden),
    ):
        errors[name] = distance(arrays[f"mid/{name}"][sources], tensor.float().numpy()[ours])
    for name, logits in output.logits.items():
        counted = arrays[f"out/{name}/mask"] > 0
        errors |= {
            f"{name}/targets": different(arrays[f"out/{name}/targets"], output.targets[name]),
            f"{name}/mask": different(arrays[f"out/{name}/mask"], output.masks[name]),
            f"{name}/logits": distance(arrays[f"out/{name}/logits"], logits, counted),
        }
    if "mid/decoder_out" in arrays and len(output.hidden) == 1:
        (name,) = output.hidden
        counted = arrays[f"out/{name}/mask"] > 0
        errors["decoder_out"] = distance(arrays["mid/decoder_out"], output.hidden[name], counted)
    return errors


def check_code_target(case: Case) -> Errors:
    """Compare an image or audio target, then the switches of the paper: patterns and dynamic masking."""
    return check_forward(case) | check_switches(case)


def check_losses(case: Case) -> Errors:
    """Compare losses, and the gradient of their sum: every norm, and the gradients recorded whole."""
    arrays, model = case.arrays, case.model()
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
            expected = arrays[f"out/grad/{name}"]
            errors[f"grad/{name}"] = distance(expected, gradients[name]) / max(1.0, np.abs(expected).max())
    model.zero_grad(set_to_none=True)
    return errors


def check_score_options(case: Case) -> Errors:
    """Compare answer scoring, as a mean and as a sum."""
    arrays, model = case.arrays, case.model()
    targets = torch.from_numpy(arrays["in/options"]).long()  # [options, T], 0 is padding
    inputs = torch.nn.functional.pad(targets[:, :-1], (1, 0))
    positions = torch.arange(targets.shape[1]).expand_as(targets)
    options = TokenTarget(inputs, targets, targets > 0, positions)
    encoded = model.encode(official_batch(arrays))
    return {
        name: distance(arrays[f"out/{name}"], option_losses(model, encoded, options, average=average))
        for name, average in (("scores_mean", True), ("scores_sum_batches_of_2", False))
    }


def check_switches(case: Case) -> Errors:
    """Compare the patterns the official code builds, and the logits it has once they are applied."""
    arrays, official = case.arrays, case.model()
    (name,) = [name for name in ("image", "audio") if f"in/targets/{name}/{name}" in arrays]
    model = switched_on(official)
    batch = official_batch(arrays)
    unmasked = dataclasses.replace(getattr(batch, f"{name}_target"), task_mask=None)
    target = model.token_targets(batch)[name]
    grid, device = model.targets[name].grid, torch.device("cpu")
    errors = {}
    for kind, hidden in (("with", target.hidden), ("zero", torch.zeros_like(target.hidden[:1]))):
        if f"aux/pattern_mask_{kind}_task_mask" in arrays:
            patterns = [
                pattern(*grid, device) for pattern in (row_pattern, column_pattern, convolution_pattern)
            ]
            patterns.append(causal(target.inputs.shape[1], device))
            masks = torch.stack(patterns) & dynamic_mask(hidden)[:, None]  # [B, 4, N, N]
            errors[f"pattern_mask_{kind}"] = different(arrays[f"aux/pattern_mask_{kind}_task_mask"], masks)
    for key in arrays:
        if key.startswith("aux/patched_pattern_applied_logits"):
            given = dataclasses.replace(batch, **{f"{name}_target": unmasked}) if "zero" in key else batch
            logits = model(given).logits[name]
            errors[key.removeprefix("aux/")] = distance(arrays[key], logits, arrays[f"out/{name}/mask"] > 0)
    return errors


def switched_on(model: UnifiedIO2) -> UnifiedIO2:
    """Return a model of the same weights with sparse patterns and dynamic masking."""
    config = dataclasses.replace(model.config, sparse_patterns=True, dynamic_masking=True)
    switched = UnifiedIO2(config)
    switched.load_state_dict(model.state_dict())
    return switched.eval()
