"""Move an object, then the one that stood beside it (spec section 10, task 16)."""

from itertools import product

from envs.vima.goals import Goal, Progress
from envs.vima.prompts import PromptAssets
from envs.vima.state import IDENTITY, Pose
from envs.vima.tasks.base import Cast, Task, object_assets
from envs.vima.world import World

ROWS_X, COLUMNS_Y = (0.375, 0.5, 0.625), (-0.25, 0.0)
BASE_XY = (0.5, 0.25)
DIRECTIONS = {"north": (-1, 0), "south": (1, 0), "west": (0, -1), "east": (0, 1)}
"""Steps in rows and columns, as the picture from above shows them."""
CELLS = len(ROWS_X) * len(COLUMNS_Y)


class ManipulateOldNeighbor(Task):
    """`First put {dragged_obj} into {base_obj} then put the object that was previously at its <direction>
    into the same {base_obj}.` Five objects on a grid of six cells; the neighbour first is a failure.
    """

    name = "manipulate_old_neighbor"
    oracle_max_steps = 4

    def spawn(self, world: World) -> Cast:
        pools, rng = self.pools, world.rng
        first = self._cell(world)
        while True:
            direction = world.choice(tuple(DIRECTIONS))
            step = DIRECTIONS[direction]
            second = (first[0] + step[0], first[1] + step[1])
            if 0 <= second[0] < len(ROWS_X) and 0 <= second[1] < len(COLUMNS_Y):
                break
        empty = first
        while empty in (first, second):
            empty = self._cell(world)
        pairs = list(product(pools.dragged, pools.dragged_textures))
        drawn = [pairs[index] for index in rng.choice(len(pairs), size=CELLS, replace=False)]
        sizes = [world.draw_size(name) for name, _ in drawn]  # the empty cell's too
        bodies = {}
        for index, ((name, texture), size) in enumerate(zip(drawn, sizes, strict=True)):
            row, column = cell = divmod(index, len(COLUMNS_Y))
            if cell != empty:
                pose = Pose((ROWS_X[row], COLUMNS_Y[column], size[2] / 2), IDENTITY)
                bodies[cell] = world.add(name, texture, pose, size)
        base_name, base_texture = world.choice(pools.bases), world.choice(pools.base_textures)
        base_size = world.draw_size(base_name)
        base = world.add(base_name, base_texture, Pose((*BASE_XY, base_size[2] / 2), IDENTITY), base_size)
        return Cast(
            roles={"base": (base,), "dragged": (bodies[first],), "neighbor": (bodies[second],)},
            values={"direction": direction},
            distractors=tuple(body for cell, body in bodies.items() if cell not in (first, second)),
        )

    def _cell(self, world: World) -> tuple[int, int]:
        return divmod(world.choice(range(CELLS)), len(COLUMNS_Y))

    def prompt(self, world: World, cast: Cast) -> str:
        return (
            "First put {dragged_obj} into {base_obj} then put the object that was previously at its "
            f"{cast.values['direction']} into the same {{base_obj}}."
        )

    def assets(self, world: World, cast: Cast) -> PromptAssets:
        return object_assets(world, {"dragged_obj": cast.one("dragged"), "base_obj": cast.one("base")})

    def goals(self, world: World, cast: Cast) -> list[Goal]:
        target = world.centre(cast.one("base"))
        return [Goal(objects=cast.roles[role], targets=(target,)) for role in ("dragged", "neighbor")]

    def update(self, world: World, cast: Cast, progress: Progress, *, skip_oracle: bool) -> None:
        super().update(world, cast, progress, skip_oracle=skip_oracle)
        first, second = cast.goals
        if first in progress.goals and second not in progress.goals:
            progress.memory["neighbor_first"] = True

    def failed(self, world: World, cast: Cast, progress: Progress) -> bool:
        return progress.memory.get("neighbor_first", False) or super().failed(world, cast, progress)
