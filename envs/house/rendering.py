"""Pictures of a scene: colour, depth and segmentation from a pinhole camera, through MuJoCo's renderer.

Unusual: one OpenGL context a thread serves every house of the process; a house costs its own textures and
nothing else. What the camera cannot see is left out before anything is drawn.

This module refuses to know bodies, actions and house files.
"""

import functools
import math
from dataclasses import dataclass

import numpy as np

from envs import gl  # isort: skip  (chooses the OpenGL backend before mujoco is imported)
import mujoco

from envs.house.building.model import CEILING, SKY_DISTANCE, SOLID, VISUAL
from envs.house.window import window

_HIDDEN = 5
"""A geom group that is never drawn."""
MAX_GEOMS = 8_000
_LEAST_WALL = 0.4
"""Metres that a piece of wall must have both ways to be worth looking behind."""
_DRAWN_TO = 2 * SKY_DISTANCE
_ALL, _ANY = np.logical_and.reduce, np.logical_or.reduce


@dataclass(frozen=True)
class Camera:
    """A pinhole camera. Pixels are square; the field of view is vertical, in degrees."""

    width: int
    height: int
    vertical_fov: float
    near: float = 0.05
    far: float = 50.0
    """Up to where distances are measured; colours are drawn beyond."""

    @staticmethod
    def vertical(horizontal_fov: float, width: int, height: int) -> float:
        """Return the vertical field of view of a horizontal one, degrees."""
        half = math.tan(math.radians(horizontal_fov) / 2) * height / width
        return math.degrees(2 * math.atan(half))


@dataclass(frozen=True)
class View:
    """What a camera saw."""

    rgb: np.ndarray | None
    """uint8 (H, W, 3)"""
    depth: np.ndarray | None
    """float32 (H, W), metres along the optical axis; inf where there is nothing up to the far plane."""
    segmentation: np.ndarray | None
    """int32 (H, W), the place in `scene.things` of what is seen; -1 where there is nothing."""


def looking(yaw: float, pitch: float) -> np.ndarray:
    """Return a camera's axes as the columns (right, up, back) of a matrix (3, 3).

    `yaw` 0 looks along +y and turns counter-clockwise from above; `pitch` is positive upwards. Radians.
    """
    c, s, up, level = math.cos(yaw), math.sin(yaw), math.sin(pitch), math.cos(pitch)
    return np.array([[c, s * up, s * level], [s, -c * up, -c * level], [0.0, level, -up]])


class Renderer:
    """Draws one model. Close it, or let the next house take its place."""

    def __init__(self, model: mujoco.MjModel, data: mujoco.MjData) -> None:
        self._model, self._data = model, data
        self._window = window()
        self._context = self._window.context(model, self)
        self._scene = mujoco.MjvScene(model, MAX_GEOMS)
        for flag in (
            mujoco.mjtRndFlag.mjRND_SHADOW,
            mujoco.mjtRndFlag.mjRND_REFLECTION,
            mujoco.mjtRndFlag.mjRND_HAZE,
            mujoco.mjtRndFlag.mjRND_SKYBOX,
        ):
            self._scene.flags[flag] = 0
        self._option = mujoco.MjvOption()
        self._option.geomgroup[:] = 0
        self._option.geomgroup[VISUAL] = 1
        self._eye = mujoco.MjvCamera()
        self._eye.type = mujoco.mjtCamera.mjCAMERA_FREE
        self._groups = model.geom_group.copy()
        self._drawn = self._groups != SOLID
        self._hidden = np.where(self._drawn, _HIDDEN, SOLID).astype(self._groups.dtype)
        self._thing = model.geom_user[:, 0].astype(np.int32)
        self._walls = np.flatnonzero(
            (model.geom_user[:, 7] > 0) & (np.sort(model.geom_size, 1)[:, 1] > _LEAST_WALL / 2)
        )
        self._places: np.ndarray | None = None
        self._order = np.empty(0, int)

    def view(
        self,
        camera: Camera,
        position: np.ndarray,
        axes: np.ndarray,
        *,
        rgb: bool = True,
        depth: bool = False,
        segmentation: bool = False,
        ceilings: bool = True,
        extent: float | None = None,
    ) -> View:
        """Draw what a camera sees.

        Arguments:
            camera: its picture and lens.
            position: the eye (3,), metres.
            axes: (right, up, back) in columns (3, 3), as `looking` gives them.
            rgb, depth, segmentation: which pictures to make; colour and depth come from one pass.
            ceilings: False leaves them out, for a look from above.
            extent: height in metres of what an orthographic camera sees; None for a pinhole.
        """
        self._window.enter(self._context)
        height, width = camera.height, camera.width
        if height > self._context.offHeight or width > self._context.offWidth:
            size = max(width, self._context.offWidth), max(height, self._context.offHeight)
            mujoco.mjr_resizeOffscreen(*size, self._context)
        self._cull(camera, position, axes, ceilings, extent)
        mujoco.mjv_updateScene(
            self._model,
            self._data,
            self._option,
            None,
            self._eye,
            mujoco.mjtCatBit.mjCAT_ALL.value,
            self._scene,
        )
        self._aim(camera, position, axes, extent)
        rect = mujoco.MjrRect(0, 0, width, height)
        colours = distances = None
        if rgb or depth:
            mujoco.mjr_render(rect, self._scene, self._context)
        if rgb:
            colours = gl.read_pixels(height, width)[..., :3]
        if depth:
            distances = np.empty((height, width), np.float32)
            mujoco.mjr_readPixels(None, distances, rect, self._context)
            distances = _metres(distances[::-1], camera, extent)
        return View(colours, distances, self._segment(rect) if segmentation else None)

    def close(self) -> None:
        """Give back the house's textures."""
        self._window.free(self._context)

    def _cull(
        self, camera: Camera, position: np.ndarray, axes: np.ndarray, ceilings: bool, extent: float | None
    ) -> None:
        """Draw only what reaches into the camera's pyramid and is not wholly behind one piece of wall."""
        drawn = self._drawn if ceilings else self._drawn & (self._groups != CEILING)
        if extent is None:
            self._measure()
            lens = _lens(camera)
            planes = lens.planes @ axes.T
            farthest = np.concatenate([planes, np.abs(planes)], 1) @ self._boxes  # (6, G)
            seen = _ALL(farthest >= lens.least + planes @ position[:, None], 0)
            order = (drawn & seen).nonzero()[0]
            planes, offsets = self._shadows(seen[self._walls], position, lens.nearest)
            least = np.concatenate([planes, -np.abs(planes)], 1) @ self._boxes[:, order]  # (5 S, G)
            behind = (least >= offsets).reshape(len(offsets) // 5, 5, len(order))
            self._order = order[~_ANY(_ALL(behind, 1), 0)]
        else:
            self._order = np.flatnonzero(drawn)
        groups = self._model.geom_group
        groups[:] = self._hidden
        groups[self._order] = VISUAL

    def _measure(self) -> None:
        """Find every geom's box along the axes, and the walls' middle sheets, if anything has moved."""
        places, turns = self._data.geom_xpos, self._data.geom_xmat
        if self._places is not None and (places == self._places).all() and (turns == self._turns).all():
            return
        self._places, self._turns = places.copy(), turns.copy()
        turns = self._turns.reshape(-1, 3, 3)
        box = self._model.geom_aabb
        centres = places + np.einsum("gij,gj->gi", turns, box[:, :3])
        halves = np.einsum("gij,gj->gi", np.abs(turns), box[:, 3:])
        self._boxes = np.concatenate([centres, halves], 1).T.copy()  # (6, G)
        sizes = self._model.geom_size[self._walls]
        flat = np.sort(sizes.argsort(1)[:, 1:], 1)  # (W, 2) the axes along the sheet
        local = np.zeros((len(sizes), 4, 3))
        rows = np.arange(len(sizes))
        for corner, signs in enumerate(((-1, -1), (1, -1), (1, 1), (-1, 1))):
            for k, sign in enumerate(signs):
                local[rows, corner, flat[:, k]] = sign * sizes[rows, flat[:, k]]
        sheets = places[self._walls][:, None] + local @ turns[self._walls].transpose(0, 2, 1)
        after = sheets[:, [1, 2, 3, 0]]
        self._edges, self._crossed = after - sheets, np.cross(sheets, after)  # (W, 4, 3)
        across = np.cross(sheets[:, 1] - sheets[:, 0], sheets[:, 3] - sheets[:, 0])
        across /= np.maximum(np.linalg.norm(across, axis=1), 1e-12)[:, None]
        self._across, self._away = across, (across * sheets[:, 0]).sum(1)

    def _shadows(self, chosen: np.ndarray, eye: np.ndarray, nearest: float) -> tuple[np.ndarray, np.ndarray]:
        """Return what lies in the shadows of chosen sheets, bool (W,), lit from the eye: points x with
        normals @ x >= offsets.

        Sheets whose plane is nearer than `nearest` cast none, for the lens may cut through them. Normals
        (5 S, 3) and offsets (5 S, 1), five in a row for each of the S others.
        """
        distance = self._away - self._across @ eye
        kept = (chosen & (np.abs(distance) > nearest)).nonzero()[0]
        x, y, z = eye.tolist()
        turned = np.array([[0, z, -y], [-z, 0, x], [y, -x, 0]])  # edge @ turned is eye × edge
        normals = np.empty((len(kept), 5, 3))
        normals[:, :4] = self._crossed[kept] - self._edges[kept] @ turned  # of planes through the eye
        normals[:, 4] = self._across[kept]
        normals *= np.sign(distance[kept])[:, None, None]
        normals = normals.reshape(-1, 3)
        offsets = normals @ eye
        offsets[4::5] += np.abs(distance[kept])
        return normals, offsets[:, None]

    def _aim(self, camera: Camera, position: np.ndarray, axes: np.ndarray, extent: float | None) -> None:
        half = extent / 2 if extent else camera.near * math.tan(math.radians(camera.vertical_fov) / 2)
        for eye in self._scene.camera:
            eye.pos = position
            eye.forward = -axes[:, 2]
            eye.up = axes[:, 1]
            eye.orthographic = int(extent is not None)
            eye.frustum_near, eye.frustum_far = camera.near, _drawn_to(camera)
            eye.frustum_center = 0.0
            eye.frustum_top, eye.frustum_bottom = half, -half
            eye.frustum_width = half * camera.width / camera.height
        for light in self._scene.lights[: self._scene.nlight]:
            if light.headlight:
                light.pos, light.dir = position, -axes[:, 2]

    def _segment(self, rect: mujoco.MjrRect) -> np.ndarray:
        flags = self._scene.flags
        flags[mujoco.mjtRndFlag.mjRND_SEGMENT] = flags[mujoco.mjtRndFlag.mjRND_IDCOLOR] = 1
        mujoco.mjr_render(rect, self._scene, self._context)
        codes = gl.read_pixels(rect.height, rect.width).view("<u2")[..., 0]
        flags[mujoco.mjtRndFlag.mjRND_SEGMENT] = flags[mujoco.mjtRndFlag.mjRND_IDCOLOR] = 0
        # red counts ones, green 256s: 1 + the place in the drawn list
        return np.append(np.int32(-1), self._thing[self._order])[codes]


@dataclass(frozen=True)
class _Lens:
    """A camera's pyramid: what x is in it, seen from the eye, has planes @ axes.T @ x >= least."""

    planes: np.ndarray  # (6, 3) inward, along (right, up, back): near, far, left, right, below, above
    least: np.ndarray  # (6, 1)
    nearest: float
    """Metres from the eye to the corners of the near plane."""


@functools.lru_cache(maxsize=16)
def _lens(camera: Camera) -> _Lens:
    up = math.tan(math.radians(camera.vertical_fov) / 2)
    across = up * camera.width / camera.height
    sides = [[1, 0, -across], [-1, 0, -across], [0, 1, -up], [0, -1, -up]]
    planes = np.array([[0, 0, -1], [0, 0, 1], *sides], float)
    least = np.array([[camera.near], [-_drawn_to(camera)], [0], [0], [0], [0]])
    return _Lens(planes, least, camera.near * math.hypot(1, up, across))


def _drawn_to(camera: Camera) -> float:
    return max(camera.far, _DRAWN_TO)


def _metres(depth: np.ndarray, camera: Camera, extent: float | None) -> np.ndarray:
    """Turn what the depth buffer holds (0 near, 1 far) into metres."""
    near, far = camera.near, _drawn_to(camera)
    if extent is not None:
        metres = near + (far - near) * depth
    else:
        metres = near / (1 - depth * (1 - near / far))
    metres[(metres >= camera.far) | (depth >= 1)] = np.inf
    return metres
