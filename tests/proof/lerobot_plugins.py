"""Proof that the real LeRobot plays in our environments, trains on our sets and acts with our models.

Installs LeRobot and the two plug-ins of `plugins/`, as committed, into a virtual environment of its own with
Python 3.12 or later (6 GB: LeRobot's torch is a CUDA build), and runs LeRobot's own commands on the CPU: ACT
and a diffusion policy are trained on a set that `uio2 collect` made and evaluated on the tabletop; the
packaged models are evaluated, and every episode's outcome is compared with that of `uio2 evaluate`.
Usage: python -m tests.proof.lerobot_plugins REPORT.md
"""

import itertools
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from envs.suites import suite
from tests.proof.release import python_of
from tests.proof.tables import ROOT, table
from uio2_agent.files import replace_file

ENVIRONMENT = ROOT / "build" / "proof" / "lerobot_plugins"
MINORS = (12, 13)
"""Pythons of LeRobot 0.6."""
TORCH = ("torch==2.11.0", "torchvision==0.26.0")
NEEDED = (
    *TORCH, "lerobot==0.6.1", "accelerate>=1.14,<2", "datasets>=4.8,<5", "pandas<3", "pyarrow<30",
    "av>=15,<16", "jsonlines>=4,<5", "mujoco==4.0.0", "scipy", "hydra-core==1.3.8", "sentencepiece", "rich",
    "pyyaml", "diffusers>=0.38,<0.40",
)  # fmt: skip
"""LeRobot with what its training and evaluation import, and what our packages do; no torchcodec, no wandb."""
PLUGINS = ("lerobot_env_uio2", "lerobot_policy_uio2")

TRAIN_TASK, TRAINED_ON, STEPS, PLAYED = "rotate", 24, 30, 4
STOCK: Mapping[str, tuple[str, ...]] = {
    "act": (
        *("--policy.chunk_size=2", "--policy.n_action_steps=1"),
        *("--policy.dim_model=128", "--policy.n_heads=4", "--policy.dim_feedforward=256"),
        *("--policy.n_encoder_layers=2", "--policy.n_vae_encoder_layers=2"),
    ),
    "diffusion": (
        *("--policy.down_dims=[32,64,128]", "--policy.horizon=8", "--policy.n_action_steps=1"),
        *("--policy.drop_n_last_frames=0", "--policy.num_inference_steps=4"),
        *("--policy.resize_shape=[64,128]", "--policy.use_separate_rgb_encoder_per_camera=false"),
        *("--policy.optimizer_lr=1e-3", "--policy.scheduler_warmup_steps=1"),
    ),
}
"""Policies of LeRobot's own, made small: episodes here have few steps."""
VIMA_TASKS = ("visual_manipulation", "scene_understanding", "rotate", "sweep_without_exceeding")
CASES: tuple[dict[str, Any], ...] = (
    {"policy": "nano", "env": "vima", "task": VIMA_TASKS, "episodes": 8, "slots": 4, "processes": False},
    {"policy": "nano", "env": "vima", "task": ("rotate",), "episodes": 4, "slots": 2, "processes": True},
    {
        **{"policy": "nano_house", "env": "habitat", "task": ("PointNav",), "level": "small", "episodes": 4},
        **{"slots": 2, "processes": False, "size": 64, "sensors": ["map", "route"]},
    },
    {
        **{"policy": "nano_house", "env": "procthor", "task": ("ObjectNav",), "level": "small"},
        **{"episodes": 8, "slots": 4, "processes": False, "size": 96},
        "sensors": ["map", "route", "segmentation"],
    },
)


def main(report: str) -> int:
    """Run the proof, write its table, and return 1 when a row is off."""
    with tempfile.TemporaryDirectory() as name:
        lerobot = _LeRobot(Path(name))
        rows = []
        compared = (_compared(lerobot, *case) for case in enumerate(CASES))
        for row in itertools.chain(lerobot.asked(), compared, _trained(lerobot)):
            rows.append(row)
            print(row, flush=True)
        said = lerobot.versions()
    lines = ["# LeRobot with our plug-ins", "", said, ""]
    shown = [(check, f"{'ok' if good else 'OFF'}: {found}") for check, good, found in rows]
    made = "Made by `python -m tests.proof.lerobot_plugins`."
    text = "\n".join([*lines, table(("check", "result"), shown), "", made, ""])
    replace_file(Path(report), text)
    print(text)
    return int(not all(good for _, good, _ in rows))


class _Failed(RuntimeError):
    """A command of LeRobot's ended with an error, in whose words this ends."""


class _LeRobot:
    """LeRobot's commands, in an environment that has the plug-ins."""

    def __init__(self, folder: Path):
        self.folder = folder
        self._bin = _environment(folder) / "bin"
        offline = {"HF_HUB_OFFLINE": "1", "HF_HOME": str(folder / "hub")}
        self._variables = {**os.environ, **offline, "OMP_NUM_THREADS": "1"}

    def run(self, command: str, *words: str) -> str:
        """Run one of its commands in an empty folder; returns what it said."""
        empty = self.folder / "empty"
        empty.mkdir(exist_ok=True)
        call = [str(self._bin / command), *words]
        done = subprocess.run(call, capture_output=True, text=True, env=self._variables, cwd=empty)
        if done.returncode:
            raise _Failed(f"{command} {' '.join(words)}\n{done.stderr[-3000:]}")
        return done.stdout + done.stderr

    def evaluated(self, name: str, policy: str | Path, *words: str) -> dict[int, list[bool]]:
        """Outcomes by task of `lerobot-eval`, on our held-out seeds from the first on."""
        output = self.folder / name
        shown = (f"--policy.path={policy}", "--policy.device=cpu", "--seed=0", f"--output_dir={output}")
        self.run("lerobot-eval", *shown, *words)
        found = json.loads((output / "eval_info.json").read_text())
        return {each["task_id"]: each["metrics"]["successes"] for each in found["per_task"]}

    def asked(self) -> list[tuple[str, bool, str]]:
        """What a program that uses LeRobot's own functions finds."""
        driver = ROOT / "tests" / "proof" / "lerobot_plugins_driver.py"
        said = self.run("python", str(driver), str(ROOT / "plugins" / "lerobot_env_uio2" / "env.py"))
        return [tuple(row) for row in json.loads(said.rpartition("RESULT ")[2].splitlines()[0])]

    def versions(self) -> str:
        """Its versions in a line."""
        code = (
            "import sys, lerobot, torch, gymnasium; "
            "print(sys.version.split()[0], lerobot.__version__, torch.__version__, gymnasium.__version__)"
        )
        python, lerobot, torch, gymnasium = self.run("python", "-c", code).split()[:4]
        return f"Python {python}, lerobot {lerobot}, torch {torch} on the CPU, gymnasium {gymnasium}."


def _environment(folder: Path) -> Path:
    """The environment, made once; the packages of this repository are installed anew, as committed."""
    pip = [
        str(ENVIRONMENT / "bin" / "python"),
        "-m",
        "pip",
        "install",
        "--quiet",
        "--disable-pip-version-check",
    ]
    stamp = ENVIRONMENT / ".installed"
    if not stamp.exists() or stamp.read_text() != "\n".join(NEEDED):
        python = next((found for minor in MINORS if (found := python_of(minor))), None)
        if python is None:
            sys.exit(f"LeRobot 0.6 needs Python 3.{MINORS[0]} or later, and none is found here")
        subprocess.run([str(python), "-m", "venv", "--clear", str(ENVIRONMENT)], check=True)
        subprocess.run([*pip, *NEEDED], check=True)
        stamp.write_text("\n".join(NEEDED))
    copy = folder / "source"
    subprocess.run(["git", "clone", "--quiet", str(ROOT), str(copy)], check=True)
    ours = [str(copy), *(str(copy / "plugins" / name) for name in PLUGINS)]
    subprocess.run([*pip, "--no-deps", "--no-build-isolation", "--force-reinstall", *ours], check=True)
    return ENVIRONMENT


def _trained(lerobot: _LeRobot) -> Iterator[tuple[str, bool, str]]:
    """LeRobot's own policies, trained on a set of ours with an evaluation on the way, and then evaluated."""
    data = lerobot.folder / "set"
    words = ("env=vima", "policy=oracle", f"task={TRAIN_TASK}", f"episodes={TRAINED_ON}", f"output={data}")
    _uio2("collect", *words)
    yield _refused(lerobot, data)
    for kind, options in STOCK.items():
        output, name = lerobot.folder / kind, f"eval_{kind}"
        said = lerobot.run(
            *("lerobot-train", "--dataset.repo_id=uio2/set", f"--dataset.root={data}"),
            *(f"--policy.type={kind}", "--policy.device=cpu", "--policy.push_to_hub=false"),
            *("--policy.pretrained_backbone_weights=null", *options),
            *(f"--steps={STEPS}", "--batch_size=4", "--num_workers=0", f"--log_freq={STEPS // 3}"),
            *("--wandb.enable=false", "--env.type=vima", f"--env.task={TRAIN_TASK}"),
            *(f"--env_eval_freq={STEPS}", "--eval.n_episodes=2", "--eval.batch_size=2"),
            *("--eval.use_async_envs=false", f"--output_dir={output}"),
        )
        losses = [float(part.split()[0]) for part in said.split("loss:")[1::2]]
        told = f"{TRAINED_ON} episodes, {STEPS} steps, loss {losses[0]:.3g} to {losses[-1]:.3g}"
        check = f"`lerobot-train --policy.type={kind}` on a set of `uio2 collect`"
        yield check, losses[-1] < losses[0], told
        played = "Suite overall aggregated" in said and "'n_episodes': 2" in said
        yield "its evaluation in `--env.type=vima` on the way", played, "2 episodes"
        found = lerobot.evaluated(
            *(name, output / "checkpoints" / "last" / "pretrained_model", "--env.type=vima"),
            *(f"--env.task={TRAIN_TASK}", f"--eval.n_episodes={PLAYED}", f"--eval.batch_size={PLAYED}"),
            "--eval.use_async_envs=false",
        )
        ((_, outcomes),) = found.items()
        films = sorted((lerobot.folder / name).rglob("*.mp4"))
        told = f"{len(outcomes)} episodes, {sum(outcomes)} solved, {len(films)} films"
        yield "`lerobot-eval` of what was trained", len(outcomes) == len(films) == PLAYED, told


def _refused(lerobot: _LeRobot, data: Path) -> tuple[str, bool, str]:
    """A policy of ours does not learn there, and that is said at once."""
    words = (f"--dataset.root={data}", f"--policy.path={lerobot.folder / 'nano'}", "--policy.device=cpu")
    try:
        lerobot.run("lerobot-train", "--dataset.repo_id=uio2/set", *words, "--wandb.enable=false")
        said = "it began"
    except _Failed as error:
        said = str(error).splitlines()[-1].rpartition("Error: ")[2]
    return "`lerobot-train` of nano, which is refused", "learns with `uio2 train" in said, said


def _compared(lerobot: _LeRobot, number: int, case: Mapping[str, Any]) -> tuple[str, bool, str]:
    """A packaged model, through LeRobot and through us, on the same seeds."""
    policy, env, tasks, episodes = (case[name] for name in ("policy", "env", "task", "episodes"))
    options = {name: case[name] for name in ("size", "sensors") if name in case}
    level = [f"level={case['level']}"] if "level" in case else []
    folder = lerobot.folder / policy
    if not folder.exists():
        lerobot.run("python", "-m", "lerobot_policy_uio2", policy, str(folder))
    theirs = lerobot.evaluated(
        *(f"theirs_{number}", folder, f"--env.type={env}", f"--env.task={','.join(tasks)}"),
        *(f"--env.{word}" for word in level),
        *(f"--env.{name}={json.dumps(value)}" for name, value in options.items()),
        *(f"--eval.n_episodes={episodes}", f"--eval.batch_size={case['slots']}"),
        f"--eval.use_async_envs={str(case['processes']).lower()}",
    )
    output = lerobot.folder / f"ours_{number}"
    named = [f"env_kwargs.{name}={json.dumps(value)}".replace('"', "") for name, value in options.items()]
    _uio2(
        *("evaluate", f"env={env}", f"policy={policy}", f"task=[{','.join(tasks)}]", *level, *named),
        *(f"episodes={episodes}", "videos=0", f"output={output}"),
    )
    rows = json.loads((output / "result.json").read_text())["episodes"]
    numbers = {name: number for number, name in enumerate(suite(env).task_levels())}
    ours = {
        numbers[task]: [
            row["success"] for row in sorted(rows, key=lambda row: row["seed"]) if row["task"] == task
        ]
        for task in tasks
    }
    solved = sum(map(sum, ours.values()))
    same = sum(a == b for task in ours for a, b in zip(ours[task], theirs[task], strict=True))
    count = len(tasks) * episodes
    how = f"{case['slots']} slots{', a process each' if case['processes'] else ''}"
    name = f"`lerobot-eval` of {policy} in {env}, {how}, against `uio2 evaluate`"
    return name, ours == theirs, f"{same} of {count} episodes end alike, {solved} of them solved by us"


def _uio2(*words: str) -> None:
    command = [sys.executable, "-m", "rollouts.cli", *words]
    subprocess.run(command, check=True, cwd=ROOT, stdout=subprocess.DEVNULL)


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit("usage: python -m tests.proof.lerobot_plugins REPORT.md")
    sys.exit(main(sys.argv[1]))
