"""The tabletop's actions as a Box and its prompts in words; `envs.wrappers` has all wrappers together.

They know the interface of the tabletop, not its inside.
"""

import math
import re
from collections.abc import Mapping
from typing import Any

import gymnasium
import numpy as np
from gymnasium.utils import RecordConstructorArgs

from envs.assets import PromptAssets
from envs.errors import EnvError, shown
from envs.inputs import numbers as read_numbers
from envs.poses import yaw_quaternion
from envs.vima.actions import ACTION_KEYS, read_action
from envs.vima.table.spawning import HIGH_XY, LOW_XY
from envs.vima.things.textures import GRAY

_LOW, _HIGH = np.array(LOW_XY), np.array(HIGH_XY)
_PLACEHOLDER = re.compile(r"\{(\w+)\}")


class FlatActions(gymnasium.Wrapper, RecordConstructorArgs):
    """Actions as six numbers in [-1, 1]: x, y, yaw of the first pose, then of the second.

    x and y run over the workspace (x away from the robot), a yaw of ±1 is half a turn. Numbers outside are
    clipped. `expert_action` in info, where there is one, comes in this form too.
    """

    def __init__(self, env: gymnasium.Env) -> None:
        RecordConstructorArgs.__init__(self)
        gymnasium.Wrapper.__init__(self, env)
        if not isinstance(env.action_space, gymnasium.spaces.Dict) or set(env.action_space) != set(
            ACTION_KEYS
        ):
            raise EnvError(
                f"FlatActions takes an environment with actions of {', '.join(ACTION_KEYS)}; got {shown(env)}"
            )
        self.action_space = gymnasium.spaces.Box(-1.0, 1.0, (6,), np.float32)

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[Any, dict[str, Any]]:
        observation, info = self.env.reset(seed=seed, options=options)
        return observation, _flat_expert(info)

    def step(self, action: np.ndarray) -> tuple[Any, Any, bool, bool, dict[str, Any]]:
        observation, reward, terminated, truncated, info = self.env.step(unflatten_action(action))
        return observation, reward, terminated, truncated, _flat_expert(info)


def unflatten_action(numbers: np.ndarray) -> dict[str, np.ndarray]:
    """Turn six numbers in [-1, 1] into the action they stand for.

    >>> unflatten_action(np.array([0, 0, 0, 1, -1, 1]))["pose1_position"].tolist()
    [0.75, -0.5]
    """
    values = read_numbers(numbers, "a flat action (x, y, yaw, x, y, yaw)", (6,))
    action = {}
    for i, (*place, yaw) in enumerate(np.clip(values, -1.0, 1.0).reshape(2, 3)):
        position = _LOW + (np.array(place) + 1) / 2 * (_HIGH - _LOW)
        action[f"pose{i}_position"] = position.astype(np.float32)
        action[f"pose{i}_rotation"] = np.array(yaw_quaternion(math.pi * yaw), np.float32)
    return action


def flatten_action(action: Mapping[str, Any]) -> np.ndarray:
    """Turn an action into its six numbers, float32; only turns about the vertical are kept."""
    motion = read_action(action)
    numbers = []
    for place, yaw in ((motion.start, motion.start_yaw), (motion.end, motion.end_yaw)):
        numbers += [*(2 * (np.array(place) - _LOW) / (_HIGH - _LOW) - 1), math.remainder(yaw / math.pi, 2)]
    return np.array(numbers, np.float32)


def _flat_expert(info: dict[str, Any]) -> dict[str, Any]:
    action = info.get("expert_action")
    return info if action is None else {**info, "expert_action": flatten_action(action)}


class TextPrompt(gymnasium.Wrapper, RecordConstructorArgs):
    """The prompt in words only: every picture in it becomes a name.

    An object is called by texture and name ("red swirl heart"), by its name alone where the task hides its
    colour. A scene becomes the list of its objects, which does not say where they stand: tasks that ask for
    an arrangement cannot be solved from words alone. `prompt_assets` is empty, as no picture is left.
    """

    def __init__(self, env: gymnasium.Env) -> None:
        RecordConstructorArgs.__init__(self)
        gymnasium.Wrapper.__init__(self, env)

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[Any, dict[str, Any]]:
        observation, info = self.env.reset(seed=seed, options=options)
        return observation, _in_words(info)

    def step(self, action: Any) -> tuple[Any, Any, bool, bool, dict[str, Any]]:
        observation, reward, terminated, truncated, info = self.env.step(action)
        return observation, reward, terminated, truncated, _in_words(info)


def text_prompt(prompt: str, prompt_assets: Mapping[str, Any]) -> str:
    """Replace the placeholders of a prompt by the names of what they show."""

    def words(match: re.Match) -> str:
        shown = prompt_assets[match[1]]["segm"]["obj_info"]
        if isinstance(shown, Mapping):
            return _object_name(shown)
        names = [_object_name(item) for item in shown]
        return f"[{', '.join(names)}]"

    return _PLACEHOLDER.sub(words, prompt)


def _object_name(shown: Mapping[str, Any]) -> str:
    texture, name = shown["obj_color"], shown["obj_name"]
    return name if texture == GRAY else f"{texture} {name}"


def _in_words(info: dict[str, Any]) -> dict[str, Any]:
    prompt = text_prompt(info["prompt"], info["prompt_assets"])
    return {**info, "prompt": prompt, "prompt_assets": PromptAssets({})}
