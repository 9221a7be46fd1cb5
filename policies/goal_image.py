"""A policy that imagines how it looks when the task is done, and then acts with that picture before it.

Where goals are asked for, one is drawn at the first decision of an episode. One that the model itself does
not believe is drawn again, and after some tries left out: then the request is that of a policy without goals,
which is learned too.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from policies.base import Step
from policies.imagination import PICTURES, Imagination, Observed, picture_name
from policies.unified_io2 import UnifiedIO2Policy
from uio2_agent.errors import UIO2Error

IMAGINED, NONE = "imagined", "none"


class GoalImagePolicy(UnifiedIO2Policy):
    """Act on imagined goals; see `UnifiedIO2Policy`.

    Arguments:
        goal: "none" acts without goals, "imagined" draws them, which takes time; anything else is a folder of
            `uio2 imagine`, whose real goals are shown (what a perfect imagination would be worth).
        guidance: Of the drawing.
        goal_temperature: Of the drawing.
        least_belief: Nats a token by which a goal must be likelier with the instruction than without.
        tries: Drawings of a goal that is not believed, all at `goal_temperature`.
    """

    names_files: ClassVar = {"goal": (IMAGINED, NONE)}

    def __init__(
        self,
        model: Any,
        style: Any = None,
        *,
        goal: str = NONE,
        guidance: float = 0.0,
        goal_temperature: float = 0.0,
        least_belief: float = 0.0,
        tries: int = 2,
        **arguments: Any,
    ) -> None:
        super().__init__(model, style, **arguments)
        if tries < 1:
            raise UIO2Error(f"tries={tries}: a goal is drawn at least once")
        if goal not in (IMAGINED, NONE) and not Path(goal).is_dir():
            raise UIO2Error(f"goal={goal} is no folder: use imagined, none, or what uio2 imagine wrote")
        self._goal, self._least, self._tries = goal, least_belief, tries
        drawing = {"guidance": guidance, "temperature": goal_temperature, "seed": self.seed}
        self._imagination = Imagination(model, self.style_of, **drawing) if goal == IMAGINED else None
        self._firsts: dict[int, Observed] = {}
        self.drawn, self.dropped = 0, 0
        """Goals that were drawn, and episodes that went without one."""

    def reset(self, slot: int, observation: Mapping[str, Any], info: Mapping[str, Any]) -> None:
        super().reset(slot, observation, info)
        if self._goal != NONE:
            self._firsts[slot] = observation, info

    def act(self, steps: list[Step]) -> list[dict[str, Any]]:
        new = [step.slot for step in steps if step.slot in self._firsts]
        for slot, goal in self._goals({slot: self._firsts[slot] for slot in new}).items():
            self._episode(slot).goal = goal
        for slot in new:
            del self._firsts[slot]
        return super().act(steps)

    def _goals(self, firsts: Mapping[int, Observed]) -> dict[int, np.ndarray]:
        """Return the goals of slots, uint8 (H, W, 3), of those that have one."""
        if self._imagination is None:
            return {
                slot: shown for slot, (_, info) in firsts.items() if (shown := self._told(info)) is not None
            }
        found: dict[int, np.ndarray] = {}
        for attempt in range(self._tries):
            left = [slot for slot in firsts if slot not in found]
            for start in range(0, len(left), self.batch_size):
                slots = left[start : start + self.batch_size]
                goals = self._imagination.draw([firsts[slot] for slot in slots], attempt)
                self.drawn += len(goals)
                found |= {
                    slot: np.rint(goal.picture * 255).astype(np.uint8)
                    for slot, goal in zip(slots, goals, strict=True)
                    if goal.belief >= self._least
                }
        self.dropped += len(firsts) - len(found)
        return found

    def _told(self, info: Mapping[str, Any]) -> np.ndarray | None:
        """The real goal of an episode, if it was kept."""
        from uio2_agent.media.loading import load_image

        name = picture_name(info["task"], info["level"], info["seed"], "real")
        path = Path(self._goal) / PICTURES / name
        return load_image(path) if path.is_file() else None
