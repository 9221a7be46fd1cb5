"""A recorded case, its model, and how far two arrays are apart."""

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors.torch import load_file
from torch import Tensor

from uio2_agent.config import UnifiedIO2Config
from uio2_agent.formats.checkpoint import load_official_weights
from uio2_agent.text.tokenizer import TextTokenizer
from uio2_agent.unified_io2 import UnifiedIO2

TOLERANCE = 1e-4
"""Largest absolute error of any array that a check's own `tolerances` do not name."""
SHARED = Path(__file__).parents[2] / "../shared/fixtures/uio2"
"""The folder of recorded cases that lies beside the checkout."""
Errors = dict[str, float]
"""Largest error by array; integers, booleans and texts count their differences."""


@dataclass
class Case:
    """One recorded case, `cases/NAME__KIND.npz`, `.json` or both, in a folder of the official formats."""

    path: Path
    _models: dict[str, UnifiedIO2] = field(default_factory=dict, repr=False)
    """Models of the folder by name, shared by all cases of a run."""

    @property
    def directory(self) -> Path:
        return self.path.parents[1]

    @property
    def name(self) -> str:
        return self.path.stem.partition("__")[0]

    @property
    def kind(self) -> str:
        return self.path.stem.partition("__")[2]

    @cached_property
    def arrays(self) -> dict[str, np.ndarray]:
        with np.load(self.path.with_suffix(".npz")) as arrays:
            return dict(arrays)

    @cached_property
    def json(self) -> Any:
        return json.loads(self.path.with_suffix(".json").read_text())

    def model(self) -> UnifiedIO2:
        """Build the model NAME from its official configuration and weights, once a run."""
        if self.name not in self._models:
            with torch.inference_mode(False):  # parameters made under it could not be trained
                official, weights = self.weights(self.name)
                model = UnifiedIO2(UnifiedIO2Config.from_official(official))
                load_official_weights(model, weights)
            self._models[self.name] = model.eval()
        return self._models[self.name]

    def weights(self, name: str, suffix: str = "") -> tuple[dict[str, Any], dict[str, Tensor]]:
        """Read a configuration, and the weights of the same name (with a suffix)."""
        stem = self.directory / "weights" / name
        return json.loads(Path(f"{stem}.config.json").read_text()), load_file(f"{stem}{suffix}.safetensors")

    def unit_weights(self, suffix: str = "") -> tuple[dict[str, Any], dict[str, Tensor]]:
        """Read the weights of a case `unit__NAME`, which are called NAME or unit_NAME."""
        names = (self.kind, f"unit_{self.kind}")
        held = [name for name in names if (self.directory / f"weights/{name}.config.json").is_file()]
        return self.weights(held[0] if held else self.kind, suffix)

    def tokenizer(self) -> TextTokenizer:
        """Read the tokenizer of the folder, or of the shared folder: one file serves all."""
        files = [path for folder in (self.directory, SHARED) for path in sorted(folder.glob("*.model"))]
        if not files:
            raise FileNotFoundError(f"{self.directory} holds no tokenizer: put its .model file there")
        return TextTokenizer(files[0])


@dataclass(frozen=True)
class Check:
    """What compares a case, and what it may be off by where that is not `TOLERANCE`."""

    errors: Callable[[Case], Errors]
    tolerances: dict[str, float] = field(default_factory=dict)

    def off(self, errors: Errors) -> list[str]:
        """Return the names of arrays that differ by more than they may (a NaN does)."""
        return [name for name, error in errors.items() if not self.excess(name, error) <= 1]

    def excess(self, name: str, error: float) -> float:
        """Return an error as a share of what it may be."""
        return error / self.tolerances.get(name, TOLERANCE)


def distance(expected: np.ndarray, found: Tensor | np.ndarray, where: np.ndarray | None = None) -> float:
    """Return the largest absolute difference (where a mask is True); infinity if shapes differ."""
    found = found.float().numpy() if isinstance(found, Tensor) else np.asarray(found)
    if expected.shape != found.shape:
        return float("inf")
    where = np.ones(expected.shape, bool) if where is None else where
    if not where.any():
        return 0.0
    difference = np.abs(expected.astype(np.float64) - found)[where].max()
    return float("inf") if np.isnan(difference) else float(difference)


def different(expected: np.ndarray, found: Tensor | np.ndarray) -> float:
    """Return how many entries differ; infinity if shapes differ."""
    found = torch.as_tensor(found).numpy()
    if expected.shape != found.shape:
        return float("inf")
    return float((expected != found.astype(expected.dtype)).sum())
