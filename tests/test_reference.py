"""The reference holds every public name, and is built without a warning."""

import re
import subprocess
import sys
from importlib import import_module
from pathlib import Path

import pytest

import envs
import policies
import rollouts
import uio2_agent

REFERENCE = Path(__file__).parents[1] / "docs" / "reference"
OFFERED = {package: dir(package) for package in (uio2_agent, policies)} | {
    envs: [name for name in vars(envs) if isinstance(getattr(envs, name), type) or name == "suite"],
    rollouts: rollouts.__all__,
}


def pages() -> list[str]:
    """The names that the reference explains, dotted."""
    return [
        name
        for page in sorted((REFERENCE / "pages").glob("*.md"))
        for name in re.findall(r"^::: (\S+)", page.read_text(encoding="utf-8"), re.MULTILINE)
    ]


@pytest.mark.parametrize("package", OFFERED, ids=lambda package: package.__name__)
def test_every_public_name_is_explained(package: object) -> None:
    explained = {name.rpartition(".")[2] for name in pages() if name.startswith(f"{package.__name__}.")}
    assert set(OFFERED[package]) <= explained


def test_every_explained_name_is_there() -> None:
    for name in pages():
        module, _, last = name.rpartition(".")
        assert not module or hasattr(import_module(module), last) or import_module(name)


def test_it_is_built_without_a_warning(tmp_path: Path) -> None:
    command = [
        str(Path(sys.executable).with_name("mkdocs")),
        "build",
        "--strict",
        "--site-dir",
        str(tmp_path),
    ]
    run = subprocess.run(command, cwd=REFERENCE, capture_output=True, text=True)
    assert run.returncode == 0, run.stderr
    page = (tmp_path / "policies.html").read_text(encoding="utf-8")
    assert 'id="policies.base.Policy.act"' in page
    assert "Return one action per step, in order." in page
