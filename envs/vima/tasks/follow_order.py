"""Stack objects in the order that pictures show (VIMA-Bench's task 11)."""

from functools import cache
from typing import ClassVar

from envs.assets import PromptAssets
from envs.poses import Pose
from envs.vima.table.world import World
from envs.vima.tasks.base import Cast, Task
from envs.vima.tasks.goals import Goal

ROW_X = 0.5

Move = tuple[int, int]
"""Take the top of one pile, put it on another."""


@cache
def sequences(piles: int, moves: int) -> tuple[tuple[Move, ...], ...]:
    """Return every sequence of so many moves of tops, from so many piles of one, in lexicographic order.

    An empty pile has no top to take: 24 sequences for 3 piles and 2 moves, 6,840 for 4 and 4.
    """
    steps = [(start, end) for start in range(piles) for end in range(piles) if start != end]
    found: list[tuple[tuple[Move, ...], tuple[int, ...]]] = [((), (1,) * piles)]  # moves, heights
    for _ in range(moves):
        found = [
            ((*done, (start, end)), _moved(heights, start, end))
            for done, heights in found
            for start, end in steps
            if heights[start]
        ]
    return tuple(done for done, _ in found)


def _moved(heights: tuple[int, ...], start: int, end: int) -> tuple[int, ...]:
    return tuple(height - (pile == start) + (pile == end) for pile, height in enumerate(heights))


class FollowOrder(Task):
    """`Stack objects in this order {frame_0} {frame_1} {frame_2}.`

    Three or four objects of one shape stand in a row; each picture shows one more move. A step that does not
    make the next move loses. As upstream, an object counts as stacked by its place on the table alone.
    """

    name = "follow_order"
    oracle_max_steps = 4
    sequential = True
    every_step_counts = True
    difficulties: ClassVar[dict[str, dict[str, int]]] = {
        "easy": {"piles": 3, "frames": 3},
        "medium": {"piles": 4, "frames": 4, "oracle_max_steps": 5},
        "hard": {"piles": 4, "frames": 5, "oracle_max_steps": 6},
    }

    def spawn(self, world: World) -> Cast:
        pools, rng = self.pools, world.rng
        piles = self.settings["piles"]
        possible = sequences(piles, self.settings["frames"] - 1)
        order = list(range(len(possible)))
        rng.shuffle(order)
        name = world.choice(pools.dragged)
        textures = rng.choice(len(pools.dragged_textures), size=piles, replace=False)
        moves = possible[world.choice(order)]
        size = world.draw_size(name)
        dragged = tuple(
            world.add(
                name,
                pools.dragged_textures[texture],
                Pose((ROW_X, -0.5 + (1 + pile) / (1 + piles), size[2] / 2)),
                size,
            )
            for pile, texture in enumerate(textures)
        )
        others = [other for other in pools.dragged if other != name]

        def draw_distractor():
            other = world.choice(others)
            other_size = world.draw_size(other)
            return other, world.choice(pools.dragged_textures), other_size

        distractor = world.try_place(draw_distractor)
        return Cast(roles={"dragged": dragged, "bystander": (distractor,)}, values={"moves": moves})

    def prompt(self, world: World, cast: Cast) -> str:
        frames = " ".join(f"{{frame_{frame}}}" for frame in range(len(cast.values["moves"]) + 1))
        return f"Stack objects in this order {frames}."

    def assets(self, world: World, cast: Cast) -> PromptAssets:
        records, places = world.records, _places(world, cast)
        pictures = {}
        for frame, piles in enumerate(_history(cast)):
            shown = []
            for pile, place in zip(piles, places, strict=True):
                for level, body in enumerate(pile):
                    record = records[body]
                    pose = _stacked(place, level, record.size[2])
                    shown.append((record.name, record.texture, record.size, pose))
            pictures[f"frame_{frame}"] = world.picture(shown)
        return PromptAssets(pictures)

    def goals(self, world: World, cast: Cast) -> list[Goal]:
        places = _places(world, cast)
        goals = []
        for piles, (_, end) in zip(_history(cast)[1:], cast.values["moves"], strict=True):
            body = piles[end][-1]
            level = max(len(piles[end]) - 1, 1)  # as upstream: an emptied pile counts as one high, unread
            target = _stacked(places[end], level, world.records[body].size[2])
            goals.append(Goal(objects=(body,), targets=(target,)))
        return goals


def _places(world: World, cast: Cast) -> list[Pose]:
    """Return where the piles stand: where their first objects do at the start."""
    return [world.pose(body) for body in cast.roles["dragged"]]


def _stacked(place: Pose, level: int, height: float) -> Pose:
    """Return the pose of the object with `level` others below it, by nominal height as upstream."""
    x, y, _ = place.position
    return Pose((x, y, height * (level + 0.5)), place.quaternion)


def _history(cast: Cast) -> list[list[list[int]]]:
    """Return the piles, bodies from the lowest up, at the start and after each move."""
    piles = [[body] for body in cast.roles["dragged"]]
    history = [[list(pile) for pile in piles]]
    for start, end in cast.values["moves"]:
        piles[end].append(piles[start].pop())
        history.append([list(pile) for pile in piles])
    return history
