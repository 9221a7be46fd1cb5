"""What one MJCF scene costs in plain MuJoCo: loading it, and pictures from a place to stand in it."""

import resource
import time
from typing import Any

import numpy as np

EYE, FOV = 1.576, 65.0
"""Metres above the floor; degrees, vertical."""
_PLACES, _WAYS, _WARM_UP = 300, 12, 6


def measure(path: str, size: int, pictures: int) -> dict[str, float]:
    """Load a scene and draw it in colour while the camera turns about (in a process of its own).

    Returns seconds of processor time to load it and of a picture of `size` pixels a side, and the peak of
    resident memory in MB. Raises ValueError for what MuJoCo does not load.
    """
    from envs import gl  # noqa: F401  # isort: skip  (chooses the OpenGL backend before mujoco is imported)
    import mujoco

    begin = time.process_time()
    model = mujoco.MjModel.from_xml_path(path)
    data = mujoco.MjData(model)
    load = time.process_time() - begin
    mujoco.mj_forward(model, data)
    eye = _open_place(mujoco, model, data)
    look = model.vis.global_
    look.fovy, look.offwidth, look.offheight = FOV, max(look.offwidth, size), max(look.offheight, size)
    camera, spent = mujoco.MjvCamera(), []
    camera.distance, camera.elevation = 1.0, 0.0
    with mujoco.Renderer(model, size, size, max_geom=max(10_000, 2 * model.ngeom)) as renderer:
        for number in range(_WARM_UP + pictures):
            camera.azimuth = 30.0 * number
            angle = np.radians(camera.azimuth)
            camera.lookat[:] = eye + [np.cos(angle), np.sin(angle), 0]
            begin = time.process_time()
            renderer.update_scene(data, camera)
            renderer.render()
            spent.append(time.process_time() - begin)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return {"load": load, "picture": float(np.mean(spent[_WARM_UP:])), "peak": peak}


def _open_place(mujoco: Any, model: Any, data: Any) -> np.ndarray:
    """Return the eye (3,) above a floor, with something all around it, and that as far away as can be."""
    geom, rng = np.zeros(1, np.int32), np.random.default_rng(0)

    def far(eye: np.ndarray, way: np.ndarray) -> float:
        return mujoco.mj_ray(model, data, eye, way, None, 1, -1, geom)

    turns = np.arange(_WAYS) * 2 * np.pi / _WAYS
    around = np.stack([np.cos(turns), np.sin(turns), np.zeros(_WAYS)], 1)
    low, high = data.geom_xpos[:, :2].min(0), data.geom_xpos[:, :2].max(0)
    found, most = np.array([*(low + high) / 2, EYE]), 0.0
    for x, y in rng.uniform(low, high, (_PLACES, 2)):
        eye = np.array([x, y, EYE])
        if 0.5 < far(eye, np.array([0, 0, -1.0])) < 2.0:
            room = min(far(eye, way) for way in around)  # -1 where nothing is met
            if room > most:
                found, most = eye, room
    return found
