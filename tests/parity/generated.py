"""Cases of generation: greedy text, beams, guided images, audio."""

import re

import numpy as np
import torch

from tests.parity.compare import Case, Errors, different, distance
from tests.parity.forward import official_batch
from uio2_agent.generation.beams import beam_search
from uio2_agent.generation.decoding import EOS, Row, decode
from uio2_agent.generation.generate import stack_encoded
from uio2_agent.generation.guidance import GuidedStepper
from uio2_agent.generation.stepping import START, Stepper
from uio2_agent.unified_io2 import UnifiedIO2


def check_greedy(case: Case) -> Errors:
    """Compare greedy text: ids exactly, scores of every step up to each row's end."""
    arrays, model = case.arrays, case.model()
    sequences = arrays["out/sequences"]  # [B, 1 + steps], starting with 0, filled with 1 after the end
    steps = sequences.shape[1] - 1
    scores: list[torch.Tensor] = []
    eos = int(arrays.get("in/eos_token_id", EOS))
    rows = _decoded(Stepper(model, model.encode(official_batch(arrays)), steps), steps, scores, eos)
    lines = [row.tokens for row in rows]
    errors = {"sequences": different(sequences, _filled(lines, steps))}
    if "out/scores" in arrays:
        alive = np.zeros((len(rows), steps), bool)
        for row, tokens in enumerate(lines):
            alive[row, : len(tokens)] = True
        stacked = torch.stack(scores, 1)
        length = min(stacked.shape[1], arrays["out/scores"].shape[1])
        errors["scores"] = distance(arrays["out/scores"][:, :length], stacked[:, :length], alive[:, :length])
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
    length = target.grid[0] * target.grid[1]
    stepper = Stepper(model, stack_encoded([main, negative]), length, "image")
    scores: list[torch.Tensor] = []
    guided = GuidedStepper(stepper, float(arrays["in/guidance_scale"]))
    tokens = torch.tensor([row.tokens for row in _decoded(guided, length, scores, None)])
    expected = arrays["out/sequences"][: len(tokens)]  # main rows, then negative ones
    return {
        "sequences": different(expected[:, 1:], tokens),
        "scores": distance(arrays["out/scores"], torch.stack(scores, 1)),
        "image": distance(arrays["out/image"], target.decode(tokens)),
    }


def check_audio(case: Case) -> Errors:
    """Compare greedy audio: tokens, scores of every step, the spectrogram."""
    arrays, model = case.arrays, case.model()
    target = model.targets["audio"]
    length = target.grid[0] * target.grid[1]
    scores: list[torch.Tensor] = []
    stepper = Stepper(model, model.encode(official_batch(arrays)), length, "audio")
    tokens = torch.tensor([row.tokens for row in _decoded(stepper, length, scores, None)])
    spectrograms = target.decode(tokens).transpose(1, 2)[..., None]  # recorded as [B, mel, time, 1]
    return {
        "sequences": different(arrays["out/sequences"][:, 1:], tokens),
        "scores": distance(arrays["out/scores"], torch.stack(scores, 1)),
        "spectrogram": distance(arrays["out/spectrogram"], spectrograms),
    }


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


def _decoded(stepper: Stepper | GuidedStepper, limit: int, scores: list, eos: int | None) -> list[Row]:
    *_, rows = decode(stepper, limit=limit, end=eos, scores=scores)
    return rows


def _filled(lines: list[list[int]], length: int) -> np.ndarray:
    """Lay out answers as the official generator does: after the start token, filled with 1."""
    filled = np.ones((len(lines), 1 + length), np.int64)
    filled[:, 0] = START
    for row, tokens in enumerate(lines):
        filled[row, 1 : 1 + len(tokens)] = tokens[:length]
    return filled
