"""What a run says of itself: means over steps, as curves and a page in its directory, for TensorBoard, and in
words.
"""

from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, Protocol

from pretrain.curves import Curves, Means
from pretrain.errors import TrainingError
from pretrain.pages.training import TrainingPage


class Sink(Protocol):
    """Where points of curves go beside the run's own file."""

    def add(self, step: int, values: Mapping[str, float]) -> None:
        """Take the values of a step by name."""
        ...


class WandbSink:
    """Sends points to Weights & Biases. Raises TrainingError where its package is not installed."""

    def __init__(self, project: str, directory: Path, settings: Mapping[str, Any]):
        try:
            import wandb
        except ImportError:
            raise TrainingError(
                f"wandb={project} needs the wandb package: pip install wandb, or leave wandb= out"
            ) from None
        self._run = wandb.init(project=project, dir=str(directory), config=dict(settings), resume="allow")

    def add(self, step: int, values: Mapping[str, float]) -> None:
        """Send the values of a step by name."""
        self._run.log(dict(values), step=step)


class Logbook:
    """Means since the last point of the curves (kept with the state), and since words were last shown.

    Only the process that has a `directory` writes curves, and the `page` with each point of them. Points of
    later steps than `step` are dropped.
    """

    def __init__(
        self,
        directory: Path | None,
        step: int,
        means: Mapping[str, Any] | None = None,
        sinks: Sequence[Sink] = (),
        page: TrainingPage | None = None,
    ):
        self.means, self._lately = Means(**(means or {})), Means()
        self.curves = None if directory is None else Curves(directory, step)
        self._sinks = sinks
        self._page, self._step_s = page, 0.0

    def take(self, values: Mapping[str, float], seconds: float) -> None:
        """Take in what a step gave, and how long it took."""
        for means in (self.means, self._lately):
            means.add(values, seconds)

    def record(self, step: int, more: Mapping[str, float]) -> None:
        """Add a point: the means since the last one, and more values."""
        self._step_s = self.means.seconds / max(self.means.count, 1)
        self.add(step, self.means.values() | dict(more))
        self.means = Means()

    def add(self, step: int, values: Mapping[str, float]) -> None:
        """Add a point of other values."""
        if self.curves is not None:
            self.curves.add(step, values)
        for sink in self._sinks:
            sink.add(step, values)
        self._write_page(running=True)

    def close(self) -> None:
        """Let the page say that the run goes on no more."""
        with suppress(OSError):  # whatever ended it is told elsewhere
            self._write_page(running=False)

    def _write_page(self, running: bool) -> None:
        if self._page is not None and self.curves is not None and self.curves.records:
            self._page.write(self.curves.records, self._step_s, running)

    def holds_more(self, step: int) -> bool:
        """Tell whether other values than means were added for that step."""
        records = [] if self.curves is None else self.curves.records
        here = (record for record in records if record["step"] == step)
        return any(not any(name.startswith("speed/") for name in record) for record in here)

    def words(self) -> str:
        """Return the means since words were last shown."""
        values = self._lately.values()
        losses = [f"{key.split('/')[-1]} {value:.2f}" for key, value in values.items() if "speed/" not in key]
        speeds = [
            f"{value:.3g} {key.removeprefix('speed/').replace('_per_s', '/s')}"
            for key, value in values.items()
            if "speed/" in key
        ]
        return "  ".join([" ".join(losses), *speeds])

    def shown(self) -> None:
        """Begin anew with what words are about."""
        self._lately = Means()
