"""The settings of a training run, each checked against its bounds."""

import dataclasses
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pretrain.defaults import defaults_from
from pretrain.errors import TrainingError
from uio2_agent.devices import device_of
from uio2_agent.errors import did_you_mean

if TYPE_CHECKING:
    import torch

SETTINGS_FILE = Path(__file__).with_name("train.yaml")


DTYPES = ("float32", "bfloat16")
OPTIMIZERS = ("adamw", "adafactor", "muon")
QUESTIONS = ("boxes", "state", "view", "caption", "goal", "judge")
"""Kinds of questions beside the plan: each has a share of the batches."""
_MOST = 10**12
BOUNDS: dict[str, tuple[int, int]] = {
    **dict.fromkeys(("steps", "log_every", "save_every"), (1, _MOST)),
    **dict.fromkeys(
        ("eye_steps", "warmup", "validation_episodes", "evaluate_every", "lora_rank"), (0, _MOST)
    ),
    **dict.fromkeys(("learning_rate", "weight_decay", "eye_weight", "lora_alpha", "stop_after"), (0, _MOST)),
    **dict.fromkeys(
        (
            "decay_share",
            "recast_share",
            "recolour_share",
            "plain_share",
            "still_share",
            *(f"{kind}_share" for kind in QUESTIONS),
        ),
        (0, 1),
    ),
    **dict.fromkeys(("threads", "workers"), (0, 1024)),
    "batch_size": (1, 10**6),
    "sigma": (0, 1000),
    "seed": (0, 2**63 - 1),
}
"""Lowest and highest value of each number."""
SMALL = ("nano", "nano_goal", "nano_house")
"""Presets whose requests are written for a small model."""
SETTINGS = [
    "data",
    "model",
    "lora_rank",
    "lora_alpha",
    "lora_targets",
    "steps",
    "eye_steps",
    "batch_size",
    "optimizer",
    "learning_rate",
    "schedule",
    "warmup",
    "decay_share",
    "weight_decay",
    "eye_weight",
    "sigma",
    *(f"{kind}_share" for kind in QUESTIONS),
    "recast_share",
    "recolour_share",
    "plain_share",
    "still_share",
    "augment",
    "validation_episodes",
    "seed",
    "dtype",
]
"""What a resumed run must share with the one it goes on from."""
ADDED = {
    **{"goal_share": 0.0, "judge_share": 0.0, "recast_share": 0.0, "recolour_share": 0.0},
    "plain_share": 1.0,
    "still_share": 1.0,
    "optimizer": "adamw",
}
"""Settings that older states do not hold, and what they were then."""


@dataclasses.dataclass(frozen=True, kw_only=True)
@defaults_from(SETTINGS_FILE)
class TrainConfig:
    """A training run."""

    data: tuple[str, ...]
    """Dataset directories: those `uio2 collect` makes, or of another form that `pretrain.sources` reads."""
    output: str
    """Directory of the checkpoint, the state and the curves."""
    model: str
    """A preset (fresh weights), a packaged name, or a checkpoint directory to start from."""
    inherit: str | None
    """A trained model whose weights a fresh one takes where their shapes are the same."""
    image_tokenizer: str | None
    audio_tokenizer: str | None
    """Files of target tokenizers, of the model's shape if it is trained; None for those that ship."""
    lora_rank: int
    """Rank of adapters that learn in place of the model, which must be trained then; 0 trains the model."""
    lora_alpha: float
    """Adapters count alpha / rank times."""
    lora_targets: str
    """Layers with adapters, among query, key, value, out, gate, up, down of the encoder and decoder."""
    steps: int
    """Optimizer steps, the eye's included."""
    eye_steps: int
    """First steps, in which the image encoder learns alone."""
    batch_size: int
    optimizer: str
    """One of OPTIMIZERS; adapters learn with adamw."""
    learning_rate: float
    """Peak rate; of adafactor relative to the size of each weight."""
    schedule: str
    """Shape of the learning rate: one of `pretrain.schedule.SHAPES`."""
    warmup: int
    """Steps of linear warm-up, at the start of each phase."""
    decay_share: float
    """Last part of the run, in which the rate of wsd falls to zero."""
    weight_decay: float
    eye_weight: float
    """Weight of the dense losses once the whole model learns; 0 freezes the image encoder then."""
    sigma: float
    """Width of a location's soft label, in bins; 0 for hard labels."""
    style: Mapping[str, Any]
    """Changes to the styles of requests (`policies.style.PromptStyle`) of the model and its embodiments."""
    boxes_share: float
    """Share of batches that ask for all objects' boxes; so are the next: where the body is after an action,
    what it sees then, what the episode was for, how it looks when the task is done, whether an action is
    right. The others ask for the plan."""
    state_share: float
    view_share: float
    caption_share: float
    goal_share: float
    judge_share: float
    recast_share: float
    """Share of the plans that are asked for as another task, where the episode is one: a rearrangement to how
    it ended, or a thing's way to be followed."""
    recolour_share: float
    """Share of the plans and goals that are asked for in other colours, where their words allow it."""
    plain_share: float
    """Share of the tokens of plain table, in pictures to be drawn, that are learned."""
    still_share: float
    """The same of those that show things which were there before."""
    augment: bool
    """Draw symmetries of the embodiment (a mirrored table) at random, where a task allows them."""
    validation_episodes: int
    """Episodes spread over the data: never trained on, their losses are drawn beside the training's."""
    seed: int
    device: str
    """cpu, cuda, or auto."""
    dtype: str
    """float32, or bfloat16 (autocast, on a CPU in the products of layers alone; weights stay float32, those
    under adapters become bfloat16)."""
    threads: int
    """CPU threads of torch; 0 leaves its default."""
    workers: int
    """Processes that prepare batches."""
    log_every: int
    save_every: int
    evaluate_every: int
    """Steps between evaluations; 0 for none."""
    tensorboard: bool
    """Whether the curves are written for TensorBoard, too."""
    resume: bool
    """Go on from the state in `output`, if there is one."""
    stop_after: float
    """Minutes after which to save and stop (to go on later); 0 for never."""

    def __post_init__(self) -> None:
        """Raises TrainingError for a value outside its bounds."""
        check_bounds(self, BOUNDS)
        shares = [f"{kind}_share" for kind in QUESTIONS]
        if (total := sum(getattr(self, name) for name in shares)) > 1:
            raise TrainingError(f"{', '.join(shares)} are {total:g} together: at most 1 can be shared out")
        for name, known in (("optimizer", OPTIMIZERS), ("dtype", DTYPES)):
            check_choice(name, getattr(self, name), known)
        if self.lora_rank and self.optimizer != "adamw":
            raise TrainingError(
                f"adapters (lora_rank={self.lora_rank}) learn with adamw: drop optimizer={self.optimizer}"
            )
        if Path(self.model).is_dir() and Path(self.model).resolve() == Path(self.output).resolve():
            raise TrainingError(
                f"output={self.output} is the folder of the model to start from, which the run would "
                "replace: name another output="
            )

    @property
    def torch_device(self) -> "torch.device":
        """`device`, if this machine has it; UIO2Error if not."""
        return device_of(self.device)

    @property
    def takes(self) -> dict[str, Any]:
        """What `pretrain.initialization.start_model` is told beside the model."""
        return taken_along(self)


def taken_along(settings: Any) -> dict[str, Any]:
    """Return the words of `start_model` that stand in the settings of a training."""
    tokenizers = {target: getattr(settings, f"{target}_tokenizer") for target in ("image", "audio")}
    return {"inherit": settings.inherit, "tokenizers": tokenizers}


def takes_along(settings: Any) -> bool:
    """Whether a training begins with parts that its model's name does not tell."""
    return any(
        value is not None for value in (settings.inherit, *taken_along(settings)["tokenizers"].values())
    )


def check_choice(name: str, value: str, known: Sequence[str]) -> None:
    """Raise TrainingError for a setting's value that is none of those known."""
    if value not in known:
        raise TrainingError(
            f"there is no {name} {value!r}{did_you_mean(value, known)}: choose one of {', '.join(known)}"
        )


def check_bounds(settings: object, bounds: Mapping[str, tuple[float, float]]) -> None:
    """Raise TrainingError for a field of the settings below its lowest or above its highest value."""
    for name, (low, high) in bounds.items():
        value = getattr(settings, name)
        if not value >= low:  # what is no number too
            raise TrainingError(f"{name} must be at least {low}, found {name}={value}")
        if value > high:
            raise TrainingError(f"{name} must be at most {high}, found {name}={value}")
