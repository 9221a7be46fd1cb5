"""What shows that a thing is open or on in a compiled model: hinges turn, lights change their material."""

import mujoco
import numpy as np

from envs.house.building.model import LIT


class States:
    """The pieces of a model that show states. Make it before anything is opened; all is closed and dark then,
    but for what is built open (`Hinge.rest`).
    """

    def __init__(self, model: mujoco.MjModel) -> None:
        self._model = model
        user = model.geom_user
        self._hinged: dict[int, list[int]] = {}
        self._lights: dict[int, list[int]] = {}
        self._position, self._turn = model.geom_pos.copy(), model.geom_quat.copy()
        for geom in np.flatnonzero(user[:, 5]).tolist():
            self._hinged.setdefault(int(user[geom, 0]), []).append(geom)
        lit = {each for each in range(model.nmat) if model.material(each).name.endswith(LIT)}
        dark = np.isin(model.geom_matid, [each - 1 for each in lit])
        self._dark = model.geom_matid.copy()
        for geom in np.flatnonzero(dark).tolist():
            self._lights.setdefault(int(user[geom, 0]), []).append(geom)

    def opens(self, thing: int) -> bool:
        """Whether opening shows, by the thing's place in the scene."""
        return thing in self._hinged

    def lights(self, thing: int) -> bool:
        """Whether switching on shows."""
        return thing in self._lights

    def show_open(self, thing: int, openness: float) -> None:
        """Turn a thing's doors and lids to an openness from 0 to 1; kinematics must be computed anew."""
        for geom in self._hinged.get(thing, ()):
            position, turn = swung(self._model.geom_user[geom], openness, self._position[geom])
            quaternion = np.empty(4)
            mujoco.mju_mulQuat(quaternion, turn, self._turn[geom])
            self._model.geom_pos[geom], self._model.geom_quat[geom] = position, quaternion

    def show_on(self, thing: int, on: bool) -> None:
        """Light a thing's lamps and screens, or darken them."""
        for geom in self._lights.get(thing, ()):
            self._model.geom_matid[geom] = self._dark[geom] + int(on)


def swung(user: np.ndarray, openness: float, position: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return where a hinged geom's origin is at an openness, and the quaternion it has turned by.

    Arguments:
        user: its numbers, as `build_model` says.
        openness: from 0, closed, to 1.
        position: its origin in its body as built.
    """
    point, (axis, angle, rest) = user[1:4], user[4:7]
    turn, moved = np.empty(4), np.empty(3)
    mujoco.mju_axisAngle2Quat(turn, np.eye(3)[int(axis)], angle * (openness - rest))
    mujoco.mju_rotVecQuat(moved, position - point, turn)
    return point + moved, turn
