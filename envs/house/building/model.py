"""A scene as a MuJoCo model: what is drawn, what rays meet, and what can be written as MJCF.

Unusual: a thing is drawn as one mesh where it can be, for a picture costs by its pieces: its plain parts
share a mesh whose texture is the palette of the whole scene. Every solid thing has invisible boxes that
rays and contacts meet. Movable things are bodies, the rest belongs to the world.
"""

from collections.abc import Iterable, Iterator, Sequence

import numpy as np

from envs import gl  # noqa: F401  # isort: skip  (chooses the OpenGL backend before mujoco is imported)
import mujoco

from envs.house.building.meshes import Mesh, part_meshes
from envs.house.building.shadows import shadows
from envs.house.scene import STILL, Hinge, Part, Scene, Surface, Thing
from envs.house.textures import texture

VISUAL, CEILING, SOLID = 0, 1, 3
"""Geom groups. Ceilings can be hidden from above; solids are never drawn."""
LIGHTS = (
    # direction, diffuse: a key light from above and behind, a softer one from the other side that the floor
    # throws back to the ceiling; every side of a room is of its own brightness
    ((0.50, 0.28, -0.82), (0.37, 0.36, 0.34)),
    ((-0.60, -0.50, 0.42), (0.30, 0.30, 0.31)),
)
AMBIENT = (0.67, 0.67, 0.68)
_HEADLIGHT = 0.07
SKY_DISTANCE = 36.0
"""Metres from the middle of the house to the sky; pictures of distance stop before."""
_SKY_HEIGHT, _GLOW = 30.0, 0.32
LIT = " lit"
"""How the names of materials end that show what is switched on."""
_DRAWN_LAST = {"Wall": 1, "Floor": 2, "Ceiling": 3, "Outside": 4, "Shadow": 5}
_PALETTE = "palette"
_PALETTE_SIDE, _SWATCH = 64, 4
"""Colours along a side of the palette, pixels along a side of a colour."""


def build_model(scene: Scene) -> mujoco.MjModel:
    """Compile a scene. Bodies are named by the ids of movable things. `geom_user` holds each geom's thing as
    its place in `scene.things` (-1 for the sky and the lawn); its hinge as point (3), axis, angle and rest,
    the angle 0 where there is none (`states.py` reads it); and 1 for a solid that hides what is behind it.
    """
    return build_spec(scene).compile()


def build_spec(scene: Scene) -> mujoco.MjSpec:
    """Return a scene as MuJoCo's editable specification."""
    spec = mujoco.MjSpec()
    spec.nuser_geom = 8
    _appearance(spec, scene)
    things = [*enumerate(scene.things)]
    if scene.lit:
        things.append((-1, _outside(scene)))
        things += [(place, _shadow(place, parts)) for place, parts in shadows(scene)]
    paint = _Paint(spec, [thing for _, thing in things])
    still = []
    for index, thing in things:
        if thing.movable:
            body = spec.worldbody.add_body(name=thing.id, **_pose(thing))
            body.explicitinertial, body.mass, body.inertia = True, 1.0, (0.01, 0.01, 0.01)
            _add_geoms(body, None, paint, index, thing)
        else:
            still.append((index, thing))
    house = spec.worldbody.add_body(name=STILL)
    for index, thing in sorted(still, key=lambda pair: _DRAWN_LAST.get(pair[1].type, 0)):
        _add_geoms(house, house.add_frame(**_pose(thing)), paint, index, thing)
    return spec


def _pose(thing: Thing) -> dict:
    quaternion = np.empty(4)
    mujoco.mju_mat2Quat(quaternion, np.ascontiguousarray(thing.rotation).ravel())
    return {"pos": thing.position, "quat": quaternion}


def _add_geoms(
    body: mujoco.MjsBody, frame: mujoco.MjsFrame | None, paint: "_Paint", index: int, thing: Thing
) -> None:
    """Add what is seen of a thing and what stops others."""
    for mesh, material, hinge in paint.meshes(thing):
        geom = body.add_geom(
            type=mujoco.mjtGeom.mjGEOM_MESH,
            meshname=mesh,
            material=material,
            group=CEILING if thing.type == "Ceiling" else VISUAL,
            contype=0,
            conaffinity=0,
            userdata=[index, *_numbers(hinge), 0],
        )
        if frame is not None:
            geom.set_frame(frame)
    hides = float(not thing.movable and all(_opaque_box(part) for part in thing.parts))
    for size, position in _solids(thing):
        geom = body.add_geom(
            type=mujoco.mjtGeom.mjGEOM_BOX,
            size=np.array(size) / 2,
            pos=position,
            group=SOLID,
            rgba=(0.5, 0.5, 0.5, 1),  # what is transparent, rays do not meet
            userdata=[index, *_numbers(None), hides],
        )
        if frame is not None:
            geom.set_frame(frame)


def _numbers(hinge: Hinge | None) -> tuple[float, ...]:
    if hinge is None:
        return (0.0,) * 6
    return (*hinge.point, float(hinge.axis), hinge.angle, hinge.rest)


def _outside(scene: Scene) -> Thing:
    """A lawn, and a sky of panels around it. Cheaper than a sky box, and drawn last."""
    low, high = scene.bounds
    (x, y), far = (low[:2] + high[:2]) / 2, SKY_DISTANCE
    zenith, horizon = (Surface((*colour, 1.0), emission=_GLOW) for colour in scene.sky)
    middle = Surface((*((np.array(scene.sky[0]) + scene.sky[1]) / 2).tolist(), 1.0), emission=_GLOW)
    lawn = Surface((0.42, 0.55, 0.30, 1.0), "carpet", 3.0)
    hedge = Surface((0.36, 0.50, 0.33, 1.0), emission=_GLOW)
    parts = [Part("box", (2 * far, 2 * far, 0.1), (x, y, min(low[2], 0) - 0.15), surface=lawn)]
    panels, wide = 12, 2 * far * np.tan(np.pi / 12) + 0.2
    for k in range(panels):
        angle = 2 * np.pi * k / panels
        at = (x - far * np.sin(angle), y + far * np.cos(angle))
        bands = ((hedge, -20, 1.2), (horizon, 1.2, 6), (middle, 6, 16), (zenith, 16, _SKY_HEIGHT))
        for surface, bottom, top in bands:
            place = (*at, (bottom + top) / 2)
            parts.append(Part("box", (wide, 0.1, top - bottom), place, (0.0, 0.0, angle), surface=surface))
    parts.append(Part("box", (2 * far, 2 * far, 0.1), (x, y, _SKY_HEIGHT), surface=zenith))
    return Thing("outside", "Outside", (0, 0, 0), (0, 0, 0), tuple(parts), solid=False)


def _opaque_box(part: Part) -> bool:
    return part.shape == "box" and not any(part.rotation) and part.surface.colour[3] == 1


def _shadow(place: int, parts: tuple[Part, ...]) -> Thing:
    return Thing(f"shadow {place}", "Shadow", (0, 0, 0), (0, 0, 0), parts, solid=False)


def _solids(thing: Thing) -> Iterable[tuple[tuple[float, float, float], tuple[float, float, float]]]:
    """The boxes (size, position) that stop others: the parts of the house's shell, else the thing's box."""
    if thing.solid and thing.movable:
        yield from thing.pieces or ((thing.size, (0.0, 0.0, 0.0)),)
    elif thing.solid:
        yield from ((part.size, part.position) for part in thing.parts)


class _Paint:
    """The meshes, materials and textures of things in a specification."""

    def __init__(self, spec: mujoco.MjSpec, things: Sequence[Thing]) -> None:
        self._spec = spec
        self._materials: dict[Surface, str] = {}
        parts = {id(thing.parts): thing for thing in things}  # things of one asset share their parts
        made = iter(part_meshes([part for thing in parts.values() for part in thing.parts]))
        plain = {part.surface for thing in parts.values() for part in thing.parts if _plain(part.surface)}
        swatches = {
            surface.colour: place
            for place, surface in enumerate(sorted(plain, key=lambda each: each.colour)[: _PALETTE_SIDE**2])
        }
        middles = {
            colour: np.array((place % _PALETTE_SIDE + 0.5, place // _PALETTE_SIDE + 0.5), np.float32)
            for colour, place in swatches.items()
        }
        self._spots = {
            surface: middles[surface.colour] / _PALETTE_SIDE for surface in plain if surface.colour in middles
        }
        """Plain surface → middle of its colour in the palette."""
        if swatches:
            self._add_palette(swatches)
        self._pieces = {key: self._join(thing, made) for key, thing in parts.items()}

    def meshes(self, thing: Thing) -> list[tuple[str, str, Hinge | None]]:
        """Return (mesh, material, hinge) for each piece that a thing is drawn as."""
        return self._pieces[id(thing.parts)]

    def _join(self, thing: Thing, made: Iterator[Mesh]) -> list[tuple[str, str, Hinge | None]]:
        """A movable thing's plain parts share the palette if their colours differ. The shell of the house
        does without, because filling large areas costs twice as much with a texture.
        """
        by_look: dict[tuple[Surface | None, Hinge | None], list[Mesh]] = {}
        colours = {part.surface for part in thing.parts if part.surface in self._spots}
        shared = thing.movable and len(colours) > 1
        for part, mesh in zip(thing.parts, made, strict=False):
            spot = self._spots.get(part.surface) if shared else None
            if spot is not None:
                mesh = Mesh(mesh.corners, mesh.normals, np.broadcast_to(spot, mesh.metres.shape))
            by_look.setdefault((part.surface if spot is None else None, part.hinge), []).append(mesh)
        return [
            (
                self._add_mesh(f"{thing.id} {number}", Mesh.joined(meshes), surface),
                _PALETTE if surface is None else self._material(surface),
                hinge,
            )
            for number, ((surface, hinge), meshes) in enumerate(by_look.items())
        ]

    def _add_mesh(self, name: str, mesh: Mesh, surface: Surface | None) -> str:
        repeats = 1.0 if surface is None else 1 / surface.metres
        added = self._spec.add_mesh(name=name, inertia=mujoco.mjtMeshInertia.mjMESH_INERTIA_SHELL)
        added.uservert = mesh.corners.ravel().tolist()
        added.usernormal = mesh.normals.ravel().tolist()
        if surface is None or surface.texture is not None:
            added.usertexcoord = (mesh.metres * repeats).ravel().tolist()
        added.userface = list(range(3 * len(mesh.corners)))
        return name

    def _material(self, surface: Surface) -> str:
        """Return the material of a surface. One that lights up starts dark, and the next material is the
        bright one.
        """
        if surface not in self._materials:
            name = self._materials[surface] = f"material {len(self._materials)}"
            if surface.off is not None:
                self._spec.add_material(name=name, rgba=surface.off, specular=0.1, shininess=0.4)
            material = self._spec.add_material(
                name=name if surface.off is None else f"{name}{LIT}",
                rgba=surface.colour,
                specular=surface.shine,
                shininess=0.4,
                emission=surface.emission,
            )
            if surface.texture is not None:
                self._add_texture(surface.texture, texture(surface.texture))
                material.textures[mujoco.mjtTextureRole.mjTEXROLE_RGB] = surface.texture
        return self._materials[surface]

    def _add_palette(self, swatches: dict[tuple[float, float, float, float], int]) -> None:
        pixels = np.zeros((_PALETTE_SIDE, _PALETTE_SIDE, 3), np.uint8)
        for colour, place in swatches.items():
            pixels[place // _PALETTE_SIDE, place % _PALETTE_SIDE] = np.round(np.array(colour[:3]) * 255)
        self._add_texture(_PALETTE, np.kron(pixels, np.ones((_SWATCH, _SWATCH, 1), np.uint8)))
        material = self._spec.add_material(name=_PALETTE, specular=0.05)
        material.textures[mujoco.mjtTextureRole.mjTEXROLE_RGB] = _PALETTE

    def _add_texture(self, name: str, picture: np.ndarray) -> None:
        if self._spec.texture(name) is None:
            added = self._spec.add_texture(name=name, type=mujoco.mjtTexture.mjTEXTURE_2D, nchannel=3)
            added.height, added.width = picture.shape[:2]
            added.data = picture.tobytes()


def _plain(surface: Surface) -> bool:
    return surface.texture is None and surface.colour[3] == 1 and not surface.emission and not surface.shine


def _appearance(spec: mujoco.MjSpec, scene: Scene) -> None:
    visual = spec.visual
    visual.quality.offsamples = 0
    visual.quality.shadowsize = 1
    visual.global_.offwidth = visual.global_.offheight = 64  # grows to the camera's size
    headlight = visual.headlight
    if not scene.lit:
        headlight.ambient, headlight.diffuse, headlight.specular = (1, 1, 1), (0, 0, 0), (0, 0, 0)
        return
    headlight.ambient, headlight.diffuse, headlight.specular = AMBIENT, (_HEADLIGHT,) * 3, (0.1,) * 3
    for direction, diffuse in LIGHTS:
        light = spec.worldbody.add_light(
            dir=direction, diffuse=diffuse, specular=(0.1,) * 3, ambient=(0,) * 3
        )
        light.type = mujoco.mjtLightType.mjLIGHT_DIRECTIONAL
        light.castshadow = False
