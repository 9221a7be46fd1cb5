"""States of a run of any number of processes: each writes its shard while it trains on, and the whole appears
at once.

A state is a folder `states/step-NNNNNNNN`. It is written under another name by `torch.distributed.checkpoint`
in a thread, and renamed when every shard is on the disk; a kill at any moment leaves the last whole one. It
can be read by another number of processes than wrote it. Beside the shards lies `run.json`: the step, the
settings, what the next decisions depend on, and a digest of every file.
"""

import hashlib
import json
import shutil
import warnings
from collections.abc import Mapping
from concurrent.futures import Future
from pathlib import Path
from typing import Any

import torch
import torch.distributed as dist
import torch.distributed.checkpoint as dcp
from torch import nn
from torch.distributed.checkpoint.state_dict import StateDictOptions, get_state_dict, set_state_dict

from pretrain.errors import TrainingError
from pretrain.processes import Processes
from uio2_agent.files import replace_file

STATES = "states"
FORMAT = 1
_NOTES, _UNDER_WAY = "run.json", ".part"
_FLAT = StateDictOptions(flatten_optimizer_state_dict=True)


class ShardedStates:
    """The states in a run's folder, of which the last two are kept."""

    def __init__(self, directory: Path, processes: Processes, keep: int = 2):
        self._directory, self._processes, self._keep = directory / STATES, processes, keep
        self._pending: tuple[Path, dict[str, Any], Future] | None = None
        self._group = dist.new_group(backend="gloo") if processes.count > 1 else None
        # Of a single process, which is meant.
        warnings.filterwarnings("ignore", "torch.distributed is disabled, unavailable or uninitialized")

    def newest(self) -> Path | None:
        """Return the newest whole state; what was under way when the last run ended is removed."""
        if self._processes.is_first and self._directory.exists():
            for path in self._directory.glob(f"*{_UNDER_WAY}"):
                shutil.rmtree(path)
        self._processes.wait()
        return max(self._directory.glob("step-" + "[0-9]" * 8), default=None)

    def clear(self) -> None:
        """Remove all states, of a run that is started anew."""
        if self._processes.is_first and self._directory.exists():
            shutil.rmtree(self._directory)
        self._processes.wait()

    def save(
        self, step: int, network: nn.Module, optimizer: torch.optim.Optimizer, notes: Mapping[str, Any]
    ) -> None:
        """Begin to write the state after `step` steps, copied when this returns; `notes` is plain data."""
        self.finish()
        path = self._directory / f"step-{step:08d}{_UNDER_WAY}"
        model, moments = get_state_dict(network, optimizer, options=_FLAT)
        writing = dcp.async_save(
            {"model": model, "optimizer": moments},
            checkpoint_id=path,
            process_group=self._group,
            no_dist=self._group is None,
        )
        self._pending = path, {"format": FORMAT, "step": step, **notes}, writing

    def finish(self) -> None:
        """Wait until the state under way is whole. Raises OSError naming what could not be written."""
        if self._pending is None:
            return
        (path, notes, writing), self._pending = self._pending, None
        try:
            writing.result()
        except Exception as error:  # the checkpoint library wraps what its shards met
            if (cause := _os_error(error)) is None:
                raise
            raise OSError(cause.errno, cause.strerror or str(cause), str(path)) from error
        self._processes.wait()
        if self._processes.is_first:
            digests = {file.name: _digest(file) for file in sorted(path.iterdir())}
            replace_file(path / _NOTES, json.dumps({**notes, "digests": digests}))
            path.rename(path.with_name(path.name.removesuffix(_UNDER_WAY)))
            for old in sorted(self._directory.glob("step-" + "[0-9]" * 8))[: -self._keep]:
                shutil.rmtree(old)
        self._processes.wait()

    def load(
        self,
        path: Path,
        network: nn.Module,
        optimizer: torch.optim.Optimizer,
        settings: Mapping[str, Any],
    ) -> dict[str, Any]:
        """Load a state into the network and the optimizer; return its notes, the step among them.

        Raises TrainingError when it is damaged, or of a run with other settings.
        """
        notes = _read_notes(path, self._processes.is_first)
        before = notes["settings"]
        if changed := sorted(key for key in settings if before.get(key) != settings[key]):
            values = ", ".join(f"{key} {before.get(key)!r} -> {settings[key]!r}" for key in changed)
            raise TrainingError(
                f"{path} is of a run with other settings ({values}): use them again, another output, or "
                "resume=false"
            )
        model, moments = get_state_dict(network, optimizer, options=_FLAT)
        held = {"model": model, "optimizer": moments}
        dcp.load(held, checkpoint_id=path, process_group=self._group, no_dist=self._group is None)
        set_state_dict(
            network,
            optimizer,
            model_state_dict=held["model"],
            optim_state_dict=held["optimizer"],
            options=_FLAT,
        )
        return notes


def _read_notes(path: Path, checks: bool) -> dict[str, Any]:
    remedy = "delete this folder to go on from the state before it, or start anew in another output"
    try:
        notes = json.loads((path / _NOTES).read_bytes())
        digests, form, _ = notes["digests"], notes["format"], notes["settings"]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise TrainingError(f"{path} is no state of a training: {remedy}") from error
    if form != FORMAT:
        raise TrainingError(f"{path} is of another program's version, which this one cannot go on with")
    for name, digest in digests.items() if checks else ():
        if not (path / name).exists() or _digest(path / name) != digest:
            raise TrainingError(f"{path / name} is damaged (its content is not what was saved): {remedy}")
    return notes


def _digest(path: Path) -> str:
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _os_error(error: BaseException) -> OSError | None:
    """The OSError behind an error of the checkpoint library, or None."""
    while error is not None:
        if isinstance(error, OSError):
            return error
        for failure in getattr(error, "failures", {}).values():
            inner = failure[0] if isinstance(failure, tuple) else failure
            if found := _os_error(inner):
                return found
        error = error.__cause__
    return None
