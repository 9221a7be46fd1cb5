"""The packages import each other in one direction only, inside functions too, and training loads no
simulator.

The allowed directions are those of the design: the model and the simulators know nobody, policies join them,
training builds on the model and on how policies write requests, rollouts stand on top.
"""

import ast
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PACKAGES = ("uio2_agent", "envs", "policies", "pretrain", "rollouts")
ALLOWED = {
    "uio2_agent": {"uio2_agent"},
    "envs": {"envs"},
    "policies": {"policies", "uio2_agent", "envs"},
    "pretrain": {"pretrain", "uio2_agent", "policies"},
    "rollouts": set(PACKAGES),
}
REQUEST_MODULES = (
    *("policies.action_text", "policies.moment", "policies.style", "policies.prompts", "policies.questions"),
    *("policies.embodiments", "policies.embodiments.base", "policies.embodiments.vima"),
)
SIMULATORS = {"envs", "mujoco", "gymnasium", "ray", "rollouts"}


def imports(path: Path) -> Iterator[tuple[str, bool]]:
    """Yield each imported module's dotted name and whether that happens inside a function."""
    module = ".".join(path.relative_to(ROOT).with_suffix("").parts)
    package = module if path.name == "__init__.py" else module.rpartition(".")[0]
    package = package.removesuffix(".__init__")

    def walk(node: ast.AST, inside: bool) -> Iterator[tuple[str, bool]]:
        for child in ast.iter_child_nodes(node):
            within = inside or isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda)
            if isinstance(child, ast.Import):
                yield from ((alias.name, inside) for alias in child.names)
            elif isinstance(child, ast.ImportFrom):
                parts = package.split(".")
                base = parts[: len(parts) - child.level + 1] if child.level else []
                source = ".".join([*base, *([child.module] if child.module else [])])
                yield from ((f"{source}.{alias.name}", inside) for alias in child.names)
            elif isinstance(child, ast.Call) and ast.unparse(child.func).endswith(
                ("import_module", "__import__")
            ):
                yield from ((str(a.value), inside) for a in child.args[:1] if isinstance(a, ast.Constant))
            yield from walk(child, within)

    yield from walk(ast.parse(path.read_text(encoding="utf-8")), False)


def files(package: str) -> list[Path]:
    found = sorted((ROOT / package).rglob("*.py"))
    assert found, f"{package} has no modules"
    return found


@pytest.mark.parametrize("package", PACKAGES)
def test_imports_never_turn_back(package: str) -> None:
    wrong = [
        f"{path.relative_to(ROOT)} imports {name}"
        for path in files(package)
        for name, _ in imports(path)
        if name.split(".")[0] in PACKAGES and name.split(".")[0] not in ALLOWED[package]
    ]
    assert not wrong, "\n".join(wrong)


def test_training_takes_only_the_request_builders_of_policies() -> None:
    wrong = [
        f"{path.relative_to(ROOT)} imports {name}"
        for path in files("pretrain")
        for name, _ in imports(path)
        if name.split(".")[0] == "policies" and not name.startswith(REQUEST_MODULES)
    ]
    assert not wrong, "\n".join(wrong)


@pytest.mark.parametrize("module", sorted(REQUEST_MODULES))
def test_request_builders_import_no_environment(module: str) -> None:
    path = ROOT / module.replace(".", "/")
    path = path / "__init__.py" if path.is_dir() else path.with_suffix(".py")
    wrong = [name for name, _ in imports(path) if name.split(".")[0] in SIMULATORS]
    assert not wrong, wrong


@pytest.mark.parametrize("heavy", ["ray", "av"])
def test_heavy_packages_are_imported_where_they_are_used(heavy: str) -> None:
    wrong = [
        str(path.relative_to(ROOT))
        for package in PACKAGES
        for path in files(package)
        for name, inside in imports(path)
        if name.split(".")[0] == heavy and not inside
    ]
    assert not wrong, f"{heavy} is imported at module level in {wrong}"


def test_nothing_imports_cv2_torchvision_or_lerobot() -> None:
    unwanted = {"cv2", "torchvision", "torchcodec", "lerobot", "pandas", "transformers"}
    wrong = [
        f"{path.relative_to(ROOT)} imports {name}"
        for package in PACKAGES
        for path in files(package)
        for name, _ in imports(path)
        if name.split(".")[0] in unwanted
    ]
    assert not wrong, "\n".join(wrong)


def test_the_walker_sees_imports_inside_functions(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The test of the test: every form of import is found, with its place."""
    monkeypatch.setattr(sys.modules[__name__], "ROOT", tmp_path)
    (tmp_path / "envs").mkdir()
    path = tmp_path / "envs" / "probe.py"
    path.write_text(
        "from . import a\nfrom .b import c\ndef f():\n    import rollouts.x\n    import_module('policies')\n"
    )
    assert list(imports(path)) == [
        ("envs.a", False),
        ("envs.b.c", False),
        ("rollouts.x", True),
        ("policies", True),
    ]


def test_training_loads_no_simulator() -> None:
    modules = [
        ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")
        for path in files("pretrain")
        if path.name != "__main__.py"
    ]
    code = (
        f"import importlib, sys\nfor m in {[*modules, *REQUEST_MODULES]}: importlib.import_module(m)\n"
        f"print(sorted(set(sys.modules) & {SIMULATORS}))"
    )
    run = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True)
    assert run.returncode == 0, run.stderr
    assert run.stdout.strip() == "[]", f"importing pretrain also loads {run.stdout}"


def test_every_module_of_tests_benchmarks_and_docs_finds_what_it_imports() -> None:
    """Proofs, benchmarks and pictures run seldom: a name that moved must not wait for them."""
    wrong = []
    for folder in ("tests", "benchmarks", "docs"):
        for path in files(folder):
            for name, _ in imports(path):
                package, _, last = name.rpartition(".")
                if name.split(".")[0] not in (*PACKAGES, "tests", "benchmarks") or last == "*":
                    continue
                if not (_module(name) or _defines(package, last)):
                    wrong.append(f"{path.relative_to(ROOT)} imports {name}")
    assert not wrong, "\n".join(wrong)


def _module(name: str) -> Path | None:
    """The file of a dotted name, if it is one of ours."""
    place = ROOT / name.replace(".", "/")
    found = place.with_suffix(".py"), place / "__init__.py"
    return next((path for path in found if path.exists()), place if place.is_dir() else None)


def _defines(package: str, name: str) -> bool:
    """Whether a module binds a name at its top, or loads it when asked."""
    path = _module(package)
    if path is None or path.is_dir():
        return False
    text = path.read_text(encoding="utf-8")
    return bool(re.search(rf"\b{re.escape(name)}\b", text))


def test_nothing_of_the_model_goes_through_the_door_to_the_others() -> None:
    """`uio2_agent.gym` loads the packages beside it; the model behind that door knows nobody."""
    wrong = [
        f"{path.relative_to(ROOT)} imports {name}"
        for path in files("uio2_agent")
        for name, _ in imports(path)
        if name.startswith("uio2_agent.gym")
    ]
    assert not wrong, "\n".join(wrong)
