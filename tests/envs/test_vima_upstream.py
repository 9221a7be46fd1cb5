"""The upstream backend against a strict stand-in for `vima_bench` (tests/envs/vima_bench_stand_in).

The layout of our own environment, policies and collection on it, and what only upstream does: time-outs,
prints, one simulator a process.
"""

import ctypes
import dataclasses
import gc
import importlib.machinery
import json
import os
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path

import gymnasium
import numpy as np
import pytest

import envs  # noqa: F401  (registers the ids)
from envs.contract import check
from envs.errors import EnvError
from envs.vima import VimaEnv
from envs.vima.levels import TASK_LEVELS
from envs.vima.things.state import ObjectState
from envs.vima.upstream.environment import UpstreamVimaEnv
from envs.vima.upstream.package import SIMULATOR
from policies.embodiments.vima import VIMA, state_of
from rollouts.runner import Work
from rollouts.workers import Job, MakeEnv, run_job
from tests import vima_record, vima_seeds

STAND_IN = Path(__file__).parent / "vima_bench_stand_in"
TASKS = ("visual_manipulation", "rearrange", "sweep_without_exceeding")


def forget_packages() -> None:
    SIMULATOR.release()
    for name in [name for name in sys.modules if name.split(".")[0] in ("vima_bench", "pybullet")]:
        del sys.modules[name]


@pytest.fixture
def upstream(monkeypatch):
    """Make the stand-in the installed vima_bench, in the place of a real one; gives its module."""
    forget_packages()
    monkeypatch.syspath_prepend(STAND_IN)
    yield lambda name="vima_bench": importlib.import_module(name)
    forget_packages()


def make(task: str, **options) -> gymnasium.Env:
    return gymnasium.make(f"vima/{task}-v0", backend="upstream", disable_env_checker=True, **options)


def layout(value):
    """The shape of a value: types, keys, dtypes; what differs from scene to scene left out."""
    if isinstance(value, ObjectState):
        fields = {field.name: layout(getattr(value, field.name)) for field in dataclasses.fields(value)}
        del fields["scale"], fields["target"]
        return fields
    if isinstance(value, Mapping):
        return type(value), {key: layout(item) for key, item in value.items()}
    if isinstance(value, np.ndarray):
        return value.dtype, value.shape
    if isinstance(value, tuple) and value and isinstance(value[0], ObjectState | Mapping):
        shapes = [layout(item) for item in value]
        assert all(shape == shapes[0] for shape in shapes)
        return shapes[0]
    return (type(value), *map(layout, value)) if isinstance(value, tuple) else type(value)


@pytest.mark.parametrize("task", TASKS)
def test_same_layout_as_our_own(upstream, rendering, task):
    options = {"level": "placement", "expert": True, "render_mode": "rgb_array"}
    theirs, ours = make(task, **options), gymnasium.make(f"vima/{task}-v0", **options)
    assert theirs.action_space == ours.action_space and theirs.observation_space == ours.observation_space
    assert theirs.metadata == ours.metadata
    results = [(*env.reset(seed=5),) for env in (theirs, ours)]
    steps = [env.step(info["expert_action"]) for env, (_, info) in zip((theirs, ours), results, strict=True)]
    pairs = [(results[0], results[1]), ((steps[0][0], steps[0][4]), (steps[1][0], steps[1][4]))]
    for (observation, info), (our_observation, our_info) in pairs:
        assert observation in ours.observation_space
        assert layout(observation) == layout(our_observation)
        assert info.pop("timed_out") is False and info.pop("metrics") == {}
        expected, action = dict(our_info), info.pop("expert_action", None)
        del expected["metrics"]
        expected.pop("expert_action", None)  # there until the end, which need not come at the same step
        assert action is None or layout(action) == layout(results[1][1]["expert_action"])
        assert action is None or action in ours.action_space
        assert layout(info) == layout(expected)
    assert [type(value) for value in steps[0][1:4]] == [type(value) for value in steps[1][1:4]]
    picture = theirs.render()
    assert (picture.shape, picture.dtype) == (ours.render().shape, np.uint8)
    np.testing.assert_array_equal(picture[128:].transpose(2, 0, 1), steps[0][0]["rgb"]["top"])
    placeholders = {part.split("}")[0] for part in results[0][1]["prompt"].split("{")[1:]}
    assert set(results[0][1]["prompt_assets"]) == placeholders


def test_objects_are_where_their_origins_are(upstream):
    """PyBullet tells of centres of mass, and upstream forgets the sizes it drew and scaled."""
    env = make("visual_manipulation", level="placement")
    observation, info = env.reset(seed=1)
    bowl, dragged, _ = info["objects"]
    assert [bowl.id, dragged.id] == [5, 6] and (bowl.fixed, dragged.fixed) == (True, False)
    assert bowl.position == pytest.approx((0.6, 0.2, 0.0)) and bowl.quaternion == (0, 0, 0, 1)
    assert dragged.scale == (1.0, 1.0, 2.5) and 0.032 <= dragged.size[2] / 2.5 <= 0.036
    assert all(0.128 <= side <= 0.144 for side in dragged.size[:2])
    assert {5, 6} <= set(np.unique(observation["segm"]["top"]))
    env.close()
    first, other = make("rearrange").reset(seed=1)[1]["objects"]
    assert first.position[:2] == pytest.approx((0.4, -0.3)) and other.target is None
    assert first.target.position == pytest.approx(other.position)


def test_levels_are_upstreams_partitions(upstream):
    for level, texture in (("placement", "green"), ("L2", "green"), ("train", "green"), (None, "red")):
        _, info = make("rotate", level=level).reset(seed=2)
        assert info["objects"][1].texture == texture
        assert info["level"] == (level if level != "L2" else "combinatorial")
    assert make("follow_motion", level="novel_task").reset(seed=2)[1]["objects"][1].texture == "red"
    with pytest.raises(EnvError, match=r"does not hold task 'rotate'.*placement, combinatorial, novel_obj"):
        make("rotate", level="novel_task")


def test_difficulties(upstream):
    """Upstream's own environment sets `easy`, once; what medium draws hangs on the seed, and no other draw on
    it.
    """
    seen = {}
    for more, difficulty in enumerate(("easy", "medium", "hard")):
        env = make("rotate", difficulty=difficulty)
        infos = [env.reset(seed=seed)[1] for seed in (*range(8), *range(8))]
        assert {len(info["objects"]) for info in infos} == {3 + more}
        assert {info["max_steps"] for info in infos} == {5 + more}
        objects = [info["objects"][1] for info in infos]
        assert objects[:8] == objects[8:]
        seen[difficulty] = objects
        env.close()
    places = {name: [each.position for each in objects] for name, objects in seen.items()}
    assert places["easy"] == places["medium"] == places["hard"]
    assert {each.texture for each in seen["medium"]} == {"red", "blue"}


def test_same_seed_same_episode_after_any_other(upstream):
    env = make("rearrange", expert=True)
    first = env.reset(seed=3)[1]
    env.step(first["expert_action"])
    env.reset(seed=4)
    again = env.reset(seed=3)[1]
    assert again["objects"] == first["objects"] and again["prompt_assets"] == first["prompt_assets"]
    np.testing.assert_array_equal(
        again["expert_action"]["pose0_position"], first["expert_action"]["pose0_position"]
    )
    unseeded = [env.reset()[1]["seed"] for _ in range(3)]
    assert len(set(unseeded)) == 3 and max(unseeded) < 5_000_000


def test_a_seed_that_cannot_be_placed_is_retried_on_its_own_sub_stream(upstream):
    env = make("visual_manipulation")
    info = env.reset(seed=13)[1]
    assert info["seed"] == 13 and SIMULATOR.env.task.seed == [13, 1]
    assert info["objects"] != env.reset(seed=14)[1]["objects"]


def test_all_tasks_run_one_after_the_other_in_one_process(upstream):
    work = [
        Work(index=i, env="vima", task=task, level=levels[0], seed=7)
        for i, (task, levels) in enumerate(TASK_LEVELS.items())
    ]
    job = Job("oracle", make_env=MakeEnv({"backend": "upstream", "expert": True}))
    episodes = list(
        run_job([*work, *(dataclasses.replace(w, index=17 + w.index, seed=8) for w in work)], job)
    )
    assert [(e.work.task, e.status, e.message) for e in episodes] == 2 * [
        (task, "success", "") for task in TASK_LEVELS
    ]
    random = list(run_job(work[:4], Job("random", make_env=MakeEnv({"backend": "upstream"}))))
    assert {e.status for e in random} <= {"truncated", "failure", "success"}
    crowded = list(run_job(work[:4], dataclasses.replace(job, slots=3)))
    assert [episode.status for episode in crowded] == 4 * ["success"], "slots take turns"


def test_collection(upstream, tmp_path, capsys):
    from rollouts.cli import main

    words = "collect policy=oracle task=[visual_manipulation,rearrange] level=placement episodes=4 slots=4"
    words = [*words.split(), "env_kwargs.backend=upstream", f"output={tmp_path / 'data'}"]
    assert main([*words, "expert_style=canonical"]) == 2
    assert "ask for expert_style='upstream'" in capsys.readouterr().err
    assert main(words) == main([*words, "expert_style=upstream"]) == 0, "the same recipe"
    from pretrain.sources import LeRobotSource

    records = list(LeRobotSource(tmp_path / "data"))
    assert len(records) == 4
    for record in records:
        made_with = json.loads(record.env_kwargs)
        assert (made_with["backend"], made_with["expert_style"]) == ("upstream", "upstream")
    assert {record.status for record in records} == {"success"}


def test_evaluation(upstream, tmp_path):
    """With the eight slots it has by default."""
    from rollouts.cli import main

    words = "evaluate policy=oracle task=[rotate,twist] level=placement episodes=3 videos=1"
    assert main([*words.split(), "env_kwargs.backend=upstream", f"output={tmp_path}"]) == 0
    result = json.loads((tmp_path / "result.json").read_text())
    assert result["config"]["slots"] == 8 and [row["rate"] for row in result["rows"]] == [1.0, 1.0]


def test_one_episode_at_a_time_in_a_process(upstream):
    first, second = make("rotate", expert=True), make("twist", expert=True)
    info = first.reset(seed=1)[1]
    with pytest.raises(EnvError, match=r"one upstream episode at a time.*workers=N"):
        second.reset(seed=1)
    assert first.step(info["expert_action"])[2], "the second must not disturb the first"
    info = second.reset(seed=1)[1]
    with pytest.raises(EnvError, match="past the end"):
        first.step(info["expert_action"])
    first.close()
    assert second.step(info["expert_action"])[4]["success"], "nor closing the first the second"
    second.reset(seed=2)
    del second
    gc.collect()
    info = first.reset(seed=2)[1]
    assert first.step(info["expert_action"])[4]["success"]
    first.close()
    assert not upstream("pybullet").CLIENTS


def test_recorded_seeds_can_be_compared(upstream, tmp_path, monkeypatch):
    """The format of `tests.vima_record` is what `tests.vima_seeds` reads."""
    monkeypatch.setattr(vima_record, "TASK_LEVELS", {"visual_manipulation": ("placement", "train")})
    path = tmp_path / "seeds.jsonl"
    assert vima_record.main([str(path), "--seeds", "3", "5"]) == 0
    episodes = list(vima_seeds.read_episodes([path]))
    assert [(each["task"], each["level"], each["seed"]) for each in episodes] == [
        ("visual_manipulation", "placement", 3),
        ("visual_manipulation", "placement", 4),
    ]
    env = VimaEnv("visual_manipulation", "placement")
    counts = [vima_seeds.compare(episode, env) for episode in episodes]
    assert all(count.episodes == 1 and len(count.mismatches) > 0 for count in counts), (
        "a stand-in's are others"
    )


def test_somebody_elses_client_is_refused(upstream):
    """There the gripper would silently hold nothing."""
    env = make("rotate")
    client = upstream("pybullet").connect()
    with pytest.raises(EnvError, match="connected in this process already"):
        env.reset(seed=1)
    upstream("pybullet").disconnect(client)
    env.reset(seed=1)


def test_async_vector_environment_forked_in_mid_episode(upstream):
    held = make("rotate")
    held.reset(seed=0)
    vector = gymnasium.make_vec(
        "vima/rotate-v0", num_envs=2, vectorization_mode="async", backend="upstream", expert=True
    )
    try:
        info = vector.reset(seed=[1, 2])[1]
        actions = {key: value for key, value in info["expert_action"].items() if key[0] != "_"}
        assert vector.step(actions)[2].all()
        assert held.unwrapped.in_episode
    finally:
        vector.close()


@pytest.mark.parametrize("task", ["visual_manipulation", "sweep_without_exceeding"])
def test_a_motion_given_up_truncates(upstream, monkeypatch, task):
    env = make(task, expert=True)
    info = env.reset(seed=1)[1]
    monkeypatch.setattr(upstream("vima_bench.env"), "SECONDS_PER_MOVE", 7.0)
    _, reward, terminated, truncated, ended = env.step(info["expert_action"])
    assert (reward, terminated, truncated, ended["timed_out"]) == (0.0, False, True, True)
    assert not ended["success"] and not ended["failure"]
    env.close()
    patient = make(task, expert=True, motion_timeout=10.0)
    info = patient.reset(seed=1)[1]
    _, reward, terminated, _, ended = patient.step(info["expert_action"])
    assert (reward, terminated, ended["timed_out"], ended["success"]) == (1.0, True, False, True)


def test_it_keeps_the_contract(upstream):
    rows = check("vima", tasks=["rotate", "sweep_without_exceeding"], options={"backend": "upstream"})
    assert [row for row in rows if row.verdict == "off"] == []
    missing = {row.check: row.said for row in rows if row.verdict == "not offered"}
    assert set(missing) == {"state", "recorded objects", "watch", "depth", "map"}
    del missing["map"]  # no table has one
    assert all("backend='mujoco'" in said for said in missing.values())


def test_budget_and_step_before_reset(upstream):
    env = make("rotate").unwrapped
    idle = VIMA.idle_action(state_of(0))
    with pytest.raises(EnvError, match="before reset"):
        env.step(idle)
    info = env.reset(seed=1)[1]
    ends = [env.step(idle)[2:4] for _ in range(info["max_steps"])]
    assert info["max_steps"] == info["oracle_max_steps"] + 2
    assert ends == [(False, False)] * (info["max_steps"] - 1) + [(False, True)]


@pytest.mark.parametrize("oracle_rules", [False, True])
def test_what_is_the_oracles_goal_alone(upstream, oracle_rules):
    """Under an agent's rules such a goal stays open: once it holds, the oracle must go on to the next."""
    env = make("rearrange", expert=True, oracle_rules=oracle_rules)
    info = env.reset(seed=1)[1]
    info = env.step(info["expert_action"])[4]
    assert not info["success"] and len(SIMULATOR.env.task.goals) == (1 if oracle_rules else 2)
    assert env.step(info["expert_action"])[4]["success"]


def test_action_forms(upstream):
    """Whatever our own environment takes; upstream asserts that an action lies in its space."""
    env = make("visual_manipulation", expert=True)
    action = env.reset(seed=2)[1]["expert_action"]
    forms = (
        {"pose1_rotation": 0.5},
        {"pose1_rotation": np.zeros(4)},
        {"pose1_rotation": (0, 0, 2.0, 0)},
        {"pose0_position": action["pose0_position"].astype(np.float64)},
    )
    for form in forms:
        env.reset(seed=2)
        assert env.step({**action, **form})[4]["success"]
    env.reset(seed=2)
    env.step({**action, "pose1_position": (9.0, -9.0)})
    with pytest.raises(EnvError, match="mapping of pose0_position, pose0_rotation"):
        env.step({"pose0_position": (0.5, 0.0)})
    env.close()
    sweep = make("sweep_without_exceeding", expert=True)
    action = sweep.reset(seed=2)[1]["expert_action"]
    for start in ((0.5, 0.0), (0.75, 0.5)):  # a push of no length, at an edge too
        assert not sweep.step({**action, "pose0_position": start, "pose1_position": start})[4]["timed_out"]


def test_silent_and_tidy(upstream, capfd, monkeypatch, tmp_path):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    os.write(1, b"before\n")
    env = make("rearrange", expert=True)
    info = env.reset(seed=1)[1]
    env.step(info["expert_action"])
    env.close()
    os.write(2, b"after\n")
    ctypes.CDLL(None).fflush(None)
    assert capfd.readouterr() == ("before\n", "after\n")
    assert not list(tmp_path.iterdir())
    assert tempfile.tempdir == str(tmp_path)


def test_the_alias_of_gym_does_not_stay(upstream):
    if importlib.machinery.PathFinder.find_spec("gym") is not None:
        pytest.skip("a gym is installed")
    make("rotate")
    assert "gym" not in sys.modules


def test_what_is_missing_is_named(upstream, monkeypatch):
    monkeypatch.setitem(sys.modules, "pybullet", None)
    with pytest.raises(EnvError, match=r"pybullet.*pip install pybullet==3\.2\.7"):
        make("rotate")
    forget_packages()
    monkeypatch.setitem(sys.modules, "vima_bench", None)
    with pytest.raises(EnvError, match=r"installed vima_bench.*docs/vima_upstream\.md"):
        make("rotate")


def test_what_upstream_cannot_do_is_said(upstream):
    env = make("rotate").unwrapped
    env.reset(seed=1)
    assert env.abilities == {"expert"}, "films look for it"
    for attempt in (
        lambda: env.watch(print),
        lambda: env.depth(),
        env.state,
        lambda: env.set_state({}),
        lambda: env.reset(seed=1, options={"objects": []}),
        lambda: make("rotate", difficulty="herd"),
        lambda: make("rotate", expert_style="canonical"),
    ):
        with pytest.raises(EnvError, match="upstream"):
            attempt()
    for build, nearest in (
        (lambda: UpstreamVimaEnv("rotat"), "did you mean 'rotate'"),
        (lambda: UpstreamVimaEnv("rotate", render_mode="humn"), "choose one of rgb_array"),
        (lambda: gymnasium.make("vima/rotate-v0", backend="upsteam"), "did you mean 'upstream'"),
    ):
        with pytest.raises(EnvError, match=nearest):
            build()
