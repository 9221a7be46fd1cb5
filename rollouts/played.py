"""Keeps in a dataset what a person played: the actions are played again from the episode's seed, in the
environment that `collect` would make, so that pictures, sizes and maps are those of collected episodes,
however the person saw them.
"""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from gymnasium.wrappers import TimeLimit

from envs.base import FIRST_HELD_OUT_SEED
from policies.base import Policy, Step
from pretrain.sources import schema
from rollouts.datasets.encoding import encode_episode
from rollouts.datasets.writer import DatasetWriter
from rollouts.errors import RolloutError
from rollouts.runner import Work, run_episodes

PLAYER = "person"
"""What the dataset calls the policy."""


class PlayedEpisodes:
    """The dataset in a folder, which is begun or continued.

    Arguments:
        root: the folder.
        env: the suite.
        task, level: what is played.
        make_env: makes the environment of a piece of work.
        env_kwargs: what it makes it with, which the dataset tells.

    Raises DatasetError for a folder that holds another set, or that cannot be written.
    """

    def __init__(
        self,
        root: str | Path,
        env: str,
        task: str,
        level: str,
        make_env: Callable[[Work], Any],
        env_kwargs: Mapping[str, Any],
    ) -> None:
        recipe = {"env": env, "tasks": [task], "level": level, "policy": PLAYER, "make_env": dict(env_kwargs)}
        self._env, self._task, self._level, self._make_env = env, task, level, make_env
        self._writer = DatasetWriter(root, recipe)
        self.root = Path(root)
        self._seeds = {row["seed"] for row in schema.read_index(self.root)}

    def __len__(self) -> int:
        return self._writer.episodes

    def keep(self, seed: int, actions: Sequence[Any], status: str) -> int:
        """Add an episode of these actions, after which it ended with this status; return its rank. One that
        the person left is "truncated".

        Raises RolloutError for a seed that is held out or in the set already, and where the actions end
        otherwise when they are played again.
        """
        if seed >= FIRST_HELD_OUT_SEED:
            raise RolloutError(
                f"seed {seed}: seeds from {FIRST_HELD_OUT_SEED} on are held out for evaluation, and not "
                "recorded"
            )
        if seed in self._seeds:
            raise RolloutError(f"seed {seed} is in {self.root} already: play another one")
        index = self._writer.next_work
        work = Work(index=index, env=self._env, task=self._task, level=self._level, seed=seed)

        def make_env(work: Work) -> Any:
            return TimeLimit(self._make_env(work), len(actions))

        (episode,) = run_episodes([work], make_env, _Again(actions), maps=True)
        if episode.status != status or episode.steps != len(actions):
            raise RolloutError(
                f"seed {seed} ended in {status}, and played again in {episode.status} "
                f"{episode.message}".rstrip()
                + ": it is not recorded"
            )
        rank = self._writer.publish(encode_episode(episode))
        self._seeds.add(seed)
        return rank

    def close(self) -> None:
        """Leave the folder to others."""
        self._writer.close()


class _Again(Policy):
    """Acts as it was told beforehand."""

    name = PLAYER

    def __init__(self, actions: Sequence[Any]) -> None:
        self._actions = iter(actions)

    def act(self, steps: list[Step]) -> list[dict[str, Any]]:
        return [next(self._actions) for _ in steps]
