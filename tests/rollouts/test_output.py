"""What the commands print: the result first and whole, errors once each, and nothing that is not there."""

import json
from pathlib import Path
from typing import Any

import pytest
from rich.table import Table

from policies.base import Policy
from rollouts.cli import main
from rollouts.pages import film
from rollouts.pages.console import error_lines, show
from tests.toys import TOY, ScriptedPolicy


class Undecided(Policy):
    """Somebody's policy with a fault in it."""

    name = "my own [bold]"

    def act(self, steps: list[Any]) -> list[Any]:
        raise ValueError("no idea\n  at all")


class Nameless(ScriptedPolicy):
    name = Policy.name


def uio2(*words: str) -> int:
    return main([words[0], f"env={TOY}", "task=slide", "env_kwargs.expert=true", *words[1:]])


def test_the_table_comes_first_and_errors_right_under_it(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    asked = ("policy=tests.rollouts.test_output:Undecided", "episodes=3", f"output={tmp_path}")
    assert uio2("evaluate", *asked) == 1
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].startswith("policy my own [bold], level placement") and len(lines) < 16
    row = next(place for place, line in enumerate(lines) if line.split()[:3] == ["slide", "3", "0.0%"])
    said = lines.index("3 episodes ended in an error:")
    assert row < said and "3 × ValueError: no idea at all" in lines[said + 1]
    assert "seed 5000000" in lines[said + 1]
    assert lines[-2:] == [f"page     {tmp_path / 'index.html'}", f"numbers  {tmp_path / 'result.json'}"]
    assert not (tmp_path / "videos").exists(), "nothing was done that a film could show"


def test_a_policys_own_name_is_what_it_is_called(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    names = {"Undecided": "my own [bold]", "Nameless": "Nameless"}
    for kind, name in names.items():
        output = tmp_path / kind
        asked = (f"policy=tests.rollouts.test_output:{kind}", "episodes=1", "videos=0", f"output={output}")
        uio2("evaluate", *asked)
        result = json.loads((output / "result.json").read_text())
        assert [row["policy"] for row in result["rows"]] == [name]
        assert result["recipe"]["policy"] == f"tests.rollouts.test_output:{kind}"
        assert f"<h1>{name} in toy</h1>" in (output / "index.html").read_text()
    capsys.readouterr()
    assert main(["compare", *(str(tmp_path / kind) for kind in names)]) == 0
    said = capsys.readouterr().out.splitlines()
    assert said[:2] == [
        f"first   my own [bold]   {tmp_path / 'Undecided'}",
        f"second  Nameless   {tmp_path / 'Nameless'}",
    ]


def test_a_checkpoint_is_called_by_its_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import shutil

    from policies.loading import load_policy
    from uio2_agent.formats.packaged import checkpoint_directory

    shutil.copytree(checkpoint_directory("nano"), tmp_path / "best")
    monkeypatch.chdir(tmp_path / "best")
    specs = (".", str(tmp_path / "best"), "../best/")
    assert [load_policy(spec).name for spec in specs] == ["best"] * 3 and load_policy("nano").name == "nano"


def test_videos_0_names_and_makes_no_folder(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for command in ("evaluate", "rollout"):
        output = tmp_path / command
        assert uio2(command, "policy=oracle", "episodes=1", "videos=0", f"output={output}") == 0
        assert "\nvideos " not in capsys.readouterr().out and not (output / "videos").exists()
    assert uio2("evaluate", "policy=oracle", "episodes=1", "videos=1", f"output={tmp_path}/evaluate") == 0
    assert f"videos   {tmp_path}/evaluate/videos\n" in capsys.readouterr().out
    assert len(list((tmp_path / "evaluate/videos").glob("*.mp4"))) == 1


def test_a_rollout_that_kept_nothing_names_no_dataset(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    asked = ("policy=tests.rollouts.test_output:Undecided", "episodes=2", f"output={tmp_path}")
    assert uio2("rollout", *asked) == 1
    assert "dataset" not in capsys.readouterr().out


@pytest.mark.parametrize(
    ("fault", "status", "said"),
    [
        (KeyboardInterrupt(), 130, "stopped; what was finished is kept"),
        (RuntimeError("played otherwise"), 2, "RuntimeError: played otherwise"),
    ],
)
def test_what_goes_wrong_with_films_loses_nothing(
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    fault: BaseException,
    status: int,
    said: str,
) -> None:
    """The second of two films fails: table and places were printed, and the page shows the first."""
    write, written = film.write_film, []

    def second_fails(path: Path, board: Any) -> None:
        if written:
            raise fault
        written.append(path)
        write(path, board)

    monkeypatch.setattr(film, "write_film", second_fails)
    asked = ("policy=oracle", "episodes=2", "videos=2", f"output={tmp_path}")
    assert uio2("evaluate", *asked) == status
    out, err = capsys.readouterr()
    assert "100.0%" in out and f"numbers  {tmp_path / 'result.json'}" in out and said in err
    assert "Traceback" not in err
    page = (tmp_path / "index.html").read_text()
    assert page.count("data-film ") == 1 and written[0].name in page
    monkeypatch.undo()
    assert uio2("evaluate", *asked) == 0, "the same command makes the others"
    assert (tmp_path / "index.html").read_text().count("data-film ") == 2


def test_a_collection_says_what_went_wrong(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    asked = ("policy=tests.rollouts.test_output:Undecided", "episodes=3", f"output={tmp_path}")
    assert uio2("collect", *asked) == 1
    first, second, third = capsys.readouterr().out.splitlines()
    assert first == f"dataset  {tmp_path}: 0 episodes (3 error)"
    assert second == "3 episodes ended in an error:" and "3 × ValueError: no idea at all" in third


def test_the_same_error_is_said_once() -> None:
    def error(message: str, seed: int) -> dict[str, Any]:
        return {"task": "slide", "level": None, "seed": seed, "message": message}

    assert error_lines([]) == []
    assert error_lines([error("a", 4), error("b\n c", 5), error("b  c", 6)]) == [
        "3 episodes ended in an error:",
        "  2 × b c   (first: slide, seed 5)",
        "  1 × a   (first: slide, seed 4)",
    ]
    many = error_lines(error(f"{seed} {'x' * 10_000}", seed) for seed in range(500))
    assert len(many) == 12 and max(map(len, many)) < 800 and many[-1] == "  490 × 490 other messages"


@pytest.mark.parametrize("terminal", [True, False])
def test_tables_are_not_cut(
    terminal: bool, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "20")
    if terminal:
        monkeypatch.setenv("FORCE_COLOR", "1")  # rich takes it for a terminal
    table = Table("task", "[link] what")
    words = [f"{letter * 70}end" for letter in "ab"]
    table.add_row(*words)
    show(table)
    out = capsys.readouterr().out
    assert all(word in out for word in (*words, "[link] what")) and "…" not in out


def test_results_alone_go_to_stdout(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert uio2("evaluate", "policy=oracle", "episodes=2", "videos=0", f"output={tmp_path}") == 0
    out, err = capsys.readouterr()
    assert out.startswith("policy oracle")
    assert [line.split()[:2] for line in err.splitlines()] == [["episodes", "1/2"], ["episodes", "2/2"]]
