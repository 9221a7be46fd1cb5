"""What an object on the table is and where: the records that tasks, info and recorded scenes share.

Metres, radians, quaternions xyzw, VIMA-Bench's world frame (x away from the robot, y left, z up).
"""

from dataclasses import dataclass, field

from envs.poses import Pose, Quaternion, Vector


@dataclass(frozen=True)
class ObjectState:
    """One object: what it is and where it is now."""

    id: int
    """The number the segmentation image shows it with."""
    name: str
    texture: str
    fixed: bool
    size: Vector
    """Nominal extent in metres, as drawn; spacing and spawn height follow from it."""
    scale: float | Vector
    """Factor on the object's true geometry."""
    position: Vector
    quaternion: Quaternion
    target: Pose | None = field(default=None, repr=False)
    """Where the prompt's picture shows it, in the tasks that ask for such an arrangement."""

    @property
    def pose(self) -> Pose:
        return Pose(self.position, self.quaternion)
