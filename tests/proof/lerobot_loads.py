"""Proof that the real `lerobot` reads our datasets: pixel for pixel, number for number.

Collects episodes with two workers, kills another collection in its middle, and opens both in a virtual
environment that has `lerobot` 0.4.4 (the last for Python 3.11) and a chosen few of its dependencies; torch is
the project's own. Usage: python -m tests.proof.lerobot_loads REPORT.md
"""

import hashlib
import json
import os
import signal
import subprocess
import sys
import sysconfig
import tempfile
import time
import venv
from pathlib import Path

import numpy as np

from policies import embodiments
from policies.prompts import boxes_target, named_prompt, sizes_of
from pretrain.sources import LeRobotSource, schema
from pretrain.sources.episode import StoredEpisode
from rollouts.collect import CollectConfig, collect

ROOT = Path(__file__).parents[2]
ENVIRONMENT = ROOT / "build" / "proof" / "lerobot"
IMAGE = "observation.images.top"
SENSED = {"action", "observation.state", "observation.images.front", IMAGE}
ALONE = ("lerobot==0.4.4", "torchvision==0.25.0", "accelerate==1.10.1")  # their requirements would bring CUDA
NEEDED = (
    "datasets>=4,<5", "pandas>=2.2,<3", "av>=15,<16", "jsonlines>=4", "draccus==0.10.0", "einops>=0.8",
    "huggingface-hub<0.36", "imageio[ffmpeg]>=2.34", "termcolor>=2.4", "numpy<2.3", "safetensors", "psutil",
    "deepdiff<9", "packaging<26", "setuptools<81",
)  # fmt: skip


def main(report: str) -> int:
    """Run the proof, write its table, and return 1 when a row is off."""
    python = _environment()
    with tempfile.TemporaryDirectory() as folder:
        whole, killed = Path(folder) / "whole", Path(folder) / "killed"
        outcomes = collect(CollectConfig(output=str(whole), episodes=16, workers=2)).outcomes
        published = _killed_collection(killed)
        rows = [("collected by two workers", "no errors", "error" not in outcomes, str(outcomes))]
        rows += _compare("collected by two workers", whole, python)
        rows += _compare(f"killed after {published} episodes", killed, python)
    lines = ["# Our datasets, read by lerobot", "", "| set | check | result |", "| --- | --- | --- |"]
    lines += [
        f"| {name} | {check} | {'ok' if good else 'OFF'}: {found} |" for name, check, good, found in rows
    ]
    text = "\n".join([*lines, "", "Made by `python -m tests.proof.lerobot_loads`.", ""])
    print(text)
    Path(report).parent.mkdir(parents=True, exist_ok=True)
    Path(report).write_text(text)
    return int(not all(good for _, _, good, _ in rows))


def _environment() -> Path:
    python = ENVIRONMENT / "bin" / "python"
    stamp = ENVIRONMENT / ".installed"
    if not stamp.exists():
        venv.create(ENVIRONMENT, with_pip=True, clear=True)
        install = [str(python), "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
        subprocess.run([*install, *NEEDED], check=True)
        subprocess.run([*install, "--no-deps", *ALONE], check=True)
        # behind its own packages, so that only torch and what belongs to it come from here
        site = next((ENVIRONMENT / "lib").glob("python*/site-packages"))
        (site / "project.pth").write_text(sysconfig.get_paths()["purelib"] + "\n")
        stamp.touch()
    return python


def _killed_collection(root: Path, after: int = 5) -> int:
    code = (
        "from rollouts.collect import CollectConfig, collect\n"
        f"collect(CollectConfig(output={str(root)!r}, episodes=1000), progress=False)\n"
    )
    process = subprocess.Popen([sys.executable, "-c", code], cwd=ROOT)
    index = root / schema.INDEX_PATH
    while process.poll() is None and (not index.exists() or index.read_bytes().count(b"\n") < after):
        time.sleep(0.01)
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    return len(LeRobotSource(root))


def _compare(name: str, root: Path, python: Path) -> list[tuple[str, str, bool, str]]:
    client = Path(__file__).with_name("lerobot_client.py")
    environment = {**os.environ, "HF_HUB_OFFLINE": "1", "HF_HOME": str(root.parent / "cache")}
    run = subprocess.run(
        [str(python), str(client), str(root)], capture_output=True, text=True, env=environment, check=False
    )
    result = next((line[7:] for line in run.stdout.splitlines() if line.startswith("RESULT ")), None)
    if result is None:
        print(run.stderr, file=sys.stderr)
        return [(name, "opens", False, run.stderr.strip().splitlines()[-1] if run.stderr else "no output")]
    theirs, ours = json.loads(result), LeRobotSource(root)
    wanted = [(record, t) for record in ours for t in range(record.length)]
    pairs = list(zip(theirs["frames"], wanted, strict=False))

    def all_frames(test) -> bool:
        return len(pairs) == len(theirs["frames"]) == len(wanted) and all(
            test(f, r, t) for f, (r, t) in pairs
        )

    facts = [
        {
            "seed": r.seed,
            "success": r.success,
            "env_id": r.env_id,
            "named_prompt": named_prompt(r.prompt, r.prompt_assets),
        }
        for r in ours
    ]
    checks = [
        ("opens", True, f"lerobot {theirs['lerobot']}, {theirs['fps']} fps"),
        ("episodes", theirs["episodes"] == len(ours), str(theirs["episodes"])),
        ("frames", all_frames(lambda f, r, t: (f["episode"], f["frame"]) == (r.index, t)), str(len(pairs))),
        ("pixels", all_frames(lambda f, r, t: f["top"] == _hash(r.frames["top"][t])), "equal"),
        ("actions", all_frames(lambda f, r, t: f["action"] == r.actions[t].tolist()), "equal"),
        ("action text", all_frames(lambda f, r, t: f["text"] == r.action_texts[t]), "equal"),
        ("boxes in text", all_frames(lambda f, r, t: f["boxes"] == _boxes(r, t)), "equal"),
        ("task strings", all_frames(lambda f, r, t: f["task"] == r.instruction), "equal"),
        ("episode facts", theirs["facts"] == facts, "seed, success, env_id, named_prompt"),
        ("statistics", set(theirs["statistics"]) >= SENSED, "of every sensor and action"),
        ("batch with a window", theirs["batch"]["action"] == [4, 2, 12], str(theirs["batch"][IMAGE])),
    ]
    return [(name, check, good, found if good else "differs") for check, good, found in checks]


def _boxes(record: StoredEpisode, step: int) -> str:
    body = embodiments.get(record.embodiment)
    views = {camera: pictures[step] for camera, pictures in record.frames.items()}
    return boxes_target(body, record.objects[step], body.style().fitted(body.cameras), sizes_of(views))


def _hash(picture: np.ndarray) -> str:
    return hashlib.sha256(picture.tobytes()).hexdigest()


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit("usage: python -m tests.proof.lerobot_loads REPORT.md")
    sys.exit(main(sys.argv[1]))
