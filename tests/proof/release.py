"""Proof that a release works: the wheel in an empty environment of each Python, and the README there.

Builds the wheels of what is committed, and for every Python from 3.11 to 3.14 that is found (on the path, or
where pyenv keeps them) makes a virtual environment, installs torch and the wheel with what it asks for, and
runs, in a folder of its own, `uio2 --version`, the README's Python and an episode of each suite. One
environment at a time, because torch may bring gigabytes. The plug-ins' wheels are installed beside it,
without the programs they are for: those have proofs of their own.

Usage: python -m tests.proof.release REPORT.md
"""

import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
import zipfile
from collections.abc import Mapping
from email import message_from_bytes
from pathlib import Path

from packaging.specifiers import SpecifierSet

from tests.proof.tables import table
from uio2_agent.files import replace_file

ROOT = Path(__file__).parents[2]
TORCH = "torch==2.13.0"
MINORS = (11, 12, 13, 14)
EPISODES = (
    ("rollout", "env=vima", "task=rotate", "episodes=1", "videos=0"),
    ("rollout", "env=procthor", "task=ObjectNav", "policy=oracle", "episodes=1", "videos=0"),
    ("rollout", "env=habitat", "task=PointNav", "episodes=1", "videos=0"),
)
SAID = re.compile(r"Put the .+ into the .+ (True|False)\n")
"""What the README's lines print."""
_ABOUT = (
    "import platform, torch; from importlib.metadata import distributions; "
    "print(platform.python_version(), torch.__version__, len(list(distributions())))"
)


def main(report: str) -> int:
    """Run the proof, write its table, and return 1 when a row is off."""
    (example,) = re.findall(r"```python\n(.*?)```", (ROOT / "README.md").read_text("utf-8"), re.DOTALL)
    rows, good = [], True
    with tempfile.TemporaryDirectory() as folder:
        wheels = _wheels(Path(folder))
        for minor in MINORS:
            place, python = Path(folder) / str(minor), python_of(minor)
            if python is None:
                row = [f"3.{minor}", "", "", "", "not on this machine"]
            else:
                meant = [wheel for wheel in wheels if f"3.{minor}" in _pythons(wheel)]
                about, steps, size = _tried(python, place, meant, example)
                good &= not any(steps.values())
                told = "; ".join(f"{name}: {said or 'ok'}" for name, said in steps.items())
                row = [*(about or [f"3.{minor}", "", ""]), f"{size / 2**30:.1f} GiB", told]
                shutil.rmtree(place)
            rows.append(row)
            print(row, flush=True)
        built = [[wheel.name, f"{wheel.stat().st_size / 2**20:.2f} MiB", _holds(wheel)] for wheel in wheels]
    parts = [
        "# The wheels on other Pythons",
        table(["wheel", "size", "holds"], built),
        f"In an empty environment of each, after `pip install {TORCH}`:",
        table(["Python", "torch", "packages", "environment", "what was done there"], rows),
        "Made by `python -m tests.proof.release`.",
    ]
    replace_file(Path(report), "\n\n".join(parts) + "\n")
    return int(not good)


def _wheels(folder: Path) -> list[Path]:
    """The wheels of what is committed, built in a copy: the project's, then the plug-ins'."""
    copy, built = folder / "source", folder / "wheels"
    _checked(["git", "clone", "--quiet", str(ROOT), str(copy)])
    pip = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--no-build-isolation"]
    pip.append("--ignore-requires-python")  # which is about where it is installed
    found = []
    for source in (copy, *sorted(path.parent for path in copy.glob("plugins/*/pyproject.toml"))):
        _checked([*pip, "--wheel-dir", str(built), str(source)])
        found += sorted(set(built.glob("*.whl")) - set(found))
    return found


def _pythons(wheel: Path) -> SpecifierSet:
    """The Pythons that a wheel is for."""
    archive = zipfile.ZipFile(wheel)
    (about,) = [name for name in archive.namelist() if name.endswith(".dist-info/METADATA")]
    return SpecifierSet(message_from_bytes(archive.read(about))["Requires-Python"])


def _holds(wheel: Path) -> str:
    """The packages in a wheel, and how many files."""
    names = [name for name in zipfile.ZipFile(wheel).namelist() if ".dist-info/" not in name]
    return f"{', '.join(sorted({name.split('/')[0] for name in names}))}: {len(names)} files"


def python_of(minor: int) -> Path | None:
    """Return a Python 3.`minor` that pyenv keeps or that is on the path; None where there is none."""
    kept = sorted(Path.home().glob(f".pyenv/versions/3.{minor}.*/bin/python"))
    found = str(kept[-1]) if kept else shutil.which(f"python3.{minor}")
    return Path(found) if found else None


def _tried(
    python: Path, folder: Path, wheels: list[Path], example: str
) -> tuple[list[str], dict[str, str], int]:
    """Versions of Python and torch with the number of packages; what each step said in the end, nothing for
    one that went well (the first failure is the last step); and the bytes of the environment.
    """
    _checked([str(python), "-m", "venv", str(folder / "venv")])
    made = folder / "venv" / "bin"
    (empty := folder / "empty").mkdir()
    pip = [str(made / "python"), "-m", "pip", "--quiet", "--disable-pip-version-check"]
    own, *plugins = map(str, wheels)
    steps: dict[str, list[str]] = {
        "torch": [*pip, "install", TORCH],
        "install": [*pip, "install", own],
        "pip check": [*pip, "check"],
        "uio2 --version": [str(made / "uio2"), "--version"],
        "the README's lines": [str(made / "python"), "-c", example],
        **{words[1].partition("=")[2]: [str(made / "uio2"), *words] for words in EPISODES},
        **{Path(plugin).name.split("-")[0]: [*pip, "install", "--no-deps", plugin] for plugin in plugins},
    }
    # nothing of this checkout may be found from in there
    clean = {key: value for key, value in os.environ.items() if key not in ("PYTHONPATH", "VIRTUAL_ENV")}
    said: dict[str, str] = {}
    for name, command in steps.items():
        said[name] = _outcome(name, command, empty, clean)
        if said[name]:
            break
    ask = [str(made / "python"), "-c", _ABOUT]
    about = subprocess.run(ask, cwd=empty, env=clean, capture_output=True, text=True)
    files = (path.lstat() for path in made.parent.rglob("*"))
    return about.stdout.split(), said, sum(file.st_size for file in files)


def _outcome(name: str, command: list[str], folder: Path, environment: Mapping[str, str]) -> str:
    began = time.monotonic()
    run = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True)
    print(f"{name}: status {run.returncode}, {time.monotonic() - began:.0f} s", flush=True)
    if run.returncode:
        return ((run.stderr or run.stdout).strip().splitlines() or [f"status {run.returncode}"])[-1]
    if name == "the README's lines" and not SAID.fullmatch(run.stdout):
        return f"it printed {run.stdout!r:.200}"
    return ""


def _checked(command: list[str]) -> None:
    subprocess.run(command, check=True)


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
