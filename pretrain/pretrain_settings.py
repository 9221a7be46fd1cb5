"""The settings of pre-training on a mixture, each checked against its bounds."""

import dataclasses
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pretrain.defaults import defaults_from
from pretrain.errors import TrainingError
from pretrain.schedule import SHAPES as SUPERVISED_SHAPES
from pretrain.settings import DTYPES, OPTIMIZERS, check_bounds, check_choice, taken_along
from uio2_agent.devices import device_of
from uio2_agent.errors import did_you_mean

if TYPE_CHECKING:
    import torch

SETTINGS_FILE = Path(__file__).with_name("pretrain.yaml")

PARTS = ("qk_norm", "packing", "dynamic_masking", "sparse_patterns")
"""Parts of the method that an ablation leaves out."""
SHAPES = ("uio2", *SUPERVISED_SHAPES)
"""Of the learning rate: UIO-2's own counts as officially, for relative rates."""
_MOST = 10**12
BOUNDS: dict[str, tuple[float, float]] = {
    **dict.fromkeys(("steps", "accumulate", "log_every", "save_every"), (1, _MOST)),
    **dict.fromkeys(
        ("encoder_row", "decoder_row", "warmup", "skips", "validation_examples", "bad_records"), (0, _MOST)
    ),
    **dict.fromkeys(("learning_rate", "weight_decay", "z_loss", "spike", "stop_after"), (0, _MOST)),
    **dict.fromkeys(("threads", "workers"), (0, 1024)),
    "batch_size": (1, 10**6),
    **dict.fromkeys(("decay_share", "held_back"), (0, 1)),
    "patch_share": (0.01, 1),
    "seed": (0, 2**63 - 1),
}
"""Lowest and highest value of each number."""
SETTINGS = (
    *(
        "model",
        "without",
        "steps",
        "batch_size",
        "patch_share",
        "optimizer",
        "learning_rate",
        "schedule",
        "warmup",
    ),
    *("decay_share", "weight_decay", "z_loss", "loss_weights", "spike", "skips", "seed", "dtype"),
)
"""What a resumed run must share with the one it goes on from: all that its result depends on.

How examples are dealt out to processes, portions and rows is not of these."""


@dataclasses.dataclass(frozen=True, kw_only=True)
@defaults_from(SETTINGS_FILE)
class PretrainConfig:
    """A run on a mixture; the meaning of each field stands in `pretrain.yaml`."""

    model: str
    inherit: str | None
    image_tokenizer: str | None
    audio_tokenizer: str | None
    mixture: str
    data: str | None
    held_back: float
    validation_examples: int
    bad_records: int
    output: str
    without: tuple[str, ...] | None
    steps: int
    batch_size: int
    accumulate: int
    patch_share: float
    encoder_row: int
    decoder_row: int
    optimizer: str
    learning_rate: float
    schedule: str
    warmup: int
    decay_share: float
    weight_decay: float
    z_loss: float
    loss_weights: Mapping[str, float]
    spike: float
    skips: int
    seed: int
    device: str
    dtype: str
    recompute: bool
    compile: bool
    threads: int
    workers: int
    log_every: int
    save_every: int
    tensorboard: bool
    wandb: str | None
    resume: bool
    stop_after: float

    def __post_init__(self) -> None:
        """Raises TrainingError for a value outside its bounds."""
        check_bounds(self, BOUNDS)
        for name in self.without or ():
            if name not in PARTS:
                raise TrainingError(
                    f"without={name} names no part of the method{did_you_mean(name, PARTS)}: choose of "
                    f"{', '.join(PARTS)}"
                )
        for name, weight in self.loss_weights.items():
            if name not in ("text", "image", "audio") or not 0 <= weight < _MOST:
                raise TrainingError(
                    f"loss_weights.{name}={weight} is not possible: text, image and audio take 0 or more"
                )
        choices = {"optimizer": OPTIMIZERS, "schedule": SHAPES, "dtype": DTYPES}
        for key, known in choices.items():
            check_choice(key, getattr(self, key), known)

    @property
    def torch_device(self) -> "torch.device":
        """`device`, if this machine has it; UIO2Error if not."""
        return device_of(self.device)

    @property
    def takes(self) -> dict[str, Any]:
        """What `pretrain.initialization.start_model` is told beside the model."""
        return taken_along(self)
