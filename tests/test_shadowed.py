"""Beside folders named as our packages are: a person's are left alone, and ours work all the same.

Each case is a Python of its own in a folder with `envs`, `policies`, `pretrain` and `rollouts` of a person.
"""

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
NAMES = ("envs", "policies", "pretrain", "rollouts")

RAISES = "raise RuntimeError('a person's own, imported in place of ours')\n"
EPISODE = """
import gymnasium as gym
from uio2_agent.gym import policies

env = gym.make("vima/visual_manipulation-v0", level="placement", expert=True)
policy = policies.OraclePolicy()
observation, info = env.reset(seed=7)
policy.reset(0, observation, info)
*_, info = env.step(policy.act([policies.Step(0, observation, info)])[0])
env.close()
print(info["success"], *(gym.spec(f"{name}/ObjectNav-v0").namespace for name in ("procthor", "habitat")))
"""
VECTOR = """
import envs, policies
import gymnasium as gym
import uio2_agent.gym
from envs.arm import Arm

assert envs.MINE and policies.MINE and Arm.reach == 3

if __name__ == "__main__":
    for context in ("spawn", "forkserver"):
        vector = gym.make_vec(
            "vima/visual_manipulation-v0", num_envs=2, vectorization_mode="async",
            vector_kwargs={"context": context, "shared_memory": False},
        )
        _, infos = vector.reset(seed=5)
        print(*infos["seed"])
        vector.close()
"""
RAY = """
from uio2_agent.gym import envs as ours, rollouts
import envs

assert envs.MINE and ours.suite("vima").name == "vima"
if __name__ == "__main__":
    work = rollouts.work_list(["visual_manipulation"], "placement", seed=0, episodes=2, env="vima")
    job = rollouts.Job("oracle", make_env=rollouts.MakeEnv({"expert": True}), frames=False)
    print(*(episode.status for episode in rollouts.run_job(work, job, workers=2)))
"""


def run(folder: Path, *command: str) -> subprocess.CompletedProcess:
    """Run Python in `folder`; a script stands there, so Python looks there first."""
    where = {"PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
    return subprocess.run(
        [sys.executable, *command], cwd=folder, env=os.environ | where, capture_output=True, text=True
    )


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A person's folder, whose packages can be imported."""
    for name in NAMES:
        (tmp_path / name).mkdir()
        (tmp_path / name / "__init__.py").write_text("MINE = True\n")
    (tmp_path / "envs" / "arm.py").write_text("class Arm:\n    reach = 3\n")
    return tmp_path


def said_by(folder: Path, code: str) -> list[str]:
    (folder / "script.py").write_text(code)
    done = run(folder, "script.py")
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()


@pytest.mark.parametrize("standing", [NAMES, ("policies",), ()])
def test_an_episode_beside_packages_that_must_not_be_imported(
    tmp_path: Path, standing: tuple[str, ...]
) -> None:
    for name in standing:
        (tmp_path / name).mkdir()
        (tmp_path / name / "__init__.py").write_text(RAISES)
    assert said_by(tmp_path, EPISODE) == ["True procthor habitat"]


def test_processes_of_vector_environments(folder: Path) -> None:
    assert said_by(folder, VECTOR) == ["5 6", "5 6"]


def test_workers_of_ray(folder: Path) -> None:
    assert said_by(folder, RAY) == ["success success"]


def test_a_module_id_needs_no_import_at_all(folder: Path) -> None:
    code = "import gymnasium as gym\nprint(gym.make('uio2_agent.gym:vima/rotate-v0').spec.id)"
    assert said_by(folder, code) == ["vima/rotate-v0"]


def test_where_nothing_stands_before_them_they_are_the_packages_themselves(tmp_path: Path) -> None:
    code = (
        "from uio2_agent.gym import envs as door\nimport envs\nprint(door is envs)\n"
        "from uio2_agent.gym.envs.wrappers import FlatActions as first\n"
        "from envs.wrappers import FlatActions as second, __spec__ as found\n"
        "print(first is second, first.__module__, found.name)"
    )
    assert said_by(tmp_path, code) == ["True", "True envs.vima.wrappers envs.wrappers"]


def test_the_command_in_such_a_folder(tmp_path: Path) -> None:
    for name in NAMES:
        (tmp_path / name).mkdir()
        (tmp_path / name / "__init__.py").write_text(RAISES)
    start = "import sys; from rollouts.cli import main; sys.exit(main(sys.argv[1:]))"
    words = ("collect", "policy=oracle", "episodes=2", "workers=2", "task=visual_manipulation", "output=set")
    done = run(tmp_path, "-P", "-c", start, *words)  # as an installed script: its own folder comes first
    assert done.returncode == 0, done.stderr
    assert "2 successes" in done.stdout or (tmp_path / "set" / "meta" / "info.json").is_file(), done.stdout


def test_what_is_missing_is_told_with_what_to_do(tmp_path: Path) -> None:
    """A model without its simulators, as a broken installation leaves it."""
    (tmp_path / "uio2_agent").mkdir()
    for name in ("__init__.py", "gym"):
        (tmp_path / "uio2_agent" / name).symlink_to(ROOT / "uio2_agent" / name)
    done = run(tmp_path, "-c", "import uio2_agent.gym")
    assert done.returncode and "install uio2-agent whole" in done.stderr.splitlines()[-1]
