"""Proof that a release works: the wheel in an empty environment of each Python, and the README there.

Builds the wheel, and for every Python from 3.11 to 3.14 that is found (on the path, or where pyenv keeps
them) makes a virtual environment, installs torch and the wheel with what it asks for, and runs, in a folder
of its own, `uio2 --version`, the README's Python and an episode of each suite. A Python for which there is no
torch is named as such. Usage: python -m tests.proof.release REPORT.md
"""

import re
import shutil
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path

ROOT = Path(__file__).parents[2]
TORCH = "torch==2.13.0"
MINORS = (11, 12, 13, 14)
EPISODES = (
    ("rollout", "env=vima", "task=rotate", "episodes=1", "videos=0"),
    ("rollout", "env=procthor", "task=ObjectNav", "policy=oracle", "episodes=1", "videos=0"),
    ("rollout", "env=habitat", "task=PointNav", "episodes=1", "videos=0"),
)


def main(report: str) -> int:
    """Run the proof, write its table, and return 1 when a row is off."""
    (example,) = re.findall(r"```python\n(.*?)```", (ROOT / "README.md").read_text("utf-8"), re.DOTALL)
    rows, good = [], True
    with tempfile.TemporaryDirectory() as folder:
        wheel = _wheel(Path(folder))
        size = wheel.stat().st_size / 2**20
        for minor in MINORS:
            found = python_of(minor)
            steps = _tried(found, Path(folder) / str(minor), wheel, example) if found else {}
            good &= all(not said for said in steps.values()) and (bool(steps) or found is None)
            told = (
                "; ".join(f"{name}: {said or 'ok'}" for name, said in steps.items()) or "not on this machine"
            )
            rows.append(f"| 3.{minor} | {told} |")
            print(rows[-1], flush=True)
        names = sorted({name.split("/")[0] for name in zipfile.ZipFile(wheel).namelist()})
    lines = ["# The wheel on other Pythons", "", f"{wheel.name}, {size:.1f} MiB: {', '.join(names)}.", ""]
    lines += ["| Python | in an empty environment |", "| --- | --- |", *rows, ""]
    text = "\n".join([*lines, "Made by `python -m tests.proof.release`.", ""])
    Path(report).write_text(text)
    return int(not good)


def _wheel(folder: Path) -> Path:
    """The wheel of what is committed, built in a copy."""
    copy = folder / "source"
    _checked(["git", "clone", "--quiet", str(ROOT), str(copy)])
    built = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--no-build-isolation"]
    _checked([*built, "--wheel-dir", str(folder), str(copy)])
    (wheel,) = folder.glob("*.whl")
    return wheel


def python_of(minor: int) -> Path | None:
    """Return a Python 3.`minor` that pyenv keeps or that is on the path; None where there is none."""
    kept = sorted(Path.home().glob(f".pyenv/versions/3.{minor}.*/bin/python"))
    found = str(kept[-1]) if kept else shutil.which(f"python3.{minor}")
    return Path(found) if found else None


def _tried(python: Path, folder: Path, wheel: Path, example: str) -> dict[str, str]:
    """What each step said in the end; nothing for one that went well. The first failure is the last step."""
    _checked([str(python), "-m", "venv", str(folder / "venv")])
    made = folder / "venv" / "bin"
    empty = folder / "empty"
    empty.mkdir()
    pip = [str(made / "python"), "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    steps = {"torch": [*pip, TORCH], "install": [*pip, str(wheel)]}
    steps["uio2 --version"] = [str(made / "uio2"), "--version"]
    steps["the README's lines"] = [str(made / "python"), "-c", example]
    steps |= {words[1].partition("=")[2]: [str(made / "uio2"), *words] for words in EPISODES}
    said: dict[str, str] = {}
    for name, command in steps.items():
        run = subprocess.run(command, cwd=empty, capture_output=True, text=True)
        said[name] = (
            (run.stderr.strip().splitlines() or [f"status {run.returncode}"])[-1] if run.returncode else ""
        )
        if said[name]:
            break
    return said


def _checked(command: list[str]) -> None:
    subprocess.run(command, check=True)


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
