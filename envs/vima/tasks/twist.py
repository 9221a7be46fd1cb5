"""Turn all objects of a texture by an angle that only pictures tell (VIMA-Bench's task 09)."""

import math
from typing import Any, ClassVar

from envs.assets import PromptAssets
from envs.poses import Pose, Vector, yaw_quaternion
from envs.vima.table.world import World
from envs.vima.tasks.base import Cast, Task
from envs.vima.tasks.goals import Goal
from envs.vima.tasks.rotate import ANGLES_DEG

EXAMPLES = (1, 2, 3)
EXAMPLE_LOW_XY = (0.4375, -0.375)
EXAMPLE_HIGH_XY = (0.5625, 0.375)
"""Where the pictures show their object: the middle of the table."""


class Twist(Task):
    """`"Twist" is defined as rotating object a specific angle. … Now twist all <texture> objects.`

    At least one of the three to five objects wears the texture, and at least one does not. Each pair of
    pictures shows one of the former's shapes in another texture, before and after the same clockwise turn.
    """

    name = "twist"
    oracle_max_steps = 5
    position_tolerance = 0.05
    in_any_order = True
    difficulties: ClassVar[dict[str, dict[str, int]]] = {
        "easy": {"objects": 3},
        "medium": {"objects": 4, "oracle_max_steps": 6},
        "hard": {"objects": 5, "oracle_max_steps": 7},
    }

    def spawn(self, world: World) -> Cast:
        pools = self.pools
        objects = self.settings["objects"]
        number = int(world.rng.integers(1, objects))
        angle = world.choice(ANGLES_DEG)
        texture = world.choice(pools.dragged_textures)

        def draw_target():
            name = world.choice(pools.dragged)
            return name, texture, world.draw_size(name)

        def draw_distractor():
            name = world.choice(pools.dragged)
            return name, self._other_texture(world, texture), world.draw_size(name)

        targets = tuple(world.try_place(draw_target) for _ in range(number))
        distractors = tuple(world.try_place(draw_distractor) for _ in range(objects - number))
        examples = [self._draw_example(world, targets, texture) for _ in EXAMPLES]
        return Cast(
            roles={"dragged": targets},
            values={"angle_deg": angle, "examples": examples},
            distractors=distractors,
        )

    def _other_texture(self, world: World, taken: str) -> str:
        texture = taken
        while texture == taken:
            texture = world.choice(self.pools.dragged_textures)
        return texture

    def _draw_example(self, world: World, targets: tuple[int, ...], texture: str) -> dict[str, Any]:
        """Draw what one pair of pictures shows before the turn."""
        name = world.records[world.choice(targets)].name
        size = world.draw_size(name)
        worn = self._other_texture(world, texture)
        yaw = 2 * math.pi * world.rng.random()
        x, y = map(float, world.rng.uniform(EXAMPLE_LOW_XY, EXAMPLE_HIGH_XY))
        pose = Pose((x, y, 0.0), yaw_quaternion(yaw))
        return {"name": name, "texture": worn, "size": size, "pose": pose}

    def prompt(self, world: World, cast: Cast) -> str:
        texture = world.records[cast.roles["dragged"][0]].texture
        pairs = " ".join(f"From {{before_twist_{i}}} to {{after_twist_{i}}}." for i in EXAMPLES)
        return (
            '"Twist" is defined as rotating object a specific angle. '
            f"For examples: {pairs} Now twist all {texture} objects."
        )

    def assets(self, world: World, cast: Cast) -> PromptAssets:
        def shown(example: dict[str, Any], pose: Pose) -> tuple[str, str, Vector, Pose]:
            return example["name"], example["texture"], example["size"], pose

        pictures = {}
        for i, example in zip(EXAMPLES, cast.values["examples"], strict=True):
            before = example["pose"]
            after = _twisted(before, cast)
            pictures[f"before_twist_{i}"] = world.picture([shown(example, before)])
            pictures[f"after_twist_{i}"] = world.picture([shown(example, after)])
        return PromptAssets(pictures)

    def goals(self, world: World, cast: Cast) -> list[Goal]:
        return [
            Goal(objects=(body,), targets=(_twisted(world.pose(body), cast),), yaw_matters=True)
            for body in cast.roles["dragged"]
        ]


def _twisted(pose: Pose, cast: Cast) -> Pose:
    """Turn a pose on the spot, clockwise seen from above."""
    return Pose(pose.position, yaw_quaternion(pose.yaw - math.radians(cast.values["angle_deg"])))
