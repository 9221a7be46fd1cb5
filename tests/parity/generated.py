"""Cases of generation: greedy text, beams, guided images, audio."""

import re

import numpy as np
import torch

from tests.parity.compare import Case, Errors, different, distance
from tests.parity.forward import official_batch
from uio2_agent.generation.beams import beam_search
from uio2_agent.generation.decoding import EOS, decode
from uio2_agent.generation.generate import stack_encoded
from uio2_agent.generation.guidance import GuidedStepper
from uio2_agent.generation.stepping import START, Stepper
from uio2_agent.unified_io2 import UnifiedIO2


def check_greedy(case: Case) -> Errors:
    """Compare greedy text: ids exactly, scores of every step up to each row's end."""
    model = case.model()
    eos = int(case.arrays.get("in/eos_token_id", EOS))
    stepper = Stepper(model, model.encode(official_batch(case.arrays)), _steps(case))
    _, errors = _followed(case, stepper, eos)
    return errors


def check_beams(case: Case) -> Errors:
    """Compare beam search with the defaults of the official generator: ids and scores of the best line."""
    arrays, model = case.arrays, case.model()
    sequences = arrays["out/sequences"]
    beams = int(re.search(r"beam(\d+)", case.kind)[1])
    longest = sequences.shape[1] - 1
    # A longer recorded line than usual says what the limit was; a shorter one has ended.
    limit = max(longest, BEAM_STEPS)
    encoded = model.encode(official_batch(arrays))
    repeated = encoded.rows(torch.arange(len(sequences)).repeat_interleave(beams))
    found = beam_search(Stepper(model, repeated, limit), beams, limit)
    lines = [tokens for tokens, _ in found]
    scores = np.array([score for _, score in found], np.float32)
    return {
        "sequences": different(sequences, _filled(lines, longest)),
        "longest": float(max(map(len, lines)) != longest),
        "sequences_scores": distance(arrays["out/sequences_scores"], scores),
    }


BEAM_STEPS = 12
"""New tokens of the recorded beams."""


def check_guided_image(case: Case) -> Errors:
    """Compare a greedy image under guidance: tokens, guided scores of every step, pixels."""
    arrays, model = case.arrays, case.model()
    main, negative = (model.encode(official_batch(arrays, where)) for where in ("in", "neg"))
    rows = len(main.mask)
    if len(negative.mask) == 1 < rows:  # one negative example serves all
        negative = negative.rows(torch.zeros(rows, dtype=torch.long))
    target = model.targets["image"]
    stepper = Stepper(model, stack_encoded([main, negative]), _steps(case), "image")
    tokens, errors = _followed(case, GuidedStepper(stepper, float(arrays["in/guidance_scale"])), EOS)
    if "out/image" in arrays:  # officially there is none where all rows ended early
        errors["image"] = distance(arrays["out/image"], target.decode(tokens))
    return errors


def check_audio(case: Case) -> Errors:
    """Compare greedy audio: tokens, scores of every step, the spectrogram."""
    arrays, model = case.arrays, case.model()
    stepper = Stepper(model, model.encode(official_batch(arrays)), _steps(case), "audio")
    tokens, errors = _followed(case, stepper, EOS)
    if "out/spectrogram" in arrays:
        spectrograms = model.targets["audio"].decode(tokens)
        # recorded as [B, mel, time, 1]
        errors["spectrogram"] = distance(arrays["out/spectrogram"], spectrograms.transpose(1, 2)[..., None])
    return errors


def check_bfloat16(case: Case) -> Errors:
    """Compare the transformer in bfloat16, the towers in float32; both sides round, each in its own order.

    The error is a ratio of root mean squares: how far the two are apart, over how far the official logits
    are from those in float32. Sound ways of rounding share most of it, so the ratio stays near 1; if they
    shared nothing, it would be sqrt(2).
    """
    arrays, exact = case.arrays, case.model()
    model = UnifiedIO2(exact.config)
    model.load_state_dict(exact.state_dict())
    batch = official_batch(arrays)
    counted = torch.from_numpy(arrays["out/text/mask"] > 0)
    official = torch.from_numpy(arrays["out/text/logits"])[counted]
    ours = model.eval().transformer_to(torch.bfloat16)(batch).logits["text"].float()[counted]
    rounding = exact(batch).logits["text"][counted] - official
    return {"text/logits": float((ours - official).square().mean().sqrt() / rounding.square().mean().sqrt())}


def _steps(case: Case) -> int:
    """Return how many tokens were recorded at most, without the start token."""
    return case.arrays["out/sequences"].shape[1] - 1


def _followed(case: Case, stepper: Stepper | GuidedStepper, eos: int) -> tuple[torch.Tensor, Errors]:
    """Decode greedily, pictures and sounds like text: an end token ends a row, which is filled with 1.

    Returns the tokens [B, steps], and the differences of sequences and of scores, up to each row's end.
    """
    arrays, steps = case.arrays, _steps(case)
    scores: list[torch.Tensor] = []
    *_, rows = decode(stepper, limit=steps, end=eos, scores=scores)
    lines = [row.tokens for row in rows]
    filled = _filled(lines, steps)
    # Under guidance the negative rows are recorded behind the main ones.
    errors = {"sequences": different(arrays["out/sequences"][: len(lines)], filled)}
    if "out/scores" in arrays:
        alive = np.zeros((len(rows), steps), bool)
        for row, tokens in enumerate(lines):
            alive[row, : len(tokens)] = True
        stacked = torch.stack(scores, 1)
        length = min(stacked.shape[1], arrays["out/scores"].shape[1])
        errors["scores"] = distance(arrays["out/scores"][:, :length], stacked[:, :length], alive[:, :length])
    return torch.from_numpy(filled[:, 1:]), errors


def _filled(lines: list[list[int]], length: int) -> np.ndarray:
    """Lay out answers as the official generator does: after the start token, filled with 1."""
    filled = np.ones((len(lines), 1 + length), np.int64)
    filled[:, 0] = START
    for row, tokens in enumerate(lines):
        filled[row, 1 : 1 + len(tokens)] = tokens[:length]
    return filled
