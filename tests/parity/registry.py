"""Which check reads which case: by the kind that its name says, else by the arrays it holds."""

from collections.abc import Iterator
from pathlib import Path

import torch

from tests.parity import forward, generated, parts, postprocess, preparation
from tests.parity.compare import Case, Check, Errors

GUIDED = 1e-3
"""Guidance multiplies log-probabilities, and their errors with them."""
BFLOAT16 = 1.5
"""Times the official logits' own rounding; two sound implementations are 0.7 to 1.1 apart."""

_GUIDED_IMAGE = Check(generated.check_guided_image, {"scores": GUIDED})
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
    "generate_image_cfg": _GUIDED_IMAGE,
    "generate_audio": Check(generated.check_audio),
    "all_to_text_bf16": Check(generated.check_bfloat16, {"text/logits": BFLOAT16}),
    "encoders_tokenizers": Check(parts.check_encoders_tokenizers),
}
"""Checks of cases `MODEL__KIND`."""
UNIT_CHECKS = {
    "vqgan": Check(parts.check_vqgan),
    "hifigan": Check(parts.check_vocoder),
    "layers": Check(parts.check_layers),
    "positions_masks": Check(parts.check_positions_masks),
}
"""Checks of cases `unit__KIND`, where anything may follow the kind: `unit__vqgan4`."""
PREPARATION_CHECKS = {
    "audio": Check(preparation.check_audio),
    "preprocessor": Check(preparation.check_preprocessor),
    "resize_pad_small": Check(preparation.check_resize_pad_small),
    "tokenizer": Check(preparation.check_tokenizer),
    "postprocess": Check(postprocess.check_postprocess, {"cfg_scores": GUIDED}),
}
"""Checks of cases `prep__KIND`, likewise."""
BY_CONTENT = (
    ("neg/inputs/text/tokens", _GUIDED_IMAGE),
    ("out/spectrogram", CHECKS["generate_audio"]),
    ("out/sequences_scores", CHECKS["generate_text_beam3"]),
    ("out/sequences", CHECKS["generate_text_greedy"]),
    ("out/loss/total", CHECKS["loss_grads"]),
    ("in/options", CHECKS["score_options"]),
    ("in/vqgan/image", CHECKS["encoders_tokenizers"]),
    *((f"out/{modality}/logits", CHECKS["multi_target"]) for modality in ("text", "image", "audio")),
)
"""An array that only one sort of case of a whole model holds, the first that is found, and its check."""


def check_of(case: Case) -> Check | None:
    """Return the check of a case, or None if there is none."""
    group = {"unit": UNIT_CHECKS, "prep": PREPARATION_CHECKS}.get(case.name)
    if group is not None:
        named = [kind for kind in group if case.kind.startswith(kind)]
        return group[max(named, key=len)] if named else None
    if case.kind in CHECKS:
        return CHECKS[case.kind]
    held = case.arrays if case.path.with_suffix(".npz").is_file() else {}
    return next((check for array, check in BY_CONTENT if array in held), None)


def run(directory: Path, only: str | None = None) -> Iterator[tuple[Case, Errors | None]]:
    """Yield every case of the folder (or those named) with its errors; None where there is no check.

    A case that cannot be compared at all has an infinite error, named as what went wrong.
    """
    models: dict = {}
    files = [path for path in (directory / "cases").iterdir() if path.suffix in (".npz", ".json")]
    for stem in sorted({path.with_suffix("") for path in files}):
        case = Case(stem, models)
        if only is not None and only not in (case.path.stem, case.kind):
            continue
        check = check_of(case)
        if check is None:
            yield case, None
            continue
        try:
            with torch.inference_mode():
                errors = check.errors(case)
        except Exception as error:  # the other cases still have something to say
            errors = {f"{type(error).__name__}: {error}".splitlines()[0]: float("inf")}
        yield case, errors
