"""Cross-entropy with the log-partition's penalty."""

import torch

from tests.training_parity.compare import Check, Errors, Values, distance, relative
from uio2_agent.model import token_loss


def check_cross_entropy(case: Values) -> Errors:
    """Compare the loss, the part of the penalty, the count of tokens and the gradient.

    Ours is the mean over tokens; a recorded sum is that mean times their number.
    """
    logits = torch.from_numpy(case["logits"]).requires_grad_()
    targets, mask = torch.from_numpy(case["targets"]).long(), torch.from_numpy(case["weights"])
    count = mask.sum()
    times = 1.0 if case["normalize_by_weight_sum"] else float(count)
    smoothing = float(case["label_smoothing"])
    loss = token_loss(logits, targets, mask, float(case["z_loss"]), smoothing) * times
    plain = token_loss(logits.detach(), targets, mask, 0.0, smoothing) * times
    (gradient,) = torch.autograd.grad(loss, logits)
    return {
        "loss": relative(case["loss"], loss),
        "z": _of_loss(distance(case["z"], loss.detach() - plain), case),
        "weight_sum": distance(case["weight_sum"], count),
        "grad_logits": distance(case["grad_logits"], gradient) / max(1e-30, abs(case["grad_logits"]).max()),
    }


def _of_loss(error: float, case: Values) -> float:
    """Return an error as a share of the loss: the penalty is found as the difference of two losses."""
    return error / max(1.0, abs(float(case["loss"])))


CHECKS = {"cross_entropy": Check(check_cross_entropy, 1e-5)}
