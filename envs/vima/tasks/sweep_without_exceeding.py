"""Push exactly so many blocks into a frame and none of them onto the line (VIMA-Bench's task 12)."""

import math
from collections.abc import Sequence
from dataclasses import replace
from functools import cache, lru_cache
from typing import Any, ClassVar

import numpy as np

from envs.assets import PromptAssets
from envs.errors import EnvError, SpawnError
from envs.poses import Pose, Quaternion, Vector, rotation_matrix, yaw_quaternion
from envs.vima.actions import read_action
from envs.vima.experts.sweep import Push, Rehearsal, Rehearse, Table, plan
from envs.vima.table import primitives
from envs.vima.table.primitives import Poses
from envs.vima.table.spawning import in_workspace
from envs.vima.table.tools import SPATULA
from envs.vima.table.world import ATTEMPTS, World
from envs.vima.tasks.base import Cast, Task, object_assets, place_recorded
from envs.vima.tasks.goals import Goal, Progress, Zone
from envs.vima.things.objects import OBJECTS
from envs.vima.things.state import ObjectState

BOUNDS, LINE, BLOCK = "three-sided rectangle", "line", "small block"
QUARTER_TURN = yaw_quaternion(-math.pi / 2)
BIRTH_CORNERS = ((0.57, -0.22), (0.58, 0.03))
"""Lower (x, y) corners of the two areas blocks are born in."""
SWEPT_SPAN, DISTRACTOR_SPAN = 0.18, 0.09
"""Sides of the square a block's centre is drawn from."""
SCALE = 1.35
BOUNDS_CENTRE = (0.41, 0.0)
LINE_X = (0.3425, 0.437)
POINT_PITCH_M = 0.02
BLOCK_REACH_M = 0.03
"""No point of a block is farther from its middle, however it lies."""
MARGIN_M = 0.015
ENLARGED = 7.0
"""How much bigger the prompt shows the block."""
NUMBERS = ("one", "two", "three")


class SweepWithoutExceeding(Task):
    """`Sweep <how many> {swept_obj} into {bounds} without exceeding {constraint}.`

    A block counts while all its sample points are in the zone between the line and the open side of the
    frame; the count must be met exactly. A swept block on the line, a distractor in the zone or too many
    blocks lose the episode.
    """

    name = "sweep_without_exceeding"
    end_effector = SPATULA
    oracle_max_steps = 8
    position_tolerance = 0.05
    distractor_span = DISTRACTOR_SPAN
    forbidden: ClassVar[str] = "exceeding"
    """What the prompt says must not happen to the line."""
    difficulties: ClassVar[dict[str, dict[str, Any]]] = {
        "easy": {"odds": (0.5, 0.25, 0.25), "line_scale": 0.75},
        "medium": {"odds": (0.25, 0.5, 0.25), "line_scale": 1.35},
        "hard": {"odds": (0.25, 0.25, 0.5), "line_scale": 1.85},
    }
    """How probable one, two and three blocks are; the line's length matters where it is not to be touched."""

    def spawn(self, world: World) -> Cast:
        pools, rng = self.pools, world.rng
        number = int(rng.choice(len(NUMBERS), p=self.settings["odds"])) + 1
        swept_texture = world.choice(pools.dragged_textures)
        bounds_texture = world.choice(pools.base_textures)
        line_texture = world.choice([name for name in pools.base_textures if name != bounds_texture])
        corners = [BIRTH_CORNERS[index] for index in rng.choice(2, size=2, replace=False)]
        distractor_texture = world.choice([name for name in pools.dragged_textures if name != swept_texture])
        bounds, line = self.place_bounds(world, bounds_texture, line_texture)
        block_size = world.draw_size(BLOCK)

        def blocks(texture: str, corner: tuple[float, float], span: float) -> tuple[int, ...]:
            poses = _born(rng, number, corner, span, block_size)
            return tuple(world.add(BLOCK, texture, pose, block_size) for pose in poses)

        swept = blocks(swept_texture, corners[0], SWEPT_SPAN)
        distractors = blocks(distractor_texture, corners[1], self.distractor_span)
        determiners = {"any": 1, **{NUMBERS[i]: i + 1 for i in range(number)}, "all": number}
        determiner = world.choice(list(determiners))
        return Cast(
            roles={"bounds": (bounds,), "line": (line,), "swept": swept},
            values={"determiner": determiner, "count": determiners[determiner]},
            distractors=distractors,
        )

    def place_bounds(self, world: World, bounds_texture: str, line_texture: str) -> tuple[int, int]:
        """Place the frame and the line; return their ids."""
        x, y, z = world.draw_size(BOUNDS)
        bounds_size = (x * SCALE, y * SCALE, z)
        x, y, z = world.draw_size(LINE)
        line_size = (x * SCALE, y, z)
        line_x = float(world.rng.uniform(*LINE_X))
        return (
            world.add(BOUNDS, bounds_texture, Pose((*BOUNDS_CENTRE, 0.0), QUARTER_TURN), bounds_size),
            world.add(LINE, line_texture, Pose((line_x, 0.0, line_size[2] / 2), QUARTER_TURN), line_size),
        )

    def prompt(self, world: World, cast: Cast) -> str:
        number = cast.values["determiner"]
        return f"Sweep {number} {{swept_obj}} into {{bounds}} without {self.forbidden} {{constraint}}."

    def assets(self, world: World, cast: Cast) -> PromptAssets:
        shown = {
            "bounds": cast.one("bounds"),
            "constraint": cast.one("line"),
            "swept_obj": cast.roles["swept"][0],
        }
        return object_assets(world, shown, scales={"swept_obj": ENLARGED})

    def goals(self, world: World, cast: Cast) -> list[Goal]:
        bounds, line = (world.records[cast.one(role)] for role in ("bounds", "line"))
        near = line.position[0] + line.size[1] / 2 + MARGIN_M
        far = bounds.position[0] + bounds.size[1] / 2 + MARGIN_M
        centre = Pose(((near + far) / 2, bounds.position[1], 0.0), QUARTER_TURN)
        zone = Zone(centre, (bounds.size[0], far - near))
        return [Goal(objects=(body,), targets=(centre,), zone=zone) for body in cast.roles["swept"]]

    def adopt(self, world: World, cast: Cast, objects: list[ObjectState]) -> Cast:
        """Read the roles off the recorded scene: the blocks' number may differ from the one drawn."""
        names = [record.name for record in objects]
        number = (len(names) - 2) // 2
        if not 1 <= number <= len(NUMBERS) or names != [BOUNDS, LINE, *[BLOCK] * (2 * number)]:
            expected = f"{BOUNDS}, {LINE}, {NUMBERS[0]} to {NUMBERS[-1]} blocks, as many distractors"
            raise EnvError(f"a recorded scene of {self.name} is {expected}; got {names}")
        for block in objects[2:]:
            if not np.allclose(np.multiply(block.size, block.scale), OBJECTS[BLOCK].size_high, rtol=0.05):
                raise EnvError(
                    f"a {BLOCK} of {self.name} is {OBJECTS[BLOCK].size_high} m; got one of {block.size}, "
                    f"scale {block.scale}"
                )
        ids = place_recorded(world, objects, self.end_effector)
        values = dict(cast.values)
        values["count"] = min(values["count"], number) if values["determiner"] != "all" else number
        return Cast(
            roles={"bounds": (ids[0],), "line": (ids[1],), "swept": tuple(ids[2 : 2 + number])},
            values=values,
            distractors=tuple(ids[2 + number :]),
        )

    # during and after a push

    def on_push(self, world: World, cast: Cast, progress: Progress, poses: Poses) -> None:
        """Note whether a swept block stood on the line or a distractor in the zone."""
        line = world.records[cast.one("line")]
        forbidden = _zone(line.position, line.quaternion, line.size[:2])
        born = (*cast.roles["swept"], *cast.distractors)  # as the free bodies are in order
        sizes = [world.records[body].size for body in born]
        first = len(cast.roles["swept"])
        for kept_off, blocks in ((forbidden, slice(first)), (cast.goals[0].zone, slice(first, None))):
            if _any_inside(kept_off, sizes[blocks], *(each[:, blocks] for each in poses)):
                progress.violated = True

    def update(self, world: World, cast: Cast, progress: Progress, *, skip_oracle: bool) -> None:
        """Count anew which blocks are wholly in the zone now."""
        inside = _inside(world, cast.goals[0].zone, cast.roles["swept"]).all(axis=1)
        progress.goals = [goal for goal, done in zip(cast.goals, inside, strict=True) if not done]
        progress.achieved = int(inside.sum())
        self.on_push(world, cast, progress, tuple(each[None] for each in world.scene.free_poses()))

    def succeeded(self, world: World, cast: Cast, progress: Progress, *, skip_oracle: bool) -> bool:
        return progress.achieved == cast.values["count"] and not progress.violated

    def goals_reached(self, cast: Cast, progress: Progress, *, skip_oracle: bool) -> float:
        """Return the share of the blocks asked for that are in the zone; more than those count no more."""
        return min(progress.achieved / cast.values["count"], 1.0)

    def failed(self, world: World, cast: Cast, progress: Progress) -> bool:
        lost = not all(in_workspace(world.position(body)) for body in cast.roles["swept"])
        return progress.violated or progress.achieved > cast.values["count"] or lost

    def expert_action(
        self, world: World, cast: Cast, progress: Progress, *, style: str, rng: np.random.Generator
    ) -> dict[str, np.ndarray] | None:
        now = replace(progress)
        self.update(world, cast, now, skip_oracle=False)  # a recorded scene may begin with blocks inside
        if self.succeeded(world, cast, now, skip_oracle=False) or not now.goals:
            return None
        if self.failed(world, cast, now):  # lost from the start, as a recorded scene may be
            return None
        before = world.scene.state()

        def rehearse(pushes: list[Push]) -> Rehearsal:
            trial = replace(now)
            for push in pushes:
                motion = read_action(push.action())
                poses = primitives.push(world.scene, (motion.start, 0.0), (motion.end, 0.0))
                self.on_push(world, cast, trial, poses)
                self.update(world, cast, trial, skip_oracle=False)
                if self.failed(world, cast, trial):
                    break
            table, lost = self._table(world, cast, trial), self.failed(world, cast, trial)
            world.scene.set_state(before)
            return Rehearsal(table, lost)

        line = world.records[cast.one("line")]
        return self.plan(self._table(world, cast, now), cast.goals[0].zone, line, rehearse)

    def plan(self, table: Table, zone: Zone, line: ObjectState, rehearse: Rehearse) -> dict[str, np.ndarray]:
        """Return the expert's next push."""
        return plan(table, zone, rehearse)

    def _table(self, world: World, cast: Cast, progress: Progress) -> Table:
        blocks = (*cast.roles["swept"], *cast.distractors)
        wanted = tuple(body for goal in progress.goals for body in goal.objects)
        return Table(
            blocks={body: world.position(body)[:2] for body in blocks},
            wanted=wanted,
            inside=tuple(body for body in cast.roles["swept"] if body not in wanted),
            missing=cast.values["count"] - progress.achieved,
        )


def _born(
    rng: np.random.Generator, number: int, corner: tuple[float, float], span: float, size: Vector
) -> list[Pose]:
    """Draw poses in a square area, all again when one is off the mat; blocks may overlap, as upstream."""
    for _ in range(ATTEMPTS):
        poses: list[Pose] = []
        while len(poses) < number:
            x = corner[0] + span * rng.random()
            y = corner[1] + span * rng.random()
            pose = Pose((x, y, size[2] / 2), yaw_quaternion(2 * math.pi * rng.random()))
            if not in_workspace(pose.position):
                break
            poses.append(pose)
        else:
            return poses
    raise SpawnError(f"blocks off the mat after {ATTEMPTS} attempts")


@lru_cache(maxsize=16)
def _zone(position: Vector, quaternion: Quaternion, size: tuple[float, float]) -> Zone:
    """The zone under a flat thing; it is asked for at every check."""
    return Zone(Pose(position, quaternion), size)


def _inside(world: World, zone: Zone, bodies: tuple[int, ...]) -> np.ndarray:
    """Tell for each sample point of each block (bodies, points) whether it is in the zone, in x and y."""
    return np.array(
        [zone.contains(_points(world.records[body].size, *world.scene.pose(body))) for body in bodies]
    )


def _any_inside(zone: Zone, sizes: Sequence[Vector], positions: np.ndarray, quaternions: np.ndarray) -> bool:
    """Tell whether a sample point of any block was in the zone at any check; poses are (checks, blocks, 3 or
    4). Most are too far for a closer look.
    """
    near = np.argwhere(zone.near(positions, BLOCK_REACH_M)).tolist()
    return any(
        zone.contains(_points(sizes[block], positions[check, block], quaternions[check, block])).any()
        for check, block in near
    )


def _points(size: Vector, position: np.ndarray, quaternion: np.ndarray) -> np.ndarray:
    """Return a block's sample points (points, 3): upstream's lattice from the lower corner of its box."""
    return _lattice(*size) @ rotation_matrix(quaternion).T + position


@cache
def _lattice(*size: float) -> np.ndarray:
    """Sample points (points, 3) of a box of this size, in its own frame, metres."""
    axes = [np.arange(-extent / 2, extent / 2, POINT_PITCH_M) for extent in size]
    return np.stack(np.meshgrid(*axes), axis=-1).reshape(-1, 3)
