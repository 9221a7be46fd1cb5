"""The off-screen OpenGL context: picks EGL or OSMesa, opens one context per process, says clearly when none
works.

Unusual: imported before `mujoco`, because mujoco reads `MUJOCO_GL` while it is imported; a variable that is
already set is respected. Refuses to know what is drawn.
"""

from __future__ import annotations

import ctypes
import functools
import os
import sys
from collections.abc import Callable
from typing import Any

import numpy as np

from envs.errors import EnvError

_ADVICE = (
    "no OpenGL library for off-screen rendering works here ({reason}): "
    "run `apt-get install libegl1 libegl-mesa0 libgl1-mesa-dri`, or set MUJOCO_GL to egl, osmesa or glfw"
)


class GraphicsError(EnvError):
    """Rendering was asked for and no off-screen OpenGL context can be opened."""


def _egl_devices() -> int:
    """Count the EGL devices; 0 when the library or its drivers are missing."""
    try:
        library = ctypes.CDLL("libEGL.so.1")
        library.eglGetProcAddress.restype = ctypes.c_void_p
        address = library.eglGetProcAddress(b"eglQueryDevicesEXT")
    except (OSError, AttributeError):
        return 0
    if not address:
        return 0
    query = ctypes.CFUNCTYPE(ctypes.c_uint, ctypes.c_int, ctypes.c_void_p, ctypes.POINTER(ctypes.c_int))(
        address
    )
    count = ctypes.c_int(0)
    return count.value if query(0, None, ctypes.byref(count)) else 0


def _has_osmesa() -> bool:
    for name in ("libOSMesa.so.8", "libOSMesa.so.6", "libOSMesa.so"):
        try:
            ctypes.CDLL(name)
        except OSError:
            continue
        return True
    return False


def choose_backend() -> str:
    """Set `MUJOCO_GL` if it is unset and return the backend's name ("" when this machine has none)."""
    # without threads of its own, software Mesa draws small pictures faster and leaves the cores to workers
    os.environ.setdefault("LP_NUM_THREADS", "0")
    chosen = os.environ.get("MUJOCO_GL", "").lower()
    if chosen or not sys.platform.startswith("linux"):
        return chosen or "default"
    if _egl_devices() > 0:
        chosen = "egl"
    elif _has_osmesa():
        chosen = "osmesa"
    os.environ["MUJOCO_GL"] = chosen or "disable"  # without a library physics still works
    return chosen


def _unusable(error: Exception) -> GraphicsError:
    reason = (str(error).strip() or type(error).__name__).splitlines()[0]
    return GraphicsError(_ADVICE.format(reason=f"MUJOCO_GL={BACKEND}: {reason}"))


BACKEND = choose_backend()

try:
    import mujoco  # noqa: F401  (everybody else imports it after this module)
except Exception as error:  # the library MUJOCO_GL names is missing or broken; mujoco lets any error through
    if BACKEND in ("", "default"):
        raise
    raise _unusable(error) from error


class Context:
    """An off-screen OpenGL context. Use it in the thread that opened it."""

    def __init__(self, opened: Any) -> None:
        self._opened = opened
        opened.make_current()
        self._address = _current()

    def enter(self) -> None:
        """Make it current, if it is not: to ask costs a hundredth of that."""
        if self._address is None or _current() != self._address:
            self._opened.make_current()


def open_context(width: int, height: int) -> Context:
    """Open an off-screen OpenGL context and make it current.

    Raises GraphicsError, with the line that installs a software renderer, when that is impossible.
    """
    if BACKEND in ("", "disable"):
        raise GraphicsError(_ADVICE.format(reason="neither EGL nor OSMesa found"))
    try:
        if BACKEND == "egl":
            from mujoco.egl import GLContext
        elif BACKEND == "osmesa":
            from mujoco.osmesa import GLContext
        else:
            from mujoco import GLContext
        return Context(GLContext(width, height))
    except Exception as error:  # PyOpenGL and mujoco raise many kinds for a missing or broken driver
        raise _unusable(error) from error


@functools.cache
def _asked() -> Callable[[], int | None] | None:
    """EGL's own function, for PyOpenGL's takes as long as a small picture; None without EGL."""
    if BACKEND != "egl":
        return None
    current = ctypes.CDLL("libEGL.so.1").eglGetCurrentContext
    current.restype = ctypes.c_void_p
    return current


def _current() -> int | None:
    """Return the address of the EGL context that is current; None where there is none, and without EGL."""
    asked = _asked()
    return None if asked is None else asked()


def read_pixels(height: int, width: int) -> np.ndarray:
    """Read what the current context has drawn into a picture of four bytes a pixel: uint8 (height, width, 4),
    upright, red first.

    Unlike `mujoco.mjr_readPixels` it changes no numbers on the way, and it calls OpenGL itself, because what
    PyOpenGL does around that call takes longer than the call.
    """
    from OpenGL.raw.GL.VERSION import GL_1_0

    pixels = np.empty((height, width, 4), np.uint8)
    address = ctypes.c_void_p(pixels.ctypes.data)
    GL_1_0.glReadPixels(0, 0, width, height, GL_1_0.GL_RGBA, GL_1_0.GL_UNSIGNED_BYTE, address)
    return pixels[::-1]
