"""The pick-and-place expert: solves any task whose goals are poses, with perfect knowledge of the table.

Two styles. `upstream` picks a uniformly random visible cell and turns the object to the target's yaw, as the
published demonstrations do. `canonical` picks the visible cell nearest the middle of what is visible, turns
the object only where the goal asks for it, and takes what is nearest the arm first where the instruction
leaves the order open, so that equal scenes get equal actions: what a small model can learn from few
demonstrations. The expert reads the table and never touches it; its randomness is a stream of its own.
"""

import math
from collections.abc import Callable, Sequence

import numpy as np

from envs.errors import unknown_name
from envs.poses import IDENTITY, Pose, Quaternion, offset, yaw_quaternion
from envs.vima.table.spawning import CELL_M, HIGH_XY, LOW_XY
from envs.vima.table.world import World
from envs.vima.tasks.goals import Goal

STYLES = ("upstream", "canonical")


def check_style(style: str) -> str:
    if style not in STYLES:
        raise unknown_name("expert style", style, STYLES)
    return style


def action(
    start: tuple[float, float],
    end: tuple[float, float],
    start_rotation: Quaternion = IDENTITY,
    end_rotation: Quaternion = IDENTITY,
) -> dict[str, np.ndarray]:
    """Build an action, positions clipped to the workspace."""
    return {
        "pose0_position": np.clip(np.array(start, np.float32), LOW_XY, HIGH_XY).astype(np.float32),
        "pose0_rotation": np.array(start_rotation, np.float32),
        "pose1_position": np.clip(np.array(end, np.float32), LOW_XY, HIGH_XY).astype(np.float32),
        "pose1_rotation": np.array(end_rotation, np.float32),
    }


def pick_and_place(
    world: World, goal: Goal, at: Callable[[int, Pose], bool], *, style: str, rng: np.random.Generator
) -> dict[str, np.ndarray]:
    """Bring the object that is farthest from its nearest free target there.

    `at(body, target)` tells whether a body already stands at a target.
    """
    body, target = _next_move(world, goal, at)
    pose = world.pose(body)
    pick = visible_point(world, body, style=style, rng=rng)
    if style == "canonical" and not goal.yaw_matters:
        turn, place = 0.0, _moved(pick, pose, target, 0.0)
    else:
        turn = target.yaw - pose.yaw
        place = _moved(pick, pose, target, turn)
    return action(pick, place, IDENTITY, yaw_quaternion(math.remainder(turn, 2 * math.pi)))


def in_any_order(world: World, goals: Sequence[Goal], style: str) -> Goal:
    """Choose which of the open goals to work on where no order is asked for: the first, or, canonical, that
    of the thing nearest the arm. What only makes room for others stays first.
    """
    if style != "canonical" or goals[0].oracle_only:
        return goals[0]
    asked = [goal for goal in goals if not goal.oracle_only]
    return min(asked, key=lambda goal: world.position(goal.objects[0])[:2])


def visible_point(world: World, body: int, *, style: str, rng: np.random.Generator) -> tuple[float, float]:
    """Choose where to pick a body: the centre of one of the grid cells that show it from above."""
    seen = world.scene.shows(body)
    rows, columns = np.flatnonzero(seen.any(1)), np.flatnonzero(seen.any(0))
    if len(rows) == 0:  # hidden under something else
        return world.position(body)[:2]
    corner = max(rows[0] - 1, 0), max(columns[0] - 1, 0)
    seen = seen[corner[0] : rows[-1] + 2, corner[1] : columns[-1] + 2]  # with a margin, for the neighbours
    inner = seen.copy()  # a cell whose four neighbours show the body too is surely on material
    inner[1:] &= seen[:-1]
    inner[:-1] &= seen[1:]
    inner[:, 1:] &= seen[:, :-1]
    inner[:, :-1] &= seen[:, 1:]
    cells = np.argwhere(inner if inner.any() else seen) + corner  # (N, 2) row along y, column along x
    if style == "canonical":
        middle = (np.argwhere(seen) + corner).mean(axis=0)
        row, column = cells[np.argmin(((cells - middle) ** 2).sum(axis=1))]
    else:
        row, column = cells[rng.integers(len(cells))]
    return LOW_XY[0] + (column + 0.5) * CELL_M, LOW_XY[1] + (row + 0.5) * CELL_M


def _next_move(world: World, goal: Goal, at: Callable[[int, Pose], bool]) -> tuple[int, Pose]:
    """Choose the body and the target: farthest body first, each to its nearest target that is still free."""
    taken = {
        column for column, target in enumerate(goal.targets) if any(at(body, target) for body in goal.objects)
    }
    moves = []
    for index, body in enumerate(goal.objects):
        allowed = [column for column in range(len(goal.targets)) if goal.may(index, column)]
        if any(at(body, goal.targets[column]) for column in allowed):
            continue
        free = [column for column in allowed if goal.shared_targets or column not in taken] or allowed
        distances = [
            math.dist(world.position(body)[:2], goal.targets[column].position[:2]) for column in free
        ]
        nearest = int(np.argmin(distances))
        moves.append((distances[nearest], body, goal.targets[free[nearest]]))
    if (
        not moves
    ):  # every body stands where it should, yet the goal is open (tested in order): set the first again
        return goal.objects[0], goal.targets[0]
    _, body, target = max(moves, key=lambda move: move[0])
    return body, target


def _moved(point: tuple[float, float], pose: Pose, target: Pose, turn: float) -> tuple[float, float]:
    """Return where a point of the body at `pose` comes to lie when the body is turned and brought to
    `target`.
    """
    delta = point[0] - pose.position[0], point[1] - pose.position[1]
    return offset(target.position, delta, turn)
