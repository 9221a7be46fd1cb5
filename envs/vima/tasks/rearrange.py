"""Bring the objects to where a picture shows them (VIMA-Bench's task 04).

As upstream, objects are spawned at their targets and then moved to their starts, last one first: that decides
which cells are free for whom, so a seed's positions hang on it. A lone object has a distractor, and every
other time that one stands on the target. The picture shows it not, so whoever leaves it there has not
rearranged to this scene: looked at once, when all objects have been at their targets.
"""

from dataclasses import replace
from typing import ClassVar

import numpy as np

from envs.assets import PromptAssets
from envs.errors import SpawnError
from envs.poses import Pose, Vector
from envs.vima.experts import pick_and_place as expert
from envs.vima.table.spawning import too_close
from envs.vima.table.world import ATTEMPTS, World
from envs.vima.tasks.base import Cast, Task
from envs.vima.tasks.goals import Goal, Progress, goal_reached, near_any
from envs.vima.things.state import ObjectState
from envs.vima.things.textures import TEXTURES

NUMBERS, NUMBER_ODDS = (1, 2, 3), (0.4, 0.4, 0.2)
"""How many objects there are to move."""
CONFLICT_RATE = 0.5
"""How often a distractor stands on a target."""


class Rearrange(Task):
    """`Rearrange to this {scene}.` One to three objects, in any order; a lone one has a distractor."""

    name = "rearrange"
    oracle_max_steps = 5
    difficulties: ClassVar[dict[str, dict[str, int]]] = {"easy": {}, "medium": {}, "hard": {}}
    """All alike: upstream's reset overwrites the only thing it sets, the conflict rate."""

    def spawn(self, world: World) -> Cast:
        pools, rng = self.pools, world.rng
        number = int(rng.choice(NUMBERS, p=NUMBER_ODDS))
        textures = [pools.dragged_textures[i] for i in rng.choice(len(pools.dragged_textures), size=number)]

        def of(texture: str):
            def draw():
                name = world.choice(pools.dragged)
                return name, texture, world.draw_size(name)

            return draw

        dragged = tuple(world.try_place(of(texture)) for texture in textures)
        for body in reversed(dragged):
            size = world.records[body].size
            world.displace(body, _draw_apart(world, size, dragged))
        distractors, escapes = self._place_distractors(world, dragged)
        return Cast(roles={"dragged": dragged}, values={"escapes": escapes}, distractors=distractors)

    def _place_distractors(
        self, world: World, dragged: tuple[int, ...]
    ) -> tuple[tuple[int, ...], tuple[Pose | None, ...]]:
        """Place what is not to be moved; return the bodies and where each must go to free a target, or None.

        Their textures come from all there are, whatever the level allows, as upstream.
        """
        rng = world.rng
        used = {world.records[body].name for body in dragged}
        others = [name for name in self.pools.dragged if name not in used]
        number = min(len(others), 1 if len(dragged) == 1 else 0)
        names = [others[i] for i in rng.choice(len(others), size=number, replace=False)]
        textures = [tuple(TEXTURES)[i] for i in rng.choice(len(TEXTURES), size=number)]
        bodies, escapes = [], []
        for name, texture in zip(names, textures, strict=True):
            conflict = rng.random() < CONFLICT_RATE
            size = world.draw_size(name)
            taken = _targets(world, dragged)[int(rng.integers(len(dragged)))] if conflict else None
            free = _draw_apart(world, size, dragged)  # drawn before the distractor is there, as upstream
            bodies.append(world.add(name, texture, taken or free, size))
            escapes.append(free if conflict else None)
        return tuple(bodies), tuple(escapes)

    def prompt(self, world: World, cast: Cast) -> str:
        return "Rearrange to this {scene}."

    def assets(self, world: World, cast: Cast) -> PromptAssets:
        records = [world.records[body] for body in cast.roles["dragged"]]
        shown = [(record.name, record.texture, record.size, record.target) for record in records]
        return PromptAssets({"scene": world.picture(shown)})

    def goals(self, world: World, cast: Cast) -> list[Goal]:
        """Distractors off the targets (for the expert), then every object to its target."""
        dragged = cast.roles["dragged"]
        free = [
            Goal(objects=(body,), targets=(escape,), oracle_only=True)
            for body, escape in zip(cast.distractors, cast.values["escapes"], strict=True)
            if escape is not None
        ]
        targets = _targets(world, dragged)
        return free + [
            Goal(objects=(body,), targets=(to,)) for body, to in zip(dragged, targets, strict=True)
        ]

    def adopt(self, world: World, cast: Cast, objects: list[ObjectState]) -> Cast:
        """Take targets from the recorded objects where they have them, else from the seed, and see whether a
        distractor stands on one.
        """
        drawn = [record.target for record in world.records.values()]
        targets = [theirs.target or ours or theirs.pose for ours, theirs in zip(drawn, objects, strict=False)]
        at_targets = [
            replace(record, position=target.position, quaternion=target.quaternion)
            for record, target in zip(objects, targets, strict=False)
        ]
        cast = super().adopt(world, cast, at_targets if len(objects) == len(drawn) else objects)
        for body, record in zip(cast.roles["dragged"], objects, strict=False):
            world.displace(body, record.pose)
        places = [pose.position for pose in _targets(world, cast.roles["dragged"])]
        escapes = []
        for body, escape in zip(cast.distractors, cast.values["escapes"], strict=True):
            if not near_any(world.position(body), places, self.tolerance(world)):
                escape = None
            elif escape is None:
                escape = _draw_apart(world, world.records[body].size, cast.roles["dragged"])
            escapes.append(escape)
        cast.values["escapes"] = tuple(escapes)
        return cast

    # after each step

    def failed(self, world: World, cast: Cast, progress: Progress) -> bool:
        ended = all(goal.oracle_only for goal in progress.goals)
        return self.out_of_workspace(world, progress) or (ended and self.distractor_placed(world, cast))

    def distractor_placed(self, world: World, cast: Cast) -> bool:
        asked = tuple(goal for goal in cast.goals if not goal.oracle_only)
        return super().distractor_placed(world, replace(cast, goals=asked))

    def expert_action(
        self, world: World, cast: Cast, progress: Progress, *, style: str, rng: np.random.Generator
    ) -> dict[str, np.ndarray] | None:
        """Work on the first goal that does not hold: under an agent's rules those of distractors stay open
        for ever.
        """
        goals = self.stage(cast, progress)
        if not goals:
            return None
        at = lambda goal: lambda body, target: self.matches(world, goal, body, target)  # noqa: E731
        unmet = [goal for goal in goals if not goal_reached(goal, at(goal))]
        goal = expert.in_any_order(world, unmet, style) if unmet else goals[0]
        return expert.pick_and_place(world, goal, at(goal), style=style, rng=rng)

    def stage(self, cast: Cast, progress: Progress) -> list[Goal]:
        """Return the open goals that may be worked on now."""
        return progress.goals


def _targets(world: World, dragged: tuple[int, ...]) -> list[Pose]:
    return [world.records[body].target for body in dragged]


def _draw_apart(world: World, size: Vector, dragged: tuple[int, ...]) -> Pose:
    """Draw a free pose clear of every target by nominal size, whether an object stands there or not."""
    for _ in range(ATTEMPTS):
        pose = world.draw_pose(size)
        records = [world.records[body] for body in dragged]
        places = [((record.target or record.pose).position, record.size) for record in records]
        if pose is not None and not any(too_close(pose.position, size, *place) for place in places):
            return pose
    raise SpawnError(f"no place clear of the targets after {ATTEMPTS} attempts")
