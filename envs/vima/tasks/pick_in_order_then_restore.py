"""Carry an object through other containers and home again (VIMA-Bench's task 17)."""

from typing import ClassVar

from envs.assets import PromptAssets
from envs.poses import IDENTITY, Pose
from envs.vima.table.world import World
from envs.vima.tasks.base import Cast, Task, object_assets
from envs.vima.tasks.goals import Goal, Progress

PLACES = tuple((x, y) for x in (0.375, 0.625) for y in (-0.25, 0.0, 0.25))
HIGH_BASES = ("bowl", "pallet")
"""Bases that an object is dropped into from its own height."""


class PickInOrderThenRestore(Task):
    """`Put {dragged_obj} into {base_obj_1} then {base_obj_2}. Finally restore it into its original
    container.` Three containers to visit at hard.

    Six bases of one type; the object starts in the first. Coming to a later one too early is a failure.
    """

    name = "pick_in_order_then_restore"
    oracle_max_steps = 4
    position_tolerance = 0.05
    sequential = True
    difficulties: ClassVar[dict[str, dict[str, int]]] = {
        "easy": {"visited": 2},
        "medium": {"visited": 2},
        "hard": {"visited": 3, "oracle_max_steps": 5},
    }

    def spawn(self, world: World) -> Cast:
        pools, rng = self.pools, world.rng
        places = [PLACES[index] for index in rng.choice(len(PLACES), size=len(PLACES), replace=False)]
        (index,) = rng.choice(len(pools.dragged), size=1)
        name = pools.dragged[index]
        (index,) = rng.choice(len(pools.dragged_textures), size=1, replace=False)
        texture = pools.dragged_textures[index]
        base_name = world.choice(pools.bases)
        rng.choice(1, size=len(PLACES))  # upstream draws six bases from a list of this one
        chosen = rng.choice(len(pools.base_textures), size=len(PLACES), replace=False)
        size, base_size = world.draw_size(name), world.draw_size(base_name)
        height = size[2] * (2 if base_name in HIGH_BASES else 0.5)
        dragged = world.add(name, texture, Pose((*places[0], height), IDENTITY), size)
        bases = tuple(
            world.add(
                base_name, pools.base_textures[index], Pose((*place, base_size[2] / 2), IDENTITY), base_size
            )
            for index, place in zip(chosen, places, strict=True)
        )
        visited = bases[1 : self.settings["visited"] + 1]
        return Cast(roles={"dragged": (dragged,), "home": bases[:1], "visited": visited})

    def prompt(self, world: World, cast: Cast) -> str:
        stops = " then ".join(f"{{{name}}}" for name in _stops(cast))
        return f"Put {{dragged_obj}} into {stops}. Finally restore it into its original container."

    def assets(self, world: World, cast: Cast) -> PromptAssets:
        return object_assets(world, {"dragged_obj": cast.one("dragged"), **_stops(cast)})

    def goals(self, world: World, cast: Cast) -> list[Goal]:
        stops = (*cast.roles["visited"], cast.one("home"))
        return [Goal(objects=cast.roles["dragged"], targets=(world.pose(base),)) for base in stops]

    def update(self, world: World, cast: Cast, progress: Progress, *, skip_oracle: bool) -> None:
        body = cast.one("dragged")
        before = progress.memory.get("at", (len(cast.goals) - 1,))  # it starts at home, the last stop
        at = tuple(
            index for index, goal in enumerate(cast.goals) if self.matches(world, goal, body, goal.targets[0])
        )
        due = len(cast.goals) - len(progress.goals)
        if any(index > due and index not in before for index in at):
            progress.memory["too_early"] = True
        progress.memory["at"] = at
        super().update(world, cast, progress, skip_oracle=skip_oracle)

    def failed(self, world: World, cast: Cast, progress: Progress) -> bool:
        return progress.memory.get("too_early", False) or super().failed(world, cast, progress)


def _stops(cast: Cast) -> dict[str, int]:
    """Return the containers to visit in order, by placeholder."""
    return {f"base_obj_{number}": body for number, body in enumerate(cast.roles["visited"], 1)}
