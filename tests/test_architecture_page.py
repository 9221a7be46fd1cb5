"""docs/architecture.md is true: its paths exist, its ten changes are there, its picture shows the code."""

import re
from pathlib import Path

import pytest
from PIL import Image

from docs import architecture_figure as figure
from tests.test_imports import ALLOWED

ROOT = Path(__file__).parents[1]
PAGE = ROOT / "docs" / "architecture.md"
TEXT = PAGE.read_text(encoding="utf-8")
CHANGES = (
    *("task", "simulator", "embodiment", "input modality", "export"),
    *("schedule", "page", "policy", "beam rule", "official key"),
)
MOST = 4
"""Files that a change should touch at most; a modality may touch more."""


def rows() -> dict[str, list[str]]:
    """Return the cells of each change behind its name."""
    table = TEXT.split("## Where do I go to")[1]
    found = {}
    for line in re.findall(r"^\| (an? .*) \|$", table, re.MULTILINE):
        name, *cells = line.split(" | ")
        found[re.sub(r"^an? | of the tabletop$", "", name)] = cells
    return found


def test_every_path_exists() -> None:
    paths = re.findall(r"`([\w.]+/[\w./]+)`", TEXT) + re.findall(r"`python ([\w./]+\.py)`", TEXT)
    assert len(paths) > 50
    for path in paths:
        known = Path(path.split("NAME")[0])  # what you write does not exist yet
        assert (ROOT / known).exists(), path
    for link in re.findall(r"\]\(([^)]+)\)", TEXT):
        assert (PAGE.parent / link).exists(), link


def test_the_ten_changes_are_there_with_as_many_files_as_they_name() -> None:
    assert tuple(rows()) == CHANGES
    for name, (count, which, told) in rows().items():
        most = int(count.split()[-1])
        assert most <= MOST or name == "input modality", name
        assert "tests" in told, name
        named = re.findall(r"`((?:uio2_agent|envs|policies|pretrain|rollouts)/[^`]+)`", which.split(";")[0])
        if not name.startswith("official"):  # whose last file is the one that computes with it
            assert len(named) == most, name


@pytest.mark.parametrize("name", CHANGES)
def test_the_tests_it_sends_to_exist(name: str) -> None:
    told = rows()[name][2]
    for module in re.findall(r"python -m ([\w.]+)", told):
        assert (ROOT / module.replace(".", "/")).with_suffix(".py").is_file(), module
    assert re.search(r"`(python -m tests|tests/)", told), told


def test_the_picture_shows_the_code() -> None:
    with Image.open(figure.PATH) as picture:
        shown = picture.info.get(figure.KEY)
    command = "python docs/architecture_figure.py"
    assert shown == figure.fingerprint(figure.read()), f"the picture is older than the code: {command}"
    assert f"`{command}`" in TEXT and "images/architecture.png" in TEXT


def test_the_arrows_are_allowed_imports() -> None:
    found = figure.arrows(figure.read())
    assert {arrow[:2] for arrow in figure.ARROWS} == set(found), "ARROWS of docs/architecture_figure.py"
    assert all(target in ALLOWED[source] for source, target in found)


def test_the_picture_counts_what_is_imported(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The test of the test: imports inside functions count, a package's own do not; words are a beginning."""
    for package in figure.COLOURS:
        (tmp_path / package / "inner").mkdir(parents=True)
        for place in ("__init__", "inner/__init__", "inner/deep", "flat"):
            (tmp_path / package / f"{place}.py").write_text('"""Words → here (spec 3); more.\n\nRest."""\n')
    (tmp_path / "rollouts" / "inner" / "deep.py").write_text(
        "import envs\nfrom rollouts import flat\ndef f():\n    from envs.inner.deep import x\n"
    )
    (tmp_path / "pretrain" / "flat.py").write_text("from policies import Name, flat\nimport envs_too\n")
    monkeypatch.setattr(figure, "ROOT", tmp_path)
    drawn = figure.read()
    assert drawn["envs"]["flat.py"]["words"] == "Words -> here"
    assert list(drawn["envs"]) == ["", "inner/", "flat.py"]
    assert figure.arrows(drawn) == {("pretrain", "policies"): (1, 2), ("rollouts", "envs"): (1, 2)}
