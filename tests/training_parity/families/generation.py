"""Scores of a decoding step: guidance, and when a box must be written."""

import torch

from tests.training_parity.compare import Check, Errors, Values, different, distance
from uio2_agent.generation.guidance import GuidedStepper, guide
from uio2_agent.generation.logits_processors import AWAY, BoxesProcessor
from uio2_agent.text.vocabulary import Vocabulary

_OFFICIAL = Vocabulary(32_000)


def check_guidance(case: Values) -> Errors:
    """Compare guided scores of both halves as a share of the largest, and which tokens the halves are fed.

    Officially every row is scored; ours scores the main half, whose tokens both are fed.
    """
    main, negative = torch.from_numpy(case["logits"]).chunk(2)
    guided = guide(main, negative, float(case["alpha"])).repeat(2, 1)
    recorder = _Recorder(len(case["logits"]))
    tokens = case["next_token"][: len(main), None]
    GuidedStepper(recorder, float(case["alpha"]))(tokens, tokens)
    largest = max(1.0, abs(case["out"]).max())
    return {
        "out": distance(case["out"], guided) / largest,
        "next_token": different(case["next_token_out"], recorder.fed),
    }


class _Recorder:
    """A stepper that keeps the tokens it is fed."""

    def __init__(self, rows: int):
        self.rows = rows

    def __call__(self, tokens, positions) -> torch.Tensor:
        self.fed = tokens[:, 0]
        return torch.zeros(self.rows, 1, 1)


def check_location_rule(case: Values) -> Errors:
    """Compare in which rows only locations are left, and the best token; all else must stay as it is."""
    outside = torch.ones(_OFFICIAL.padded_size, dtype=torch.bool)
    outside[torch.from_numpy(_OFFICIAL.location_ids)] = False
    logits = torch.from_numpy(case["logits"])
    process = BoxesProcessor(_OFFICIAL, float(case["thresh"]), need_box=bool(case["require_one_box"]))
    changed = process(logits, [[_OFFICIAL.location(0)] * int(case["cur_index"])] * len(logits))
    blocked = (changed[:, outside] == AWAY).all(-1)
    return {
        "non_location_blocked": different(case["non_location_blocked"], blocked),
        "argmax": different(case["argmax"], changed.argmax(-1)),
        "locations": different(logits[:, ~outside], changed[:, ~outside]),
        "other rows": different(logits[~blocked], changed[~blocked]),
    }


CHECKS = {
    "classifier_free_guidance": Check(check_guidance, 1e-5),
    "location_logit_rule": Check(check_location_rule),
}
