"""The OpenGL context that all houses of a thread are drawn in.

Unusual: what is dropped without being closed is given back later, when this context is current. Python may
drop a renderer in the middle of another's drawing, in another thread, or while somebody else's context is
current, whose pictures the driver would then take for the dropped one's.
"""

import functools
import os
import threading
import weakref
from typing import Any

from envs import gl  # isort: skip  (chooses the OpenGL backend before mujoco is imported)
import mujoco


class Window:
    """Use it in the thread that made it."""

    def __init__(self) -> None:
        self._gl = gl.open_context(64, 64)
        self._drawing: mujoco.MjrContext | None = None
        self._dropped: list[mujoco.MjrContext] = []

    def context(self, model: mujoco.MjModel, owner: Any) -> mujoco.MjrContext:
        """Return what holds a model's meshes and textures, for as long as `owner` lives or until `free`."""
        self._gl.enter()
        self._tidy()
        context = mujoco.MjrContext(model, mujoco.mjtFontScale.mjFONTSCALE_50)
        _take_one_mipmap(context)
        weakref.finalize(owner, self._dropped.append, context).atexit = False
        return context

    def enter(self, context: mujoco.MjrContext) -> None:
        """Let what is drawn next be drawn with a context's meshes, into its picture."""
        self._gl.enter()
        self._tidy()
        if self._drawing is not context:
            mujoco.mjr_setBuffer(mujoco.mjtFramebuffer.mjFB_OFFSCREEN, context)
            self._drawing = context

    def free(self, context: mujoco.MjrContext) -> None:
        """Give back what a context holds; twice is fine."""
        self._gl.enter()
        context.free()
        self._drawing = None

    def _tidy(self) -> None:
        while self._dropped:
            self.free(self._dropped.pop())


def _take_one_mipmap(context: mujoco.MjrContext) -> None:
    """Let a pixel be made of the mipmap that fits it best, not of two: software OpenGL gains a seventh."""
    from OpenGL.raw.GL.VERSION import GL_1_0, GL_1_1  # all of OpenGL.GL would take 7 MB

    for texture in context.texture[: context.ntexture]:
        GL_1_1.glBindTexture(GL_1_0.GL_TEXTURE_2D, int(texture))
        GL_1_0.glTexParameteri(
            GL_1_0.GL_TEXTURE_2D, GL_1_0.GL_TEXTURE_MIN_FILTER, GL_1_0.GL_LINEAR_MIPMAP_NEAREST
        )


def window() -> Window:
    """Return the window of this thread."""
    return _window(os.getpid(), threading.get_ident())


@functools.cache
def _window(process: int, thread: int) -> Window:
    return Window()
