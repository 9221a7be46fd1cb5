"""The state of a run on disk: everything that the next step depends on, in one file, replaced atomically.

The file is read with the weights-only loader. It holds the step, the model, the training-only heads and the
optimizer; batches need no state, because batch s follows from the seed and s.
"""

import json
from pathlib import Path
from typing import Any

import torch
from torch import nn

from uio2_agent.errors import UIO2Error
from uio2_agent.files import new_file

STATE = "training.pt"
FORMAT = 2
"""Of the settings in a state. Those without a number are older than embodiments."""


class TrainingError(UIO2Error):
    """A run that cannot start or go on as asked."""


def save_state(
    directory: Path,
    step: int,
    settings: dict[str, Any],
    parts: dict[str, nn.Module],
    optimizer: torch.optim.Optimizer,
) -> None:
    """Write the state after `step` steps."""
    state = {
        "step": step,
        "settings": json.dumps({"format": FORMAT, **settings}),
        "parts": {name: part.state_dict() for name, part in parts.items()},
        "optimizer": optimizer.state_dict(),
    }
    with new_file(directory / STATE) as file:
        torch.save(state, file)


def load_state(
    directory: Path, settings: dict[str, Any], parts: dict[str, nn.Module], optimizer: torch.optim.Optimizer
) -> int:
    """Load the state into the parts and the optimizer; return the number of steps done.

    Raises TrainingError when the file is damaged, or was written by a run with other settings.
    """
    path = directory / STATE
    try:
        state = torch.load(path, map_location="cpu", weights_only=True)
        before = json.loads(state["settings"])
    except Exception as error:  # torch.load has no common class of errors
        raise TrainingError(f"{path} is damaged ({error}): delete it to start anew") from error
    if before.get("format") != FORMAT:
        raise TrainingError(
            f"{path} is of a run that an older program began, which this one cannot go on with: start anew "
            "in another output, or with resume=false"
        )
    changed = sorted(key for key in settings if before.get(key) != settings[key])
    if changed:
        values = ", ".join(f"{key} {before.get(key)!r} -> {settings[key]!r}" for key in changed)
        raise TrainingError(
            f"{path} is of a run with other settings ({values}): "
            "use them again, another output, or resume=false"
        )
    for name, part in parts.items():
        part.load_state_dict(state["parts"][name])
    optimizer.load_state_dict(state["optimizer"])
    return int(state["step"])
