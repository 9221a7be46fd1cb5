"""Every block of the tutorial runs, in order, in one folder; counts are scaled down."""

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[1]
TEXT = (ROOT / "docs" / "tutorial.md").read_text(encoding="utf-8")
MOST = {
    **{"episodes": 4, "steps": 4, "warmup": 1, "led": 2, "own": 2, "rounds": 1},
    **{"test_episodes": 2, "validation_episodes": 2},
}
"""Keys of commands, and the most that they are given here."""
TRAINED = {"train": ["batch_size=4", "validation_episodes=2", "threads=1"], "improve": ["batch_size=4"]}
"""What is added to the commands that train."""


def test_every_block_runs(tmp_path: Path) -> None:
    blocks = list(_blocks())
    assert [kind for kind, _ in blocks].count("sh") >= 8
    install, *rest = blocks
    assert install == ("sh", "make setup\n. .venv/bin/activate\n")
    assert re.search(r"^setup:", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE)
    for kind, text in rest:
        if kind == "python" and "class Careful" in text:
            (tmp_path / "my_policy.py").write_text(text)
        elif kind == "python":
            assert re.match(r"\d+ .+\['", _run([sys.executable, "-c", text], tmp_path))
        else:
            for line in text.splitlines():
                program, *words = line.split()
                assert program == "uio2", line
                _run([str(Path(sys.executable).with_name("uio2")), *_scaled(words)], tmp_path)
    for page in ("look", "before", "after", "improved", "house", "walk"):
        assert (tmp_path / "runs" / page / "index.html").is_file(), page


def _blocks() -> Iterator[tuple[str, str]]:
    for found in re.finditer(r"^```(\w+)\n(.*?)^```", TEXT, re.DOTALL | re.MULTILINE):
        yield found[1], found[2]


def _scaled(words: list[str]) -> list[str]:
    """The words of a command with smaller numbers."""
    scaled = []
    for word in words:
        name, _, value = word.partition("=")
        scaled.append(f"{name}={min(int(value), MOST[name])}" if name in MOST else word)
    return scaled + TRAINED.get(words[0], [])


def _run(command: list[str], folder: Path) -> str:
    variables = os.environ | {"OMP_NUM_THREADS": "1"}
    run = subprocess.run(command, cwd=folder, env=variables, capture_output=True, text=True, timeout=300)
    assert run.returncode == 0, f"{command}\n{run.stdout}\n{run.stderr}"
    return run.stdout
