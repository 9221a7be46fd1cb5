"""The installed `vima_bench` package and its one simulator per process: imported, silenced, handed round.

Unusual, because the package is: it talks to Python and C streams whatever is asked of it, leaves a file for
every object it adds, forgets the sizes it draws, and its gripper works in the first PyBullet client of a
process only. So output is swallowed at the descriptors, the files go to a folder that is deleted, the one
function that adds objects is wrapped, and `SIMULATOR` lends that client to one episode at a time. This module
knows neither tasks nor gymnasium's interface (environment.py).

Source: the behaviour of vimalabs/VIMABench at commit 97e0af1; how it is installed: docs/vima_upstream.md.
"""

import ctypes
import functools
import importlib
import importlib.util
import inspect
import os
import sys
import tempfile
import warnings
import weakref
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from types import ModuleType
from typing import Any

import gymnasium

from envs.errors import EnvError

_LOADER = "vima_bench.tasks.utils.pybullet_utils"
_INSTALL = (
    "on Python 3.9 to 3.11, pip install pybullet==3.2.7 torch kornia opencv-python-headless matplotlib "
    "einops dm-tree transforms3d omegaconf importlib_resources, and put a checkout of vimalabs/VIMABench on "
    "PYTHONPATH. Its own setup is not needed and fails today (setuptools >= 82 has no pkg_resources, gym "
    "0.21 does not build); gymnasium stands in for gym. See docs/vima_upstream.md"
)


def load_vima_bench() -> ModuleType:
    """Import `vima_bench` silently, with gymnasium in the place of a missing `gym`.

    Raises EnvError that names what to install when the package, or something it imports, is missing.
    """
    stands_in = "gym" not in sys.modules and importlib.util.find_spec("gym") is None
    try:
        with quiet():
            if stands_in:
                sys.modules["gym"] = gymnasium
            package = importlib.import_module("vima_bench")
            _remember_additions(sys.modules[_LOADER])
    except ImportError as error:
        raise EnvError(
            f"backend='upstream' drives an installed vima_bench, but: {error}; {_INSTALL}"
        ) from error
    finally:
        if stands_in:  # nobody else in this process should take gymnasium for the old gym
            sys.modules.pop("gym", None)
    return package


@contextmanager
def quiet() -> Iterator[None]:
    """Swallow warnings and whatever is printed meanwhile, from Python or from C, by any thread."""
    streams = ctypes.CDLL(None)
    with (
        open(os.devnull, "w") as nothing,
        redirect_stdout(nothing),
        redirect_stderr(nothing),
        warnings.catch_warnings(),
    ):
        warnings.simplefilter("ignore")
        streams.fflush(None)  # what C wrote before is not ours to swallow
        kept = [os.dup(descriptor) for descriptor in (1, 2)]
        try:
            for descriptor in (1, 2):
                os.dup2(nothing.fileno(), descriptor)
            yield
        finally:
            streams.fflush(None)  # else C's buffer would come out later
            for descriptor, copy in zip((1, 2), kept, strict=True):
                os.dup2(copy, descriptor)
                os.close(copy)


@contextmanager
def passing_files() -> Iterator[None]:
    """Send temporary files made inside to a folder that is deleted afterwards."""
    before = tempfile.tempdir
    with tempfile.TemporaryDirectory(prefix="vima_bench_") as folder:
        tempfile.tempdir = folder
        try:
            yield
        finally:
            tempfile.tempdir = before


def _remember_additions(loader: ModuleType) -> None:
    """Make `env.additions[id] = {"pose", "size", "scaling"}` of every object that is added to an `env`."""
    original = loader.add_any_object
    if hasattr(original, "__wrapped__"):
        return
    signature = inspect.signature(original)

    @functools.wraps(original)
    def add_any_object(*args: Any, **kwargs: Any) -> Any:
        added = original(*args, **kwargs)
        call = signature.bind(*args, **kwargs)
        call.apply_defaults()
        given = call.arguments
        additions = vars(given["env"]).setdefault("additions", {})
        additions[added[0]] = {key: given[key] for key in ("pose", "size", "scaling")}
        return added

    for name, module in list(sys.modules.items()):
        if name.startswith("vima_bench") and vars(module).get("add_any_object") is original:
            module.add_any_object = add_any_object


class Simulator:
    """PyBullet as upstream can use it: its first client in this process, lent to one holder at a time."""

    def __init__(self) -> None:
        self.env: Any = None
        """Upstream's environment that runs now."""
        self._holder: weakref.ref | None = None
        self._process = 0

    def take(self, holder: Any) -> None:
        """Hand the simulator to `holder`; whatever ran before is closed.

        Raises EnvError while another holder of this process is `in_episode`.
        """
        other = self._holder and self._holder()
        inherited = self._process != os.getpid()  # a forked process starts with its parent's simulator
        busy = other is not None and other.in_episode and self.env is not None and not inherited
        if busy and other is not holder:
            raise EnvError(
                "one upstream episode at a time runs in a process, and another environment is in the middle "
                "of one: end or close that first; for more at once use processes (workers=N, or an "
                "async vector environment)"
            )
        self.release()
        self._holder, self._process = weakref.ref(holder), os.getpid()

    def held_by(self, holder: Any) -> bool:
        """Tell whether upstream's environment is there and `holder`'s."""
        return self.env is not None and self._holder is not None and self._holder() is holder

    def begin(self, package: ModuleType, task: str, **options: Any) -> None:
        """Make upstream's environment anew; it carries tolerances over from one episode to the next."""
        self.release()
        self.env = package.make(task, **options)
        if self.env.client_id != 0:
            self.release()
            raise EnvError(
                "PyBullet is connected in this process already, and upstream's gripper works in the first "
                "connection only: disconnect that, or use backend='upstream' in a process of its own"
            )

    def release(self) -> None:
        """Close what runs."""
        if self.env is not None:
            self.env.close()
            self.env = None


SIMULATOR = Simulator()
