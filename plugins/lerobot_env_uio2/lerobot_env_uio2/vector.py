"""Vector environments by suite and task, as LeRobot's `create_envs` returns them.

Knows LeRobot's habits and not LeRobot itself.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from importlib import import_module
from typing import Any

import gymnasium
from gymnasium.vector import AsyncVectorEnv, AutoresetMode, SyncVectorEnv, VectorEnv

from lerobot_env_uio2.environment import LeRobotEnv
from uio2_agent.gym import envs, rollouts

_worklist = import_module(f"{rollouts.__name__}.worklist")

Words = str | Sequence[str] | None
"""Names as `uio2 evaluate` takes them."""


def make_vectors(
    suite: str,
    tasks: Words = None,
    levels: Words = None,
    *,
    n_envs: int = 1,
    use_async_envs: bool = False,
    **options: Any,
) -> dict[str, dict[int, VectorEnv]]:
    """Return {suite_level: {task: vector environment}}; tasks are numbered as the suite counts them.

    A slot that ends in a step says so in `info["final_info"]` of that step.

    Arguments:
        suite: As `envs.suite` takes it.
        tasks: One, several (with commas between) or "all"; None is what the suite shows.
        levels: One, several or "all"; None is the suite's default, or the only one of a task named.
        n_envs: Slots of each vector environment.
        use_async_envs: A process for each slot, where there are several.
        options: What `LeRobotEnv` takes beside them.

    Raises:
        EnvError: A name there is not, or tasks of two bodies.
        RolloutError: A level that does not hold a task named.
    """
    numbers = {name: number for number, name in enumerate(envs.suite(suite).task_levels())}
    made: dict[str, dict[int, VectorEnv]] = {}
    for level, held in chosen_tasks(suite, tasks, levels).items():
        made[f"{envs.suite(suite).name}_{level}"] = {
            numbers[name]: _vector(
                [partial(LeRobotEnv, suite, name, level, **options)] * n_envs, use_async_envs
            )
            for name in held
        }
    return made


def chosen_tasks(suite: str, tasks: Words, levels: Words) -> dict[str, tuple[str, ...]]:
    """Return the tasks at each level, all of one body; arguments and errors as of `make_vectors`."""
    if len(bodies := _worklist.bodies(suite, tasks, levels)) > 1:
        raise envs.EnvError(f"task={tasks}: a policy has one body, these are of {' and '.join(bodies)}")
    return _worklist.tasks_by_level(suite, tasks, levels)


def _vector(makers: list[partial[LeRobotEnv]], use_async_envs: bool) -> VectorEnv:
    if use_async_envs and len(makers) > 1:
        return _Deferred(makers)
    return SyncVectorEnv(makers, autoreset_mode=AutoresetMode.SAME_STEP)


class _Deferred(VectorEnv):
    """A process for each slot, from the first use until it is closed: LeRobot makes the environments of all
    tasks before it plays the first.
    """

    def __init__(self, makers: list[partial[LeRobotEnv]]) -> None:
        self._makers, self._running = makers, None
        like = makers[0]()
        like.close()
        self.num_envs = len(makers)
        self.metadata = {**like.metadata, "autoreset_mode": AutoresetMode.SAME_STEP}
        self.render_mode = like.render_mode
        self.single_observation_space, self.single_action_space = like.observation_space, like.action_space
        self.observation_space = gymnasium.vector.utils.batch_space(like.observation_space, self.num_envs)
        self.action_space = gymnasium.vector.utils.batch_space(like.action_space, self.num_envs)

    @property
    def _async(self) -> AsyncVectorEnv:
        if self._running is None:
            self._running = AsyncVectorEnv(
                self._makers, context="forkserver", autoreset_mode=AutoresetMode.SAME_STEP
            )
        return self._running

    def reset(self, **arguments: Any) -> tuple[Any, dict[str, Any]]:
        return self._async.reset(**arguments)

    def step(self, actions: Any) -> tuple[Any, Any, Any, Any, dict[str, Any]]:
        return self._async.step(actions)

    def call(self, name: str, *arguments: Any, **keywords: Any) -> tuple[Any, ...]:
        """Return what each slot's method or attribute of this name says."""
        return self._async.call(name, *arguments, **keywords)

    def get_attr(self, name: str) -> tuple[Any, ...]:
        """Return each slot's attribute."""
        return self._async.get_attr(name)

    def render(self) -> tuple[Any, ...]:
        return self._async.render()

    def close(self, **arguments: Any) -> None:
        """End the processes; the next use begins new ones."""
        if self._running is not None:
            self._running.close(**arguments)
            self._running = None
