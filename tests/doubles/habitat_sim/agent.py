"""Agents: their configuration, their state, and how their actions move them."""

import math
from dataclasses import dataclass, field
from typing import Any

import numpy as np

_TURNS = {"turn_left": 1, "turn_right": -1}
_LOOKS = {"look_up": 1, "look_down": -1}
_GOES = {"move_forward": 1, "move_backward": -1}


@dataclass(slots=True)
class ActuationSpec:
    amount: float
    constraint: float | None = None


@dataclass(slots=True)
class ActionSpec:
    name: str
    actuation: ActuationSpec | None = None


def _usual_actions() -> dict[str, ActionSpec]:
    amounts = {"move_forward": 0.25, "turn_left": 10.0, "turn_right": 10.0}
    return {name: ActionSpec(name, ActuationSpec(amount)) for name, amount in amounts.items()}


@dataclass(slots=True)
class AgentConfiguration:
    height: float = 1.5
    radius: float = 0.1
    sensor_specifications: list = field(default_factory=list)
    action_space: dict[Any, ActionSpec] = field(default_factory=_usual_actions)
    body_type: str = "cylinder"


@dataclass(frozen=True)
class quaternion:
    w: float
    x: float
    y: float
    z: float


def _quaternion(value: Any) -> quaternion:
    if not isinstance(value, quaternion):
        if not isinstance(value, list | np.ndarray) or len(value) != 4:
            raise TypeError(f"rotation: {value!r}")
        x, y, z, w = map(float, value)
        value = quaternion(w, x, y, z)
    if abs(math.hypot(value.w, value.x, value.y, value.z) - 1) > 1e-5:
        raise ValueError(f"{value} has not unit length")
    return value


@dataclass(slots=True)
class SixDOFPose:
    position: np.ndarray
    rotation: quaternion


@dataclass(slots=True)
class AgentState:
    position: Any = field(default_factory=lambda: np.zeros(3, np.float32))
    rotation: Any = field(default_factory=lambda: quaternion(1.0, 0.0, 0.0, 0.0))
    sensor_states: dict[str, SixDOFPose] = field(default_factory=dict)


class Agent:
    """One body. `_move` filters a step: (start, end) → where it ends."""

    def __init__(self, config: AgentConfiguration, move) -> None:
        self.agent_config, self._move = config, move
        self._position, self._yaw, self._pitch = np.zeros(3, np.float32), 0.0, 0.0

    def get_state(self) -> AgentState:
        c, s = math.cos(self._yaw / 2), math.sin(self._yaw / 2)
        u, v = math.cos(self._pitch / 2), math.sin(self._pitch / 2)
        sensors = {
            spec.uuid: SixDOFPose(self._position + spec.position, quaternion(c * u, c * v, s * u, -s * v))
            for spec in self.agent_config.sensor_specifications
        }
        return AgentState(self._position.copy(), quaternion(c, 0.0, s, 0.0), sensors)

    def set_state(self, state: AgentState, reset_sensors: bool = True) -> None:
        if not isinstance(state, AgentState):
            raise TypeError(f"state: {state!r}")
        position, rotation = np.asarray(state.position, np.float32), _quaternion(state.rotation)
        if not np.isfinite(position).all():
            raise ValueError(f"{position} contains non-finite values which are forbidden")
        if position.shape != (3,):
            raise TypeError(f"position: {state.position!r}")
        self._position, self._yaw = position, 2 * math.atan2(rotation.y, rotation.w)
        if reset_sensors:
            self._pitch = 0.0

    def act(self, action: Any) -> bool:
        assert action in self.agent_config.action_space, f"No action {action} in action space"
        spec = self.agent_config.action_space[action]
        amount = spec.actuation.amount
        if spec.name in _TURNS:
            self._yaw += _TURNS[spec.name] * math.radians(amount)
        elif spec.name in _LOOKS:
            self._pitch += _LOOKS[spec.name] * math.radians(amount)
        else:
            assert spec.name in _GOES, f"No move_fn for action '{spec.name}'"
            ahead = np.array([-math.sin(self._yaw), 0, -math.cos(self._yaw)]) * amount * _GOES[spec.name]
            start, end = self._position, (self._position + ahead).astype(np.float32)
            self._position = np.asarray(self._move(start, end), np.float32)
            return bool(((self._position - start) ** 2).sum() + 1e-5 < ((end - start) ** 2).sum())
        return False
