"""The scripts of `uio2 completion` in the shells they are for."""

import os
import pty
import select
import shutil
import subprocess
import time
from pathlib import Path

import pytest

from rollouts.command_line import COMMANDS
from rollouts.completion import SHELLS, script

SUMMARIES = {name: command.summary for name, command in COMMANDS.items()}
ASKED = {
    "uio2 coll": ["collect"],
    "uio2 collect see": ["seed="],
    "uio2 collect env=ha": ["env=habitat"],
    "uio2 train resume=": ["resume=false", "resume=true"],
    "uio2 evaluate seed=1 task=swe": ["task=sweep_without_exceeding", "task=sweep_without_touching"],
    "uio2 inspect path=sho": ["path=short.txt"],
    "uio2 no_such_command see": [],
}
_BASH = r"""
source ./script
COMP_WORDBREAKS=' '
while IFS= read -r line; do
    COMP_LINE=$line COMP_POINT=${#line}
    _uio2 2> /dev/null
    (IFS=,; echo "${COMPREPLY[*]}")
done
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "short.txt").touch()
    for shell in SHELLS:
        (tmp_path / shell).mkdir()
        (tmp_path / shell / "script").write_text(script(shell, SUMMARIES))
        (tmp_path / shell / "short.txt").touch()
    return tmp_path


def test_bash_completes(folder: Path) -> None:
    run = subprocess.run(
        ["bash", "-c", _BASH],
        input="\n".join(ASKED) + "\n",
        cwd=folder / "bash",
        capture_output=True,
        text=True,
        check=True,
    )
    found = [sorted(filter(None, line.split(","))) for line in run.stdout.splitlines()]
    assert dict(zip(ASKED, found, strict=True)) == ASKED


@pytest.mark.skipif(shutil.which("fish") is None, reason="fish is not installed")
def test_fish_completes(folder: Path) -> None:
    for line, wanted in ASKED.items():
        run = subprocess.run(
            ["fish", "--no-config", "-c", f"source ./script; complete -C '{line}'"],
            cwd=folder / "fish",
            capture_output=True,
            text=True,
            check=True,
        )
        found = {each.split("\t")[0] for each in run.stdout.splitlines()}
        assert found - {line.split()[-1]} == set(wanted) - {line.split()[-1]}, line


@pytest.mark.skipif(shutil.which("zsh") is None, reason="zsh is not installed")
def test_zsh_completes_at_a_terminal(folder: Path) -> None:
    child, terminal = pty.fork()
    if child == 0:
        os.chdir(folder / "zsh")
        os.execvp("zsh", ["zsh", "-f", "-i"])
    try:
        _typed(
            terminal,
            "autoload -Uz compinit && compinit -u -D && source ./script && PS1= && echo rea''dy\n",
            "ready",
        )
        shown = _typed(terminal, "uio2 coll\t success_o\tt\t env=hab\t", "habitat")
    finally:
        os.close(terminal)
        os.waitpid(child, 0)
    assert "collect success_only=true env=habitat" in shown


def _typed(terminal: int, text: str, until: str, seconds: float = 30) -> str:
    """What a terminal shows of and after a text that is typed."""
    os.write(terminal, text.encode())
    shown, end = "", time.monotonic() + seconds
    while until not in shown and time.monotonic() < end:
        if select.select([terminal], [], [], 0.1)[0]:
            shown += os.read(terminal, 65536).decode(errors="replace")
    return shown
