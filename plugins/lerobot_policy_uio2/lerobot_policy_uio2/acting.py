"""Rows of a batch → slots of a policy of ours → rows of actions.

A row is a running episode. Where the environment says how many steps were done (`lerobot_env_uio2` does), a
row begins anew when it says 0 and costs nothing once it has ended, so vector environments may reset their
slots one by one. Where it does not, all rows begin when LeRobot resets the policy, and the instruction is
what LeRobot hands over in words.

Knows LeRobot's habits and not LeRobot itself.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from importlib import import_module
from typing import Any

import numpy as np

from uio2_agent.errors import UIO2Error
from uio2_agent.gym import policies

read_carried = import_module(f"{policies.__name__}.carried").read_carried


class Rows:
    """A policy that acts for the rows of a batch.

    Arguments:
        policy: Whoever decides, with the methods of `policies.Policy`.
        body: Who acts.
    """

    def __init__(self, policy: Any, body: Any) -> None:
        self._policy, self._body = policy, body
        self._infos: dict[int, Mapping[str, Any]] = {}

    def reset(self) -> None:
        """Forget all episodes."""
        self._infos.clear()

    def act(
        self,
        views: Mapping[str, np.ndarray],
        states: np.ndarray,
        tasks: Sequence[str] | None = None,
        told: np.ndarray | None = None,
        steps: np.ndarray | None = None,
    ) -> np.ndarray:
        """Return the next action of each of the B rows, float32 (B, A).

        Arguments:
            views: Camera to pictures, uint8 (B, H, W, 3).
            states: float32 (B, S), columns of the body's `state_names`.
            tasks: Instructions in words; needed where `told` is not given.
            told: What `policies.carried` wrote of each episode, uint8 (B, N).
            steps: Those done, int (B,): at 0 a row begins anew, below it has ended. None where nobody counts.

        Raises:
            UIO2Error: The episode is another body's, or nobody says what is to be done.
        """
        names = self._body.state_names
        if states.ndim != 2 or states.shape[1] != len(names):
            raise UIO2Error(
                f"the state of {self._body.name!r} is {len(names)} numbers ({', '.join(names)}); the "
                f"observation has {states.shape[1:]}"
            )
        running = []
        for row in range(len(states)):
            if steps is not None and steps[row] < 0:
                continue
            seen = {camera: pictures[row] for camera, pictures in views.items()}
            observation, read = self._body.observed(seen, states[row])
            if row not in self._infos or (steps is not None and steps[row] == 0):
                self._infos[row] = self._info(row, tasks, told)
                self._policy.reset(row, observation, {**self._infos[row], **read})
            running.append(policies.Step(row, observation, {**self._infos[row], **read}))
        actions = np.stack([self._vector(self._body.idle_action(state)) for state in states])
        for step, action in zip(running, self._policy.act(running) if running else (), strict=True):
            actions[step.slot] = self._vector(action)
        return actions

    def _vector(self, action: Any) -> np.ndarray:
        return self._body.vector(self._body.checked(action))

    def _info(self, row: int, tasks: Sequence[str] | None, told: np.ndarray | None) -> dict[str, Any]:
        if told is None:
            if tasks is None or not tasks[row]:
                raise UIO2Error("nobody says what is to be done: the batch needs `task`, instructions")
            words = {"prompt": tasks[row], "prompt_assets": {}, "task": "", "seed": row}
            return {**words, "embodiment": self._body.name}
        info = read_carried(told[row])
        if info["embodiment"] != self._body.name:
            raise UIO2Error(
                f"this policy acts as {self._body.name!r}, and the episode's body is {info['embodiment']!r}: "
                "choose a task of that body, or make the policy folder with another --embodiment"
            )
        return info
