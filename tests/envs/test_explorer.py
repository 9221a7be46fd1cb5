"""The way through the map, and the explorer that follows it: it gets there knowing what the map shows."""

import math
from typing import Any

import numpy as np
import pytest

import envs
from envs.errors import EnvError
from envs.house.experts.explorer import next_action
from envs.house.simulator import Stance
from envs.house.tasks.body import AHEAD, LEFT, RIGHT, Body
from envs.house.tasks.egomap import FREE, SOLID, UNKNOWN, EgoMap
from envs.house.tasks.way import way

BODY = Body(radius=0.1, turn=10.0)


def _known(solid: list[tuple[float, float, float, float]], seen: bool = True) -> EgoMap:
    """A room of 8 m by 8 m about the start, walls (x0, y0, x1, y1) in it."""
    known = EgoMap.at(Stance(0.0, 0.0), BODY.radius, BODY.height)
    cells = np.full_like(known.cells, UNKNOWN)
    if seen:
        cells[_square(known, -4, -4, 4, 4)] = FREE
    for wall in (*solid, (-4, -4, 4, -3.9), (-4, 3.9, 4, 4), (-4, -4, -3.9, 4), (3.9, -4, 4, 4)):
        cells[_square(known, *wall)] = SOLID
    return EgoMap(known.origin, known.radius, known.height, cells, known.trail, known.found)


def _square(known: EgoMap, x0: float, y0: float, x1: float, y1: float) -> tuple[slice, slice]:
    (low_x, high_x), (low_y, high_y) = known.places(np.array([[x0, y0], [x1, y1]]))
    return slice(low_x, high_x + 1), slice(low_y, high_y + 1)


def _walk(known: EgoMap, goal: tuple[float, float], most: int = 400) -> tuple[Stance, float]:
    """Follow it from the middle, looking along +y, until the goal is near."""
    stance, walked, followed = Stance(0.0, 0.0), 0.0, None
    for _ in range(most):
        if math.dist(stance.point, goal) < 0.25:
            break
        followed = way(known, stance, np.array([goal]), followed)
        action = next_action(known, stance, BODY, followed)
        if action == AHEAD:
            x, y = stance.point + BODY.step * stance.forward
            assert known.cells[known.places(np.array([[x, y]]))] != SOLID
            stance, walked = Stance(float(x), float(y), stance.yaw), walked + BODY.step
        else:
            assert action in (LEFT, RIGHT)
            stance = Stance(stance.x, stance.y, stance.yaw + math.radians(10) * (1 if action == LEFT else -1))
    return stance, walked


@pytest.mark.parametrize("seen", [True, False])
def test_it_goes_straight_where_nothing_is_known_to_stand(seen: bool) -> None:
    stance, walked = _walk(_known([], seen), (-2.0, 2.0))
    assert math.dist(stance.point, (-2.0, 2.0)) < 0.25
    assert walked <= math.hypot(2, 2) + 0.3


def test_it_leaves_a_dead_end_by_the_way_round() -> None:
    """Three walls about the start, open behind: the string around their ends is the shortest way."""
    wide, deep, goal = 1.2, 1.5, (0.0, 3.0)
    known = _known([(-wide, deep, wide, deep + 0.1), *((x, -1.0, x + 0.1, deep) for x in (-wide, wide))])
    stance, walked = _walk(known, goal)
    assert math.dist(stance.point, goal) < 0.25
    string = math.dist((0, 0), (wide, -1)) + (deep + 1.1) + math.dist((wide, deep + 0.1), goal)
    assert string - 0.3 < walked < 1.25 * string


def _explored(known: EgoMap, stance: Stance) -> int:
    return next_action(known, stance, BODY, way(known, stance, None))


def test_without_a_goal_it_turns_to_what_it_has_not_seen() -> None:
    known = _known([])
    known.cells[_square(known, -3.8, -3.8, -1.5, 3.8)] = UNKNOWN  # to the left
    assert _explored(known, Stance(0.0, 0.0)) == LEFT
    assert _explored(known, Stance(0.0, 0.0, math.pi)) == RIGHT
    assert _explored(known, Stance(0.0, 0.0, math.pi / 2)) == AHEAD


def test_where_nothing_is_left_to_see_there_is_no_way() -> None:
    known = _known([])
    assert way(known, Stance(0.0, 0.0), None) is None  # all else is behind walls
    known.cells[:] = FREE
    assert way(known, Stance(0.0, 0.0), None) is None


def test_a_way_stands_until_it_is_blocked_or_left() -> None:
    known, stance, goal = _known([]), Stance(0.0, 0.0), np.array([[0.0, 3.0]])
    first = way(known, stance, goal)
    on_it = Stance(*first.points[5])
    later = way(known, on_it, goal, first)
    np.testing.assert_array_equal(later.points, first.points[5:])
    np.testing.assert_array_equal(way(known, on_it, goal, later).points, later.points)
    left = Stance(2.0, 1.0)
    assert math.dist(way(known, left, goal, later).points[0], left.point) < 0.15
    known.cells[_square(known, -1.0, 2.0, 1.0, 2.1)] = SOLID
    blocked = way(known, on_it, goal, later)
    assert not len(np.intersect1d(known.cells[known.places(blocked.points)], [SOLID]))


def test_to_what_was_found_the_way_leads_over_what_it_stands_on() -> None:
    known = _known([(-0.5, 2.0, 0.5, 2.6)])  # a table, and something on it
    known.found[_square(known, 0.0, 2.3, 0.0, 2.3)] = True
    found = known.centre(np.argwhere(known.found))
    points = way(known, Stance(0.0, 0.0), found).points
    assert math.dist(points[-1], found[0]) < 0.15
    assert np.abs(points[:, 0]).max() < 0.3  # straight at it


def _play(env: Any, seed: int) -> tuple[dict[str, Any], list[int]]:
    _, info = env.reset(seed=seed)
    actions, ended = [], False
    while not ended:
        actions.append(info["expert_action"])
        _, _, terminated, truncated, info = env.step(actions[-1])
        ended = terminated or truncated
    return info, actions


@pytest.mark.parametrize(("suite", "task"), [("habitat", "PointNav"), ("procthor", "ObjectNav")])
def test_it_finds_its_way_in_houses(suite: str, task: str) -> None:
    sensors = ["map", "segmentation"] if task == "ObjectNav" else ["map"]
    env = envs.suite(suite).make(
        task, "medium", size=64, sensors=sensors, expert=True, expert_style="explorer"
    )
    for seed in (7_000_000, 7_000_001, 7_000_002):
        info, actions = _play(env, seed)
        assert info["success"], seed
        assert _play(env, seed)[1] == actions  # same seed, same walk
    env.close()


def test_what_it_looks_for_does_not_matter_before_it_is_seen() -> None:
    env = envs.suite("procthor").make(
        "ObjectNav", "medium", size=64, sensors=["map", "segmentation"], expert=True, expert_style="explorer"
    )
    _, info = env.reset(seed=7_000_003)
    simulator, compared = env.unwrapped._simulator, 0
    ids = [id for id, state in simulator.states.items() if state.parent is not None]
    while not info["metrics"]["goal_seen"]:
        state = env.unwrapped.state()
        for other in ids[:5]:
            other_goal = {**state["episode"], "_ids": (other,)}
            _, told = env.unwrapped.set_state({**state, "episode": other_goal})
            if not told["metrics"]["goal_seen"]:
                assert told["expert_action"] == info["expert_action"]
                compared += 1
        env.unwrapped.set_state(state)
        *_, info = env.step(info["expert_action"])
    assert compared >= 10
    env.close()


def test_mistakes_are_told() -> None:
    make = envs.suite("habitat").make
    with pytest.raises(EnvError, match="explorer"):
        make("PointNav", expert_style="explore")
    with pytest.raises(EnvError, match=r"explorer.*informed"):
        envs.suite("procthor").make("PickAndPlace", expert_style="explorer")
    with pytest.raises(EnvError, match="route is drawn on the map"):
        make("PointNav", sensors=["route"])
    with pytest.raises(EnvError, match="'map'"):
        make("PointNav", sensors=["depth"], expert_style="explorer")
