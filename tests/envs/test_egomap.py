"""The map that a walker draws: against the house's own floor, and against where things must be in it."""

import math

import numpy as np

import envs
from envs.house.rendering import Camera
from envs.house.simulator import Stance
from envs.house.tasks.body import AHEAD, LEFT, RIGHT
from envs.house.tasks.egomap import CELL_M, SIDE, EgoMap, metres

MIDDLE = (SIDE - 1) / 2
"""Where the body is in the picture, pixels."""
WHITE, BLUE, DARK, GREEN = (255, 255, 255), (32, 96, 255), (16, 32, 128), (0, 176, 80)


def _empty(stance: Stance) -> EgoMap:
    return EgoMap.at(stance, radius=0.1, height=1.5)


def _is(picture: np.ndarray, colour: tuple[int, int, int]) -> np.ndarray:
    return (picture == colour).all(-1)


def _dark(picture: np.ndarray) -> np.ndarray:
    """Where a pixel is darker than the unknown: a good part of it is solid."""
    return picture.max(-1) < 110


def test_a_wall_ahead_is_a_line_ahead_with_floor_before_it() -> None:
    stance, camera = Stance(3.0, -2.0, 0.7, 0.0, 1.25), Camera(64, 64, 90.0)
    rows = (31.5 - np.arange(64)) / 32  # tangent of the angle above the axis
    floor = np.where(rows < 0, 1.25 / np.maximum(-rows, 1e-9), np.inf)
    depth = np.repeat(np.minimum(floor, 3.0)[:, None], 64, 1).astype(np.float32)  # a wall 3 m away
    picture = _empty(stance).seen(depth, stance, camera).picture(stance)
    solid, free = np.argwhere(_dark(picture)), np.argwhere(_is(picture, WHITE))
    assert len(solid) > 20
    nearer, farther = metres(MIDDLE - 0.5 - solid[:, 0]), metres(MIDDLE + 0.5 - solid[:, 0])
    assert (nearer <= 3.0 + CELL_M).all()
    assert (farther >= 3.0 - CELL_M).all()
    assert len(free) > 100
    assert free[:, 0].min() > solid[:, 0].min()


def test_the_goal_is_where_it_is_told() -> None:
    stance = Stance(0.0, 0.0, 1.0, 0.0, 1.25)
    for far, left, down, right in (
        (2.0, math.pi / 2, 0, -2.0),
        (3.0, 0.0, -3.0, 0),
        (1.5, -math.pi / 2, 0, 1.5),
    ):
        where = np.argwhere(_is(_empty(stance).picture(stance, (far, left)), BLUE)).mean(0)
        found = metres(where - MIDDLE)
        assert np.abs(found - np.array([down, right])).max() <= 0.15 * far
    beyond = _is(_empty(stance).picture(stance, (100.0, 0.0)), BLUE)
    assert beyond.any()
    assert np.argwhere(beyond)[:, 0].max() < 4  # at the upper edge


def test_a_way_is_a_line_from_the_body_on() -> None:
    stance = Stance(2.0, 1.0, 0.6)
    ahead, across = stance.forward, np.array([stance.forward[1], -stance.forward[0]])
    way = stance.point + np.array([0 * ahead, 2 * ahead, 2 * ahead + 3 * across])
    rows, columns = np.argwhere(_is(_empty(stance).picture(stance, way=way), GREEN)).T
    down, right = metres(rows - MIDDLE), metres(columns - MIDDLE)
    first, second = np.abs(right) < 0.2, np.abs(down + 2) < 0.2
    assert (first | second).all()
    assert down[first].max() > -0.2
    assert right[second].max() > 2.7
    assert len(rows) >= (rows.max() - rows.min()) + (columns.max() - columns.min())  # without gaps


def test_what_stopped_the_body_is_right_before_it() -> None:
    stance = Stance(0.0, 0.0, 0.0, 0.0, 1.25)
    rows, columns = np.argwhere(_dark(_empty(stance).blocked(stance).picture(stance))).T
    assert len(rows) > 0
    assert (abs(metres(MIDDLE - rows) - 0.225) <= CELL_M).all()
    assert (abs(metres(columns - MIDDLE)) <= CELL_M).all()


def test_where_a_body_can_stand_nothing_solid_is_drawn() -> None:
    env = envs.suite("habitat").make("PointNav", "small", size=64, expert=True)
    _, info = env.reset(seed=11)
    ended = False
    while not ended:
        *_, terminated, truncated, info = env.step(info["expert_action"])
        ended = terminated or truncated
    known, simulator = env._map, env._simulator
    points = simulator.grid.points[simulator.grid.components == 0]
    cells = known.cells[known.places(points)]
    assert (cells > 0).mean() > 0.2  # of the floor it has seen a good part
    # a cell of 15 cm may hold both a point 10 cm from a thing and the thing
    assert (cells == 2).sum() <= 0.03 * (cells > 0).sum()
    env.close()


def test_it_turns_with_the_body_and_goes_with_a_state() -> None:
    env = envs.suite("habitat").make("PointNav", "small", size=64)
    observation, _ = env.reset(seed=4)
    first = observation["map"]
    for _ in range(18):
        observation, *_ = env.step(LEFT)  # half a turn
    behind = np.rot90(observation["map"], 2, axes=(1, 2))
    was_solid, still = (_dark(np.moveaxis(each, 0, -1)) for each in (first, behind))
    assert was_solid.sum() > 10
    near = np.zeros_like(still)
    for down in (-1, 0, 1):  # cells are drawn by their nearest: half a turn may shift them by one
        for right in (-1, 0, 1):
            near |= np.roll(still, (down, right), (0, 1))
    assert (near & was_solid).sum() >= 0.95 * was_solid.sum()
    state, now = env.state(), observation["map"]
    for action in (AHEAD, RIGHT, AHEAD):
        later, *_ = env.step(action)
    assert (later["map"] != now).any()
    again, _ = env.set_state(state)
    np.testing.assert_array_equal(again["map"], now)
    env.close()


def test_what_is_looked_for_is_remembered_where_it_was_seen() -> None:
    env = envs.suite("procthor").make("ObjectNav", "small", size=64, expert=True)
    observation, info = env.reset(seed=3)
    seen, ended = False, False
    while not ended:
        numbers = {env._simulator.place[id] for id in env._ids}
        in_sight = not numbers.isdisjoint(np.unique(observation["segm"]["front"]).tolist())
        seen |= in_sight
        drawn = np.moveaxis(observation["map"], 0, -1)
        assert _is(drawn, BLUE).any() == in_sight
        assert _is(drawn, DARK).any() == (seen and not in_sight)
        assert info["metrics"]["goal_seen"] == seen
        told = {thing["id"] for thing in info["objects"]}
        assert told <= set(np.unique(observation["segm"]["front"]).tolist())
        observation, _, terminated, truncated, info = env.step(info["expert_action"])
        ended = terminated or truncated
    assert info["success"]
    assert seen
    known, spots = env._map, env._goal_spots()
    where = (np.argwhere(known.found) + 0.5 - known.found.shape[0] / 2) * CELL_M + known.origin
    away = np.linalg.norm(where[:, None] - np.array(spots)[None], axis=-1).min(1)
    assert away.max() < 1.5  # nowhere but at the things, up to half their length
    env.close()


def test_it_is_the_same_whatever_the_size_of_pictures() -> None:
    """But for a pixel's width: a ray goes through the middle of a small pixel, or of a large one."""
    drawn = []
    for size in (64, 224):
        env = envs.suite("habitat").make("PointNav", "small", size=size, sensors=["map"])
        observation, _ = env.reset(seed=1)
        for action in [LEFT] * 36:
            observation, *_ = env.step(action)
        assert observation["map"].shape == (3, SIDE, SIDE)
        assert "depth" not in observation
        assert env.observation_space.contains(observation)
        drawn.append(observation["map"])
        env.close()
    known = [(picture != 128).any(0) for picture in drawn]
    assert (known[0] != known[1]).sum() < 0.05 * known[0].sum()
    both = known[0] & known[1]
    assert (np.abs(drawn[0].astype(int) - drawn[1]).max(0) < 64)[both].mean() > 0.97


def test_it_is_left_out_where_not_asked_for() -> None:
    bare = envs.suite("procthor").make("ObjectNav", "small", size=32, sensors=[])
    assert "map" not in bare.reset(seed=1)[0]
    bare.close()
