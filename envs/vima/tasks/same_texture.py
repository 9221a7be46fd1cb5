"""Put everything that wears the base's texture into it (VIMA-Bench's task 14)."""

from dataclasses import replace
from typing import ClassVar

import numpy as np

from envs.assets import PromptAssets
from envs.errors import SpawnError
from envs.vima.table.spawning import too_close
from envs.vima.table.world import ATTEMPTS, World
from envs.vima.tasks.base import Cast, Task, object_assets
from envs.vima.tasks.goals import Goal, Progress, near_any

BOWL_TOLERANCE = 0.0875
"""Metres within which an object counts as in a bowl, whose middle is not where it looks."""
SETTLING_M = 0.005
"""How much nearer to each other objects may come while they fall to the table."""


class SameTexture(Task):
    """`Put all objects with the same texture as {base_obj} into it.` Two objects belong, at hard three;
    one to three others do not.

    Those that belong share one target, so the expert stacks them.
    """

    name = "same_texture"
    oracle_max_steps = 4
    position_tolerance = 0.125
    difficulties: ClassVar[dict[str, dict[str, int]]] = {
        "easy": {"targets": 2, "distractors": 1},
        "medium": {"targets": 2, "distractors": 2},
        "hard": {"targets": 3, "distractors": 3, "oracle_max_steps": 5},
    }

    def spawn(self, world: World) -> Cast:
        base_texture = world.choice(self.pools.base_textures)

        def draw_base():
            name = world.choice(self.pools.bases)
            return name, base_texture, world.draw_size(name)

        base = world.try_place(draw_base)
        targets: tuple[int, ...] = ()
        for _ in range(self.settings["targets"]):
            targets = (*targets, self.place(world, base, targets, belongs=True))
        distractors = tuple(
            self.place(world, base, targets, belongs=False) for _ in range(self.settings["distractors"])
        )
        return Cast(roles={"base": (base,), "dragged": targets}, distractors=distractors)

    def draw_shape(self, world: World, base: int, *, belongs: bool) -> str:
        """Draw the name of an object that belongs into the base, or of one that does not."""
        return world.choice(self.pools.dragged)

    def draw_texture(self, world: World, base: int, targets: tuple[int, ...], *, belongs: bool) -> str:
        """Draw what it wears; `targets` are all that belong once one that does not is drawn."""
        texture = base_texture = world.records[base].texture
        while not belongs and texture == base_texture:
            texture = world.choice(self.pools.dragged_textures)
        return texture

    def place(self, world: World, base: int, targets: tuple[int, ...], *, belongs: bool) -> int:
        """Draw and place an object, clear of the base whatever the base is."""
        for _ in range(ATTEMPTS):
            name = self.draw_shape(world, base, belongs=belongs)
            size = world.draw_size(name)
            pose = world.draw_pose(size)
            record = world.records[base]
            if pose is None or too_close(pose.position, size, record.position, record.size):
                continue
            texture = self.draw_texture(world, base, targets, belongs=belongs)
            return world.add(name, texture, pose, size)
        raise SpawnError(f"no free place on the table after {ATTEMPTS} attempts")

    def prompt(self, world: World, cast: Cast) -> str:
        return "Put all objects with the same texture as {base_obj} into it."

    def assets(self, world: World, cast: Cast) -> PromptAssets:
        return object_assets(world, {"base_obj": cast.one("base")})

    def tolerance(self, world: World) -> float:
        has_bowl = any(record.name == "bowl" for record in world.records.values())
        return BOWL_TOLERANCE if has_bowl else self.position_tolerance

    def goals(self, world: World, cast: Cast) -> list[Goal]:
        target = world.centre(cast.one("base"))
        return [Goal(objects=(body,), targets=(target,)) for body in cast.roles["dragged"]]

    def expert_action(
        self, world: World, cast: Cast, progress: Progress, *, style: str, rng: np.random.Generator
    ) -> dict[str, np.ndarray] | None:
        """Move what stands beside the distractor first: the step that leaves it there loses."""
        reserved = [world.position(body) for body in cast.distractors]

        def is_safe(goal: Goal) -> bool:
            (body,) = goal.objects
            return not near_any(world.position(body), reserved, self.tolerance(world) + SETTLING_M)

        urgent_first = replace(progress, goals=sorted(progress.goals, key=is_safe))
        return super().expert_action(world, cast, urgent_first, style=style, rng=rng)
