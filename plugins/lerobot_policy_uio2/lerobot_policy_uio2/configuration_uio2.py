"""The policy type `uio2`: what is written into a policy folder's `config.json`, and what
`--policy.temperature=0.5` and the like change.
"""

from __future__ import annotations

from dataclasses import dataclass
from importlib import import_module
from typing import Any, NoReturn

from lerobot.configs import FeatureType, PolicyFeature, PreTrainedConfig
from lerobot.utils.constants import ACTION

from uio2_agent.errors import UIO2Error
from uio2_agent.gym import policies

LEARNS_ELSEWHERE = (
    "a policy of type uio2 acts in LeRobot and learns with `uio2 train data=FOLDER`, which reads the same "
    "sets with their prompts; `python -m lerobot_policy_uio2` then makes its policy folder"
)


@PreTrainedConfig.register_subclass("uio2")
@dataclass
class UIO2Config(PreTrainedConfig):
    """A model of uio2-agent that acts as one body.

    Observations are not listed here (`input_features` is what the environment has), because pictures of any
    size are taken.
    """

    embodiment: str = "vima"
    """Who acts."""
    plan: str = "replan"
    """"replan": ask before every step. "once": ask after reset, play the answer, then idle."""
    temperature: float | None = None
    """Of the answers; None is the body's own, 0 the likeliest."""
    batch_size: int = 8
    """Most requests in one call of the model."""
    decision_seed: int = 0
    """With an episode's own seed it decides what is drawn."""

    @property
    def body(self) -> Any:
        """Who acts, a `policies.Embodiment`; UIO2Error for a name there is not."""
        return import_module(f"{policies.__name__}.embodiments").get(self.embodiment)

    def validate_features(self) -> None:
        """Raise ValueError for an environment whose actions are not this body's; note the action where none
        is asked for.
        """
        names = self.body.action_names
        feature = self.action_feature
        if feature is None:
            self.output_features = {ACTION: PolicyFeature(FeatureType.ACTION, (len(names),))}
        elif tuple(feature.shape) != (len(names),):
            raise ValueError(
                f"this policy acts as {self.embodiment!r}, whose action is {len(names)} numbers "
                f"({', '.join(names)}); the environment takes {tuple(feature.shape)}: choose one of that "
                "body, or make the policy folder with another --embodiment"
            )

    @property
    def observation_delta_indices(self) -> None:
        """Return None: a policy remembers by itself what it has seen."""
        return None

    @property
    def action_delta_indices(self) -> list[int]:
        """Return the steps of an answer."""
        return [0]

    @property
    def reward_delta_indices(self) -> None:
        """Return None: rewards are not used."""
        return None

    def get_optimizer_preset(self) -> NoReturn:
        """Raise UIO2Error: LeRobot asks when it is to train, before it reads any data."""
        raise UIO2Error(LEARNS_ELSEWHERE)

    def get_scheduler_preset(self) -> None:
        """Return None."""
        return None
