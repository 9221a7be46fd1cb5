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

import numpy as np
import torch
from safetensors.torch import load_file
from torch import Tensor

from uio2_agent.batch import Batch, Patches, TextInput, TextTarget
from uio2_agent.checkpoint import load_official_weights
from uio2_agent.config import UnifiedIO2Config
from uio2_agent.generation import decode
from uio2_agent.model import UnifiedIO2

TOLERANCE = 1e-4
PATCH_INPUTS = ("image", "image_history", "audio", "audio_history")
Errors = dict[str, float]
"""Largest error by array; integer and boolean arrays count their differences."""


def load_model(directory: Path, name: str) -> UnifiedIO2:
    """Build the model NAME from its official configuration and weights."""
    config = UnifiedIO2Config.from_official(
        json.loads((directory / "weights" / f"{name}.config.json").read_text())
    )
    model = UnifiedIO2(config)
    load_official_weights(model, load_file(directory / "weights" / f"{name}.safetensors"))
    return model.eval()


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
    has_target = "in/targets/text/targets" in arrays
    target = (
        TextTarget(*part("targets/text", ("inputs", "targets", "mask", "pos_ids"))) if has_target else None
    )
    return Batch(
        TextInput(*part("inputs/text", ("tokens", "mask", "pos_ids"))), **patches, text_target=target
    )


def check_forward(model: UnifiedIO2, arrays: Mapping[str, np.ndarray]) -> Errors:
    """Compare a teacher-forced forward pass, stage by stage, where the masks are set."""
    batch = official_batch(arrays)
    encoded = model.encode(batch)
    output = model(batch)
    sources, targets = arrays["mid/encoder_in_mask"] > 0, arrays["out/text/mask"] > 0
    return {
        "encoder_in_mask": _different(arrays["mid/encoder_in_mask"], encoded.mask),
        "encoder_in_embed": _distance(arrays["mid/encoder_in_embed"], encoded.inputs.embed, sources),
        "encoder_in_pos": _distance(arrays["mid/encoder_in_pos"], encoded.inputs.rotary, sources),
        "encoder_out": _distance(arrays["mid/encoder_out"], encoded.hidden, sources),
        "decoder_out": _distance(arrays["mid/decoder_out"], output.hidden["text"], targets),
        "targets": _different(arrays["out/text/targets"], output.targets["text"]),
        "mask": _different(arrays["out/text/mask"], output.masks["text"]),
        "logits": _distance(arrays["out/text/logits"], output.logits["text"], targets),
    }


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


CASES: dict[str, Callable[[UnifiedIO2, Mapping[str, np.ndarray]], Errors]] = {
    "text_only": check_forward,
    "image_text_to_text": check_forward,
    "image_subset_to_text": check_forward,
    "history_to_text": check_forward,
    "all_to_text": check_forward,
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


def _distance(expected: np.ndarray, found: Tensor, where: np.ndarray) -> float:
    if expected.shape != tuple(found.shape):
        return float("inf")
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
