"""Seeds mean what they mean upstream: recorded episodes, the command, the numbers underneath."""

import copy
import json
import math

import numpy as np
import pytest
from scipy import ndimage

from envs.errors import EnvError, SpawnError
from envs.poses import Pose, yaw_of, yaw_quaternion
from envs.vima import TASKS, VimaEnv, levels
from envs.vima.table.spawning import CELL_M, draw_pose, free_cells, too_close
from envs.vima.tasks.goals import Goal, Zone, goal_reached, yaw_error
from envs.vima.things.objects import OBJECTS
from envs.vima.things.textures import DARK, TEXTURES
from tests import vima_seeds

FIXTURES = ("L1", "L2", "L3", "L4")


@pytest.fixture(scope="module")
def records(shared):
    paths = [shared / "fixtures" / "vima" / f"{name}.jsonl" for name in FIXTURES]
    return list(vima_seeds.read_episodes(paths))


def test_recorded_episodes(records, capsys):
    """Objects, prompt, prompt pictures, first pose and yaws of every recorded episode of a built task."""
    assert vima_seeds.run(records), capsys.readouterr().out
    out = capsys.readouterr().out
    unbuilt = {record["task"] for record in records} - set(TASKS)
    assert {line.split()[0] for line in out.splitlines() if "not yet (" in line} == unbuilt


def test_what_is_not_built_counts_only_under_strict(records, capsys):
    known = next(record for record in records if record["task"] == "rotate")
    unknown = known | {"task": "stack_cups"}
    assert vima_seeds.run([known, unknown]) and not vima_seeds.run([known, unknown], strict=True)
    assert "stack_cups" in capsys.readouterr().out


def test_recorded_actions_end_as_they_did(records):
    """The recorded oracle's actions on the recorded scenes: the same end, objects where they came to rest."""
    agreed, total, compared, far = 0, 0, 0, []
    for record in records:
        if record["task"] not in TASKS:
            continue
        env = VimaEnv(record["task"], record["level"], oracle_rules=True)
        info = env.reset(seed=record["seed"], options={"objects": record["objects"]})[1]
        for step in record["steps"]:
            _, _, terminated, _, info = env.step(step["action"])
            if terminated:
                break
        agreed += (info["success"], info["failure"]) == (record["success"], record["failure"])
        total += 1
        for state in info["objects"]:
            if record["end_effector"] == "suction" and str(state.id) in step["poses"]:
                compared += 1
                position, quaternion = step["poses"][str(state.id)]
                turn = abs(math.remainder(state.pose.yaw - yaw_of(quaternion), 2 * math.pi))
                if math.dist(state.position[:2], position[:2]) > 0.010 or math.degrees(turn) > 5:
                    far.append((record["task"], record["level"], record["seed"], state.name))
    assert agreed >= 0.95 * total and len(far) <= 0.05 * compared, (agreed, total, far)


@pytest.mark.parametrize("spoil", ["texture", "name", "prompt", "position", "yaw"])
def test_a_difference_is_noticed(records, spoil, capsys):
    record = copy.deepcopy(next(record for record in records if record["task"] == "rotate"))
    first = min(record["objects"], key=lambda state: state["id"])
    if spoil == "prompt":
        record["prompt"] = record["prompt"].replace("degrees", "radians")
    elif spoil == "position":
        first["spawn_pos"][0] += 0.004
        first["pos"][0] += 0.004
    elif spoil == "yaw":
        first["spawn_quat"] = [0, 0, 0, 1]
    elif spoil == "name":
        first["name"] = "heart" if first["name"] != "heart" else "letter V"
    else:
        first["texture"] = "olive"
    assert not vima_seeds.run([record])
    assert "rotate placement seed 0" in capsys.readouterr().out


def test_the_command(records, tmp_path, capsys):
    path = tmp_path / "episodes.jsonl"
    rotate = [record for record in records if record["task"] == "rotate"][:2]
    path.write_text("".join(json.dumps(record) + "\n" for record in rotate))
    assert vima_seeds.main([str(path)]) == 0
    path.write_text(json.dumps(rotate[0] | {"task": "stack_cups"}))
    assert vima_seeds.main([str(path)]) == 1, "no episode of a built task"
    assert vima_seeds.main([str(tmp_path / "absent.jsonl")]) == 2
    path.write_text("not json")
    assert vima_seeds.main([str(path)]) == 2


# spawning


@pytest.mark.parametrize("size", [(0.144, 0.144, 0.036), (0.07, 0.07, 0.03), (0.2, 0.04, 0.001)])
def test_free_cells_are_an_erosion(size):
    """Against scipy: a full square window, the table's rim taken, nothing taken beyond the picture's edge."""
    rng = np.random.default_rng(0)
    grid = np.zeros((320, 160), np.int16)
    for u, v in rng.integers((20, 20), (300, 140), (6, 2)):
        grid[u : u + rng.integers(1, 20), v : v + rng.integers(1, 20)] = 7
    free = grid == 0
    free[[0, -1]] = free[:, [0, -1]] = False
    window = round(math.hypot(*size[:2]) / CELL_M)
    eroded = ndimage.minimum_filter(free.astype(np.uint8), size=window, mode="constant", cval=1)
    np.testing.assert_array_equal(free_cells(grid, size), np.flatnonzero(eroded))


def test_a_pose_costs_two_doubles_and_none_when_the_table_is_full():
    size = (0.1, 0.1, 0.04)
    rng, twin = np.random.default_rng(3), np.random.default_rng(3)
    pose = draw_pose(np.zeros((320, 160), np.int16), size, rng)
    cells = free_cells(np.zeros((320, 160), np.int16), size)
    row, column = divmod(int(cells[int(twin.random() * len(cells))]), 160)
    assert pose.position == pytest.approx((0.25 + column * CELL_M, -0.5 + row * CELL_M, 0.02))
    assert pose.yaw % (2 * math.pi) == pytest.approx(2 * math.pi * twin.random())
    assert draw_pose(np.ones((320, 160), np.int16), size, rng) is None
    assert rng.random() == twin.random()


def test_hollow_rule_uses_nominal_sizes():
    frame, letter = (0.225, 0.225, 0.0), (0.144, 0.144, 0.036)
    reach = (0.225 + 0.144) / 2 + 0.01
    assert too_close((0.5, 0, 0), frame, (0.5, reach - 1e-6, 0), letter)
    assert not too_close((0.5, 0, 0), frame, (0.5, reach + 1e-6, 0), letter)


def test_a_full_table_is_tried_again_on_a_sub_stream_of_its_seed(monkeypatch):
    """The retry draws from the seed itself, not from the next one, and gives up in one line."""
    env = VimaEnv("rotate", "placement")
    task_class, spawn, failures = type(env.task), type(env.task).spawn, 1

    def flaky(self, world):
        nonlocal failures
        failures -= 1
        if failures >= 0:
            raise SpawnError("no free place")
        return spawn(self, world)

    monkeypatch.setattr(task_class, "spawn", flaky)
    retried = env.reset(seed=8)[1]["objects"]
    following = env.reset(seed=9)[1]["objects"]
    failures = 1
    assert env.reset(seed=8)[1]["objects"] == retried != following
    failures = 1000
    with pytest.raises(EnvError, match="rotate, seed 8: 20 attempts"):
        env.reset(seed=8)


# goals


def test_yaw_is_folded_by_symmetry():
    assert yaw_error(math.radians(350), math.radians(5), 2 * math.pi) == pytest.approx(math.radians(15))
    assert yaw_error(math.radians(100), math.radians(5), math.pi / 2) == pytest.approx(math.radians(5))
    assert yaw_error(1.0, 2.0, 0.0) == yaw_error(1.0, 2.0, None) == 0.0


def test_yaw_of_any_quaternion():
    for yaw in np.linspace(-3.1, 3.1, 9):
        x, y, z, w = yaw_quaternion(yaw)
        assert yaw_of((x, y, -7 * z, -7 * w)) == pytest.approx(yaw)


def test_zone_is_turned_with_its_pose():
    zone = Zone(Pose((1.0, 2.0, 0.0), yaw_quaternion(math.pi / 2)), (0.4, 0.1))
    points = np.array([(1.0, 2.19, 5.0), (1.04, 2.0, 0.0), (1.19, 2.0, 0.0), (1.0, 2.21, 0.0)])
    assert zone.contains(points).tolist() == [True, True, False, False]


def test_goals_share_targets_only_where_they_may():
    here, there = Pose((0.4, 0.0, 0.0)), Pose((0.6, 0.0, 0.0))
    standing = {1: here, 2: here}
    match = lambda body, target: standing[body] is target  # noqa: E731
    both = Goal(objects=(1, 2), targets=(here, there))
    assert not goal_reached(both, match)
    assert goal_reached(Goal(objects=(1, 2), targets=(here, there), shared_targets=True), match)
    standing[2] = there
    assert goal_reached(both, match)
    assert not goal_reached(Goal(objects=(1, 2), targets=(here, there), allowed=((False, True),) * 2), match)


# levels


def test_partitions_have_the_published_sizes():
    assert [len(names) for names in (levels.S1, levels.S2, levels.S1_DARK, levels.S2_DARK)] == [
        19,
        20,
        24,
        28,
    ]
    assert len({*levels.S1, *levels.S2}) == 39
    never = [
        "brick",
        "magma",
        "orange",
        "pink",
        "red and green stripe",
        "green and blue stripe",
        "red and purple polka dot",
    ]
    never += ["yellow and green polka dot", "yellow swirl", "purple paisley"]
    assert set(TEXTURES) - {*levels.S1, *levels.S2} == set(never)
    counts = {level: sum(level in held for held in levels.TASK_LEVELS.values()) for level in levels.LEVELS}
    assert counts == {"placement": 13, "combinatorial": 13, "novel_object": 12, "novel_task": 4, "train": 13}
    assert len(levels.TASK_LEVELS) == 17


@pytest.mark.parametrize("task", levels.TASK_LEVELS)
def test_pools_hold_known_names_once(task):
    for level in (None, *levels.TASK_LEVELS[task]):
        pools = levels.pools_for(task, level)
        assert {*pools.dragged, *pools.bases} <= set(OBJECTS)
        assert {*pools.dragged_textures, *pools.base_textures} <= {*TEXTURES, *DARK}
        for names in vars(pools).values():
            assert len(set(names)) == len(names)
    if "placement" in levels.TASK_LEVELS[task]:
        assert levels.pools_for(task, "placement") == levels.pools_for(task, "train")
        swapped = levels.pools_for(task, "combinatorial")
        assert (
            swapped.base_textures == levels.S1 and levels.pools_for(task, "train").base_textures == levels.S2
        )


def test_level_names():
    for short, others in {
        "placement": ("L1", "placement_generalization"),
        "combinatorial": ("L2", "combinatorial_generalization"),
        "novel_object": ("L3", "novel_object_generalization"),
        "novel_task": ("L4", "novel_task_generalization"),
    }.items():
        assert [levels.level_name(name) for name in (short, *others)] == [short] * 3
    assert levels.level_name(None) is None
    with pytest.raises(
        EnvError, match=r"did you mean 'novel_task'.*: choose one of placement, combinatorial"
    ):
        levels.level_name("novel_tasks")
