"""Proof that others read what `uio2 dataset` writes: lerobot, minari, robomimic, each its own real package.

Collects a small set, exports and compacts it, and opens each result in a virtual environment with the reader:
lerobot 0.4.4 (v3.0), lerobot 0.3.3 (v2.1), minari, robomimic. One set is read after `push` sent it through
huggingface_hub to a stand-in of the hub (tests/doubles/hub.py). Torch is the project's own. A digest of
all actions and, where pictures are lossless, of all pixels must be ours.
Usage: python -m tests.proof.dataset_exports REPORT.md
"""

import hashlib
import json
import os
import subprocess
import sys
import sysconfig
import tempfile
import venv
from pathlib import Path

import numpy as np

from pretrain.sources import LeRobotSource
from rollouts.collect import CollectConfig, collect
from rollouts.datasets.compact import compact
from rollouts.datasets.exports import export
from rollouts.datasets.stored import StoredSet
from tests.doubles.hub import hub
from tests.proof import lerobot_loads

PLACE = lerobot_loads.ENVIRONMENT.parent
READERS = {
    "lerobot21": ("lerobot==0.3.3", "datasets==3.6.0"),
    "minari": ("minari==0.5.4", "h5py>=3.12", "typer>=0.9", "shellingham", "annotated-doc"),
    "robomimic": ("robomimic==0.3.0", "h5py>=3.12", "tqdm", "egl-probe==1.0.2"),
}
"""What is installed beside the packages of lerobot 0.4.4 and the project, without what it asks for itself."""


def main(report: str) -> int:
    """Run the proof, write its table, and return 1 when a row is off."""
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        collect(CollectConfig(output=str(root / "set"), episodes=16, workers=2), progress=False)
        compact(root / "set", root / "compact")
        films = compact(root / "set", root / "films", video=True)
        export(StoredSet(root / "set"), "lerobot21", root / "lerobot21")
        ours = _ours(root / "set")
        base = lerobot_loads._environment()
        for name in ("minari", "robomimic"):  # their packages are there and not here
            words = ["dataset", "export", str(root / "set"), f"to={name}", f"output={root / name}"]
            command = [str(_environment(name, base)), "-m", "rollouts.cli", *words]
            subprocess.run(command, cwd=lerobot_loads.ROOT, check=True)
        with hub(root / "pushed") as address:
            command = [str(base), "-m", "rollouts.cli", "dataset", "push", str(root / "set"), "repo=me/set"]
            told = {**os.environ, "HF_ENDPOINT": address, "HF_TOKEN": "nobody"}
            subprocess.run(command, cwd=lerobot_loads.ROOT, env=told, check=True)
        reads = [
            ("collected, PNG", "set", "lerobot", base),
            ("compacted, PNG", "compact", "lerobot", base),
            ("compacted, H.264", "films", "lerobot", base),
            ("pushed by huggingface_hub to a stand-in of the hub", "pushed", "lerobot", base),
            ("LeRobot v2.1", "lerobot21", "lerobot", _environment("lerobot21", base)),
            ("Minari", "minari", "minari", _environment("minari", base)),
            ("robomimic", "robomimic", "robomimic", _environment("robomimic", base)),
        ]
        for title, place, reader, python in reads:
            theirs = _read(python, reader, root / place)
            rows.append(_row(title, ours, theirs, lossless=place != "films"))
    lines = ["# Datasets, read by others", "", "| set | reader | episodes | actions | pictures |"]
    lines += ["| --- | --- | --- | --- | --- |", *(row for _, row in rows), ""]
    lines += [
        f"Films differ from the PNG by {films['difference']:.2f} of 255 levels at most, in a frame's mean."
    ]
    text = "\n".join([*lines, "", "Made by `python -m tests.proof.dataset_exports`.", ""])
    print(text)
    Path(report).write_text(text)
    return int(not all(good for good, _ in rows))


def _ours(root: Path) -> dict:
    source = LeRobotSource(root)
    return {
        "episodes": len(source),
        "actions": _digest([record.actions for record in source]),
        "pictures": _digest([np.asarray(record.frames["top"]) for record in source]),
    }


def _digest(arrays: list[np.ndarray]) -> str:
    return hashlib.sha256(b"".join(np.ascontiguousarray(array).tobytes() for array in arrays)).hexdigest()


def _environment(name: str, base: Path) -> Path:
    """A virtual environment with one reader in front of the packages of `base`."""
    place = PLACE / name
    python, stamp = place / "bin" / "python", place / ".installed"
    if not stamp.exists():
        venv.create(place, with_pip=True, clear=True)
        install = [str(python), "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-deps"]
        subprocess.run([*install, *READERS[name]], check=True)
        site = next((place / "lib").glob("python*/site-packages"))
        behind = [
            next((base.parents[1] / "lib").glob("python*/site-packages")),
            sysconfig.get_paths()["purelib"],
        ]
        (site / "others.pth").write_text("".join(f"{path}\n" for path in behind))
        stamp.touch()
    return python


def _read(python: Path, reader: str, root: Path) -> dict:
    client = Path(__file__).with_name("dataset_reader.py")
    environment = {**os.environ, "HF_HUB_OFFLINE": "1", "HF_HOME": str(root.parent / f"cache-{root.name}")}
    run = subprocess.run(
        [str(python), str(client), reader, str(root)],
        capture_output=True,
        text=True,
        env=environment,
        check=False,
    )
    result = next((line[7:] for line in run.stdout.splitlines() if line.startswith("RESULT ")), None)
    if result is None:
        print(run.stderr, file=sys.stderr)
        return {"reader": reader, "failed": (run.stderr.strip().splitlines() or ["no output"])[-1]}
    return json.loads(result)


def _row(title: str, ours: dict, theirs: dict, lossless: bool) -> tuple[bool, str]:
    if "failed" in theirs:
        return False, f"| {title} | {theirs['reader']} | OFF: {theirs['failed']} | | |"
    same = {key: theirs[key] == ours[key] for key in ours}
    if not lossless:
        same["pictures"] = True
    words = [str(theirs["episodes"]), "equal", "equal" if lossless else "decoded"]
    told = [word if good else f"OFF: {word}" for word, good in zip(words, same.values(), strict=True)]
    return all(same.values()), f"| {title} | {theirs['reader']} | {' | '.join(told)} |"


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit("usage: python -m tests.proof.dataset_exports REPORT.md")
    sys.exit(main(sys.argv[1]))
