"""A house as one GLB file: what the simulator draws, as it stands, a node for each thing.

Frame: glTF's and Habitat's, y up; the scene's x, y, z are x, -z, y there. A house's (Unity's) x, y, z are
x, y, -z. Left out: sky, lawn and the shadows on the floor, which nobody bumps into.
"""

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from envs import gl  # noqa: F401  # isort: skip  (chooses the OpenGL backend before mujoco is imported)
import mujoco

from envs.house.building.model import CEILING, VISUAL
from envs.house.export.carried import KEY, carried
from envs.house.export.gltf import Material, Node, Primitive, write_glb
from envs.house.export.pictures import png
from envs.house.simulator import HouseSimulator

_TO_Y_UP = np.array([[1.0, 0, 0], [0, 0, 1], [0, -1, 0]])
_PLAIN = (4, 4, 3)
"""Shape of the picture of a surface of one colour."""


def house_glb(simulator: HouseSimulator, boxes: Mapping[str, Any] | None = None) -> bytes:
    """Return a .glb of a scene that is not lit (`Scene.lit`), as its things stand now. It carries its house,
    or the JSON of the `boxes` that the scene was made from.

    Nodes are named by the things' ids; `extras` tell their type and whether they can be moved.
    """
    model = simulator.model
    materials: dict[int, int] = {}  # the model's → the file's
    nodes = []
    for place, thing in enumerate(simulator.scene.things):
        now = simulator.now(thing.id)
        primitives = []
        for geom, corners, normals in _drawn(simulator, place):
            material = materials.setdefault(int(model.geom_matid[geom]), len(materials))
            corners = (corners - now.position) @ now.rotation @ _TO_Y_UP.T
            normals = normals @ now.rotation @ _TO_Y_UP.T
            primitives.append(Primitive(corners, normals, _places(model, geom), material))
        if primitives:
            quaternion = np.empty(4)
            mujoco.mju_mat2Quat(quaternion, (_TO_Y_UP @ now.rotation @ _TO_Y_UP.T).ravel())
            extras = {"type": thing.type, "movable": thing.movable}
            nodes.append(
                Node(thing.id, _TO_Y_UP @ now.position, quaternion[[1, 2, 3, 0]], primitives, extras)
            )
    told = carried(simulator, boxes)
    extras = {} if told is None else {KEY: told}
    return write_glb("house", nodes, [_material(model, number) for number in materials], extras)


def _drawn(simulator: HouseSimulator, place: int) -> Iterator[tuple[int, np.ndarray, np.ndarray]]:
    """Yield the geoms that show a thing, with corners and normals (F, 3, 3) in the scene's frame."""
    model, data = simulator.model, simulator.data
    shown = (model.geom_group == VISUAL) | (model.geom_group == CEILING)
    for geom in np.flatnonzero(shown & (model.geom_user[:, 0] == place)).tolist():
        mesh, turn = int(model.geom_dataid[geom]), data.geom_xmat[geom].reshape(3, 3)
        faces = _faces(model, mesh)
        corners = model.mesh_vert[model.mesh_vertadr[mesh] + model.mesh_face[faces]]
        normals = model.mesh_normal[model.mesh_normaladr[mesh] + model.mesh_facenormal[faces]]
        yield geom, corners @ turn.T + data.geom_xpos[geom], normals @ turn.T


def _faces(model: mujoco.MjModel, mesh: int) -> slice:
    first = model.mesh_faceadr[mesh]
    return slice(first, first + model.mesh_facenum[mesh])


def _places(model: mujoco.MjModel, geom: int) -> np.ndarray:
    mesh = int(model.geom_dataid[geom])
    faces, first = _faces(model, mesh), model.mesh_texcoordadr[mesh]
    if first < 0:
        return np.zeros((model.mesh_facenum[mesh], 3, 2))
    return model.mesh_texcoord[first + model.mesh_facetexcoord[faces]]


def _material(model: mujoco.MjModel, number: int) -> Material:
    colour, texture = model.mat_rgba[number], model.mat_texid[number, mujoco.mjtTextureRole.mjTEXROLE_RGB]
    if texture < 0:
        grey = np.full(_PLAIN, 255, np.uint8)
    else:
        shape = (model.tex_height[texture], model.tex_width[texture], model.tex_nchannel[texture])
        first = model.tex_adr[texture]
        grey = model.tex_data[first : first + int(np.prod(shape))].reshape(shape)
    return Material(
        png(np.round(grey * colour[:3]).astype(np.uint8)),
        alpha=colour[3],
        emission=model.mat_emission[number],
        roughness=0.9 - 0.5 * model.mat_specular[number],
    )
