"""Both simulators behind Habitat's tasks: the embedded one, and the adapter for habitat-sim over a double."""

import json
import math
import sys
from pathlib import Path

import gymnasium as gym
import numpy as np
import pytest

from envs import EnvError
from envs.habitat import habitat_sim as adapter
from envs.habitat.box_scene import BoxScene, read_box_scene
from envs.habitat.embedded import EmbeddedSimulator
from envs.habitat.episodes import Episode, Goal, ViewPoint, write_episodes
from envs.habitat.navmesh.settings import NavMeshSettings
from envs.habitat.pathfinder import PathFinder
from envs.habitat.specs import AgentSpec, CameraSpec
from envs.house.errors import HouseError
from envs.house.tasks.body import AHEAD, LEFT, UP
from tests.habitat_parity.backends import DOUBLES

LAB = Path(__file__).parents[3] / "shared" / "fixtures" / "habitat" / "habitat-sim_trajectory_data.json"
FLOOR = BoxScene(("floor",), np.array([[0.0, -0.1, 0.0]]), np.array([[8.0, 0.2, 8.0]]), np.array([[0.5] * 3]))


@pytest.fixture
def double(monkeypatch: pytest.MonkeyPatch) -> None:
    """The strict double in the place of habitat-sim."""
    monkeypatch.syspath_prepend(DOUBLES)
    for name in [name for name in sys.modules if name.split(".")[0] == "habitat_sim"]:
        monkeypatch.delitem(sys.modules, name)


@pytest.fixture
def scenes(tmp_path: Path) -> Path:
    """Two rooms of boxes with a door between them, and episodes in them."""
    boxes = {
        "floor": ([0, -0.0995, 0], [6.2, 0.199, 4.2], [0.5, 0.4, 0.3]),
        "left": ([-3.05, 1.25, 0], [0.1, 2.5, 4.2], [0.8, 0.2, 0.2]),
        "right": ([3.05, 1.25, 0], [0.1, 2.5, 4.2], [0.2, 0.2, 0.8]),
        "back": ([0, 1.25, -2.05], [6, 2.5, 0.1], [0.2, 0.8, 0.2]),
        "front": ([0, 1.25, 2.05], [6, 2.5, 0.1], [0.8, 0.8, 0.2]),
        "inner": ([0, 1.25, -0.5], [0.1, 2.5, 3.0], [0.6, 0.2, 0.6]),
    }
    record = [
        dict(zip(("center", "size", "color"), box, strict=True), name=name) for name, box in boxes.items()
    ]
    (tmp_path / "rooms.json").write_text(json.dumps({"boxes": record}))
    (tmp_path / "rooms.glb").touch()
    start = (-2.0, 0.0, -1.0), (0.0, 0.0, 0.0, 1.0)
    write_episodes(tmp_path / "point.json.gz", [Episode("a", "rooms.glb", *start, (Goal((2.0, 0.0, -1.0)),))])
    views = tuple(ViewPoint((x, 0.0, -1.0)) for x in (1.9, 2.0))
    goal = Goal((2.5, 0.4, -1.0), object_id=1, view_points=views)
    write_episodes(tmp_path / "object.json.gz", [Episode("0", "rooms.glb", *start, (goal,), "chair", 6)])
    return tmp_path


def _make(task: str, scenes: Path, backend: str, **options):
    name = {"PointNav": "point", "ObjectNav": "object"}[task]
    return gym.make(
        f"habitat/{task}-v0",
        episodes=str(scenes / f"{name}.json.gz"),
        backend=backend,
        size=48,
        disable_env_checker=True,
        **options,
    ).unwrapped


@pytest.mark.parametrize("task", ["PointNav", "ObjectNav"])
def test_both_simulators_play_the_same_episode(task: str, scenes: Path, double: None) -> None:
    told = {}
    for backend in ("house", "habitat_sim"):
        env = _make(task, scenes, backend, expert=True)
        observation, info = env.reset(seed=0)
        assert observation in env.observation_space and info["scene_id"] == "rooms.glb"
        pictures, steps = [observation["rgb"]["front"]], 0
        while "expert_action" in info:
            observation, *_, info = env.step(info["expert_action"])
            pictures.append(observation["rgb"]["front"])
            steps += 1
        assert info["success"] and info["metrics"]["spl"] > 0.85
        told[backend] = steps, info["metrics"], np.array(pictures), observation
        env.close()
        env.close()
    first, second = told.values()
    assert first[0] == second[0] and first[1] == pytest.approx(second[1], abs=1e-4)
    assert (first[2] == second[2]).mean() > 0.999
    np.testing.assert_allclose(first[3]["depth"]["front"], second[3]["depth"]["front"], atol=0.01)
    if task == "ObjectNav":
        assert first[3]["objectgoal"] == [6]


@pytest.mark.parametrize("backend", ["house", "habitat_sim"])
def test_a_state_leads_back(backend: str, scenes: Path, double: None) -> None:
    env = _make("PointNav", scenes, backend)
    env.reset(seed=0)
    for action in (LEFT, LEFT, AHEAD, UP):
        env.step(action)
    state = env.state()
    after = env.step(AHEAD)
    other = _make("PointNav", scenes, backend)
    other.set_state(state)
    again = other.step(AHEAD)
    np.testing.assert_array_equal(after[0]["rgb"]["front"], again[0]["rgb"]["front"])
    assert after[4]["metrics"] == again[4]["metrics"]
    env.close()
    other.close()


def test_a_start_where_nobody_can_stand(scenes: Path) -> None:
    wrong = Episode("b", "rooms.glb", (0.0, 0.0, -0.5), (0.0, 0.0, 0.0, 1.0), (Goal((2.0, 0.0, -1.0)),))
    write_episodes(scenes / "point.json.gz", [wrong])
    with pytest.raises(EnvError, match=r"episode b, start_position=.*cannot stand"):
        _make("PointNav", scenes, "house").reset(seed=0)
    with pytest.raises(EnvError, match="segmentation"):
        _make("PointNav", scenes, "house", sensors=["segmentation"]).reset(seed=0)


@pytest.mark.skipif(not LAB.is_file(), reason=f"no recording at {LAB}")
def test_steps_and_turns_are_those_of_a_recorded_walk() -> None:
    """Each move that met nothing there, made on an empty floor here."""
    walk = json.loads(LAB.read_text())
    places, rotations = np.array(walk["positions"]), np.array(walk["rotations"])
    simulator = EmbeddedSimulator(FLOOR, AgentSpec(turn=10))
    compared = 0
    for k, action in enumerate(walk["actions"][:-1]):  # each leads from its place to the next
        moved = places[k + 1] - places[k]
        if action == "move_forward" and abs(math.hypot(moved[0], moved[2]) - 0.25) > 1e-3:
            continue
        simulator.stand((0, 0, 0), rotations[k])
        assert not simulator.act(action)
        pose = simulator.pose()
        np.testing.assert_allclose(pose.position[[0, 2]], moved[[0, 2]], atol=1e-4)
        assert min(np.abs(pose.rotation - s * rotations[k + 1]).max() for s in (1, -1)) < 1e-4
        compared += 1
    assert compared == 8  # two free moves and six turns; the rest pushes against a wall
    simulator.close()


def test_floors_above_each_other_are_islands_unless_stairs_join_them() -> None:
    ground, loft = ([0, -0.05, 0], [8, 0.1, 8]), ([0.0, 2.35, 0.0], [6, 0.1, 2.0])
    steps = [([-2.5 + 0.3 * k, 0.075 * (k + 1), 1.5], [0.3, 0.15 * (k + 1), 1.0]) for k in range(16)]
    settings = NavMeshSettings(agent_height=0.88)
    found = {}
    for name, boxes in (("without", [ground, loft]), ("with", [ground, loft, *steps])):
        centre, size = (np.array([box[k] for box in boxes]) for k in (0, 1))
        found[name] = PathFinder.of_boxes(centre - size / 2, centre + size / 2, settings)
    apart = found["without"]
    assert apart.island((0, 0, 0)) != apart.island((0, 2.4, 0))
    assert apart.way((0, 0, 0), [(0, 2.4, 0)]).geodesic == math.inf
    way = found["with"].way((3.5, 0, 0), [(0, 2.4, 0)])
    assert 9 < way.geodesic < 16 and np.all(np.diff(way.points[1:-1, 1]) >= -1e-6)


def test_a_scene_of_boxes_that_is_none(tmp_path: Path) -> None:
    good = {"name": "a", "center": [0, 0, 0], "size": [1, 1, 1], "color": [1, 0, 0]}
    path = tmp_path / "scene.json"
    for record, said in (
        ({}, "'boxes' is missing"),
        ({"boxes": []}, "'boxes' is missing or empty"),
        ({"boxes": [3]}, r"boxes\[0\] is no mapping"),
        ({"boxes": [good, good]}, "a name of its own"),
        ({"boxes": [good], "up": "+z"}, "'up' must be"),
        ({"boxes": [{**good, "size": [1, 0, 1]}]}, r"boxes\[0\].size"),
        ({"boxes": [{**good, "center": [1, 2]}]}, r"boxes\[0\].center"),
        ({"boxes": [{**good, "color": [1, 2, 0]}]}, r"boxes\[0\].color"),
        ({"boxes": [{**good, "center": [1e30, 0, 0]}]}, r"boxes\[0\].center"),
    ):
        path.write_text(json.dumps(record))
        with pytest.raises(HouseError, match=said) as caught:
            read_box_scene(path)
        assert str(path) in str(caught.value)
    path.write_text(json.dumps({"boxes": [{**good, "size": [900, 900, 900]}]}))
    with pytest.raises(EnvError, match="too many cells"):
        EmbeddedSimulator(path)


def test_without_habitat_sim_the_way_to_get_it_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "habitat_sim", None)
    with pytest.raises(EnvError, match=r"conda install habitat-sim.*backend='house'"):
        adapter.HabitatSim("scene.glb")


def test_a_library_that_aborts_is_noticed_before(
    scenes: Path, double: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(adapter, "_PROBE", "import os\nprint('no CUDA device {gpu}', flush=True)\nos.abort()")
    adapter._probe.cache_clear()
    with pytest.raises(EnvError, match=r"no CUDA device 3\): gpu=-1"):
        adapter.HabitatSim(scenes / "rooms.glb", gpu=3)
    adapter._probe.cache_clear()


def test_without_a_card_software_draws(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(adapter.glob, "glob", lambda pattern: ["/dev/nvidia0"])
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    assert adapter.default_device() == 0
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    assert adapter.default_device() == -1
    monkeypatch.setattr(adapter.glob, "glob", lambda pattern: [])
    assert adapter.default_device() == -1


def test_a_scene_changes_in_the_same_simulator(scenes: Path, double: None) -> None:
    simulator = adapter.HabitatSim(scenes / "rooms.glb", cameras=[CameraSpec(height=8, width=8)])
    library = simulator._sim
    with pytest.raises(EnvError, match="no such file"):
        simulator.load(scenes / "other.glb")
    simulator.load(scenes / "rooms.glb")
    assert simulator._sim is library and simulator.is_navigable((2, 0, 1))
    simulator.close()


def test_the_double_is_strict(double: None) -> None:
    import habitat_sim

    settings = habitat_sim.SimulatorConfiguration()
    with pytest.raises(AttributeError):
        settings.gpu_device = -1
    with pytest.raises(TypeError):
        settings.gpu_device_id = "cpu"
    with pytest.raises(TypeError):
        habitat_sim.CameraSensorSpec().resolution = [4, 4, 3]
    with pytest.raises(SystemExit):
        habitat_sim.PathFinder().snap_point(np.zeros(3))
    with pytest.raises(AttributeError):
        habitat_sim.Simulator.sensors  # noqa: B018  (newer than 0.3.3)


@pytest.mark.parametrize("task", ["PointNav", "ObjectNav"])
def test_maps_of_meshes_show_where_the_body_can_stand(task: str, scenes: Path, double: None) -> None:
    """By hand: the body begins at x = -2, z = -1 and looks along -z; the wall inside has a gap at z > 1."""
    drawn = {}
    for backend in ("house", "habitat_sim"):
        env = _make(task, scenes, backend)
        env.reset(seed=0)
        drawn[backend] = map_ = env.floor_map()
        goal = {"PointNav": (4.0, 0.0), "ObjectNav": (4.5, 0.0)}[task]
        assert map_.goals == (pytest.approx(goal, abs=1e-6),)
        for point, free in (
            ((0, 0), True),
            ((4, 0), True),
            ((2, 0), False),
            ((2, -2.5), True),
            ((-1, 0), False),
        ):
            column, row = map_.pixels([point])[0].astype(int)
            assert (map_.picture[row, column].mean() > 200) == free, (backend, point)
        env.close()
    assert (drawn["house"].picture == drawn["habitat_sim"].picture).mean() > 0.98
    assert np.allclose(drawn["house"].frame, drawn["habitat_sim"].frame, atol=1e-3)
