"""Vector environments by suite and task, as LeRobot's `create_envs` returns them.

Knows LeRobot's habits and not LeRobot itself.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any

import gymnasium
from gymnasium.vector import AsyncVectorEnv, AutoresetMode, SyncVectorEnv, VectorEnv

from lerobot_env_uio2.environment import LeRobotEnv
from uio2_agent.gym import envs


def make_vectors(
    suite: str,
    tasks: str | Sequence[str] | None = None,
    levels: str | Sequence[str] | None = None,
    *,
    n_envs: int = 1,
    use_async_envs: bool = False,
    **options: Any,
) -> dict[str, dict[int, VectorEnv]]:
    """Return {suite_level: {task: vector environment}}; tasks are numbered as the suite counts them.

    A slot that ends in a step says so in `info["final_info"]` of that step.

    Arguments:
        suite: As `envs.suite` takes it.
        tasks: One, several or "all"; None is what the suite shows.
        levels: One, several or "all"; None is the suite's default.
        n_envs: Slots of each vector environment.
        use_async_envs: A process for each slot, where there are several.
        options: What `LeRobotEnv` takes beside them.

    Raises:
        EnvError: A name there is not, a level that holds none of the tasks, tasks of two bodies.
    """
    found, names = envs.suite(suite), chosen_tasks(suite, tasks)
    numbers = {name: number for number, name in enumerate(found.task_levels())}
    made: dict[str, dict[int, VectorEnv]] = {}
    for level in found.level_names(levels or found.default_level):
        if not (held := found.tasks_at(level, names)):
            raise envs.EnvError(f"level={level} of {suite} holds none of {', '.join(names)}")
        made[f"{found.name}_{level}"] = {
            numbers[name]: _vector([partial(LeRobotEnv, suite, name, level, **options)] * n_envs, use_async_envs)
            for name in held
        }
    return made


def chosen_tasks(suite: str, tasks: str | Sequence[str] | None) -> list[str]:
    """Return the tasks that are meant, all of one body; arguments and errors as of `make_vectors`."""
    found = envs.suite(suite)
    names = found.task_names(tasks or list(found.default_tasks or found.own_tasks()))
    if len(bodies := sorted({found.embodiment_of(name) for name in names})) > 1:
        raise envs.EnvError(
            f"task={','.join(names)}: a policy has one body, these are of {' and '.join(bodies)}"
        )
    return names


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
