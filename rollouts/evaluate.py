"""Success of a policy on a fixed list of seeds, with intervals, videos and a page; `uio2 evaluate` and `uio2
rollout`.

The list of (task, level, seed) is fixed before the first episode and every entry counts, so the numbers are
the same for any number of workers and slots, and an evaluation that was stopped goes on where it was.
`rollout` is a short evaluation that also keeps its episodes as a dataset.
"""

import shutil
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any

from pretrain.sources.schema import FIRST_HELD_OUT_SEED
from rollouts import report, results
from rollouts.collect import registered_tasks
from rollouts.encoding import encode_episode
from rollouts.errors import RolloutError
from rollouts.output import claim, write_config
from rollouts.progress import progress
from rollouts.runner import Episode, Work, run_episodes, work_list
from rollouts.workers import Job, MakeEnv, run_job

_SAVE_EVERY_S = 2.0
_ALL = "all"


@dataclass(frozen=True, kw_only=True)
class EvaluateConfig:
    """What to evaluate, on which seeds, and where the results go."""

    output: str
    env: str = "vima"
    policy: str = "nano"
    policy_args: Mapping[str, Any] = field(default_factory=dict)
    task: str | Sequence[str] = _ALL
    level: str | Sequence[str] = "placement"
    episodes: int = 100
    """Episodes of each task and level."""
    seed: int = FIRST_HELD_OUT_SEED
    slots: int = 8
    workers: int = 1
    ray_address: str | None = None
    videos: int = 2
    """Videos of successes, and as many of failures, for each task and level."""

    def __post_init__(self) -> None:
        for name, least in (("episodes", 1), ("slots", 1), ("workers", 1), ("videos", 0), ("seed", 0)):
            if getattr(self, name) < least:
                raise RolloutError(f"{name} must be at least {least}, found {getattr(self, name)}")

    @classmethod
    def from_keys(cls, keys: Mapping[str, Any]) -> "EvaluateConfig":
        """From the keys of the command, where Ray's address is `ray.address`."""
        flat = {key: value for key, value in keys.items() if key != "ray"}
        return cls(**flat, ray_address=keys["ray"]["address"])

    def recipe(self) -> dict[str, Any]:
        """What decides the numbers of an episode; a directory is continued only with the same."""
        arguments = {key: value for key, value in self.policy_args.items() if key != "device"}
        return {
            "env": self.env,
            "policy": self.policy,
            "policy_args": arguments,
            "checkpoint_hash": results.checkpoint_hash(self.policy),
            "seed": self.seed,
        }


def main(keys: Mapping[str, Any]) -> int:
    """`uio2 evaluate`."""
    config = EvaluateConfig.from_keys(keys)
    if config.seed < FIRST_HELD_OUT_SEED:
        print(f"note: seeds below {FIRST_HELD_OUT_SEED} may have been trained on: no held-out evaluation")
    output = claim(config.output)
    write_config(output, dict(keys))
    result = evaluate(config, output)
    return _conclude(config, output, result)


def rollout(keys: Mapping[str, Any]) -> int:
    """`uio2 rollout`: as `evaluate`, with the episodes kept as a dataset; earlier results in `output` are
    replaced.
    """
    config = EvaluateConfig.from_keys(keys)
    output = claim(config.output)
    _clear(output)
    write_config(output, dict(keys))
    result = evaluate(config, output, dataset=output / "dataset")
    return _conclude(config, output, result, dataset=output / "dataset")


def evaluate(config: EvaluateConfig, output: Path, dataset: Path | None = None) -> dict[str, Any]:
    """Play what is not played yet, keep `result.json` up to date on the way, and return its content.

    With `dataset`, each finished episode is also published there, in the order of the work list.
    """
    from rollouts.dataset import DatasetWriter

    recipe, work = config.recipe(), work_items(config)
    done = _earlier(output, recipe)
    left = [item for item in work if _key(item) not in done]
    make_env = MakeEnv({"expert": True, "expert_style": "upstream"} if config.policy == "oracle" else {})
    if left:
        _check_environment(make_env, left[0])
    job = Job(
        config.policy,
        config.policy_args,
        make_env,
        config.slots,
        partial(_finish, encode=dataset is not None),
    )
    writer = DatasetWriter(str(dataset), recipe) if dataset else None
    saved, outcomes = time.monotonic(), Counter()
    episodes = run_job(left, job, workers=config.workers, ray_address=config.ray_address)
    try:
        with progress("episodes", len(work), len(work) - len(left)) as advance:
            for row, spent, encoded in episodes:
                done[row["task"], row["level"], row["seed"]] = row, spent
                if writer and encoded is not None:
                    writer.publish(encoded)
                outcomes[row["status"]] += 1
                advance(_words(outcomes))
                if time.monotonic() - saved > _SAVE_EVERY_S:
                    results.save(output, recipe, _plain(config), _in_order(done, work))
                    saved = time.monotonic()
    finally:
        result = results.save(output, recipe, _plain(config), _in_order(done, work))
        if writer:
            writer.close()
    return result


def measure(policy: Any, work: Sequence[Work], *, slots: int = 8) -> list[dict[str, Any]]:
    """Rows of a policy that is in memory: what training calls on the way."""
    episodes = [
        episode_row
        for episode_row, _ in map(results.episode_row, run_episodes(work, MakeEnv(), policy, slots=slots))
    ]
    return results.summarise(episodes, work[0].env, policy.name) if work else []


def work_items(config: EvaluateConfig) -> list[Work]:
    """The fixed list: levels in the order asked for, in each the tasks taking turns over the seeds."""
    from envs.vima.levels import LEVELS, TASK_LEVELS, level_name

    built = registered_tasks(config.env)
    tasks = built if config.task == _ALL else _names(config.task)
    unknown = [task for task in tasks if task not in built]
    if unknown:
        from envs.errors import unknown_name

        raise unknown_name("task", unknown[0], built)
    levels = LEVELS[:4] if config.level == _ALL else [level_name(level) for level in _names(config.level)]
    items: list[Work] = []
    for level in dict.fromkeys(levels):
        held = [task for task in dict.fromkeys(tasks) if level in TASK_LEVELS.get(task, LEVELS)]
        if held:
            count = config.episodes * len(held)
            items += work_list(held, level, seed=config.seed, episodes=count, env=config.env)
    if not items:
        places = "; ".join(f"{task} at {', '.join(TASK_LEVELS[task])}" for task in tasks)
        raise RolloutError(f"no task of task={config.task} exists at level={config.level}: there is {places}")
    return [replace(item, index=index) for index, item in enumerate(items)]


def _names(value: str | Sequence[str]) -> list[str]:
    return [value] if isinstance(value, str) else [str(item) for item in value]


def _finish(episode: Episode, encode: bool) -> tuple[dict[str, Any], list[float], Any]:
    """Made in the worker, so that little travels: the row, the seconds and, if asked for, the encoded
    episode.
    """
    encoded = encode_episode(episode) if encode and episode.status != "error" and episode.steps else None
    return *results.episode_row(episode), encoded


def _check_environment(make_env: MakeEnv, item: Work) -> None:
    """Make and reset one environment here, so that a missing GL library is one error and not a list of failed
    episodes.
    """
    env = make_env(item)
    try:
        env.reset(seed=item.seed)
    finally:
        env.close()


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


def _plain(config: EvaluateConfig) -> dict[str, Any]:
    return asdict(config)


def _words(outcomes: Counter) -> str:
    played = outcomes.total()
    errors = f", {outcomes['error']} errors" if outcomes["error"] else ""
    return f"{outcomes['success'] / played:.0%} solved{errors}"


def _clear(output: Path) -> None:
    """Remove what an earlier rollout left; refuse a directory that holds anything else's result."""
    if (output / results.RESULT).exists() and not (output / "dataset").is_dir():
        raise RolloutError(
            f"{output} holds an evaluation, not a rollout; name another directory with output=..."
        )
    for name in ("dataset", "videos"):
        shutil.rmtree(output / name, ignore_errors=True)
    for name in (results.RESULT, "index.html"):
        (output / name).unlink(missing_ok=True)


def _conclude(
    config: EvaluateConfig, output: Path, result: Mapping[str, Any], dataset: Path | None = None
) -> int:
    """Videos, page, table, and where everything is; status 1 if an episode ended in an error."""
    from rich.console import Console

    from rollouts.film import record

    record(output, result, config.videos)
    page = report.write_evaluation(output, result)
    console = Console()
    console.print(report.table(result))
    for name, place in (
        ("page", page),
        ("videos", output / "videos"),
        ("dataset", dataset),
        ("numbers", output / results.RESULT),
    ):
        if place is not None:
            console.print(f"{name:<8} {place}", highlight=False, soft_wrap=True)
    failed = [row for row in result["episodes"] if row["status"] == "error"]
    if failed:
        console.print(
            f"{len(failed)} episodes ended in an error; the first: {failed[0]['message']}", markup=False
        )
    return 1 if failed else 0
