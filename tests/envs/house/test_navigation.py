"""Where a body can be: against brute force, against rays, and on ProcTHOR's own houses."""

import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from envs.house.building.house_scene import house_scene
from envs.house.experts.route import route
from envs.house.generator import generate_house
from envs.house.navigation import Footprint, Obstacles
from envs.house.navigation.floors import navigation_grid
from envs.house.navigation.grid import NavigationGrid, _line, length
from envs.house.scene import Part, Scene, Thing, rotation_about
from envs.house.schema import read_house
from envs.house.schema.polygons import contains
from envs.house.simulator import HouseSimulator, Stance

FIXTURES = Path("../shared/fixtures/procthor")


def _scene(*boxes: tuple[float, float, float, float, float]) -> Scene:
    """A floor of 6 by 4 m about the origin, with boxes (x, y, wide, deep, yaw) of 1 m on it."""
    floor = Thing("floor", "Floor", (0, 0, -0.05), (6, 4, 0.1), (Part("box", (6, 4, 0.1)),))
    things = [
        Thing(
            f"box {k}",
            "Box",
            (x, y, 0.5),
            (w, d, 1.0),
            (Part("box", (w, d, 1.0)),),
            rotation_about(2, yaw),
            movable=True,
        )
        for k, (x, y, w, d, yaw) in enumerate(boxes)
    ]
    return Scene((floor, *things))


def test_clearance_is_the_distance_to_the_nearest_point_of_any_box() -> None:
    rng = np.random.default_rng(0)
    boxes = [(*rng.uniform(-2, 2, 2), *rng.uniform(0.1, 1.2, 2), rng.uniform(-3, 3)) for _ in range(5)]
    obstacles = Obstacles(_scene(*boxes), Footprint())
    inside = np.concatenate(
        [
            np.array([x, y])
            + (rng.uniform(-0.5, 0.5, (20_000, 2)) * (w, d)) @ rotation_about(2, yaw)[:2, :2].T
            for x, y, w, d, yaw in boxes
        ]
    )
    starts, ends = rng.uniform(-3, 3, (30, 2)), rng.uniform(-3, 3, (30, 2))
    found = obstacles.segment_clearance(starts, ends)
    for start, end, distance in zip(starts, ends, found, strict=True):
        share = np.clip(((inside - start) @ (end - start)) / ((end - start) @ (end - start)), 0, 1)
        sampled = np.linalg.norm(inside - start - share[:, None] * (end - start), axis=1).min()
        assert distance <= sampled + 1e-9 and sampled - distance < 0.03


def test_a_move_stops_exactly_where_its_body_would_touch() -> None:
    scene = _scene((1.0, 0.0, 0.5, 3.0, 0.0))
    simulator = HouseSimulator(scene, Footprint(radius=0.2))
    simulator.stand(Stance(0.0, 0.0, yaw=-math.pi / 2))  # looks along +x; the box begins at 0.75
    assert simulator.move(0.56) == simulator.place["box 0"] and simulator.stance.x == 0.0
    assert simulator.move(0.55) is None and simulator.stance.x == pytest.approx(0.55)
    assert simulator.move(0.01) == simulator.place["box 0"]
    assert simulator.move(-0.55) is None  # away from it always works
    simulator.stand(Stance(0.6, 0.0, yaw=-math.pi / 2))  # nearer than its radius, as a file may say
    assert simulator.move(0.05) is not None and simulator.move(-0.3) is None
    simulator.stand(Stance(-2.9, 0.0, yaw=math.pi / 2))
    assert simulator.move(0.25) == -1  # no wall, but the floor ends


def test_ways_around_a_wall_have_the_length_of_a_string() -> None:
    scene = _scene((0.0, -0.5, 0.2, 3.0, 0.0))  # from y = -2 to 1
    obstacles = Obstacles(scene, Footprint(radius=0.2))
    grid = navigation_grid(scene, obstacles)
    start, goal = (-2.0, -1.0), (2.0, -1.0)
    path = grid.path(start, [grid.index(goal)])
    away = math.hypot(1.9, 2.0)  # to the wall's corner; the string touches a circle of 0.2 m about it
    bend = math.pi - math.atan2(1.9, 2.0) - math.acos(0.2 / away)
    shortest = 2 * math.sqrt(away**2 - 0.2**2) + 2 * 0.2 * bend + 0.2
    assert 0.99 * shortest < length(path) < 1.02 * shortest
    assert obstacles.segment_clearance(path[:-1], path[1:]).min() > 0.2 - 0.04  # cells are 5 cm
    field = grid.field([grid.index(goal)])
    assert field.distances[grid.index(goal)] == 0 and np.isfinite(field.distances).all()


def test_the_kept_length_is_of_the_point_and_the_goals_that_were_asked_for() -> None:
    scene = _scene((0.0, -0.5, 0.2, 3.0, 0.0))
    grid = navigation_grid(scene, Obstacles(scene, Footprint(radius=0.2)))
    points, goals = ((-2.0, -1.0), (-2.0, -1.01), (1.0, 1.0)), ((2.0, -1.0), (0.0, 1.5))
    asked = [(point, [grid.index(goal)]) for point in points for goal in goals for _ in range(2)]
    assert [grid.geodesic(*each) for each in asked] == [length(grid.path(*each)) for each in asked]


def test_a_way_beyond_the_goal_counts() -> None:
    scene = _scene((0.0, -0.5, 0.2, 3.0, 0.0))
    grid = navigation_grid(scene, Obstacles(scene, Footprint(radius=0.2)))
    goals = [grid.index(point) for point in ((-2.0, -1.0), (2.0, -1.0), (0.0, 1.5))]
    further = [0.0, 1.5, 3.0]
    alone = [grid.field([goal]).distances + rest for goal, rest in zip(goals, further, strict=True)]
    assert np.allclose(grid.field(goals, further).distances, np.min(alone, 0))
    for start in ((1.0, -1.0), (0.0, 1.3), (-1.0, 1.0)):
        path, cell = grid.path(start, goals, further=further), grid.index(start)
        assert grid.index(path[-1]) == goals[int(np.argmin([each[cell] for each in alone]))]


def test_an_open_door_is_a_way_and_a_closed_one_is_none() -> None:
    house = generate_house(11, "bedroom-bathroom")
    simulator = HouseSimulator.of_house(house)
    (door,) = [door for door in house.doors if not door.outside]
    first, second = (
        simulator.grid.snap(np.mean(np.array(room.floor), 0))
        for room in (house.room(id) for id in door.rooms)
    )
    way = simulator.grid.geodesic(simulator.grid.points[first], [second])
    assert math.isfinite(way)
    simulator.open(door.id, 0.0)
    grid = simulator.grid
    goal = grid.snap(np.mean(np.array(house.room(door.rooms[1]).floor), 0))
    assert grid.geodesic(np.mean(np.array(house.room(door.rooms[0]).floor), 0), [goal]) == math.inf
    simulator.restore()
    assert simulator.grid.geodesic(simulator.grid.points[first], [second]) == way


@pytest.mark.skipif(not FIXTURES.is_dir(), reason="no ../shared/fixtures/procthor here")
@pytest.mark.parametrize(
    "name", ["zg_4room_00", "zg_4room_02", "zg_4room_03", "zg_4room_04", "zg_klb_08", "gs_bedroom"]
)
def test_real_houses_can_be_walked(name: str) -> None:
    house = read_house(FIXTURES / f"{name}.json")
    simulator = HouseSimulator.of_house(house)
    grid = simulator.grid
    start = grid.index((house.start.position[0], house.start.position[2]))
    assert start is not None and grid.components[start] == 0
    main = grid.points[grid.components == 0]
    assert all(contains(room.floor, main).any() for room in house.rooms)


@pytest.mark.parametrize("turns", [12, 36])
def test_routes_are_played_without_a_bump_and_little_longer_than_the_shortest(turns: int) -> None:
    ratios = []
    for seed in range(4):
        simulator = HouseSimulator.of_house(generate_house(seed, "4-room"))
        grid, rng = simulator.grid, np.random.default_rng(seed)
        cells = np.flatnonzero(grid.components == 0)
        first, last = (int(cell) for cell in rng.choice(cells, 2))
        start = Stance(*grid.points[first], rng.uniform(0, 6))
        goal = grid.points[last]
        found = route(simulator, start, [last], lambda p, g=goal: np.linalg.norm(p - g) < 0.18, turns=turns)
        simulator.stand(start)
        for heading in found.headings:
            simulator.stand(replace(simulator.stance, yaw=start.yaw + heading * 2 * math.pi / turns))
            assert simulator.move(0.25) is None
        assert np.linalg.norm(simulator.stance.point - goal) < 0.18
        shortest = grid.geodesic(start.point, [last])
        ratios.append(shortest / max(shortest, 0.25 * len(found.headings)))
    assert np.mean(ratios) > 0.93


def test_a_line_touches_the_cells_it_runs_through() -> None:
    """Against a line sampled finely; where it runs along a border, both sides count."""
    rng = np.random.default_rng(0)
    for share in (0.002, 0.02):
        grid = NavigationGrid(rng.random((60, 50)) > share, (0.0, 0.0))
        for _ in range(400):
            (a, b), (c, d) = rng.integers((60, 50), size=(2, 2))
            count = 2 * max(abs(c - a), abs(d - b)) + 1
            i, j = np.linspace(a, c, count) + 0.5, np.linspace(b, d, count) + 0.5
            sides = [tuple(np.floor(each + way).astype(int) for each in (i, j)) for way in (-1e-9, 1e-9)]
            assert grid.free.ravel()[a * 50 + b + _line(c - a, d - b, 50)].all() == all(
                grid.free[side].all() for side in sides
            )


def test_what_the_grid_is_certain_of_the_obstacles_confirm() -> None:
    scene = house_scene(generate_house(4, "4-room"))
    obstacles = Obstacles(scene, Footprint(0.2, 1.8))
    grid = navigation_grid(scene, obstacles)
    angles = np.arange(12) * np.pi / 6 + 0.1
    moves = 0.25 * np.stack([np.cos(angles), np.sin(angles)], 1)
    ways, known = grid.ways(moves), 0
    rng = np.random.default_rng(0)
    for point in rng.permutation(grid.points)[:300] + rng.uniform(-0.02, 0.02, (300, 2)):
        passes, never = ways(point)
        free = obstacles.free(point, point + moves)
        assert free[passes].all() and not free[never].any()
        known += (passes | never).sum()
    assert known > 0.5 * 300 * 12
