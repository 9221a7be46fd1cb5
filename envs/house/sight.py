"""What a body sees, by rays: as AI2-THOR's `visible`, without drawing anything.

A thing is visible when a point of its box lies in the camera's pyramid, within reach, and nothing solid is
in between.
"""

import itertools
import math

import numpy as np

from envs.house.rendering import looking
from envs.house.simulator import HouseSimulator, Stance

_SHARES = (-0.92, 0.0, 0.92)
_POINTS = np.array([point for point in itertools.product(_SHARES, repeat=3)])  # (27, 3) of a box's halves


def box_points(simulator: HouseSimulator, id: str) -> np.ndarray:
    """Return points in and on a thing's box, (27, 3) metres; its middle comes first."""
    thing = simulator.now(id)
    order = np.argsort(np.abs(_POINTS).sum(1), kind="stable")
    return np.array(thing.position) + (_POINTS[order] * np.array(thing.size) / 2) @ thing.rotation.T


def distance(simulator: HouseSimulator, id: str, stance: Stance) -> float:
    """Return how far a body is from a thing's box along the floor, metres."""
    return float(distances(simulator, id, stance.point[None])[0])


def distances(simulator: HouseSimulator, id: str, points: np.ndarray) -> np.ndarray:
    """Return the same for bodies at points (N, 2): metres (N,)."""
    x, y, half_x, half_y, yaw = simulator.now(id).floor_box
    dx, dy = points[:, 0] - x, points[:, 1] - y
    c, s = math.cos(yaw), math.sin(yaw)
    u, v = np.abs(c * dx + s * dy) - half_x, np.abs(-s * dx + c * dy) - half_y
    return np.hypot(np.maximum(u, 0.0), np.maximum(v, 0.0))


def visible(
    simulator: HouseSimulator,
    id: str,
    stance: Stance,
    *,
    reach: float,
    vertical_fov: float,
    aspect: float = 1.0,
) -> bool:
    """Return whether a body at `stance` sees a thing.

    Arguments:
        reach: how far along the floor it may be, metres.
        vertical_fov: of the camera, degrees.
        aspect: the camera's width over its height.
    """
    if distance(simulator, id, stance) > reach:
        return False
    points = box_points(simulator, id)
    local = (points - stance.position) @ looking(stance.yaw, stance.pitch)  # (27, 3): right, up, back
    slope = math.tan(math.radians(vertical_fov) / 2)
    inside = (
        (-local[:, 2] > 0.01)
        & (np.abs(local[:, 0]) <= -local[:, 2] * slope * aspect)
        & (np.abs(local[:, 1]) <= -local[:, 2] * slope)
    )
    return any(sees(simulator, id, stance.position, point) for point in points[inside])


def sees(simulator: HouseSimulator, id: str, eye: np.ndarray, point: np.ndarray) -> bool:
    """Return whether nothing but the thing itself, or what it stands open in, hides one of its points."""
    met, far = simulator.ray(eye, point)
    if met is None or met == simulator.place[id]:
        return True
    parent = simulator.states[id].parent if id in simulator.states else None
    if parent is None or met != simulator.place[parent] or not simulator.states[parent].openness:
        return False
    beyond = eye + (point - eye) * min(1.0, (far + 1e-3) / max(np.linalg.norm(point - eye), 1e-9))
    low, high = simulator.box(parent)
    return bool(np.all(low <= beyond + 1e-3) and np.all(beyond <= high + 1e-3))
