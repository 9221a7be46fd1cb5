"""Success of a policy on a fixed list of seeds, with intervals.

The list of (task, level, seed) is fixed before the first episode and every entry counts, so the numbers are
the same for any number of workers and slots, and an evaluation that was stopped goes on where it was.
With a dataset each episode is kept there as well.
"""

import sys
import time
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any

from envs.suites import suite as find_suite
from policies.base import Policy
from policies.loading import policy_identity
from pretrain.defaults import defaults_from
from pretrain.progress import progress
from rollouts.checks import check_ranges
from rollouts.datasets.encoding import encode_episode
from rollouts.errors import RolloutError
from rollouts.inference.messages import Batching
from rollouts.limits import Limits
from rollouts.pages.strip import PICTURES, Sketcher, Strip, picture_path
from rollouts.results import files as results
from rollouts.runner import Episode, Work, run_episodes
from rollouts.settings import CONF
from rollouts.workers import Job, MakeEnv, check_job, run_job
from rollouts.worklist import work_items
from uio2_agent.files import replace_file

_SAVE_EVERY_S = 2.0


@dataclass(frozen=True, kw_only=True)
@defaults_from(CONF / "evaluate.yaml")
class EvaluateConfig:
    """What to evaluate, on which seeds, and where the results go."""

    output: str
    env: str
    policy: str
    policy_args: Mapping[str, Any]
    env_kwargs: Mapping[str, Any]
    """Further arguments of `gym.make`."""
    task: str | Sequence[str] | None
    """None are the tasks the suite shows."""
    level: str | Sequence[str] | None
    """None is the suite's default."""
    episodes: int
    """Episodes of each task and level."""
    seed: int
    slots: int
    workers: int
    inference: int
    """Processes that decide for the workers; 0 is each worker itself."""
    inference_batch: int
    """Most decisions in a call of theirs, but for one worker's slots."""
    inference_wait: float
    """Most seconds that a batch which is not full waits."""
    ray_address: str | None = None
    decision_timeout: float | str
    """Seconds, `auto` or 0, as `rollouts.limits` reads them; so is the next."""
    episode_timeout: float | str
    videos: int
    """Videos of successes, and as many of failures, for each task and level."""

    def __post_init__(self) -> None:
        check_ranges("evaluate", vars(self))
        self.limits()

    @classmethod
    def from_keys(cls, keys: Mapping[str, Any]) -> "EvaluateConfig":
        """From the keys of the command, where Ray's address is `ray.address`."""
        flat = {key: value for key, value in keys.items() if key != "ray"}
        return cls(**flat, ray_address=keys["ray"]["address"])

    def work(self) -> list[Work]:
        """The fixed list of what is played."""
        return work_items(self.env, self.task, self.level, seed=self.seed, episodes=self.episodes)

    def limits(self) -> Limits:
        """How long things may take."""
        return Limits.read(self.decision_timeout, self.episode_timeout)

    def crew(self) -> dict[str, Any]:
        """Who plays, as `run_job` takes it."""
        batching = Batching(self.inference, self.inference_batch, self.inference_wait)
        return {"workers": self.workers, "inference": batching, "ray_address": self.ray_address}

    def job(self, encode: bool = False) -> Job:
        """What a worker does; the oracle reads the action of the environment's expert."""
        suite = find_suite(self.env)
        expert = suite.expert_options(self.env_kwargs) if self.policy == "oracle" else {}
        make_env = MakeEnv({**expert, **self.env_kwargs})
        finish = partial(_finish, encode=encode)
        arguments = self.policy, self.policy_args, make_env, self.slots, finish, self.limits()
        return Job(*arguments, maps=encode, frames=encode, sketch=Sketcher)

    def recipe(self) -> dict[str, Any]:
        """What decides the numbers of an episode; a directory is continued only with the same."""
        arguments = {key: value for key, value in self.policy_args.items() if key != "device"}
        return {
            "env": self.env,
            "policy": self.policy,
            "policy_args": arguments,
            "env_kwargs": dict(self.env_kwargs),
            "checkpoint_hash": policy_identity(self.policy, self.policy_args),
            "seed": self.seed,
        }


def evaluate(config: EvaluateConfig, output: Path, dataset: Path | None = None) -> dict[str, Any]:
    """Play what is not played yet, keep `result.json` up to date on the way, and return its content.

    With `dataset`, each finished episode is also published there, in the order of the work list.
    """
    from rollouts.datasets.writer import DatasetWriter

    recipe, work = config.recipe(), config.work()
    done = _earlier(output, recipe)
    left = [item for item in work if _key(item) not in done]
    job = config.job(encode=dataset is not None)
    if left:
        check_job(left[0], job, **config.crew())
    writer = DatasetWriter(str(dataset), recipe) if dataset else None
    # A rollout is no evaluation of the benchmark: few episodes, on seeds that may have been trained on.
    asked = None if dataset else {(item.task, item.level) for item in work}
    save = partial(_save, output, config, recipe, done, work, asked)
    if left:
        (output / PICTURES).mkdir(exist_ok=True)
    saved, outcomes = time.monotonic(), Counter()
    episodes = run_job(left, job, **config.crew())
    try:
        with progress("episodes", len(work), len(work) - len(left), stream=sys.stderr) as advance:
            for row, spent, strip, encoded in episodes:
                done[row["task"], row["level"], row["seed"]] = row, spent
                if strip is not None:
                    replace_file(output / picture_path(row), strip)
                if writer and encoded is not None:
                    writer.publish(encoded)
                outcomes[row["status"]] += 1
                advance(_words(outcomes, episodes.words()))
                if time.monotonic() - saved > _SAVE_EVERY_S:
                    save()
                    saved = time.monotonic()
    finally:
        if writer:
            writer.close()
        if done:
            save()
    return save()


def measure(policy: Policy, work: Sequence[Work], *, slots: int = 8) -> list[dict[str, Any]]:
    """Rows of a policy that is in memory: what training calls on the way."""
    episodes = run_episodes(work, MakeEnv(), policy, slots=slots, frames=False)
    rows = [results.episode_row(episode)[0] for episode in episodes]
    return results.summarise(rows, find_suite(work[0].env).name, policy.name)


def _finish(episode: Episode, encode: bool) -> tuple[dict[str, Any], list[float], bytes | None, Any]:
    """Made in the worker, so that little travels: the row, the seconds, the pictures of the steps and, if
    asked for, the encoded episode.
    """
    row, seconds = results.episode_row(episode)
    strip = _strip(episode)
    if strip is not None:
        row["pictures"] = [strip.count, strip.width, strip.height]
    encoded = encode_episode(episode) if encode and episode.status != "error" and episode.steps else None
    return row, seconds, None if strip is None else strip.jpeg, encoded


def _strip(episode: Episode) -> Strip | None:
    """The pictures of an episode's steps; None where one could not be drawn."""
    if episode.sketch is None or not episode.observations:
        return None
    try:
        return episode.sketch.strip(episode.body, episode.body.views(episode.observations[-1]))
    except Exception:
        return None


def _earlier(output: Path, recipe: Mapping[str, Any]) -> dict[tuple, tuple]:
    """Episodes of an earlier sitting by (task, level, seed); errors are played again."""
    if not (output / results.RESULT).exists():
        return {}
    result = results.load(output)
    if result.get("recipe") != recipe:
        before = result.get("recipe", {})
        changed = ", ".join(
            f"{key}={before.get(key)} (now {recipe[key]})" for key in recipe if before.get(key) != recipe[key]
        )
        raise RolloutError(
            f"{output} holds an evaluation with {changed}; name another directory with output=..."
        )
    pairs = zip(result["episodes"], result["seconds"], strict=True)
    return {
        (row["task"], row["level"], row["seed"]): (row, spent)
        for row, spent in pairs
        if row["status"] != "error"
    }


def _key(item: Work) -> tuple[str, str, int]:
    return item.task, item.level, item.seed


def _in_order(done: Mapping[tuple, tuple], work: Sequence[Work]) -> dict[tuple, tuple]:
    """By work list; what an earlier sitting played beyond it comes after."""
    asked = {_key(item): None for item in work}
    return {key: done[key] for key in (*asked, *(key for key in done if key not in asked)) if key in done}


def _save(
    output: Path,
    config: EvaluateConfig,
    recipe: Mapping[str, Any],
    done: Mapping[tuple, tuple],
    work: Sequence[Work],
    asked: Collection[tuple[str, str]] | None,
) -> dict[str, Any]:
    return results.save(output, recipe, asdict(config), _in_order(done, work), asked)


def _words(outcomes: Counter, crew: str) -> str:
    played = outcomes.total()
    errors = f", {outcomes['error']} errors" if outcomes["error"] else ""
    return f"{outcomes['success'] / played:.0%} solved{errors}{crew and '  '}{crew}"
