"""A scene as a MuJoCo model: what is drawn, what rays meet, and what can be written as MJCF.

Unusual: a thing is drawn as one mesh where it can be, for a picture costs by its pieces: its plain parts
share a mesh whose texture is the palette of the whole scene. Every solid thing has invisible boxes that
rays and contacts meet. Movable things are bodies, the rest belongs to the world.
"""

from collections.abc import Iterable

import numpy as np

from envs import gl  # noqa: F401  # isort: skip  (chooses the OpenGL backend before mujoco is imported)
import mujoco

from envs.house.building.meshes import Mesh, part_mesh
from envs.house.scene import Part, Scene, Surface, Thing
from envs.house.textures import texture

VISUAL, CEILING, SOLID = 0, 1, 3
"""Geom groups. Ceilings can be hidden from above; solids are never drawn."""
LIGHTS = (
    # direction, diffuse: a key light from above and behind, a weaker one from the other side
    ((0.45, 0.25, -0.85), (0.40, 0.39, 0.37)),
    ((-0.55, -0.35, -0.35), (0.22, 0.23, 0.25)),
)
AMBIENT = (0.50, 0.50, 0.51)
_HEADLIGHT = 0.10
SKY_DISTANCE = 45.0
"""Metres from the middle of the house to the sky; pictures of distance stop before."""
_PALETTE = "palette"
_PALETTE_SIDE, _SWATCH = 64, 4
"""Colours along a side of the palette, pixels along a side of a colour."""


def build_model(scene: Scene) -> mujoco.MjModel:
    """Compile a scene. Bodies are named by the ids of movable things; `geom_user` holds each geom's thing as
    its place in `scene.things`.
    """
    return build_spec(scene).compile()


def build_spec(scene: Scene) -> mujoco.MjSpec:
    """Return a scene as MuJoCo's editable specification."""
    spec = mujoco.MjSpec()
    spec.nuser_geom = 1
    _appearance(spec, scene)
    paint = _Paint(spec, scene)
    for index, thing in enumerate(scene.things):
        quaternion = np.empty(4)
        mujoco.mju_mat2Quat(quaternion, np.ascontiguousarray(thing.rotation).ravel())
        pose = {"pos": thing.position, "quat": quaternion}
        if thing.movable:
            body, frame = spec.worldbody.add_body(name=thing.id, **pose), None
            body.explicitinertial, body.mass, body.inertia = True, 1.0, (0.01, 0.01, 0.01)
        else:
            body, frame = spec.worldbody, spec.worldbody.add_frame(**pose)
        geoms = [
            body.add_geom(
                type=mujoco.mjtGeom.mjGEOM_MESH,
                meshname=mesh,
                material=material,
                rgba=colour,
                group=CEILING if thing.type == "Ceiling" else VISUAL,
                contype=0,
                conaffinity=0,
            )
            for mesh, material, colour in paint.meshes(thing)
        ]
        geoms += [
            body.add_geom(
                type=mujoco.mjtGeom.mjGEOM_BOX,
                size=np.array(size) / 2,
                pos=position,
                group=SOLID,
                rgba=(0.5, 0.5, 0.5, 1),  # what is transparent, rays do not meet
            )
            for size, position in _solids(thing)
        ]
        for geom in geoms:
            geom.userdata = [index]
            if frame is not None:
                geom.set_frame(frame)
    if scene.lit:
        _add_outside(spec, paint, scene)
    return spec


def _add_outside(spec: mujoco.MjSpec, paint: "_Paint", scene: Scene) -> None:
    """A lawn, and a sky of panels around it; `geom_user` -1. Cheaper than a sky box, and drawn last."""
    low, high = scene.bounds
    (x, y), far = (low[:2] + high[:2]) / 2, SKY_DISTANCE
    zenith, horizon = (Surface((*colour, 1.0), emission=1.0) for colour in scene.sky)
    middle = Surface((*((np.array(scene.sky[0]) + scene.sky[1]) / 2).tolist(), 1.0), emission=1.0)
    lawn = Surface((0.42, 0.55, 0.30, 1.0), "carpet", 3.0)
    parts = [Part("box", (2 * far, 2 * far, 0.1), (x, y, min(low[2], 0) - 0.15), surface=lawn)]
    for k in range(4):
        dx, dy = round(np.cos(k * np.pi / 2)), round(np.sin(k * np.pi / 2))
        size = (0.1 if dx else 2 * far, 0.1 if dy else 2 * far)
        for surface, bottom, top in ((horizon, -20, 6), (middle, 6, 22), (zenith, 22, far)):
            at = (x + far * dx, y + far * dy, (bottom + top) / 2)
            parts.append(Part("box", (*size, top - bottom), at, surface=surface))
    parts.append(Part("box", (2 * far, 2 * far, 0.1), (x, y, far), surface=zenith))
    thing = Thing("outside", "Outside", (0, 0, 0), (0, 0, 0), tuple(parts), solid=False)
    for mesh, material, colour in paint.meshes(thing):
        geom = spec.worldbody.add_geom(
            type=mujoco.mjtGeom.mjGEOM_MESH,
            meshname=mesh,
            material=material,
            rgba=colour,
            group=VISUAL,
            contype=0,
            conaffinity=0,
        )
        geom.userdata = [-1]


def _solids(thing: Thing) -> Iterable[tuple[tuple[float, float, float], tuple[float, float, float]]]:
    """The boxes (size, position) that stop others: the parts of the house's shell, else the thing's box."""
    if thing.solid and thing.movable:
        yield thing.size, (0.0, 0.0, 0.0)
    elif thing.solid:
        yield from ((part.size, part.position) for part in thing.parts)


class _Paint:
    """The meshes, materials and textures of a specification, each made when first needed."""

    def __init__(self, spec: mujoco.MjSpec, scene: Scene) -> None:
        self._spec, self._lit = spec, scene.lit
        self._materials: dict[Surface, str] = {}
        self._meshes: dict[tuple, str] = {}
        plain = {
            part.surface.colour for thing in scene.things for part in thing.parts if _plain(part.surface)
        }
        self._swatches = {colour: place for place, colour in enumerate(sorted(plain)[: _PALETTE_SIDE**2])}
        if self._swatches:
            self._add_palette()

    def meshes(self, thing: Thing) -> list[tuple[str, str, tuple[float, float, float, float]]]:
        """Return (mesh, material, colour) for each piece that a thing is drawn as."""
        by_surface: dict[Surface | None, list[Mesh]] = {}
        for part in thing.parts:
            mesh = part_mesh(part)
            if part.surface.colour in self._swatches and _plain(part.surface):
                by_surface.setdefault(None, []).append(self._swatched(mesh, part.surface))
            else:
                by_surface.setdefault(part.surface, []).append(mesh)
        pieces = []
        for number, (surface, meshes) in enumerate(by_surface.items()):
            name = self._add_mesh(f"{thing.id} {number}", Mesh.joined(meshes), surface)
            pieces.append(
                (name, _PALETTE, (1.0,) * 4)
                if surface is None
                else (name, self._material(surface), surface.colour)
            )
        return pieces

    def _swatched(self, mesh: Mesh, surface: Surface) -> Mesh:
        """Point every corner to the middle of its colour in the palette."""
        place = self._swatches[surface.colour]
        spot = np.array([place % _PALETTE_SIDE + 0.5, place // _PALETTE_SIDE + 0.5]) / _PALETTE_SIDE
        return Mesh(mesh.corners, mesh.normals, np.broadcast_to(spot.astype(np.float32), mesh.metres.shape))

    def _add_mesh(self, name: str, mesh: Mesh, surface: Surface | None) -> str:
        repeats = 1.0 if surface is None else 1 / surface.metres
        added = self._spec.add_mesh(name=name, inertia=mujoco.mjtMeshInertia.mjMESH_INERTIA_SHELL)
        added.uservert = mesh.corners.ravel().tolist()
        added.usernormal = mesh.normals.ravel().tolist()
        added.usertexcoord = (mesh.metres * repeats).ravel().tolist()
        added.userface = added.userfacenormal = added.userfacetexcoord = list(range(3 * len(mesh.corners)))
        return name

    def _material(self, surface: Surface) -> str:
        if surface not in self._materials:
            name = self._materials[surface] = f"material {len(self._materials)}"
            material = self._spec.add_material(name=name, specular=surface.shine, shininess=0.4)
            material.emission = surface.emission
            if surface.texture is not None:
                self._add_texture(surface.texture, texture(surface.texture))
                material.textures[mujoco.mjtTextureRole.mjTEXROLE_RGB] = surface.texture
        return self._materials[surface]

    def _add_palette(self) -> None:
        pixels = np.zeros((_PALETTE_SIDE, _PALETTE_SIDE, 3), np.uint8)
        for colour, place in self._swatches.items():
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
