"""The state of a run on disk: everything that the next step depends on, in one file, replaced atomically.

The file is read with the weights-only loader. It holds the step, the model, the training-only heads, the
optimizer, and what the next point of the curves is averaged from; batches need no state, because batch s
follows from the seed and s. Unusual: it holds a digest of all that, since torch notices no flipped bytes.
"""

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from pretrain.errors import TrainingError
from uio2_agent.errors import CheckpointError
from uio2_agent.files import new_file
from uio2_agent.weights import check_fit, read_pickle

STATE = "training.pt"
FORMAT = 3
"""Of the state. 2 had no digest and no means."""


def save_state(
    directory: Path,
    step: int,
    settings: Mapping[str, Any],
    parts: Mapping[str, nn.Module],
    optimizer: torch.optim.Optimizer,
    means: Mapping[str, Any],
) -> None:
    """Write the state after `step` steps; `means` is plain data. Raises OSError naming the file."""
    state = {
        "step": step,
        "settings": json.dumps({"format": FORMAT, **settings}),
        "parts": {name: part.state_dict() for name, part in parts.items()},
        "optimizer": optimizer.state_dict(),
        "means": means,
    }
    with new_file(directory / STATE) as file:
        torch.save({**state, "digest": content_digest(state)}, file)


def load_state(
    directory: Path,
    settings: Mapping[str, Any],
    parts: Mapping[str, nn.Module],
    optimizer: torch.optim.Optimizer,
    added: Mapping[str, Any] | None = None,
) -> tuple[int, Mapping[str, Any]]:
    """Load the state into the parts and the optimizer; return the number of steps done, and the means.

    `added`: settings that an older state does not hold, and what they were then.
    Raises TrainingError when the file is damaged, or was written by a run with other settings.
    """
    path = directory / STATE
    remedy = (
        f"delete it to start anew, or start from the last weights with model={directory} and another output="
    )
    try:
        state = read_pickle(path)
    except CheckpointError as error:
        raise TrainingError(f"{error}, or {remedy}") from error
    try:
        before = json.loads(state["settings"])
        form = before.get("format")
    except (TypeError, KeyError, ValueError, AttributeError) as error:
        raise TrainingError(f"{path} is no state of a training: {remedy}") from error
    if form != FORMAT:
        raise TrainingError(
            f"{path} is of a run that an older program began, which this one cannot go on with: start anew "
            "in another output, or with resume=false"
        )
    if state.pop("digest", None) != content_digest(state):
        raise TrainingError(f"{path} is damaged (its content is not what was saved): {remedy}")
    before = {**(added or {}), **before}
    changed = sorted(key for key in settings if before.get(key) != settings[key])
    if changed:
        values = ", ".join(f"{key} {before.get(key)!r} -> {settings[key]!r}" for key in changed)
        raise TrainingError(
            f"{path} is of a run with other settings ({values}): "
            "use them again, another output, or resume=false"
        )
    try:
        for name, part in parts.items():
            check_fit(part.state_dict(), state["parts"][name], f"{path} ({name})")
            part.load_state_dict(state["parts"][name])
        optimizer.load_state_dict(state["optimizer"])
    except (CheckpointError, KeyError, ValueError) as error:
        raise TrainingError(f"{path} does not fit this run ({error}): {remedy}") from error
    return state["step"], state["means"]


def content_digest(content: Any) -> str:
    """Return a digest of nested mappings and sequences of tensors and plain values: of names, types, shapes
    and every byte.
    """
    digest = hashlib.sha256()

    def add(value: Any) -> None:
        if isinstance(value, Tensor):
            plain = value.detach().cpu().contiguous()
            digest.update(f"{plain.dtype} {list(plain.shape)} ".encode())
            digest.update(plain.reshape(-1).view(torch.uint8).numpy().data)
        elif isinstance(value, Mapping):
            digest.update(f"mapping {len(value)} ".encode())
            for key, item in value.items():
                add(key)
                add(item)
        elif isinstance(value, list | tuple):
            digest.update(f"sequence {len(value)} ".encode())
            for item in value:
                add(item)
        else:
            text = repr(value).encode()
            digest.update(f"{type(value).__name__} {len(text)} ".encode() + text)

    add(content)
    return digest.hexdigest()
