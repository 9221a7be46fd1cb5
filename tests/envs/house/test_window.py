"""Houses share the OpenGL context of their thread: what is dropped unclosed harms nobody, and where there is
no OpenGL the remedy is told.
"""

import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[3]

DROPPED = """
import gc, threading
from envs.house.generator import generate_house
from envs.house.rendering import Camera
from envs.house.simulator import HouseSimulator, Stance
import mujoco

camera, houses = Camera(64, 64, 65.0), [generate_house(seed, "bedroom") for seed in range(2)]

def seen(simulator):
    view = simulator.view(camera, depth=True, segmentation=True)
    return view.rgb.tobytes(), view.depth.tobytes(), view.segmentation.tobytes()

def dropped(number):
    simulator = HouseSimulator.of_house(houses[number % 2])
    simulator.view(camera)
    simulator.myself = simulator  # only the collector finds it

kept = HouseSimulator.of_house(houses[0])
kept.stand(Stance(*kept.grid.points[0]))
model = mujoco.MjModel.from_xml_string(
    "<mujoco><worldbody><geom type='sphere' size='.3' rgba='1 0 0 1'/></worldbody></mujoco>"
)
data = mujoco.MjData(model)
mujoco.mj_forward(model, data)
theirs = mujoco.Renderer(model, 64, 64)

def seen_by_others():
    theirs.update_scene(data)
    return theirs.render().tobytes()

before = seen(kept), seen_by_others()
for number in range(6):
    dropped(number)
    seen_by_others()
    gc.collect()  # while their context is current
    assert seen_by_others() == before[1], number
    assert seen(kept) == before[0], number
thread = threading.Thread(target=dropped, args=(1,))
thread.start()
thread.join()
gc.collect()
assert seen(kept) == before[0]
theirs.close()
"""


def run(code: str, folder: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", code],
        cwd=folder,
        env=os.environ | {"PYTHONPATH": str(ROOT)} | environment,
        capture_output=True,
        text=True,
        timeout=240,
    )


def test_what_is_dropped_unclosed_harms_nobody(tmp_path: Path, rendering: None) -> None:
    """No picture changes, no OpenGL error is noted, and nothing is said at the end."""
    found = run(DROPPED, tmp_path)
    assert found.returncode == 0 and not found.stderr, found.stderr
    assert not list(tmp_path.iterdir()), "MuJoCo notes errors of OpenGL in MUJOCO_LOG.TXT"


def test_without_opengl_the_remedy_is_told(tmp_path: Path) -> None:
    """libglvnd told to look for drivers where there are none: the same as a machine without Mesa."""
    code = (
        "import envs\n"
        "env = envs.suite('procthor').make('ObjectNav', 'small')\n"
        "try: env.reset(seed=0)\n"
        "except envs.errors.EnvError as error: print(error)\n"
    )
    (tmp_path / "none").mkdir()
    found = run(code, tmp_path, __EGL_VENDOR_LIBRARY_DIRS=str(tmp_path / "none"), MUJOCO_GL="egl")
    assert "apt-get install libegl1 libegl-mesa0 libgl1-mesa-dri" in found.stdout, found.stderr
