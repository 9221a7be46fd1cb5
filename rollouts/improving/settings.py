"""What `uio2 improve` is asked for, and which seeds each of its stages plays; loads no torch."""

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from envs.suites import suite as find_suite
from pretrain.defaults import defaults_from
from pretrain.settings import TrainConfig
from pretrain.sources.schema import FIRST_HELD_OUT_SEED
from rollouts.errors import RolloutError
from rollouts.settings import CONF, keys
from rollouts.worklist import one_level, tasks_by_level
from uio2_agent.errors import did_you_mean
from uio2_agent.formats.json_file import read_object
from uio2_agent.formats.packaged import checkpoint_directory, config_file

OF_A_ROUND: Mapping[str, Any] = {
    "eye_steps": 0,
    "eye_weight": 0.0,
    "boxes_share": 0.05,
    "warmup": 20,
    "decay_share": 0.5,
    "validation_episodes": 0,
    "save_every": 100,
    "log_every": 25,
}
"""Settings of training that differ from those of `uio2 train`, where `train.` gives no others: a round is
short, goes on from weights that see well, and holds no episode back, since it is judged by playing."""
_GIVEN = (
    *("data", "output", "model", "inherit", "resume", "stop_after", "evaluate_every", "seed", "steps"),
    *("batch_size", "learning_rate", "goal_share", "image_tokenizer", "audio_tokenizer"),
)
"""Settings of training that the loop gives itself."""
Seeds = tuple[int, int]
"""The first of consecutive seeds, and the first after them."""


@dataclass(frozen=True, kw_only=True)
@defaults_from(CONF / "improve.yaml")
class ImproveConfig:
    """What is improved and how; `rollouts/conf/improve.yaml` says what each field means."""

    policy: str
    output: str
    policy_args: Mapping[str, Any]
    env: str
    env_kwargs: Mapping[str, Any]
    task: str | Sequence[str] | None
    level: str | Sequence[str] | None
    collect_level: str | None
    data: str | Sequence[str] | None
    rounds: int
    led: int
    noise: float
    astray: int
    own: int
    expert_style: str | None
    steps: int
    batch_size: int
    learning_rate: float
    goal_share: float
    train: Mapping[str, Any]
    control: bool
    validation_episodes: int
    validation_seed: int
    test_episodes: int
    test_seed: int
    collect_seed: int
    seed: int
    slots: int
    workers: int

    def __post_init__(self) -> None:
        if not self.led + self.own:
            raise RolloutError("led=0 and own=0: a round with no episodes has nothing to learn from")
        for name, (first, _) in self.judged_seeds().items():
            if first < FIRST_HELD_OUT_SEED:
                raise RolloutError(
                    f"{name}_seed={first} may be trained on: held-out seeds begin at {FIRST_HELD_OUT_SEED}"
                )
        (first, end), (other, last) = self.judged_seeds().values()
        if first < last and other < end:
            raise RolloutError(
                f"validation_seed={first} and test_seed={other} share seeds: what decides must not be "
                "what is reported; move one of them"
            )
        if (end := self.collected_seeds(self.rounds)["demonstrations"][1]) > FIRST_HELD_OUT_SEED:
            raise RolloutError(
                f"collect_seed={self.collect_seed} with rounds={self.rounds} reaches seed {end - 1}: seeds "
                f"from {FIRST_HELD_OUT_SEED} on are held out for evaluation; choose a lower collect_seed="
            )
        _check_training(self.train)
        self.training(1, "model", (), "output")
        self.tasks()
        tasks_by_level(self.env, self.task, self.level)

    @property
    def datasets(self) -> tuple[str, ...]:
        """The folders of `data`."""
        given = [self.data] if isinstance(self.data, str) else self.data or []
        return tuple(map(os.path.expanduser, given))

    def tasks(self) -> tuple[str, tuple[str, ...]]:
        """Return the level that is collected, and its tasks: that of training, or a named task's only one."""
        suite, level = find_suite(self.env), self.collect_level
        if level is None and list(tasks_by_level(self.env, self.task, None)) == [suite.default_level]:
            level = suite.train_level or suite.default_level
        return one_level(self.env, self.task, level)

    def judged_seeds(self) -> dict[str, Seeds]:
        """Return the seeds of evaluations, of each task and level."""
        counts = {"validation": self.validation_episodes, "test": self.test_episodes}
        firsts = {name: getattr(self, f"{name}_seed") for name in counts}
        return {name: (firsts[name], firsts[name] + count) for name, count in counts.items()}

    def collected_seeds(self, round: int) -> dict[str, Seeds]:
        """Return the seeds that a round collects, of each task, from round 1 on; no two rounds share any."""
        both = self.led + self.own
        first = self.collect_seed + 2 * both * (round - 1)
        middle, end = first + self.led, first + both
        return {"led": (first, middle), "own": (middle, end), "demonstrations": (end, end + both)}

    def draws(self) -> bool:
        """Return whether the model answers with pictures."""
        written = read_object(config_file(checkpoint_directory(self.policy)))
        return "image" in written.get("target_modalities", ("image",))  # official ones do not say

    def training(
        self, round: int, model: str, data: Sequence[str], output: str, draws: bool = False
    ) -> TrainConfig:
        """Return the training of a round; TrainingError for a setting that cannot be."""
        settings = {
            **OF_A_ROUND,
            "goal_share": self.goal_share if draws else 0.0,
            **{name: getattr(self, name) for name in ("steps", "batch_size", "learning_rate")},
            **self.train,
        }
        return TrainConfig(
            model=model, data=tuple(data), output=output, seed=self.seed + round, evaluate_every=0, **settings
        )

    def recipe(self) -> dict[str, Any]:
        """What decides the numbers, but for contents; a directory is continued only with the same."""
        level, tasks = self.tasks()
        judged = tasks_by_level(self.env, self.task, self.level)
        names = (
            *("env", "env_kwargs", "led", "noise", "astray", "own", "expert_style", "steps", "batch_size"),
            *("learning_rate", "goal_share", "train", "validation_episodes", "validation_seed"),
            *("test_episodes", "test_seed", "collect_seed", "seed"),
        )
        return {
            **{name: getattr(self, name) for name in names},
            "policy_args": {name: value for name, value in self.policy_args.items() if name != "device"},
            "task": {name: list(held) for name, held in judged.items()},
            "collect_level": level,
            "collected_tasks": list(tasks),
        }


def _check_training(given: Mapping[str, Any]) -> None:
    """Raise RolloutError for keys of training that there are not, are the loop's own, or of another type."""
    known = {name: key for name, key in keys("train").items() if "." not in name}
    for name, value in given.items():
        if name in _GIVEN:
            raise RolloutError(
                f"train.{name} is the loop's own: leave it out, or give {name}= where uio2 improve has it"
            )
        if name not in known:
            raise RolloutError(f"train.{name} is no key of uio2 train{did_you_mean(name, known)}")
        default = known[name].default
        wanted = str if default is None else (int, float) if type(default) is float else type(default)
        if not isinstance(value, wanted) or (isinstance(value, bool) and type(default) is not bool):
            raise RolloutError(f"train.{name}={value!r} is no value as {name}={default!r} of uio2 train is")
