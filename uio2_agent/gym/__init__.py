"""The way in that no folder of a person's can stand before: `import uio2_agent.gym` registers the simulators
with gymnasium, and `from uio2_agent.gym import envs, policies` gives ours.

Our packages have names that people give their own folders, and Python looks into the script's folder first.
Where all of ours are what Python would find, they are what is handed out here, under either name. Where
something else comes first, or was imported before, ours are loaded a second way, as `uio2_agent.gym.envs` and
so on, and the person's keep their names: both live in one process. Worker processes find them by those longer
names.

Unusual: the modules loaded so have an import of their own, in which `envs`, `policies`, `pretrain` and
`rollouts` mean the ones beside them. It refuses to know what the packages hold, and nothing in `uio2_agent`
imports it: it is a door, and the model behind it knows nobody.
"""

import builtins
import importlib
import importlib.util
import sys
from collections.abc import Mapping, Sequence
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec, PathFinder, SourceFileLoader
from pathlib import Path
from types import ModuleType
from typing import Any

PACKAGES = ("envs", "policies", "pretrain", "rollouts")
_FOLDER = Path(__file__).absolute().parents[2]
"""Where they stand: beside `uio2_agent`, installed or not."""

__all__ = sorted(PACKAGES)


def _import(
    name: str,
    globals: Mapping[str, Any] | None = None,
    locals: Mapping[str, Any] | None = None,
    fromlist: Sequence[str] | None = (),
    level: int = 0,
) -> ModuleType:
    """The built-in `__import__`, as modules of ours see it."""
    first = name.partition(".")[0]
    if level or first not in PACKAGES:
        return builtins.__import__(name, globals, locals, fromlist, level)
    module = builtins.__import__(f"{__name__}.{name}", globals, locals, fromlist or ("__name__",))
    return module if fromlist else sys.modules[f"{__name__}.{first}"]


class _Loader(SourceFileLoader):
    def exec_module(self, module: ModuleType) -> None:
        module.__dict__["__builtins__"] = {**vars(builtins), "__import__": _import}
        super().exec_module(module)


class _SecondName(Loader):
    """Gives a module of ours that Python finds by its own name another one.

    Arguments:
        name: Its own.
    """

    def __init__(self, name: str) -> None:
        self._name = name

    def create_module(self, spec: ModuleSpec) -> ModuleType:
        module = importlib.import_module(self._name)
        self._spec = module.__spec__  # importing sets the new one
        return module

    def exec_module(self, module: ModuleType) -> None:
        module.__spec__ = self._spec


class _Finder(MetaPathFinder):
    """Finds our packages, and what is in them, below this module's name.

    Arguments:
        apart: Whether they are loaded a second way.
    """

    def __init__(self, apart: bool) -> None:
        self._apart = apart

    def find_spec(self, fullname: str, path: Any, target: Any = None) -> ModuleSpec | None:
        own, _, name = fullname.partition(f"{__name__}.")
        if own or name.partition(".")[0] not in PACKAGES:
            return None
        if not self._apart:
            return None if importlib.util.find_spec(name) is None else ModuleSpec(fullname, _SecondName(name))
        found = PathFinder.find_spec(fullname, path if "." in name else [str(_FOLDER)])
        if found is not None and isinstance(found.loader, SourceFileLoader):
            found.loader = _Loader(found.loader.name, found.loader.path)
        return found


def _stands_before(name: str) -> bool:
    """Whether `import name` brings something else than ours."""
    if name in sys.modules:
        place = getattr(sys.modules[name], "__file__", None)
    else:
        found = importlib.util.find_spec(name)
        place = found and found.origin
    return place is None or Path(place).resolve() != (_FOLDER / name / "__init__.py").resolve()


if absent := [name for name in PACKAGES if not (_FOLDER / name / "__init__.py").is_file()]:
    raise ImportError(
        f"uio2_agent.gym: {', '.join(absent)} should stand in {_FOLDER}, beside uio2_agent, and does not: "
        "install uio2-agent whole (pip install --force-reinstall uio2-agent), or put a checkout's folder on "
        "PYTHONPATH"
    )
sys.meta_path.insert(0, _Finder(any(_stands_before(name) for name in PACKAGES)))
importlib.import_module(f"{__name__}.envs")


def __getattr__(name: str) -> ModuleType:
    if name not in PACKAGES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}; it offers {', '.join(__all__)}")
    return importlib.import_module(f"{__name__}.{name}")


def __dir__() -> list[str]:
    return __all__
