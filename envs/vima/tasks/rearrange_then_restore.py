"""Bring the objects to where a picture shows them, and back again (VIMA-Bench's task 05).

The way back counts from the step after the way there is complete: one motion cannot be both. What the way
there asks is that each object has been at its target, not that all are there at once, as upstream.
"""

from envs.vima.table.world import World
from envs.vima.tasks.base import Cast
from envs.vima.tasks.goals import Goal, Progress, goal_reached
from envs.vima.tasks.rearrange import Rearrange


class RearrangeThenRestore(Rearrange):
    """`Rearrange objects to this setup {scene} and then restore.` Objects return in any order."""

    name = "rearrange_then_restore"
    oracle_max_steps = 8

    def spawn(self, world: World) -> Cast:
        cast = super().spawn(world)
        order = world.rng.permutation(len(cast.roles["dragged"]))
        cast.values["restore_order"] = tuple(map(int, order))  # the expert's
        return cast

    def prompt(self, world: World, cast: Cast) -> str:
        return "Rearrange objects to this setup {scene} and then restore."

    def goals(self, world: World, cast: Cast) -> list[Goal]:
        """The way there, then as many goals for the way back."""
        dragged = [cast.roles["dragged"][index] for index in cast.values["restore_order"]]
        there = super().goals(world, cast)
        moved_away = [goal.objects[0] for goal in there if goal.oracle_only]
        return [
            *there,
            *(Goal(objects=(body,), targets=(world.pose(body),)) for body in dragged),
            *(Goal(objects=(body,), targets=(world.pose(body),), oracle_only=True) for body in moved_away),
        ]

    def stage(self, cast: Cast, progress: Progress) -> list[Goal]:
        there = cast.goals[: len(cast.goals) // 2]
        going = [goal for goal in progress.goals if goal in there]
        if any(not goal.oracle_only for goal in going):
            return going
        return [goal for goal in progress.goals if goal not in there]

    def update(self, world: World, cast: Cast, progress: Progress, *, skip_oracle: bool) -> None:
        for goal in self.stage(cast, progress):
            if goal.oracle_only and skip_oracle:
                continue
            if goal_reached(goal, lambda body, target, goal=goal: self.matches(world, goal, body, target)):
                progress.goals.remove(goal)
                progress.achieved += 1

    def succeeded(self, world: World, cast: Cast, progress: Progress, *, skip_oracle: bool) -> bool:
        """Nobody needs to put a distractor back, not even under the oracle's rules, as upstream."""
        return all(goal.oracle_only for goal in progress.goals)
