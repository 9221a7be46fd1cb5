"""Span corruption: what is cut, in how many runs, and how long the results are."""

import numpy as np

from pretrain.denoisers.spans import corrupt, draw_noise, span_counts, span_lengths
from tests.training_parity.compare import Check, Errors, Values, different


def check_corruption(case: Values) -> Errors:
    """Compare input and target for the recorded choice of tokens, and the counts of the rule."""
    tokens, noise = np.array(case["tokens"]), np.array(case["noise_mask"], bool)
    inputs, target = corrupt(tokens, noise, case["first_sentinel"])
    counts = span_counts(len(tokens), case["density"], case["mean_span"])
    return {
        "inputs": different(case["inputs"], inputs),
        "targets": different(case["targets"], target),
        "counts": different([case["n_noise"], case["n_spans"]], counts),
    }


def check_counts(case: Values) -> Errors:
    """Compare the counts of the rule, and those of what is drawn by ten generators."""
    length, density, mean_span = case["length"], case["density"], case["mean_span"]
    expected = [case[name] for name in ("n_noise", "n_spans", "first_is_noise", "last_is_noise")]
    errors = {"rule": different(expected[:2], span_counts(length, density, mean_span))}
    for seed in range(10):
        noise = draw_noise(length, density, mean_span, np.random.default_rng(seed))
        spans = (np.diff(noise.astype(int), prepend=0) == 1).sum()
        errors[f"seed {seed}"] = different(expected, [noise.sum(), spans, noise[0], noise[-1]])
    return errors


def check_lengths(case: Values) -> Errors:
    found = span_lengths(case["inputs_length"], case["density"], case["mean_span"])
    return {"lengths": different([case["tokens_length"], case["targets_length"]], found)}


CHECKS = {
    "span_corruption": Check(check_corruption),
    "span_counts": Check(check_counts),
    "span_lengths": Check(check_lengths),
}
