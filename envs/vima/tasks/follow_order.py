"""Stack objects in the order that three pictures show (spec section 10, task 11)."""

from envs.vima.goals import Goal
from envs.vima.prompts import PromptAssets
from envs.vima.state import Pose
from envs.vima.tasks.base import Cast, Task
from envs.vima.world import World

PILES = ((0.5, -0.25), (0.5, 0.0), (0.5, 0.25))
FRAMES = (0, 1, 2)

Move = tuple[int, int]
"""Take the top of one pile, put it on another."""


def _sequences() -> tuple[tuple[Move, Move], ...]:
    """Return every two moves of tops, from three piles of one, in lexicographic order (24)."""
    piles = range(len(PILES))
    moves = [(start, end) for start in piles for end in piles if start != end]
    # the pile that the first move emptied has no top to take
    return tuple((first, second) for first in moves for second in moves if second[0] != first[0])


SEQUENCES = _sequences()


class FollowOrder(Task):
    """`Stack objects in this order {frame_0} {frame_1} {frame_2}.`

    Three objects of one shape stand in a row; each picture shows one more move. A step that does not make the
    next move loses. As upstream, an object counts as stacked by its place on the table alone.
    """

    name = "follow_order"
    oracle_max_steps = 4
    sequential = True
    every_step_counts = True

    def spawn(self, world: World) -> Cast:
        pools, rng = self.pools, world.rng
        sequences = list(range(len(SEQUENCES)))
        rng.shuffle(sequences)
        name = world.choice(pools.dragged)
        textures = rng.choice(len(pools.dragged_textures), size=len(PILES), replace=False)
        moves = SEQUENCES[world.choice(sequences)]
        size = world.draw_size(name)
        dragged = tuple(
            world.add(name, pools.dragged_textures[texture], Pose((*place, size[2] / 2)), size)
            for texture, place in zip(textures, PILES, strict=True)
        )
        others = [other for other in pools.dragged if other != name]

        def draw_distractor():
            other = world.choice(others)
            other_size = world.draw_size(other)
            return other, world.choice(pools.dragged_textures), other_size

        distractor = world.try_place(draw_distractor)
        return Cast(roles={"dragged": dragged, "bystander": (distractor,)}, values={"moves": moves})

    def prompt(self, world: World, cast: Cast) -> str:
        return "Stack objects in this order {frame_0} {frame_1} {frame_2}."

    def assets(self, world: World, cast: Cast) -> PromptAssets:
        records, places = world.records, _places(world, cast)
        pictures = {}
        for frame, piles in zip(FRAMES, _history(cast), strict=True):
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
