"""A house as MJCF: one XML file and its textures, for plain MuJoCo.

Bodies are named by the things' ids and have no joints; walls, floors and ceilings belong to the last body.
Geoms of groups 0 and 1 (ceilings) are drawn; those of group 3 are invisible boxes that stop others.
"""

from collections.abc import Mapping
from typing import Any

import mujoco
import numpy as np

from envs.house.building.model import LIT, build_spec
from envs.house.building.states import swung
from envs.house.export.carried import carried, mjcf_text
from envs.house.export.pictures import png
from envs.house.simulator import HouseSimulator

_PICTURE = (1280, 960)
"""The largest picture, pixels, that MuJoCo draws of the model without being told more."""


def house_mjcf(simulator: HouseSimulator, boxes: Mapping[str, Any] | None = None) -> dict[str, bytes]:
    """Return file name → content, `house.xml` first, of a scene as its things stand now. The XML carries its
    house, or the JSON of the `boxes` that the scene was made from.
    """
    spec = build_spec(simulator.scene)
    _as_it_is(spec, simulator)
    files = {}
    for texture in spec.textures:
        pixels = np.frombuffer(texture.data, np.uint8).reshape(texture.height, texture.width, 3)
        texture.file = f"{texture.name}.png"
        texture.data, texture.height, texture.width = b"", 0, 0
        files[texture.file] = png(pixels)
    spec.modelname = "house"
    spec.visual.global_.offwidth, spec.visual.global_.offheight = _PICTURE
    spec.assets = files
    spec.compile()
    told, xml = carried(simulator, boxes), spec.to_xml()
    if told is not None:
        before, end, after = xml.rpartition("</mujoco>")
        xml = f"{before}{mjcf_text(told)}{end}{after}"
    return {"house.xml": xml.encode(), **files}


def _as_it_is(spec: mujoco.MjSpec, simulator: HouseSimulator) -> None:
    """Put things where they are, doors as open and lamps as bright."""
    for id, state in simulator.states.items():
        body, now = spec.body(id), simulator.now(id)
        body.pos = now.position
        mujoco.mju_mat2Quat(body.quat, np.ascontiguousarray(now.rotation).ravel())
        for geom in body.geoms:
            user = np.array(list(geom.userdata))
            if user[5]:
                geom.pos, geom.quat = swung(user, state.openness, np.zeros(3))
            if state.on and spec.material(f"{geom.material}{LIT}") is not None:
                geom.material = f"{geom.material}{LIT}"
