"""Which check reads which case."""

from collections.abc import Iterator
from pathlib import Path

import torch

from tests.parity import forward, generated, parts, postprocess, preparation
from tests.parity.compare import Case, Check, Errors

GUIDED = 1e-3
"""Guidance multiplies log-probabilities, and their errors with them."""
BFLOAT16 = 0.25
"""Logits up to 8, where neighbouring bfloat16 numbers lie 0.03 apart."""

CHECKS = {
    "text_only": Check(forward.check_forward),
    "image_text_to_text": Check(forward.check_forward),
    "image_subset_to_text": Check(forward.check_forward),
    "history_to_text": Check(forward.check_forward),
    "all_to_text": Check(forward.check_forward),
    "image_target": Check(forward.check_code_target),
    "audio_target": Check(forward.check_code_target),
    "multi_target": Check(forward.check_forward),
    "loss_grads": Check(forward.check_losses),
    "score_options": Check(forward.check_score_options),
    "generate_text_greedy": Check(generated.check_greedy),
    "generate_text_early_stop": Check(generated.check_greedy),
    "generate_text_beam3": Check(generated.check_beams),
    "generate_image_cfg": Check(generated.check_guided_image, {"scores": GUIDED}),
    "generate_audio": Check(generated.check_audio),
    "all_to_text_bf16": Check(generated.check_bfloat16, {"text/logits": BFLOAT16}),
    "encoders_tokenizers": Check(parts.check_encoders_tokenizers),
    "vqgan4": Check(parts.check_vqgan),
    "hifigan": Check(parts.check_vocoder),
    "audio": Check(preparation.check_audio),
    "preprocessor": Check(preparation.check_preprocessor),
    "resize_pad_small": Check(preparation.check_resize_pad_small),
    "tokenizer": Check(preparation.check_tokenizer),
    "postprocess": Check(postprocess.check_postprocess, {"cfg_scores": GUIDED}),
    "layers": Check(parts.check_layers),
    "positions_masks": Check(parts.check_positions_masks),
}
"""Checks by kind of case; `unit__vqgan` of any width counts as `vqgan4`."""


def check_of(case: Case) -> Check | None:
    """Return the check of a case, or None if there is none."""
    kind = case.kind
    return CHECKS.get(kind) or (
        CHECKS["vqgan4"] if case.name == "unit" and kind.startswith("vqgan") else None
    )


def run(directory: Path, only: str | None = None) -> Iterator[tuple[Case, Errors | None]]:
    """Yield every case of the folder (or those named) with its errors; None where there is no check."""
    models: dict = {}
    stems = {path.with_suffix("") for path in (directory / "cases").glob("*.*")}
    for stem in sorted(stems):
        case = Case(stem, models)
        if only is not None and only not in (case.path.stem, case.kind):
            continue
        check = check_of(case)
        if check is None:
            yield case, None
            continue
        with torch.inference_mode():
            yield case, check.errors(case)
