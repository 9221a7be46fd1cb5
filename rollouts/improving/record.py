"""The record of a loop: one file, replaced safely, with the facts of every stage that is done.

A stage is known by the folder it fills, below the output. Its facts hold a digest of what lies there, so that
a loop which goes on knows that everything it builds on is still what it was.
"""

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from policies.loading import policy_identity
from pretrain.sources.schema import DatasetError
from pretrain.sources.schema import identity as dataset_identity
from rollouts.errors import RolloutError
from rollouts.output import write_json
from rollouts.results import files as results
from rollouts.versions import git_sha, versions
from uio2_agent.errors import UIO2Error
from uio2_agent.locks import FolderLock

RECORD = "improve.json"
LOCK = ".improve.lock"


class Record:
    """The stages that are done; opening it takes the folder until `close`.

    Raises RolloutError for a folder that another process improves in, that holds a loop with other words,
    weights or data, or in which a finished stage is no longer what it was.
    """

    def __init__(self, output: Path, recipe: Mapping[str, Any]):
        self.path, self.recipe = output / RECORD, json.loads(json.dumps(recipe))
        try:
            self._lock = FolderLock(output / LOCK)
        except BlockingIOError as error:
            raise RolloutError(
                f"another process improves in {output}: wait for it, or name another output=..."
            ) from error
        try:
            self.stages, self.seconds = self._earlier()
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        """Leave the folder to others."""
        self._lock.close()

    def folder(self, stage: str) -> Path:
        """Return where a stage's results lie."""
        return self.path.parent / stage

    def add(self, stage: str, facts: Mapping[str, Any], seconds: float) -> None:
        """Note that a stage is done; it stands in the file when this returns."""
        self.stages[stage] = {**facts, "identity": identity(self.folder(stage))}
        self.seconds[stage] = round(seconds, 1)
        self.save({})

    def save(self, summary: Mapping[str, Any]) -> dict[str, Any]:
        """Write the file with what follows from the stages; return its content."""
        content = {
            "recipe": self.recipe,
            **summary,
            "stages": self.stages,
            "seconds": self.seconds,
            "git_sha": git_sha(),
            "versions": versions(),
        }
        write_json(self.path, content)
        return content

    def _earlier(self) -> tuple[dict[str, Any], dict[str, float]]:
        if not self.path.exists():
            return {}, {}
        try:
            content = json.loads(self.path.read_text(encoding="utf-8"))
            before, stages, seconds = content["recipe"], content["stages"], content["seconds"]
            identities = {stage: facts["identity"] for stage, facts in stages.items()}
        except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
            raise RolloutError(f"cannot read {self.path}: {error}; name another output=...") from error
        names = dict.fromkeys((*self.recipe, *before))
        if changed := [name for name in names if before.get(name) != self.recipe.get(name)]:
            told = ", ".join(f"{name}={before.get(name)} (now {self.recipe.get(name)})" for name in changed)
            raise RolloutError(
                f"{self.path.parent} holds a loop with {told}; use the same again, or another output=..."
            )
        for stage, was in identities.items():
            if identity(self.folder(stage)) != was:
                raise RolloutError(
                    f"{self.folder(stage)} no longer holds what the loop left there: put it back, or begin "
                    "in another output=..."
                )
        return stages, seconds


def identity(folder: Path) -> str | None:
    """Return a digest of what a stage left: an evaluation, a dataset or a checkpoint; None for nothing."""
    try:
        if (folder / results.RESULT).exists():
            episodes = results.load(folder)["episodes"]
            return hashlib.sha256(json.dumps(episodes, sort_keys=True).encode()).hexdigest()[:16]
        if (folder / "meta").is_dir():
            return dataset_identity(folder)
        return policy_identity(str(folder))
    except (RolloutError, DatasetError, UIO2Error, OSError, KeyError):
        return None
