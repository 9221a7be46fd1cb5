"""Move an object, then the one that stood beside it (VIMA-Bench's task 16)."""

from itertools import product
from typing import ClassVar

from envs.assets import PromptAssets
from envs.poses import IDENTITY, Pose
from envs.vima.table.world import World
from envs.vima.tasks.base import Cast, Task, object_assets
from envs.vima.tasks.goals import Goal, Progress

ROWS_X = (0.375, 0.5, 0.625)
BASE_X = 0.5
DIRECTIONS = {"north": (-1, 0), "south": (1, 0), "west": (0, -1), "east": (0, 1)}
"""Steps in rows and columns, as the picture from above shows them."""


class ManipulateOldNeighbor(Task):
    """`First put {dragged_obj} into {base_obj} then put the object that was previously at its <direction>
    into the same {base_obj}.` Objects on a grid of two to four columns, some cells empty; the neighbour first
    is a failure.
    """

    name = "manipulate_old_neighbor"
    oracle_max_steps = 4
    difficulties: ClassVar[dict[str, dict[str, int]]] = {
        "easy": {"columns": 2, "empty": 1},
        "medium": {"columns": 3, "empty": 3},
        "hard": {"columns": 4, "empty": 4},
    }

    def spawn(self, world: World) -> Cast:
        pools, rng = self.pools, world.rng
        columns = self.settings["columns"]
        *columns_y, base_y = (-0.5 + (1 + column) / (2 + columns) for column in range(columns + 1))
        first = self._cell(world)
        while True:
            direction = world.choice(tuple(DIRECTIONS))
            step = DIRECTIONS[direction]
            second = (first[0] + step[0], first[1] + step[1])
            if 0 <= second[0] < len(ROWS_X) and 0 <= second[1] < columns:
                break
        empty: list[tuple[int, int]] = []
        while len(empty) < self.settings["empty"]:
            cell = self._cell(world)
            if cell not in (first, second, *empty):
                empty.append(cell)
        pairs = list(product(pools.dragged, pools.dragged_textures))
        drawn = [pairs[index] for index in rng.choice(len(pairs), size=len(ROWS_X) * columns, replace=False)]
        sizes = [world.draw_size(name) for name, _ in drawn]  # the empty cells' too
        bodies = {}
        for index, ((name, texture), size) in enumerate(zip(drawn, sizes, strict=True)):
            row, column = cell = divmod(index, columns)
            if cell not in empty:
                pose = Pose((ROWS_X[row], columns_y[column], size[2] / 2), IDENTITY)
                bodies[cell] = world.add(name, texture, pose, size)
        base_name, base_texture = world.choice(pools.bases), world.choice(pools.base_textures)
        base_size = world.draw_size(base_name)
        base_pose = Pose((BASE_X, base_y, base_size[2] / 2), IDENTITY)
        base = world.add(base_name, base_texture, base_pose, base_size)
        return Cast(
            roles={"base": (base,), "dragged": (bodies[first],), "neighbor": (bodies[second],)},
            values={"direction": direction},
            distractors=tuple(body for cell, body in bodies.items() if cell not in (first, second)),
        )

    def _cell(self, world: World) -> tuple[int, int]:
        columns = self.settings["columns"]
        return divmod(world.choice(range(len(ROWS_X) * columns)), columns)

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
