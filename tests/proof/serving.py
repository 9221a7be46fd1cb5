"""Proof that openpi's own client is served: 32 of them at once, one sending rubbish, one vanishing.

Plays episodes with nano in this process, keeps each request and action, starts `uio2 serve nano` and has
openpi-client, in a virtual environment of its own (it wants numpy below 2), ask the same: the actions must be
equal to the last bit. Usage: python -m tests.proof.serving REPORT.md
"""

import json
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import gymnasium as gym

import envs  # noqa: F401
from policies import embodiments
from policies.base import Step
from policies.loading import load_policy
from policies.wire import packed
from tests.proof.tables import ROOT, table
from uio2_agent.files import replace_file

CLIENTS = 30
EPISODES = 4
TASKS = ("visual_manipulation", "scene_understanding", "rotate", "sweep_without_exceeding")
FIRST_SEED = 5_400_000
TOLD = ("prompt", "prompt_assets", "embodiment", "task", "seed", "end_effector")
PACKAGE = "openpi-client==0.1.2"
UNDECLARED = "typing_extensions"
"""What it imports without asking for it."""


def main(report: str) -> int:
    """Run the proof, write its table, and return 1 when something is off."""
    python = _python_with_the_client()
    with tempfile.TemporaryDirectory() as folder:
        decisions = _played(Path(folder))
        with served("nano") as address:
            command = [str(python), str(ROOT / "tests" / "proof" / "openpi_driver.py"), address, folder]
            run = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
    found = json.loads(run.stdout.splitlines()[-1])
    good = found["equal"] == decisions and not (found["different"] or found["failed"] or found["taken"])
    rows = [
        ("clients at once", CLIENTS + 2),
        ("episodes of the well-behaved", CLIENTS * EPISODES),
        ("decisions", decisions),
        ("actions equal to those of the policy in-process", found["equal"]),
        ("different", found["different"]),
        ("clients that failed", len(found["failed"])),
        ("messages of rubbish that got an error in words", found["refused"]),
        ("that got anything else", found["taken"]),
        ("clients that vanished before their reply", 1),
        ("metadata", ", ".join(found["metadata"])),
    ]
    lines = ["# openpi's client at `uio2 serve nano`", "", f"{PACKAGE}, {', '.join(TASKS)}.", ""]
    text = "\n".join([*lines, table(("", ""), rows), "", "Made by `python -m tests.proof.serving`.", ""])
    replace_file(Path(report), text)
    print(text, *found["failed"][:3], sep="\n")
    return int(not good)


@contextmanager
def served(policy: str, *words: str) -> Iterator[str]:
    """The address of a `uio2 serve` in a process of its own."""
    command = [sys.executable, "-m", "rollouts.cli", "serve", policy, "port=0", *words]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=ROOT) as server:
        try:
            line = server.stdout.readline()
            yield line.split(" at ")[1].split()[0]
        finally:
            server.terminate()


def requests(policy: Any, task: str, seed: int) -> Iterator[dict[str, Any]]:
    """Each request of an episode, as a stranger would write it, and the actions that answer it."""
    env = gym.make(f"vima/{task}-v0", level="placement")
    try:
        observation, info = env.reset(seed=seed)
        policy.reset(0, observation, info)
        over, body = False, embodiments.of(info)
        begins = True
        while not over:
            told = {key: info[key] for key in TOLD}
            (action,) = policy.act([Step(0, observation, info)])
            action = body.checked(action)
            request = {"observation": observation, **told, "reset": begins}
            yield {"request": request, "actions": body.vector(action)[None]}
            observation, _, terminated, truncated, info = env.step(action)
            over, begins = terminated or truncated, False
    finally:
        env.close()


def _played(folder: Path) -> int:
    """Write each client's requests and actions; returns how many there are."""
    policy, count = load_policy("nano"), 0
    for client in range(CLIENTS):
        asked = []
        for episode in range(EPISODES):
            number = client * EPISODES + episode
            asked += requests(policy, TASKS[number % len(TASKS)], FIRST_SEED + number)
        (folder / f"{client:02}.msgpack").write_bytes(packed(asked))
        count += len(asked)
    return count


def _python_with_the_client() -> Path:
    made = ROOT / "build" / "openpi"
    python = made / "bin" / "python"
    if not python.exists():
        subprocess.run([sys.executable, "-m", "venv", str(made)], check=True)
    pip = [str(python), "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    subprocess.run([*pip, PACKAGE, UNDECLARED], check=True)
    return python


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
