"""Goals and how they are reached: poses within a tolerance, or all of a body inside a zone.

Heights are never checked, as in VIMA-Bench. A goal holds no scene: positions are handed in, so that the rules
can be tested on plain numbers.
"""

import functools
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from itertools import permutations

import numpy as np

from envs.poses import Pose

ANGLE_TOLERANCE = math.radians(15)


@dataclass(frozen=True)
class Zone:
    """An upright rectangle on the table: centre pose and full extents along its own axes."""

    pose: Pose
    size: tuple[float, float]

    @functools.cached_property
    def axes(self) -> tuple[float, float]:
        """Cosine and sine of its yaw."""
        return math.cos(self.pose.yaw), math.sin(self.pose.yaw)

    def near(self, points: np.ndarray, reach: float) -> np.ndarray:
        """Tell for each world point (..., ≥2) whether it lies inside or less than `reach` off a side."""
        cos, sin = self.axes
        dx, dy = points[..., 0] - self.pose.position[0], points[..., 1] - self.pose.position[1]
        along = np.abs(dx * cos + dy * sin) <= self.size[0] / 2 + reach
        return along & (np.abs(dy * cos - dx * sin) <= self.size[1] / 2 + reach)

    def contains(self, points: np.ndarray) -> np.ndarray:
        """Tell for each world point (N, ≥2) whether it lies inside in x and y."""
        cos, sin = self.axes
        delta = np.asarray(points, float)[:, :2] - self.pose.position[:2]
        along = np.abs(delta[:, 0] * cos + delta[:, 1] * sin) <= self.size[0] / 2
        across = np.abs(delta[:, 1] * cos - delta[:, 0] * sin) <= self.size[1] / 2
        return along & across


@dataclass(frozen=True, kw_only=True)
class Goal:
    """Objects that must come to targets (metric pose), or into a zone."""

    objects: tuple[int, ...]
    targets: tuple[Pose, ...]
    yaw_matters: bool = False
    """Whether the yaw must match within 15°, folded by the object's symmetry."""
    shared_targets: bool = False
    """Whether several objects may count at one target."""
    allowed: tuple[tuple[bool, ...], ...] | None = None
    """Rows = objects, columns = targets; None allows all."""
    zone: Zone | None = None
    """When given, reached means that every sample point of the objects lies inside; targets only guide the
    expert.
    """
    oracle_only: bool = False
    """Ignored for agents; the expert works on it, and demonstrations recorded under the oracle's rules need
    it.
    """

    def may(self, index: int, target: int) -> bool:
        return self.allowed is None or self.allowed[index][target]


@dataclass
class Progress:
    """What changes while an episode runs, besides the bodies: plain data, copied by state()."""

    goals: list[Goal] = field(default_factory=list)
    """Goals still open, in order."""
    achieved: int = 0
    """How many goals counted so far (the sweep recounts at each step)."""
    violated: bool = False
    """A constraint was broken during a motion, or a step was wasted where every step counts."""
    memory: dict = field(default_factory=dict)
    """Whatever else a task needs to remember between steps."""


def yaw_error(yaw: float, target: float, symmetry: float | None) -> float:
    """Return the angle between two yaws, in radians, folded by a rotational symmetry (0 or None: none
    counts).
    """
    if not symmetry:
        return 0.0
    difference = (yaw - target) % symmetry
    return min(difference, symmetry - difference)


def pose_matches(
    pose: Pose,
    target: Pose,
    *,
    position_tolerance: float,
    symmetry: float | None = None,
    yaw_matters: bool = False,
) -> bool:
    """Tell whether `pose` is at `target`: planar distance, and yaw where it matters."""
    if math.dist(pose.position[:2], target.position[:2]) >= position_tolerance:
        return False
    return not yaw_matters or yaw_error(pose.yaw, target.yaw, symmetry) < ANGLE_TOLERANCE


def goal_reached(goal: Goal, matches: Callable[[int, Pose], bool]) -> bool:
    """Tell whether every object of a pose goal stands at a target of its own (or at any, when targets are
    shared).
    """
    at = [
        [goal.may(index, column) and matches(body, target) for column, target in enumerate(goal.targets)]
        for index, body in enumerate(goal.objects)
    ]
    if goal.shared_targets or len(at) == 1:
        return all(map(any, at))
    columns = range(len(goal.targets))
    return any(
        all(row[c] for row, c in zip(at, order, strict=True)) for order in permutations(columns, len(at))
    )


def near_any(position: Sequence[float], others: Sequence[Sequence[float]], distance: float) -> bool:
    """Tell whether a centre is nearer than `distance` to any other, in the plane."""
    return any(math.dist(position[:2], other[:2]) < distance for other in others)
