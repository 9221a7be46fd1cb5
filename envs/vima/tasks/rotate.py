"""Turn an object clockwise by the angle the prompt says (VIMA-Bench's task 03)."""

import math
from typing import ClassVar

from envs.assets import PromptAssets
from envs.poses import Pose, yaw_quaternion
from envs.vima.table.world import World
from envs.vima.tasks.base import Cast, Task, object_assets
from envs.vima.tasks.goals import Goal

ANGLES_DEG = (30, 60, 90, 120, 150)


class Rotate(Task):
    """`Rotate the {dragged_obj} <angle> degrees.` Clockwise seen from above, although the prompt does not say
    so.
    """

    name = "rotate"
    oracle_max_steps = 3
    difficulties: ClassVar[dict[str, dict[str, int]]] = {
        "easy": {"distractors": 1},
        "medium": {"distractors": 3},
        "hard": {"distractors": 5},
    }

    def spawn(self, world: World) -> Cast:
        pools = self.pools
        angle = world.choice(ANGLES_DEG)
        world.choice(pools.dragged_textures)  # upstream draws a texture that it then does not use

        def draw_target():
            name = world.choice(pools.dragged)
            size = world.draw_size(name)
            return name, world.choice(pools.dragged_textures), size

        dragged = world.try_place(draw_target)
        used = world.records[dragged].texture

        def draw_distractor():
            name = world.choice(pools.dragged)
            texture = used
            while texture == used:
                texture = world.choice(pools.dragged_textures)
            return name, texture, world.draw_size(name)

        distractors = tuple(world.try_place(draw_distractor) for _ in range(self.settings["distractors"]))
        return Cast(roles={"dragged": (dragged,)}, values={"angle_deg": angle}, distractors=distractors)

    def prompt(self, world: World, cast: Cast) -> str:
        return f"Rotate the {{dragged_obj}} {cast.values['angle_deg']} degrees."

    def assets(self, world: World, cast: Cast) -> PromptAssets:
        return object_assets(world, {"dragged_obj": cast.one("dragged")})

    def goals(self, world: World, cast: Cast) -> list[Goal]:
        start = world.pose(cast.one("dragged"))
        yaw = start.yaw - math.radians(cast.values["angle_deg"])
        target = Pose(start.position, yaw_quaternion(yaw))
        return [Goal(objects=cast.roles["dragged"], targets=(target,), yaw_matters=True)]
