"""What a task is: who appears, what the prompt says, which goals hold, what counts as failure, what an expert
does.

A task object holds only names (its pools) and constants; everything that belongs to an episode is in `Cast`
(fixed after reset) and `Progress` (changes while it runs), both plain data, so that one object serves any
number of episodes and `state()` can copy them. Derive, override `spawn`, `prompt`, `assets`, `goals`, and
register with `envs.vima.register_task`.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, ClassVar

import numpy as np

from envs.assets import PromptAssets
from envs.errors import EnvError, unknown_name
from envs.poses import Pose
from envs.vima.experts import pick_and_place as expert
from envs.vima.levels import Pools, pools_for
from envs.vima.table.primitives import Poses
from envs.vima.table.spawning import in_workspace
from envs.vima.table.tools import SUCTION
from envs.vima.table.world import World
from envs.vima.tasks.goals import Goal, Progress, goal_reached, near_any, pose_matches
from envs.vima.things.state import ObjectState
from envs.vima.things.textures import GRAY


@dataclass
class Cast:
    """Who is who in an episode, and the values its prompt was drawn with; fixed after reset, plain data."""

    roles: dict[str, tuple[int, ...]] = field(default_factory=dict)
    values: dict[str, Any] = field(default_factory=dict)
    distractors: tuple[int, ...] = ()
    goals: tuple[Goal, ...] = ()
    """The goals as they were at the start."""

    def one(self, role: str) -> int:
        """Return the only body of a role."""
        (body,) = self.roles[role]
        return body

    def renamed(self, bodies: Mapping[int, int]) -> "Cast":
        """Return the same cast played by other bodies."""
        return Cast(
            roles={role: tuple(bodies[body] for body in ids) for role, ids in self.roles.items()},
            values=dict(self.values),
            distractors=tuple(bodies[body] for body in self.distractors),
        )


class Task:
    """One of the benchmark's tasks, or one of your own."""

    name: ClassVar[str]
    oracle_max_steps: int
    """Steps the expert may take; policies get two more. The class says it for `easy`."""
    end_effector: ClassVar[int] = SUCTION
    position_tolerance: ClassVar[float] = 0.1
    """Metres within which a body counts as being at its target."""
    sequential: ClassVar[bool] = False
    """Whether only the first open goal is tested after each step."""
    in_any_order: ClassVar[bool] = False
    """Whether the instruction leaves the order of the goals open; the expert then chooses one."""
    every_step_counts: ClassVar[bool] = False
    """Whether a step that reaches no goal loses the episode."""
    difficulties: ClassVar[Mapping[str, Mapping[str, Any]]] = {"easy": {}}
    """What an episode is made of by difficulty, under the task's own names: counts, odds, lengths. The
    difficulty asked for is `self.settings`; its `oracle_max_steps`, if it has one, replaces the class's.
    """

    def __init__(
        self, *, level: str | None = None, difficulty: str = "easy", pools: Pools | None = None
    ) -> None:
        if not isinstance(difficulty, str) or difficulty not in self.difficulties:
            raise unknown_name(f"difficulty of {self.name}", difficulty, self.difficulties)
        self.settings = self.difficulties[difficulty]
        self.oracle_max_steps = self.settings.get("oracle_max_steps", self.oracle_max_steps)
        self.pools = pools or self.pools_at(level)

    @classmethod
    def pools_at(cls, level: str | None) -> Pools:
        """Return what the task draws from at a level; EnvError where the level lacks the task."""
        return pools_for(cls.name, level)

    # an episode's beginning

    def spawn(self, world: World) -> Cast:
        """Draw and place every body, draw for draw in upstream's order; raise SpawnError when the table is
        too full.
        """
        raise NotImplementedError

    def prompt(self, world: World, cast: Cast) -> str:
        """Return the instruction with its `{placeholders}`."""
        raise NotImplementedError

    def assets(self, world: World, cast: Cast) -> PromptAssets:
        """Return a picture for every placeholder of the prompt."""
        raise NotImplementedError

    def goals(self, world: World, cast: Cast) -> list[Goal]:
        """Return the goals from where the bodies are at the start."""
        raise NotImplementedError

    def adopt(self, world: World, cast: Cast, objects: list[ObjectState]) -> Cast:
        """Replace the drawn bodies by recorded ones; by default the i-th recorded one takes the role of the
        i-th drawn.

        `cast` was drawn for the same seed. Raises EnvError when the scene does not fit the task.
        """
        drawn = list(world.records.values())
        fits = len(objects) == len(drawn) and all(
            ours.fixed == theirs.fixed or ours.id in cast.distractors
            for ours, theirs in zip(drawn, objects, strict=True)
        )
        if not fits:
            expected = [record.name + " (fixed)" * record.fixed for record in drawn]
            got = [record.name + " (fixed)" * record.fixed for record in objects]
            raise EnvError(
                f"a recorded scene of {self.name} has {len(drawn)} objects like {expected}; got {got}"
            )
        ids = place_recorded(world, objects, self.end_effector)
        return cast.renamed(dict(zip((record.id for record in drawn), ids, strict=True)))

    # after each step

    def on_push(self, world: World, cast: Cast, progress: Progress, poses: Poses) -> None:
        """Look back on a push: where the free bodies were in the course of it (`primitives.push`)."""

    def tolerance(self, world: World) -> float:
        """Return the metres within which a body counts as being at its target in this episode."""
        return self.position_tolerance

    def matches(self, world: World, goal: Goal, body: int, target: Pose) -> bool:
        return pose_matches(
            world.pose(body),
            target,
            position_tolerance=self.tolerance(world),
            symmetry=world.symmetry(body),
            yaw_matters=goal.yaw_matters,
        )

    def update(self, world: World, cast: Cast, progress: Progress, *, skip_oracle: bool) -> None:
        """Strike off the goals that are reached now."""
        achieved = progress.achieved
        candidates = [goal for goal in progress.goals if not (skip_oracle and goal.oracle_only)]
        for goal in candidates[:1] if self.sequential else candidates:
            if goal_reached(goal, lambda body, target, goal=goal: self.matches(world, goal, body, target)):
                progress.goals.remove(goal)
                progress.achieved += 1
        if self.every_step_counts and progress.achieved == achieved:
            progress.violated = True

    def succeeded(self, world: World, cast: Cast, progress: Progress, *, skip_oracle: bool) -> bool:
        return all(skip_oracle and goal.oracle_only for goal in progress.goals)

    def goals_reached(self, cast: Cast, progress: Progress, *, skip_oracle: bool) -> float:
        """Return the share of the goals that count which are reached; 1 where the task is solved."""
        counting, still_open = (
            sum(not (skip_oracle and goal.oracle_only) for goal in goals)
            for goals in (cast.goals, progress.goals)
        )
        return 1.0 - still_open / counting if counting else 1.0

    def failed(self, world: World, cast: Cast, progress: Progress) -> bool:
        """Tell whether the episode is lost: a rule was violated, a body of an open goal left the workspace,
        or a distractor was placed.
        """
        return (
            progress.violated or self.out_of_workspace(world, progress) or self.distractor_placed(world, cast)
        )

    def out_of_workspace(self, world: World, progress: Progress) -> bool:
        bodies = {body for goal in progress.goals for body in goal.objects}
        return not all(in_workspace(world.position(body)) for body in bodies)

    def distractor_placed(self, world: World, cast: Cast) -> bool:
        """Tell whether a distractor is near a target, or a goal's object near a distractor."""
        reserved = [target.position for goal in cast.goals for target in goal.targets]
        reserved += [world.position(body) for goal in cast.goals for body in goal.objects]
        return any(
            near_any(world.position(body), reserved, self.tolerance(world)) for body in cast.distractors
        )

    def expert_action(
        self, world: World, cast: Cast, progress: Progress, *, style: str, rng: np.random.Generator
    ) -> dict[str, np.ndarray] | None:
        """Return what the expert does now, None when nothing is left; must leave the world as it is."""
        if not progress.goals:
            return None
        goals = progress.goals
        goal = expert.in_any_order(world, goals, style) if self.in_any_order else goals[0]
        at = lambda body, target: self.matches(world, goal, body, target)  # noqa: E731
        return expert.pick_and_place(world, goal, at, style=style, rng=rng)


def exchange_textures(pools: Pools, exchanged: int, rng: np.random.Generator) -> Pools:
    """Let moved objects wear what bases wear at `easy`, or the other way round, or both (`exchanged` is 0, 1
    or 2).

    Which one is drawn from a child of the episode's stream, whose own draws stay upstream's: upstream draws
    it from a generator without a seed, once for all episodes.
    """
    dragged, base = pools.dragged_textures, pools.base_textures
    if exchanged == 1:
        dragged, base = (base, base) if rng.spawn(1)[0].random() > 0.5 else (dragged, dragged)
    elif exchanged == 2:
        dragged, base = base, dragged
    return replace(pools, dragged_textures=dragged, base_textures=base)


EXCHANGES = {"easy": {"exchanged": 0}, "medium": {"exchanged": 1}, "hard": {"exchanged": 2}}
"""Difficulties of the tasks that differ by textures only."""


def object_assets(
    world: World,
    shown: Mapping[str, int],
    *,
    gray: Collection[str] = (),
    scales: Mapping[str, float] | None = None,
) -> PromptAssets:
    """Render placeholders of bodies on the table, `{placeholder: body}`.

    Those in `gray` hide their texture; `scales` draws some bigger than they are.
    """
    assets = {}
    for name, body in shown.items():
        record = world.records[body]
        texture = GRAY if name in gray else record.texture
        scale = (scales or {}).get(name, record.scale)
        assets[name] = world.portrait(record.name, texture, record.size, scale)
    return PromptAssets(assets)


def place_recorded(world: World, objects: list[ObjectState], end_effector: int) -> list[int]:
    """Clear the table and place recorded objects in order; return their new ids."""
    world.begin(world.rng, end_effector)
    return [
        world.add(record.name, record.texture, record.pose, record.size, scale=record.scale)
        for record in objects
    ]
