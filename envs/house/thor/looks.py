"""The colours and lights of a model, to be varied and given back."""

import mujoco
import numpy as np


class Looks:
    """How a model looks at first, and ways to change that for pictures to come."""

    def __init__(self, model: mujoco.MjModel) -> None:
        self._materials = model.mat_rgba
        self._lights = model.light_diffuse, model.vis.headlight.ambient, model.vis.headlight.diffuse
        self._first = self._materials.copy(), [each.copy() for each in self._lights]

    def tint_materials(self, tints: np.ndarray) -> None:
        """Multiply the materials' first colours by (materials, 3)."""
        self._materials[:, :3] = np.clip(self._first[0][:, :3] * tints, 0, 1.5)

    def tint_lights(self, tint: np.ndarray) -> None:
        """Multiply the lights' first colours by (3,)."""
        for each, first in zip(self._lights, self._first[1], strict=True):
            each[:] = first * tint

    @property
    def materials(self) -> int:
        return len(self._materials)

    def restore(self) -> None:
        """Give everything its first looks back."""
        self.tint_materials(np.ones((self.materials, 3)))
        self.tint_lights(np.ones(3))
