"""No file imports itself by way of others: imports inside functions and under `if TYPE_CHECKING` count too.

`from package import name` is an import of `package/name.py` where that is a module, else of the package's
`__init__.py`. Names that an `__init__.py` loads by a table of strings are no imports.
"""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PACKAGES = ("uio2_agent", "envs", "policies", "pretrain", "rollouts")

Graph = dict[str, set[str]]


def file_of(root: Path, name: str) -> str | None:
    """Return the file of a module by its dotted name, relative to the root; None if there is none."""
    place = root.joinpath(*name.split("."))
    for path in (place.with_suffix(".py"), place / "__init__.py"):
        if path.is_file():
            return str(path.relative_to(root))
    return None


def imported(root: Path, path: Path) -> Iterator[str]:
    """Yield the files of the root that a file imports, anywhere in it."""
    folder = path.parent.relative_to(root).parts
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found = [file_of(root, alias.name) for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            above = folder[: len(folder) - node.level + 1] if node.level else ()
            source = ".".join([*above, *([node.module] if node.module else [])])
            found = [file_of(root, f"{source}.{alias.name}") or file_of(root, source) for alias in node.names]
        else:
            continue
        yield from (name for name in found if name is not None)


def graph_of(root: Path, packages: tuple[str, ...] = PACKAGES) -> Graph:
    """Return what each file of the packages imports."""
    paths = [path for package in packages for path in sorted((root / package).rglob("*.py"))]
    return {str(path.relative_to(root)): set(imported(root, path)) for path in paths}


def circles(graph: Graph) -> list[list[str]]:
    """Return the strongly connected components of more than one file, and files that import themselves."""

    def reached(start: str) -> set[str]:
        found, waiting = set(), [start]
        while waiting:
            for name in graph.get(waiting.pop(), set()) - found:
                found.add(name)
                waiting.append(name)
        return found

    reach = {name: reached(name) for name in graph}
    rings = {
        tuple(sorted(other for other in reach[name] if name in reach.get(other, ())))
        for name in graph
        if name in reach[name]
    }
    return [list(ring) for ring in sorted(rings)]


@pytest.mark.parametrize("package", PACKAGES)
def test_no_file_imports_itself_by_way_of_others(package: str) -> None:
    graph = graph_of(ROOT)
    assert any(name.startswith(f"{package}/") for name in graph), f"{package} has no modules"
    found = [ring for ring in circles(graph) if any(name.startswith(f"{package}/") for name in ring)]
    assert not found, "import circles:\n" + "\n".join(" – ".join(ring) for ring in found)


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """Files of one package: `a` and `b` form a circle, `c` and `__init__` another, `d` is in none."""
    files = {
        "__init__": "from .c import C\n_LAZY = {'d': 'envs.d'}\n",
        "a": "import envs.b\n",
        "b": "def f():\n    from envs import a, d\n",
        "c": "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    from envs import D\n",
        "d": "from envs.e import x\nimport torch\n",
        "e": "x = 1\n",
    }
    (tmp_path / "envs").mkdir()
    for name, text in files.items():
        (tmp_path / "envs" / f"{name}.py").write_text(text)
    return tmp_path


def test_circles_inside_functions_and_for_type_checking_are_found(tree: Path) -> None:
    """The test of the test."""
    graph = graph_of(tree, ("envs",))
    assert graph["envs/b.py"] == {"envs/a.py", "envs/d.py"}
    assert graph["envs/d.py"] == {"envs/e.py"}
    assert circles(graph) == [["envs/__init__.py", "envs/c.py"], ["envs/a.py", "envs/b.py"]]


def test_a_tree_without_circles_is_found_clean(tree: Path) -> None:
    (tree / "envs" / "b.py").write_text("from envs import d\n")
    (tree / "envs" / "c.py").write_text("C = 1\n")
    assert circles(graph_of(tree, ("envs",))) == []
