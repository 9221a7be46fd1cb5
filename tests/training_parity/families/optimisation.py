"""The optimizer and the learning rate."""

import numpy as np
import torch
from torch import nn

from pretrain.adafactor import Adafactor
from pretrain.optim import set_learning_rate
from pretrain.schedule import InverseSquareRoot
from pretrain.step import MOST_NORM
from tests.training_parity.compare import Check, Errors, Values

_UNDECAYED = ("scale", "bias", "embedding")


def check_adafactor(case: Values) -> Errors:
    """Take the recorded steps from the recorded weights, with the recorded gradients."""
    names = [key.removeprefix("p0_") for key in case if key.startswith("p0_")]
    parameters = {name: nn.Parameter(torch.tensor(case[f"p0_{name}"])) for name in names}
    decay = float(case["weight_decay_rate"])
    optimizer = Adafactor(
        {"params": [p], "weight_decay": 0.0 if name.endswith(_UNDECAYED) else decay}
        for name, p in parameters.items()
    )
    errors = {}
    for step in range(int(case["n_steps"])):
        for name, parameter in parameters.items():
            parameter.grad = torch.tensor(case[f"g{step}_{name}"])
        nn.utils.clip_grad_norm_(parameters.values(), MOST_NORM)
        set_learning_rate(optimizer, float(case["lr"][step]))
        optimizer.step()
        for name, parameter in parameters.items():
            expected = case[f"p{step + 1}_{name}"]
            errors[f"{name} after step {step}"] = float(np.abs(expected - parameter.detach().numpy()).max())
    return errors


def check_schedule(case: Values) -> Errors:
    settings = case["config"]
    schedule = InverseSquareRoot(
        base=settings["base_learning_rate"],
        warmup=settings["warmup_steps"],
        rises="linear_warmup" in settings["factors"],
    )
    return {
        f"step {step}": abs(schedule.rate(step) - rate) / rate
        for step, rate in zip(case["steps"], case["lr"], strict=True)
    }


CHECKS = {"adafactor": Check(check_adafactor, 2e-5), "lr_schedule": Check(check_schedule, 1e-5)}
