"""The checker of the contract: sound suites pass it, and each check finds toys broken in its own way."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

import envs
import tests.envs.toy_flaws  # noqa: F401 - fills CASES
from envs.contract import CHECKS, NOT_OFFERED, OFF, check, passed
from tests.contract import main
from tests.envs.toy_env import CASES, CHECK, EXAMPLE, USE

ROOT = Path(__file__).parents[2]
TOY = "tests.envs.toy_suite:SUITE"
VIMA_TASKS = ["rotate", "sweep_without_exceeding"]


def faults(rows):
    return {(row.task, row.check): row.said for row in rows if row.verdict == OFF}


def test_the_toy_keeps_the_contract():
    rows = check(TOY)
    assert faults(rows) == {} and passed(rows)
    assert [(row.task, row.check) for row in rows] == [
        (task, name) for task in ("reach", "sprint") for name in CHECKS
    ]
    assert all(row.verdict == "ok" for row in rows)


@pytest.mark.parametrize(("name", "checked", "says"), CASES)
def test_each_check_finds_what_it_is_for(name, checked, says):
    task = "sprint" if name == "AnyLevel" else "reach"
    rows = check(TOY, tasks=task, options={"flaw": name}, checks={checked: CHECKS[checked]})
    assert says in faults(rows)[task, checked]


def test_no_check_is_left_without_a_broken_toy():
    assert {checked for _, checked, _ in CASES} == set(CHECKS)


def test_vima_keeps_the_contract():
    rows = check("vima", tasks=VIMA_TASKS, seeds=(3, 4))
    assert faults(rows) == {}
    assert {row.check for row in rows if row.verdict == NOT_OFFERED} == {"map"}


def test_names_there_are_not():
    with pytest.raises(envs.EnvError, match="unknown suite 'vime'"):
        check("vime")
    with pytest.raises(envs.EnvError, match="unknown task 'rotat'"):
        check("vima", tasks="rotat")
    with pytest.raises(envs.EnvError, match="at least one seed"):
        check("vima", seeds=())


def test_the_command(capsys):
    words = [TOY, "--task", "reach"]
    assert main([*words, "--check", "render,expert", "--seeds", "3"]) == 0
    assert "3 of 3 solved" in capsys.readouterr().out
    assert main([*words, "--check", "embodiment"]) == 1
    assert "off: reach, embodiment: UIO2Error" in capsys.readouterr().out
    for wrong, says in (
        (["tests.envs.toy_suite:SWEET"], "it has SUITE"),
        ([*words, "--check", "rendr"], "unknown check 'rendr' (did you mean 'render'?): choose one of "),
        ([*words, "--backend", "mujoco"], "unknown backend 'mujoco': there is none"),
        ([*words, "--seeds", "0"], "give at least 1"),
        (
            ["vima", "--task", "rotat"],
            "unknown task 'rotat' (did you mean 'rotate'?): choose one of visual_manipulation, ",
        ),
    ):
        assert main(wrong) == 2
        assert says in capsys.readouterr().err


def test_vimas_embodiment_is_known_to_policies():
    assert main(["vima", "--task", "rotate", "--check", "embodiment"]) == 0


def test_the_page_runs_as_it_stands(tmp_path):
    """The example of docs/environments.md in a folder of its own, used as the page uses it."""
    (tmp_path / "line_suite.py").write_text(EXAMPLE)
    body = "".join(f"    {line}" for line in CHECK.splitlines(keepends=True))
    (tmp_path / "use.py").write_text(f"{USE}\nif __name__ == '__main__':\n{body}\n    print(len(rows))\n")
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    run = subprocess.run(
        [sys.executable, "use.py"], cwd=tmp_path, env=environment, capture_output=True, text=True
    )
    assert run.stdout.split() == [str(len(CHECKS))], run.stderr
