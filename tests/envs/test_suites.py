"""Suites: names resolved, ids registered, plug-ins found, errors that name what there is."""

import subprocess
import sys
import textwrap
from importlib.metadata import EntryPoint

import gymnasium
import pytest

import envs
import envs.suites as suites
from envs import EnvError, Suite
from envs.vima.levels import LEVELS, TASK_LEVELS

VIMA = envs.suite("vima")


def make_plain(task, level="easy", **options):
    return task, level, options


def plain(**changes):
    given = {
        "name": "plain",
        "embodiment": "body",
        "entry_point": make_plain,
        "tasks": {"a": ("easy",), "b": ("easy", "hard")},
        "levels": {"easy": ("E",), "hard": ()},
        "default_level": "easy",
        "tested_levels": ("hard", "easy"),
        "max_steps": lambda task, env_kwargs: 3,
    }
    return Suite(**given | changes)


PLAIN = plain()


def test_task_words():
    assert PLAIN.task_names("all") == PLAIN.task_names(["all"]) == ["a", "b"]
    assert PLAIN.task_names("b") == ["b"]
    assert PLAIN.task_names("b, a") == PLAIN.task_names(["b", "a"]) == ["b", "a"]
    with pytest.raises(EnvError, match="unknown task 'c': choose one of a, b"):
        PLAIN.task_names("a,c")


def test_level_words():
    assert PLAIN.level_names("all") == ["hard", "easy"]
    assert PLAIN.level_names("E,hard,easy") == ["easy", "hard"]
    assert PLAIN.level_name(None) is None and PLAIN.level_name("E") == "easy"
    with pytest.raises(
        EnvError, match="unknown level 'herd' \\(did you mean 'hard'\\?\\): choose one of easy, hard"
    ):
        PLAIN.level_names(["herd"])


def test_tasks_of_a_level():
    assert PLAIN.tasks_at("E") == ("a", "b")
    assert PLAIN.tasks_at("hard") == ("b",) and PLAIN.tasks_at("hard", ["a"]) == ()
    with pytest.raises(EnvError, match="unknown task 'c'"):
        PLAIN.tasks_at("easy", ["c"])


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (
            {"default_level": "esy"},
            "unknown level of suite plain 'esy' \\(did you mean 'easy'\\?\\): choose one of easy, hard",
        ),
        ({"tested_levels": ("x",)}, "unknown level of suite plain 'x'"),
        ({"train_level": "x"}, "unknown level of suite plain 'x'"),
        ({"levels": {"easy": ("E",), "hard": ("E",)}}, "E cannot name two levels"),
        ({"levels": {"easy": ("all",), "hard": ()}}, "all cannot name two levels"),
    ],
)
def test_a_suite_checks_itself(changes, message):
    with pytest.raises(EnvError, match=message):
        plain(**changes)


def test_what_a_suite_leaves_out():
    assert PLAIN.expert_options({}) == {"expert": True}
    assert PLAIN.demonstration_options({}, None) == {} and PLAIN.play_options({}) == {}
    with pytest.raises(EnvError, match="expert_style=canonical: the expert of this suite has one style"):
        PLAIN.demonstration_options({}, "canonical")
    assert (PLAIN.backends, PLAIN.packages, PLAIN.benchmark, PLAIN.train_level) == ({}, {}, None, None)


def test_ids_are_registered_once_and_later_tasks_join():
    tasks = {"a": ("easy",)}
    growing = plain(name="growing", tasks=lambda: tasks)
    try:
        growing.register()
        first = gymnasium.spec("growing/a-v0")
        tasks["b"] = ("easy",)
        growing.register()
        assert gymnasium.spec("growing/a-v0") is first
        assert gymnasium.spec("growing/b-v0").kwargs == {"task": "b"}
    finally:
        for task in tasks:
            gymnasium.registry.pop(growing.env_id(task), None)


def test_vima():
    assert VIMA is envs.suite("vima") and "vima" in envs.suite_names()
    assert VIMA.level_names("all") == ["placement", "combinatorial", "novel_object", "novel_task"]
    assert VIMA.level_names("L1,L4,placement_generalization,train") == ["placement", "novel_task", "train"]
    assert tuple(VIMA.levels) == LEVELS and set(VIMA.task_names("all")) >= set(TASK_LEVELS)
    assert set(VIMA.tasks_at("L4", TASK_LEVELS)) == {
        task for task, levels in TASK_LEVELS.items() if "novel_task" in levels
    }
    assert next(iter(VIMA.backends)) == "mujoco" and set(VIMA.backends) == {"mujoco", "upstream"}


@pytest.mark.parametrize("env_kwargs", [{}, {"difficulty": "hard"}])
def test_vimas_budget_is_the_environments(env_kwargs):
    for task in ("rotate", "follow_order"):
        assert VIMA.max_steps(task, env_kwargs) == VIMA.make(task, **env_kwargs).unwrapped.max_steps


def test_vimas_options():
    upstream = {"backend": "upstream"}
    assert VIMA.expert_options(upstream) == {"expert": True}
    assert VIMA.demonstration_options({}, None) == {"expert_style": "canonical"}
    assert VIMA.demonstration_options(upstream, None) == {"expert_style": "upstream"}
    assert VIMA.demonstration_options({}, "upstream") == {"expert_style": "upstream"}
    assert VIMA.play_options({}) == {"image_size": (512, 1024)} and VIMA.play_options(upstream) == {}


def test_vimas_benchmark():
    benchmark = VIMA.benchmark
    assert benchmark.title == "VIMA-Bench" and benchmark.published.is_file()
    assert len(benchmark.tasks) == 17 and benchmark.tasks["follow_motion"] == ("novel_task",)
    assert benchmark.simulator({}) == "uio2-agent (MuJoCo)"
    assert benchmark.simulator({"backend": "upstream"}) == "VIMA-Bench (PyBullet)"
    assert benchmark.simulator({"difficulty": "hard"}) == "uio2-agent (MuJoCo), difficulty hard"
    assert "and 2 steps (oracle_max_steps + 2)" in benchmark.budget


def test_make():
    env = VIMA.make("rotate", "L2", expert=True)
    assert env.spec.id == "vima/rotate-v0" and env.unwrapped.level == "combinatorial"
    env.close()
    assert VIMA.make("rotate").unwrapped.level is None
    for task in ("rotat", "all", "rotate,twist"):
        with pytest.raises(
            EnvError,
            match=f"unknown task '{task}'.*: choose one of visual_manipulation, scene_understanding, rotate",
        ):
            VIMA.make(task)
    with pytest.raises(EnvError, match="unknown level 'L5'"):
        VIMA.make("rotate", "L5")


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        (
            "vime",
            "unknown suite 'vime' \\(did you mean 'vima'\\?\\): choose one of vima.*, or module:attribute",
        ),
        ("no_such_module:SUITE", r"cannot import 'no_such_module' \(No module named"),
        (":SUITE", "cannot import ''"),
        (".:SUITE", r"cannot import '\.'"),
        ("envs.vima.suite:suite", "envs.vima.suite has no Suite 'suite'; it has SUITE"),
        ("json:", "json has no Suite ''; it has none"),
    ],
)
def test_errors_of_specs(spec, message):
    with pytest.raises(EnvError, match=message):
        envs.suite(spec)


def test_a_suite_of_an_installed_package(monkeypatch):
    points = [EntryPoint("zoo", "envs.vima.suite:SUITE", "uio2_agent.suites")]
    monkeypatch.setattr(suites, "_installed", suites._installed.__wrapped__)
    monkeypatch.setattr(suites, "entry_points", lambda group: points if group == "uio2_agent.suites" else [])
    assert envs.suite_names() == [*suites._BUILT_IN, "zoo"]
    assert envs.suite("zoo") is VIMA
    choice = r"did you mean 'zoo'.*of vima, procthor, habitat, zoo, or module:attribute"
    with pytest.raises(EnvError, match=choice):
        envs.suite("zo")


def test_the_working_directory_is_searched_and_nothing_heavy_loaded(tmp_path):
    (tmp_path / "own_suite.py").write_text(
        textwrap.dedent("""
        from envs import Suite
        SUITE = Suite(
            name="own", embodiment="x:y", entry_point="own_suite:make", tasks={"t": ("l",)}, levels={"l": ()},
            default_level="l", tested_levels=("l",), max_steps=lambda task, env_kwargs: 1,
        )
        """)
    )
    code = (
        "import sys; sys.path[:] = [p for p in sys.path if p]; import envs, gymnasium; "
        "envs.suite('own_suite:SUITE'); print(gymnasium.spec('own/t-v0').entry_point, "
        "[m for m in ('mujoco', 'scipy', 'torch') if m in sys.modules])"
    )
    root = str(suites.Path(envs.__file__).parents[1])
    run = subprocess.run(
        [sys.executable, "-P", "-c", code],
        cwd=tmp_path,
        env={"PYTHONPATH": root},
        capture_output=True,
        text=True,
    )
    assert run.stdout.strip() == "own_suite:make []", run.stderr
