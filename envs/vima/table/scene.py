"""One table: its bodies and their poses, what the cameras see of it, and its silhouette from above.

Unusual: the scene is plain data; the renderer and the compiled physics are shared by all scenes of a
process and hold no state of a scene between calls. Refuses to know tasks, goals and prompts.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from envs.poses import Vector, rotation_matrix, unit
from envs.vima.table.camera import HEIGHT, VIDEO_CAMERA, VIEWS, WIDTH, OrthographicCamera
from envs.vima.table.physics import BodyShape, Physics, physics
from envs.vima.table.render import TABLE, WHITE_PAPER, Drawable, agent_cameras, renderer
from envs.vima.table.silhouette import UPRIGHT, covered_cells, half_extents, silhouette
from envs.vima.table.spawning import CELL_M, GRID_SHAPE
from envs.vima.table.tools import FIRST_ID, SUCTION
from envs.vima.things.meshes import parts
from envs.vima.things.objects import OBJECTS

ImageSize = tuple[int, int]
"""Rows and columns of a picture."""
DEFAULT_SIZE: ImageSize = (HEIGHT, WIDTH)
PORTRAIT_POSE = (0.5, 0.0, 0.0), (0.0, 0.0, 2**-0.5, 2**-0.5)
"""Where an object stands in a picture of its own: metres, and a quarter turn (xyzw)."""


@dataclass
class Body:
    """One object on the table: type, look, drawn size, scale of its geometry, and pose (metres, xyzw)."""

    id: int
    name: str
    texture: str
    size: Vector
    fixed: bool
    scale: Vector
    position: np.ndarray
    quaternion: np.ndarray
    cells: np.ndarray | None = None

    def rotation(self) -> np.ndarray:
        return rotation_matrix(self.quaternion)

    def top(self) -> float:
        """Height of the highest point, for the silhouette; an open box counts by its floor, for what it holds
        shows from above.
        """
        kind = OBJECTS[self.name]
        if self.name == "container":
            return float(self.position[2] - self.size[2] / 2)
        slope = self.rotation()[2]
        high = kind.height if kind.extrusion_scale is not None else self.size[2] / 2
        top = float(self.position[2] + abs(slope[2]) * high * self.scale[2])
        if abs(slope[2]) < UPRIGHT:
            top += float(np.abs(slope[:2]) @ np.asarray(self.size[:2])) / 2
        return top

    def covered(self) -> np.ndarray:
        """The cells under it, flat indices."""
        if self.cells is None:
            self.cells = covered_cells(self.name, self.size, self.scale, self.position, self.rotation())
        return self.cells

    def reach(self) -> float:
        """No point of it, nor of a cell under it, is farther from its origin than this, in metres."""
        wide = OBJECTS[self.name].size_high if OBJECTS[self.name].extrusion_scale is not None else self.size
        corner = np.append(half_extents(self.name, wide), max(*wide, *OBJECTS[self.name].size_high))
        return float(np.linalg.norm(corner * self.scale)) + 2 * CELL_M

    def drawable(self, shown_id: int | None = None) -> Drawable:
        return Drawable(
            parts(self.name, self.size), self.texture, self.position, self.rotation(),
            self.id if shown_id is None else shown_id, self.scale,
        )  # fmt: skip


def _vector(value: float | Sequence[float]) -> Vector:
    if isinstance(value, int | float):
        return (float(value),) * 3
    x, y, z = (float(v) for v in value)
    return x, y, z


class Scene:
    """The bodies of one episode, by segmentation id."""

    def __init__(self, end_effector: int = SUCTION, image_size: ImageSize = DEFAULT_SIZE) -> None:
        self.image_size = image_size
        self.clear(end_effector)

    def clear(self, end_effector: int) -> None:
        """Empty the table; ids start at 5 for the suction cup (0) and at 4 for the spatula (1)."""
        self.end_effector = end_effector
        self._next_id = FIRST_ID[end_effector]
        self._bodies: dict[int, Body] = {}
        self.resting = True

    def add(
        self,
        name: str,
        texture: str,
        position: Sequence[float],
        quaternion: Sequence[float],
        size: Sequence[float],
        fixed: bool,
        scale: float | Sequence[float] = 1.0,
    ) -> int:
        """Put a body on the table and return its segmentation id."""
        body = Body(
            self._next_id, name, texture, _vector(size), bool(fixed), _vector(scale),
            np.array(position, float), unit(quaternion),
        )  # fmt: skip
        self._bodies[body.id] = body
        self._next_id += 1
        self.resting = False
        return body.id

    def remove(self, body: int) -> None:
        """Take a body away; the id of the last one is given again."""
        del self._bodies[body]
        if body == self._next_id - 1:
            self._next_id = body
        self.resting = False

    @property
    def bodies(self) -> list[Body]:
        """The bodies in creation order."""
        return list(self._bodies.values())

    def body(self, body: int) -> Body:
        return self._bodies[body]

    def pose(self, body: int) -> tuple[np.ndarray, np.ndarray]:
        """Return a body's position (3,) and quaternion xyzw (4,)."""
        found = self._bodies[body]
        return found.position.copy(), found.quaternion.copy()

    def set_pose(self, body: int, position: Sequence[float], quaternion: Sequence[float]) -> None:
        """Move a body at once."""
        found = self._bodies[body]
        found.position, found.quaternion = np.array(position, float), unit(quaternion)
        found.cells = None
        self.resting = False

    # pictures

    def render(self, views: Sequence[str] = VIEWS) -> Pictures:
        """Draw the agent's views: RGB uint8 (3, H, W) and body ids uint8 (H, W), by view."""
        return _table_pictures([body.drawable() for body in self._bodies.values()], views, self.image_size)

    def depth(self, views: Sequence[str] = VIEWS) -> dict[str, np.ndarray]:
        """Measure the agent's views: float32 (H, W) metres from each camera's eye, by view."""
        height, width = self.image_size
        things = [*TABLE, *(body.drawable() for body in self._bodies.values())]
        maps = renderer().depth(things, agent_cameras(tuple(views), height, width), height, width)
        return {view: np.ascontiguousarray(depth) for view, depth in zip(views, maps, strict=True)}

    def render_video_frame(self, height: int, width: int, tool: Iterable[Drawable] = ()) -> np.ndarray:
        """Draw an oblique view for people: uint8 (height, width, 3), with the parts of a tool if given."""
        cameras = (replace(VIDEO_CAMERA, extent=max(VIDEO_CAMERA.extent, 1.04 * height / width)),)
        things = [*(body.drawable() for body in self._bodies.values()), *tool]
        pixels = _bytes(_on_table(things, cameras, height, width))
        picture = np.empty((height, width, 3), np.uint8)
        for channel in range(3):  # far quicker than three bytes at a time
            picture[..., channel] = pixels[..., channel]
        return picture

    def silhouette(self) -> np.ndarray:
        """Return which body shows in each cell seen from above: int16 (320, 160), 0 for the table."""
        layers = [(body.top(), body.id, body.covered()) for body in self._bodies.values()]
        return silhouette(layers)

    def shows(self, body: int) -> np.ndarray:
        """Return where a body shows, seen from above: bool (320, 160), where the silhouette has its id.

        Only what may lie above it is looked at.
        """
        shown = self._bodies[body]
        height = (shown.top(), body)
        seen = np.zeros(GRID_SHAPE, bool)
        seen.ravel()[shown.covered()] = True
        for other in self._bodies.values():
            apart = math.dist(other.position[:2], shown.position[:2])
            if (other.top(), other.id) > height and apart < other.reach() + shown.reach():
                seen.ravel()[other.covered()] = False
        return seen

    # physics

    def shapes(self) -> tuple[BodyShape, ...]:
        """What decides the bodies' collision shapes, in creation order."""
        bodies = self._bodies.values()
        return tuple(BodyShape(body.name, _shape_size(body), body.scale, body.fixed) for body in bodies)

    def load_physics(self) -> Physics:
        """Put the bodies into the shared physics, in creation order, everything at rest."""
        world = physics(self.shapes())
        world.load((body.position, body.quaternion) for body in self._bodies.values())
        return world

    def free_poses(self) -> tuple[np.ndarray, np.ndarray]:
        """Return the free bodies' positions (n, 3) and quaternions xyzw (n, 4), in creation order."""
        free = [body for body in self._bodies.values() if not body.fixed]
        return np.array([body.position for body in free]), np.array([body.quaternion for body in free])

    def take_poses(self, positions: np.ndarray, quaternions: np.ndarray) -> None:
        """Move the free bodies to these poses, as `free_poses` gives them."""
        free = [body for body in self._bodies.values() if not body.fixed]
        for body, position, quaternion in zip(free, positions, quaternions, strict=True):
            body.position, body.quaternion, body.cells = position, quaternion, None
        self.resting = False

    # state

    def state(self) -> dict[str, Any]:
        """Return everything that decides what happens next, as plain values."""
        return {
            "end_effector": self.end_effector,
            "next_id": self._next_id,
            "resting": self.resting,
            "bodies": [
                {
                    "id": b.id, "name": b.name, "texture": b.texture, "size": b.size,
                    "fixed": b.fixed, "scale": b.scale,
                    "position": b.position.tolist(), "quaternion": b.quaternion.tolist(),
                }
                for b in self._bodies.values()
            ],
        }  # fmt: skip

    def set_state(self, state: dict[str, Any]) -> None:
        """Return to a state exactly, bit by bit."""
        self.clear(state["end_effector"])
        for record in state["bodies"]:
            self._bodies[record["id"]] = Body(
                record["id"], record["name"], record["texture"], _vector(record["size"]), record["fixed"],
                _vector(record["scale"]),
                np.array(record["position"], float), np.array(record["quaternion"], float),
            )  # fmt: skip
        self._next_id = state["next_id"]
        self.resting = state["resting"]


def _shape_size(body: Body) -> Vector:
    """The size that matters for collisions: hulls of extruded shapes do not depend on the drawn one."""
    return body.size if OBJECTS[body.name].extrusion_scale is None else OBJECTS[body.name].size_high


Pictures = tuple[dict[str, np.ndarray], dict[str, np.ndarray]]
"""RGB uint8 (3, H, W) and ids uint8 (H, W), by view."""


def _bytes(pixels: np.ndarray) -> np.ndarray:
    """Return the bytes of pixels (H, W): uint8 (H, W, 4)."""
    return pixels.view(np.uint8).reshape(*pixels.shape, 4)


def _pictures(pixels: np.ndarray, views: Sequence[str]) -> Pictures:
    """Part the views of what was drawn, and colours and ids."""
    width = pixels.shape[1] // len(views)
    rgb, ids = {}, {}
    for i, view in enumerate(views):
        part = _bytes(pixels)[:, i * width : (i + 1) * width]
        rgb[view] = np.ascontiguousarray(part[..., :3].transpose(2, 0, 1))
        ids[view] = part[..., 3] - np.uint8(1)  # 255 where there is nothing
    return rgb, ids


def _table_pictures(things: Sequence[Drawable], views: Sequence[str], image_size: ImageSize) -> Pictures:
    return _pictures(_on_table(things, agent_cameras(tuple(views), *image_size), *image_size), views)


def _on_table(
    things: Sequence[Drawable], cameras: tuple[OrthographicCamera, ...], height: int, width: int
) -> np.ndarray:
    """Draw things that stand on the table, as `Renderer.render` does; the table itself is drawn once and laid
    under, for it hides no more than the lowest half millimetre of them.
    """
    pixels = renderer().render(things, cameras, height, width)
    # the table's ids are the least, and ids are the highest byte: the larger pixel is what lies above
    return np.maximum(pixels, _empty_table(cameras, height, width), out=pixels)


@functools.lru_cache(maxsize=4)
def _empty_table(cameras: tuple[OrthographicCamera, ...], height: int, width: int) -> np.ndarray:
    return renderer().render(TABLE, cameras, height, width)


def render_object(
    name: str,
    texture: str,
    scale: float | Sequence[float] = 1.0,
    size: Sequence[float] | None = None,
    views: Sequence[str] = VIEWS,
    image_size: ImageSize = DEFAULT_SIZE,
    position: Sequence[float] = PORTRAIT_POSE[0],
) -> Pictures:
    """Draw the placeholder of an object alone: id 0 on white (id 255), at (0.5, 0, 0), turned by 90 degrees.

    The arrays are shared between calls and read-only.
    """
    chosen = OBJECTS[name].size_high if size is None else _vector(size)
    # pictures of unusual sizes may be large, and a cache counts them without weighing them
    draw = _object_pictures if image_size == DEFAULT_SIZE else _object_pictures.__wrapped__
    return draw(name, texture, _vector(scale), chosen, tuple(views), image_size, tuple(position))


@functools.lru_cache(maxsize=24)
def _object_pictures(
    name: str,
    texture: str,
    scale: Vector,
    size: Vector,
    views: tuple[str, ...],
    image_size: ImageSize,
    position: Vector,
) -> Pictures:
    turned = rotation_matrix(PORTRAIT_POSE[1])
    thing = Drawable(parts(name, size), texture, np.array(position), turned, 0, scale)
    pixels = renderer().render([thing], agent_cameras(views, *image_size), *image_size)
    np.maximum(pixels, WHITE_PAPER, out=pixels)  # whose id is the least
    rgb, ids = _pictures(pixels, views)
    for view in views:
        rgb[view].setflags(write=False)
        ids[view].setflags(write=False)
    return rgb, ids


def render_scene(
    bodies: Sequence[Body], views: Sequence[str] = VIEWS, image_size: ImageSize = DEFAULT_SIZE
) -> Pictures:
    """Draw a scene placeholder: the table with these bodies, whose ids run from 2 in the order given."""
    things = [body.drawable(index) for index, body in enumerate(bodies, start=2)]
    return _table_pictures(things, views, image_size)


def placed(
    name: str,
    texture: str,
    position: Sequence[float],
    quaternion: Sequence[float],
    size: Sequence[float],
    scale: float | Sequence[float] = 1.0,
) -> Body:
    """Make a body that is on no table, for `render_scene`."""
    at, turned = np.array(position, float), unit(quaternion)
    return Body(0, name, texture, _vector(size), False, _vector(scale), at, turned)
