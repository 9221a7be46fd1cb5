"""The settings of a tokenizer's training, each checked against its bounds."""

import dataclasses
from pathlib import Path
from typing import TYPE_CHECKING

from pretrain.defaults import defaults_from
from pretrain.errors import TrainingError
from pretrain.settings import check_bounds
from uio2_agent.devices import device_of
from uio2_agent.errors import did_you_mean

if TYPE_CHECKING:
    import torch

SETTINGS_FILE = Path(__file__).parents[1] / "train-tokenizer.yaml"
TARGETS = ("image", "audio")
_MOST = 10**12
BOUNDS: dict[str, tuple[float, float]] = {
    **dict.fromkeys(("steps", "log_every", "save_every", "patience"), (1, _MOST)),
    **dict.fromkeys(
        ("warmup", "critic_start", "window_steps", "validation_examples", "bad_records"), (0, _MOST)
    ),
    **dict.fromkeys(("learning_rate", "stop_after"), (0, _MOST)),
    **dict.fromkeys(("decay_share", "held_back"), (0, 1)),
    **dict.fromkeys(("threads", "workers"), (0, 1024)),
    "batch_size": (1, 10**6),
    "seed": (0, 2**63 - 1),
}
"""Lowest and highest value of each number."""
SETTINGS = (
    *("target", "model", "steps", "batch_size", "learning_rate", "warmup", "decay_share"),
    *("window_steps", "window", "critic_start", "patience", "seed"),
)
"""What a resumed run must share with the one it goes on from."""


@dataclasses.dataclass(frozen=True, kw_only=True)
@defaults_from(SETTINGS_FILE)
class TokenizerConfig:
    """A training of a target tokenizer; the yaml file says what each field means."""

    target: str
    model: str
    mixture: str
    data: str | None
    held_back: float
    validation_examples: int
    bad_records: int
    output: str
    steps: int
    batch_size: int
    learning_rate: float
    warmup: int
    decay_share: float
    window_steps: int
    window: tuple[int, int]
    critic_start: int
    patience: int
    seed: int
    device: str
    threads: int
    workers: int
    log_every: int
    save_every: int
    tensorboard: bool
    resume: bool
    stop_after: float

    def __post_init__(self) -> None:
        """Raises TrainingError for a value outside its bounds."""
        check_bounds(self, BOUNDS)
        if self.target not in TARGETS:
            raise TrainingError(
                f"there is no tokenizer of {self.target!r}{did_you_mean(self.target, TARGETS)}: choose "
                f"{' or '.join(TARGETS)}"
            )
        if self.window_steps and self.target != "image":
            raise TrainingError("window_steps= is for pictures: a spectrogram is learned whole")
        if len(self.window) != 2 or not all(isinstance(side, int) and side > 0 for side in self.window):
            raise TrainingError(f"window={list(self.window)}: give a height and a width in pixels, [32,64]")

    @property
    def torch_device(self) -> "torch.device":
        """`device`, if this machine has it; UIO2Error if not."""
        return device_of(self.device)
