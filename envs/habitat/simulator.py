"""What Habitat's tasks need of a simulator, ours or the real one: a body with cameras on a navigation mesh.

Frame: Habitat's, right-handed, metres, y up; yaw 0 looks along -z and grows to the left, pitch upwards, both
in radians.

Whatever habitat-sim would abort on, or take without a word, is refused here, before it gets there.
"""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from envs.errors import EnvError
from envs.habitat.pathfinder import Way
from envs.habitat.specs import (
    AgentSpec,
    CameraSpec,
    checked_cameras,
    checked_move,
    checked_point,
    checked_rotation,
    rotation_of,
    yaw_of,
)


@dataclass(frozen=True)
class Pose:
    """Where a body stands, and where its cameras look."""

    position: np.ndarray  # (3,) its foot
    yaw: float = 0.0
    pitch: float = 0.0

    @property
    def rotation(self) -> np.ndarray:
        """The body's, (x, y, z, w)."""
        return rotation_of(self.yaw)


class Simulator(ABC):
    """One scene, one body. Close it.

    Arguments:
        agent: the body and its steps.
        cameras: what it sees with, at least one.
    """

    closed = False

    def __init__(self, agent: AgentSpec, cameras: Sequence[CameraSpec]) -> None:
        self.agent, self.cameras = agent, checked_cameras(cameras)

    @abstractmethod
    def load(self, scene: str | Path) -> None:
        """Open another scene; the body stands somewhere. Raises EnvError for one there is not."""

    def pose(self) -> Pose:
        """Return where the body is."""
        self._check_open()
        return self._pose()

    def stand(self, position: Sequence[float], rotation: Sequence[float] = (0.0, 0.0, 0.0, 1.0)) -> None:
        """Put the body somewhere, whatever is there; its cameras look level. `rotation` is (x, y, z, w)."""
        self._check_open()
        self._stand(checked_point(position, "position"), yaw_of(checked_rotation(rotation)))

    def act(self, move: str) -> bool:
        """Make a move of `specs.MOVES`; return whether the body came less far than it wanted."""
        self._check_open()
        return self._act(checked_move(move))

    def observe(self) -> dict[str, np.ndarray]:
        """Return by camera: colours uint8 (H, W, 3), or metres along the optical axis float32 (H, W), 0 where
        there is nothing up to the far plane.
        """
        self._check_open()
        return self._observe()

    @abstractmethod
    def snap(self, point: Sequence[float]) -> np.ndarray:
        """Return the place on the mesh nearest to a point, (3,); NaN where none is in reach."""

    @abstractmethod
    def is_navigable(self, point: Sequence[float], tolerance: float = 0.5) -> bool:
        """Return whether a body can stand at a point, which may be `tolerance` metres too high or low."""

    @abstractmethod
    def try_step(self, start: Sequence[float], end: Sequence[float], sliding: bool = True) -> np.ndarray:
        """Return where a straight move ends, (3,)."""

    @abstractmethod
    def way(self, start: Sequence[float], goals: Sequence[Sequence[float]]) -> Way:
        """Return the shortest way to one of some points."""

    @abstractmethod
    def distance_to_obstacle(self, point: Sequence[float], reach: float = 2.0) -> float:
        """Return how far a place is from the edge of the mesh, at most `reach`."""

    @abstractmethod
    def random_point(self, rng: np.random.Generator) -> np.ndarray:
        """Draw a place on the mesh, (3,)."""

    @abstractmethod
    def bounds(self) -> tuple[np.ndarray, np.ndarray]:
        """Return two corners (3,) of the box that `topdown` shows."""

    def topdown(self, metres_per_pixel: float, height: float) -> np.ndarray:
        """Return where a body can stand, from above, bool (z, x)."""
        if not (isinstance(metres_per_pixel, int | float) and metres_per_pixel > 0):
            raise EnvError(f"metres_per_pixel={metres_per_pixel!r}: give a positive number, such as 0.05")
        return self._topdown(metres_per_pixel, height)

    def close(self) -> None:
        """Give everything back; closing twice is fine."""
        self.closed = True

    def _check_open(self) -> None:
        if self.closed:
            raise EnvError("this simulator is closed: load a scene, or make another")

    @abstractmethod
    def _pose(self) -> Pose: ...

    @abstractmethod
    def _observe(self) -> dict[str, np.ndarray]: ...

    @abstractmethod
    def _topdown(self, metres_per_pixel: float, height: float) -> np.ndarray: ...

    @abstractmethod
    def _stand(self, position: np.ndarray, yaw: float) -> None: ...

    @abstractmethod
    def _act(self, move: str) -> bool: ...
