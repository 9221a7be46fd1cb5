"""The embodiment: a step is `0: move ( <DX> <DY> )`."""

from collections.abc import Hashable, Mapping, Sequence
from typing import Any

import numpy as np

from policies.action_text import StepForm
from policies.embodiments.base import Controls, Embodiment
from policies.embodiments.drawing import arrow
from toy_point import REACH
from uio2_agent.errors import UIO2Error


class Point(Embodiment):
    name = "toy_point"
    cameras = ("above",)
    state_names = ("x", "y")
    action_names = ("dx", "dy")
    fps = 5
    forms = {"move": StepForm("move", 2)}  # noqa: RUF012

    def state(self, observation: Mapping[str, Any], info: Mapping[str, Any]) -> np.ndarray:
        return observation["point"]

    def checked(self, action: Any) -> np.ndarray:
        move = np.asarray(action, np.float32).reshape(-1)
        if move.shape != (2,) or not np.isfinite(move).all():
            raise UIO2Error(f"an action is two finite numbers (dx, dy), got {action!r}")
        return move

    def vector(self, action: Any) -> np.ndarray:
        return np.asarray(action, np.float32)

    def action(self, vector: np.ndarray) -> np.ndarray:
        return np.asarray(vector, np.float32)

    def idle_action(self, state: np.ndarray) -> np.ndarray:
        return np.zeros(2, np.float32)

    def random_action(self, state: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        return rng.uniform(-REACH, REACH, 2).astype(np.float32)

    def values(self, action: Any, state: np.ndarray) -> tuple[Hashable, np.ndarray]:
        return "move", (np.asarray(action, np.float64) + REACH) / (2 * REACH)

    def from_values(self, kind: Hashable, values: np.ndarray) -> np.ndarray:
        return (np.asarray(values) * 2 * REACH - REACH).astype(np.float32)

    def describe(self, action: Any, state: np.ndarray) -> str:
        return f"move ({action[0]:+.2f}, {action[1]:+.2f})"

    def draw(self, pen: Any, camera: str, size: tuple[int, int], action: Any, state: np.ndarray) -> None:
        height, width = size
        x, y = np.asarray(state) * (width, height)
        arrow(pen, (x, y), (x + action[0] * width, y + action[1] * height))

    def controls(self, state: np.ndarray) -> Controls:
        return Controls("above", ("Click where to go.",))

    def clicked(self, points: Sequence[tuple[float, float]], turn: float, state: np.ndarray) -> np.ndarray:
        return np.clip(np.asarray(points[0]) - state, -REACH, REACH).astype(np.float32)


BODY = Point()
