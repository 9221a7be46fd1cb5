"""Collects episodes into a dataset: work list → workers → encoded episodes → published in the list's order.

Unusual: the number of workers and slots, interruptions and restarts leave no trace. A second call with the
same settings goes on after the last published episode, and then tries again what ended in an error; more
`episodes` extend the set. Training never sees held-out seeds, so they are refused here.

It refuses to know the command line.
"""

import json
import sys
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import envs
from policies.loading import policy_identity
from pretrain.defaults import defaults_from
from pretrain.progress import progress as progress_bar
from pretrain.sources.lerobot import EpisodeRecord
from pretrain.sources.schema import FIRST_HELD_OUT_SEED, DatasetError
from rollouts.datasets.encoding import EncodedEpisode, encode_episode
from rollouts.datasets.keeper import Keeper
from rollouts.datasets.writer import DatasetWriter
from rollouts.inference.messages import Batching
from rollouts.limits import Limits
from rollouts.runner import Episode, Work, play, work_list
from rollouts.settings import CONF
from rollouts.signals import signals_held
from rollouts.workers import Job, MakeEnv, run_job
from rollouts.worklist import shard_numbers


@dataclass(frozen=True, kw_only=True)
@defaults_from(CONF / "collect.yaml")
class CollectConfig:
    """What to collect, how and where to."""

    output: str
    """The dataset's folder; an unfinished one of the same settings is continued."""
    tasks: tuple[str, ...] = ()
    """Task names; empty means every task of `env` that the level holds."""
    env: str
    """The suite, as `envs.suite` takes it."""
    level: str | None
    """None is the suite's default."""
    policy: str
    policy_args: Mapping[str, Any]
    env_kwargs: Mapping[str, Any]
    """Further arguments of `gym.make`."""
    expert_style: str | None
    """How the oracle acts, where the suite's expert has several styles; None is the one the suite collects
    with."""
    episodes: int
    """Episodes played, over all tasks and shards; with `success_only` fewer are kept."""
    seed: int
    """First seed; every task gets this one and those after it."""
    ask_expert: bool
    """Ask the expert at every step, whoever acts, and keep what it says (`action.expert`)."""
    success_only: bool
    """Keep only episodes that solved the task."""
    workers: int
    inference: int
    """Processes that decide for the workers; 0 is each worker itself."""
    inference_batch: int
    """Most decisions in a call of theirs, but for one worker's slots."""
    inference_wait: float
    """Most seconds that a batch which is not full waits."""
    slots: int
    """Episodes that one worker plays at a time (one model call serves them all)."""
    decision_timeout: float | str
    """Seconds, `auto` or 0, as `rollouts.limits` reads them; so is the next."""
    episode_timeout: float | str
    shard: str
    """`i/n`: this process plays every n-th episode, from the i-th; `merge` joins the folders."""
    ray_address: str | None = None
    allow_held_out: bool = False
    """Set where an evaluation is recorded: such a set must not be trained on."""

    def __post_init__(self) -> None:
        if self.episodes < 1 or self.workers < 1 or self.slots < 1 or self.seed < 0:
            raise DatasetError(
                f"episodes={self.episodes}, workers={self.workers} and slots={self.slots} must be at least "
                f"1, seed={self.seed} at least 0"
            )
        self.crew()
        self.limits()
        suite = envs.suite(self.env)
        bodies = {suite.embodiment_of(task): task for task in self._played()}
        if len(bodies) > 1:
            found = ", ".join(f"{task} is {body}'s" for body, task in bodies.items())
            raise DatasetError(
                f"a dataset keeps one embodiment, and {found}: name the tasks of one with task="
            )
        last = self.work()[-1:]
        highest = max((item.seed for item in last), default=0)
        if highest >= FIRST_HELD_OUT_SEED and not self.allow_held_out:
            raise DatasetError(
                f"seed={self.seed} with episodes={self.episodes} reaches seed {highest}: seeds from "
                f"{FIRST_HELD_OUT_SEED} on are held out for evaluation; choose a lower seed="
            )

    def work(self) -> list[Work]:
        """Return this shard's work list."""
        return work_list(
            self._played(),
            self.level_name(),
            env=self.env,
            seed=self.seed,
            episodes=self.episodes,
            shard=self.shard_numbers(),
        )

    def limits(self) -> Limits:
        """Return how long things may take."""
        return Limits.read(self.decision_timeout, self.episode_timeout)

    def shard_numbers(self) -> tuple[int, int]:
        """Return (i, n) of `shard`."""
        return shard_numbers(self.shard)

    def recipe(self) -> dict[str, Any]:
        """Return the settings that decide what the episodes are; a folder is continued only with the same."""
        return {
            "env": self.env,
            "tasks": list(self._played()),
            "level": self.level_name(),
            "policy": self.policy,
            "policy_identity": policy_identity(self.policy, self.policy_args),
            "policy_args": {key: value for key, value in self.policy_args.items() if key != "device"},
            "make_env": dict(self.make_env().kwargs),
            "seed": self.seed,
            "success_only": self.success_only,
            "shard": self.shard,
        }

    def _played(self) -> tuple[str, ...]:
        suite = envs.suite(self.env)
        return self.tasks or suite.tasks_at(self.level_name(), suite.own_tasks())

    def level_name(self) -> str:
        """Return the level that is played."""
        suite = envs.suite(self.env)
        return suite.level_name(self.level or suite.default_level)

    def make_env(self) -> MakeEnv:
        """Return the environment's maker."""
        if self.policy != "oracle" and not self.ask_expert:
            return MakeEnv(dict(self.env_kwargs))
        suite = envs.suite(self.env)
        expert = suite.expert_options(self.env_kwargs)
        if self.policy != "oracle":
            return MakeEnv({**expert, **self.env_kwargs})
        return MakeEnv(
            {**expert, **suite.demonstration_options(self.env_kwargs, self.expert_style), **self.env_kwargs}
        )

    def crew(self) -> dict[str, Any]:
        """Return who plays, as `run_job` takes it."""
        batching = Batching(self.inference, self.inference_batch, self.inference_wait)
        return {"workers": self.workers, "inference": batching, "ray_address": self.ray_address}

    def job(self) -> Job:
        """Return what a worker does."""
        finish = _encode_success if self.success_only else _encode
        arguments = self.policy, self.policy_args, self.make_env(), self.slots, finish, self.limits()
        return Job(*arguments, maps=True)


@dataclass(frozen=True)
class CollectResult:
    """What a collection came to."""

    output: Path
    published: int
    """Episodes in the dataset now."""
    played: int
    """Episodes played by this call."""
    outcomes: Mapping[str, int]
    """Number of episodes by status, of all sittings: those kept, those not, and errors."""
    interrupted: bool


def collect(config: CollectConfig, *, progress: bool = True) -> CollectResult:
    """Play the work list and publish its episodes; Ctrl-C keeps what is published.

    Raises DatasetError for held-out seeds, an unwritable folder, or a folder made with other settings.
    """
    outcomes: Counter[str] = Counter()
    interrupted = False
    with DatasetWriter(config.output, config.recipe()) as writer:
        work = config.work()
        left = [item for item in work if item.index >= writer.next_work]
        left += [item for item in work if item.index in writer.failed]
        results = run_job(left, config.job(), **config.crew())
        keeper = Keeper(writer)
        with progress_bar(
            "collect", len(work), len(work) - len(left), progress, stream=sys.stderr
        ) as advance:
            try:
                try:
                    for item, (episode, encoded) in zip(left, results, strict=True):
                        if episode.work != item:  # later ones may follow an interrupt: resuming redoes them
                            interrupted = True
                            break
                        with signals_held():  # what is published is counted
                            outcomes[episode.status] += 1
                            _keep(keeper, episode, encoded)
                        advance(_summary(writer.outcomes, results.words()))
                finally:
                    with signals_held():
                        keeper.publish()
            except KeyboardInterrupt:
                interrupted = True
        return CollectResult(
            Path(config.output), writer.episodes, sum(outcomes.values()), dict(writer.outcomes), interrupted
        )


def _keep(keeper: Keeper, episode: "_Outcome", encoded: EncodedEpisode | None) -> None:
    item = episode.work
    if encoded is not None:
        keeper.keep(encoded)
    elif episode.status == "error":
        facts = {"task": item.task, "level": item.level, "seed": item.seed, "message": episode.message}
        keeper.record_error(item.index, facts)
    else:
        keeper.record_dropped(item.index, episode.status)


def replay(record: EpisodeRecord) -> Iterator[Mapping[str, Any]]:
    """Yield the T + 1 observations of a stored episode, played again from its seed, arguments and actions."""
    env = envs.suite(record.suite).make(**{"task": record.task, **json.loads(record.env_kwargs)})
    try:
        yield from play(env, record.actions, record.seed)
    finally:
        env.close()


@dataclass(frozen=True)
class _Outcome:
    """The little of an episode that the driver needs beside the encoded one."""

    work: Work
    status: str
    message: str


def _encode(episode: Episode) -> tuple[_Outcome, EncodedEpisode | None]:
    """Encode in the worker. An episode that cannot be encoded is an error, not the end of the collection."""
    encoded = None
    if episode.status != "error":
        try:
            encoded = encode_episode(episode)
        except Exception as error:
            episode.fail(error)
    return _Outcome(episode.work, episode.status, episode.message), encoded


def _encode_success(episode: Episode) -> tuple[_Outcome, EncodedEpisode | None]:
    if episode.success or episode.status == "error":
        return _encode(episode)
    return _Outcome(episode.work, episode.status, episode.message), None


def _summary(outcomes: Mapping[str, int], crew: str) -> str:
    errors = f", {outcomes['error']} errors" if outcomes["error"] else ""
    return f"{outcomes['success'] / sum(outcomes.values()):.0%} solved{errors}{crew and '  '}{crew}"
