"""A house for habitat-sim: the stage (GLB), what it needs to be told, and a data set of this one scene.

A bare .glb is read as if z were up, so the stage's configuration lies beside it. Navigation meshes count
heights in steps from the lowest point up, rounded up: floors are made 0.199 m thick, so that a body stands on
them and not 0.1 m above.
"""

import json
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from envs.house.export.glb import house_glb
from envs.house.scene import Scene, Thing
from envs.house.schema.records import House
from envs.house.simulator import HouseSimulator

NAVIGATION: Mapping[str, float | bool] = {
    "cellSize": 0.05,
    "cellHeight": 0.2,
    "agentHeight": 0.88,
    "agentRadius": 0.18,
    "agentMaxClimb": 0.2,
    "agentMaxSlope": 45.0,
    "regionMinSize": 20.0,
    "regionMergeSize": 20.0,
    "edgeMaxLen": 12.0,
    "edgeMaxError": 1.3,
    "vertsPerPoly": 6.0,
    "detailSampleDist": 6.0,
    "detailSampleMaxError": 1.0,
    "filterLowHangingObstacles": True,
    "filterLedgeSpans": True,
    "filterWalkableLowHeightSpans": True,
}
"""As habitat-sim's `NavMeshSettings.read_from_json` takes them: its defaults, and the body of ObjectNav."""
_FLOOR = 0.199


def stage_files(
    scene: Scene, house: House | None = None, boxes: Mapping[str, Any] | None = None
) -> dict[str, bytes]:
    """Return file name → content of a scene as a stage. `house` tells what is open or lit in it; it, or the
    JSON of the `boxes` that the scene was made from, is carried in the GLB.
    """
    simulator = HouseSimulator(replace(_thick_floors(scene), lit=False), house=house)
    return {
        "house.glb": house_glb(simulator, boxes),
        "house.stage_config.json": _json(
            {
                "render_asset": "house.glb",
                "up": [0.0, 1.0, 0.0],
                "front": [0.0, 0.0, -1.0],
                "origin": [0.0, 0.0, 0.0],
                "requires_lighting": False,
            }
        ),
        "house.navmesh_settings.json": _json(NAVIGATION),
    }


def dataset_files() -> dict[str, bytes]:
    """Return file name → content of what makes a stage a scene of a data set."""
    return {
        "house.scene_instance.json": _json({"stage_instance": {"template_name": "house"}}),
        "house.scene_dataset_config.json": _json(
            {"stages": {"paths": {".json": ["."]}}, "scene_instances": {"paths": {".json": ["."]}}}
        ),
    }


def _thick_floors(scene: Scene) -> Scene:
    """Let floors reach down deep enough."""
    things = tuple(_thick(each) if each.type == "Floor" else each for each in scene.things)
    return replace(scene, things=things)


def _thick(floor: Thing) -> Thing:
    high = max(_FLOOR, floor.size[2])
    x, y, z = floor.position
    return replace(
        floor,
        position=(x, y, z + (floor.size[2] - high) / 2),
        size=(*floor.size[:2], high),
        parts=tuple(replace(part, size=(*part.size[:2], high)) for part in floor.parts),
    )


def _json(value: Any) -> bytes:
    return (json.dumps(value, indent=1) + "\n").encode()
