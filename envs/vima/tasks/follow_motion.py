"""Move an object along the way that pictures show (VIMA-Bench's task 10)."""

import math
from typing import ClassVar

from envs.assets import PromptAssets
from envs.errors import SpawnError
from envs.poses import Pose, Vector
from envs.vima.table.world import ATTEMPTS, World
from envs.vima.tasks.base import Cast, Task, object_assets
from envs.vima.tasks.goals import Goal

CENTRE = (0.5, 0.0)
RADIUS_M = 0.19
CORNERS = 5


class FollowMotion(Task):
    """`Follow this motion for {dragged_obj}: {frame_0} {frame_1} {frame_2}.`

    The object stands on a corner of a pentagon and goes to a neighbouring corner, two to four times.
    Something else stands in the middle, on the table and, another thing, in the pictures. A step that does
    not reach the next corner loses.
    """

    name = "follow_motion"
    oracle_max_steps = 2
    sequential = True
    every_step_counts = True
    difficulties: ClassVar[dict[str, dict[str, int]]] = {
        "easy": {"frames": 3},
        "medium": {"frames": 4, "oracle_max_steps": 3},
        "hard": {"frames": 5, "oracle_max_steps": 4},
    }

    def spawn(self, world: World) -> Cast:
        pools, rng = self.pools, world.rng
        name, texture = world.choice(pools.dragged), world.choice(pools.dragged_textures)
        corners = [int(rng.choice(CORNERS))]
        for _ in range(self.settings["frames"] - 1):
            step = -1 if rng.random() < 0.5 else 1
            corners.append((corners[-1] + step) % CORNERS)
        size = world.draw_size(name)

        def draw_other() -> tuple[str, str]:
            for _ in range(ATTEMPTS):
                other = world.choice(pools.dragged), world.choice(pools.dragged_textures)
                if other != (name, texture):
                    return other
            raise SpawnError(f"nothing but the moved object drawn in {ATTEMPTS} attempts")

        other_name, other_texture = draw_other()
        other_size = world.draw_size(other_name)
        shown_name, shown_texture = draw_other()
        # every picture draws a size for its other thing, within the limits of the one on the table; only a
        # block shows it
        shown_sizes = tuple(world.draw_size(other_name) for _ in corners)
        dragged = world.add(name, texture, _standing(_corner(corners[0]), size), size)
        distractor = world.add(other_name, other_texture, _standing(CENTRE, other_size), other_size)
        return Cast(
            roles={"dragged": (dragged,), "bystander": (distractor,)},
            values={"corners": corners, "in_pictures": (shown_name, shown_texture, shown_sizes)},
        )

    def prompt(self, world: World, cast: Cast) -> str:
        frames = " ".join(f"{{frame_{frame}}}" for frame in range(len(cast.values["corners"])))
        return f"Follow this motion for {{dragged_obj}}: {frames}."

    def assets(self, world: World, cast: Cast) -> PromptAssets:
        record = world.records[cast.one("dragged")]
        name, texture, sizes = cast.values["in_pictures"]
        pictures = dict(object_assets(world, {"dragged_obj": record.id}))
        for frame, (corner, size) in enumerate(zip(cast.values["corners"], sizes, strict=True)):
            moved = (record.name, record.texture, record.size, _standing(_corner(corner), record.size))
            pictures[f"frame_{frame}"] = world.picture(
                [moved, (name, texture, size, _standing(CENTRE, size))]
            )
        return PromptAssets(pictures)

    def goals(self, world: World, cast: Cast) -> list[Goal]:
        dragged = cast.one("dragged")
        size = world.records[dragged].size
        return [
            Goal(objects=(dragged,), targets=(_standing(_corner(corner), size),))
            for corner in cast.values["corners"][1:]
        ]


def _corner(index: int) -> tuple[float, float]:
    angle = 2 * math.pi * index / CORNERS
    return CENTRE[0] + RADIUS_M * math.cos(angle), CENTRE[1] + RADIUS_M * math.sin(angle)


def _standing(place: tuple[float, float], size: Vector) -> Pose:
    """Return the pose upstream begins with: a whole nominal height above the table, yaw 0."""
    return Pose((*place, size[2]))
