"""All that UIO-2 writes as location tokens or draws as pictures, and back: one file for each kind, plain
functions on numpy arrays. Source: Unified-IO 2 (arXiv 2312.17172), section 3.1.

Text goes in and out as `str`; ids through a `Vocabulary`. Pixels are those of the original picture, x before
y, and reach the padded square the model sees through `uio2_agent.media.geometry.Placement`. What a model
answers never raises: what cannot be read is passed over. What a person hands in is checked. Knows no model
and no tokenizer.
"""

from uio2_agent.labels.boxes import (
    nonempty,
    overlaps,
    read_box_ids,
    read_boxes,
    read_labelled_boxes,
    suppress_overlaps,
    write_boxes,
)
from uio2_agent.labels.cameras import read_camera_poses, write_camera_poses
from uio2_agent.labels.controls import ControlSpace
from uio2_agent.labels.cuboids import Cuboids, read_cuboids, read_labelled_cuboids, write_cuboids
from uio2_agent.labels.keypoints import JOINTS, Keypoints, read_keypoints, write_keypoints
from uio2_agent.labels.locations import (
    Range,
    ids_to_values,
    read_labelled_values,
    read_values,
    values_to_ids,
    write_values,
)
from uio2_agent.labels.navigation import (
    AgentState,
    read_goal,
    read_step,
    read_trajectory,
    write_goal,
    write_state,
    write_step,
    write_trajectory,
)
from uio2_agent.labels.pictures import (
    depth_picture,
    mask_picture,
    normals_picture,
    official_restore,
    read_depth,
    read_mask,
    read_normals,
    restore,
    to_uint8,
)
from uio2_agent.labels.plans import PlanStep, read_choice, read_plan, write_plan
from uio2_agent.labels.points import read_labelled_points, read_points, write_points
from uio2_agent.labels.times import read_times, write_times
from uio2_agent.labels.tracks import TrackedBox, read_track, write_track

__all__ = [
    "JOINTS",
    "AgentState",
    "ControlSpace",
    "Cuboids",
    "Keypoints",
    "PlanStep",
    "Range",
    "TrackedBox",
    "depth_picture",
    "ids_to_values",
    "mask_picture",
    "nonempty",
    "normals_picture",
    "official_restore",
    "overlaps",
    "read_box_ids",
    "read_boxes",
    "read_camera_poses",
    "read_choice",
    "read_cuboids",
    "read_depth",
    "read_goal",
    "read_keypoints",
    "read_labelled_boxes",
    "read_labelled_cuboids",
    "read_labelled_points",
    "read_labelled_values",
    "read_mask",
    "read_normals",
    "read_plan",
    "read_points",
    "read_step",
    "read_times",
    "read_track",
    "read_trajectory",
    "read_values",
    "restore",
    "suppress_overlaps",
    "to_uint8",
    "values_to_ids",
    "write_boxes",
    "write_camera_poses",
    "write_cuboids",
    "write_goal",
    "write_keypoints",
    "write_plan",
    "write_points",
    "write_state",
    "write_step",
    "write_times",
    "write_track",
    "write_trajectory",
    "write_values",
]
