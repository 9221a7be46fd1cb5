"""What the README shows works: its Python runs, its commands have their keys, its links lead somewhere."""

import re
import shlex
from pathlib import Path

import pytest

from rollouts.command_line import COMMANDS
from rollouts.settings import resolve

ROOT = Path(__file__).parents[1]
TEXT = (ROOT / "README.md").read_text(encoding="utf-8")


def test_the_python_example_runs(capsys: pytest.CaptureFixture[str]) -> None:
    (code,) = re.findall(r"```python\n(.*?)```", TEXT, re.DOTALL)
    assert len([line for line in code.splitlines() if line]) <= 12
    exec(compile(code, "README.md", "exec"), {})
    said = capsys.readouterr().out
    assert re.fullmatch(r"Put the \{.+\} into the \{.+\}\. 0: pick from \( .+ \) (True|False)\n", said), said


def test_the_commands_take_the_words_they_are_given() -> None:
    lines = [line for line in TEXT.splitlines() if line.startswith("uio2 ")]
    assert {shlex.split(line, comments=True)[1] for line in lines} == set(COMMANDS)
    for line in lines:
        _, name, *words = shlex.split(line, comments=True)
        positional = [
            f"{key}={word}" for key, word in zip(COMMANDS[name].words, words, strict=False) if "=" not in word
        ]
        resolve(name, positional + words[len(positional) :])


def test_links_lead_somewhere() -> None:
    links = [link for link in re.findall(r"\]\(([^)]+)\)", TEXT) if not link.startswith("http")]
    assert links and all((ROOT / link).exists() for link in links), links
    for folder in re.findall(r"^(\w+)/ ", TEXT, re.MULTILINE):
        assert (ROOT / folder).is_dir(), folder
