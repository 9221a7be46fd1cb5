"""The real, unmodified Controller of ai2thor on our player, through pipes and through HTTP."""

import json
import math
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest

from envs.house.generator import generate_house
from envs.house.rendering import Camera
from envs.house.schema import parse_house
from envs.house.simulator import HouseSimulator, Stance
from envs.house.thor.player.play import command_line
from envs.house.thor.player.words import as_keys

controllers = pytest.importorskip(
    "ai2thor.controller", reason="the package ai2thor is not installed (make setup installs it)"
)
ROOT = Path(__file__).parents[3]
HOUSE = generate_house(3, "4-room").json
POSE = {**HOUSE["metadata"]["agent"], "standing": True}
SIZE = 160
pytestmark = pytest.mark.usefixtures("rendering")


@pytest.fixture(scope="module", autouse=True)
def home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A home of its own for the Controller's log, and a path on which players find our packages."""
    with pytest.MonkeyPatch.context() as patch:
        folder = tmp_path_factory.mktemp("home")
        patch.setenv("HOME", str(folder))
        patch.setenv("PYTHONPATH", os.pathsep.join([str(ROOT), *sys.path[1:]]))
        yield folder


@contextmanager
def controller(transport: str = "fifo", **options) -> Iterator:
    """A Controller whose player is ours."""
    from ai2thor.fifo_server import FifoServer
    from ai2thor.wsgi_server import WsgiServer

    chosen = {"fifo": FifoServer, "wsgi": WsgiServer}[transport]
    given = {
        "local_executable_path": command_line(),
        "x_display": ":99",
        "server_class": chosen,
        "server_timeout": 60.0,
        "server_start_timeout": 60.0,
        "width": SIZE,
        "height": SIZE,
        "fieldOfView": 65,
        "snapToGrid": False,
    }
    found = controllers.Controller(**{**given, **options})
    try:
        yield found
    finally:
        found.stop()
        found.server.unity_proc.wait(30)
        if transport == "fifo":  # what a Controller leaves behind
            found.server.tmp_dir.cleanup()
        else:
            found.server.wsgi_server.server_close()


@pytest.fixture(scope="module", params=["fifo", "wsgi"])
def started(request: pytest.FixtureRequest, home: Path) -> Iterator:
    pictures = ("renderDepthImage", "renderInstanceSegmentation", "renderSemanticSegmentation")
    with controller(request.param, scene=HOUSE, **dict.fromkeys(pictures, True)) as found:
        yield found


@pytest.fixture
def thor(started):
    """A Controller in a house, at its start."""
    assert started.step("TeleportFull", **POSE)
    return started


def test_it_sees_what_the_embedded_body_sees(thor) -> None:
    """Colours, metres and masks are those of the simulator at the same pose, row 0 on top."""
    event = thor.step("RotateRight")
    agent = event.metadata["agent"]
    simulator = HouseSimulator.of_house(parse_house(HOUSE))
    simulator.stand(
        Stance(
            agent["position"]["x"],
            agent["position"]["z"],
            -math.radians(agent["rotation"]["y"]),
            -math.radians(agent["cameraHorizon"]),
            event.metadata["cameraPosition"]["y"],
        )
    )
    view = simulator.view(Camera(SIZE, SIZE, 65), depth=True, segmentation=True)
    assert event.frame.shape == (SIZE, SIZE, 3) and (event.frame != view.rgb).mean() < 0.01
    near = view.depth < 20
    assert near.mean() > 0.9 and np.abs(event.depth_frame - view.depth)[near].max() < 1e-3
    seen = set(np.unique(view.segmentation)) - {-1}
    for place in seen:
        thing = simulator.scene.things[place]
        if thing.id not in event.object_id_to_color:
            continue
        mask = view.segmentation == place
        same = (event.instance_masks[thing.id] == mask).mean()
        assert same > 0.97 or thing.type == "Doorway", thing.id  # a door's wood goes by its leaf
        rows, columns = np.nonzero(event.instance_masks[thing.id])
        box = columns.min(), rows.min(), columns.max(), rows.max()
        assert event.instance_detections2D[thing.id] == tuple(map(int, box))
        assert (event.class_masks[thing.type] >= event.instance_masks[thing.id]).all()
    assert event.semantic_segmentation_frame.shape == (SIZE, SIZE, 3)
    simulator.close()


def test_a_mask_of_a_type_is_all_its_objects_whatever_they_are_called(thor) -> None:
    """A Controller reads the type from an id; ids of real houses begin with anything."""
    house = json.loads(json.dumps(HOUSE))
    bed = next(each for each in house["objects"] if each["assetId"].startswith("Bed"))
    bed["id"] = "2|0|1"
    assert thor.reset(scene=house) and thor.step("TeleportFull", **POSE)
    poses = thor.step("GetInteractablePoses", objectId="2|0|1", maxPoses=1, standings=[True])
    pose = poses.metadata["actionReturn"][0]
    place = {axis: pose.pop(axis) for axis in "xyz"}
    event = thor.step("TeleportFull", position=place, **pose)
    assert event.get_object("2|0|1")["objectType"] == "Bed"
    assert (event.class_masks["Bed"] == event.instance_masks["2|0|1"]).all()
    assert thor.reset(scene=HOUSE)


def test_a_real_house(thor, shared: Path) -> None:
    house = json.loads((shared / "fixtures/procthor/zg_4room_03.json").read_text())
    assert thor.reset(scene=house) and thor.step("TeleportFull", **house["metadata"]["agent"])
    assert {each["id"] for each in house["objects"]} <= {
        each["objectId"] for each in thor.last_event.metadata["objects"]
    }
    assert thor.reset(scene=HOUSE)


def test_steps_turns_and_refusals(thor) -> None:
    before = thor.last_event.metadata["agent"]["position"]
    moved = thor.step("MoveAhead") or thor.step("MoveBack")
    after = thor.last_event.metadata["agent"]["position"]
    assert moved and math.isclose(math.dist(before.values(), after.values()), 0.25, abs_tol=1e-6)
    for _ in range(3):
        event = thor.step("LookDown")
    assert not event and event.metadata["errorCode"] == "LookDownCantExceedMin"
    for wrong in ({"action": "Fly"}, {"action": "MoveAhead", "wings": 2}, {"action": "PickupObject"}):
        with pytest.raises(ValueError, match=r"Fly|wings|objectId"):
            thor.step(wrong)
    with pytest.raises(RuntimeError, match="is not the objectId"):
        thor.step("PickupObject", objectId="None|1", raise_for_failure=True)
    places = thor.step("GetReachablePositions").metadata["actionReturn"]
    assert len(places) > 100 and thor.step("Teleport", position=places[-1], rotation=90.0)
    assert thor.last_event.pose[2] == 90_000


def test_somebodys_metrics_work(thor) -> None:
    from ai2thor.util.metrics import get_shortest_path_to_object, get_shortest_path_to_point, path_distance

    here = thor.last_event.metadata["agent"]["position"]
    bed = thor.last_event.objects_by_type("Bed")[0]
    length = path_distance(get_shortest_path_to_object(thor, bed["objectId"], here))
    assert 0 < length < 40
    far = thor.step("GetReachablePositions").metadata["actionReturn"][0]
    assert (
        path_distance(get_shortest_path_to_point(thor, here, far))
        >= math.hypot(far["x"] - here["x"], far["z"] - here["z"]) - 0.1
    )


def test_other_cameras_and_no_picture(thor) -> None:
    view = thor.step("GetMapViewCameraProperties").metadata["actionReturn"]
    event = thor.step("AddThirdPartyCamera", **view)
    assert [frame.shape for frame in event.third_party_camera_frames] == [(SIZE, SIZE, 3)]
    assert len(event.third_party_depth_frames) == len(event.third_party_instance_masks) == 1
    assert thor.step("Pass", renderImage=False).frame is None
    assert thor.step("Pass").frame is not None


def test_things_are_carried(thor) -> None:
    mug = thor.last_event.objects_by_type("Mug")[0]["objectId"]
    assert thor.step("PickupObject", objectId=mug, forceAction=True)
    assert thor.last_event.metadata["inventoryObjects"] == [{"objectId": mug, "objectType": "Mug"}]
    assert thor.step("MoveAhead") or thor.step("RotateLeft")
    assert thor.step("DropHandObject") and not thor.last_event.get_object(mug)["isPickedUp"]


def test_a_house_after_another_and_a_size_after_another(started) -> None:
    assert started.reset(scene=HOUSE, width=128, height=96).frame.shape == (96, 128, 3)
    assert started.last_event.metadata["lastAction"] == "CreateHouse" and started.last_event
    with pytest.raises(ValueError, match="not contained in build"):
        started.reset("NoSuchScene")
    assert started.reset("FloorPlan1").metadata["sceneName"] == "FloorPlan1_physics"
    assert len(started.last_event.metadata["objects"]) > 10
    assert not started.reset(scene={"rooms": []})  # a broken house fails and harms nothing
    assert "CreateHouse" in started.last_event.metadata["errorMessage"]
    assert started.reset(scene=HOUSE, width=SIZE, height=SIZE)


def test_headless(home: Path) -> None:
    with controller(scene=HOUSE, headless=True) as thor:
        assert thor.step("RotateRight").frame is None and thor.last_event.metadata["objects"]


def ends(process: int, seconds: float = 60.0) -> bool:
    """Whether a process that is not our child ends in time."""
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        try:
            state = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0]
        except OSError:
            return True
        if state == "Z":
            return True
        time.sleep(0.05)
    return False


PROGRAM = """
import time
from ai2thor.controller import Controller
from ai2thor.wsgi_server import WsgiServer
thor = Controller(local_executable_path=%r, x_display=":99", scene="FloorPlan401", server_class=%s)
try:
    print(thor.server.unity_proc.pid, flush=True)
    time.sleep(100)
except KeyboardInterrupt:
    print(bool(thor.step("Pass")), flush=True)
time.sleep(100)
"""


@pytest.mark.parametrize("server", ["None", "WsgiServer"])
def test_it_ends_with_its_controller_and_not_at_ctrl_c(server: str) -> None:
    """A person's Ctrl-C reaches all of a terminal's processes: the program may go on, so the player does."""
    with subprocess.Popen(
        [sys.executable, "-c", PROGRAM % (command_line(), server)],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        start_new_session=True,
    ) as program:
        player = int(program.stdout.readline())
        os.killpg(program.pid, signal.SIGINT)
        said = program.stdout.readline()
        program.kill()
    assert said == "True\n"
    assert ends(player), "the player outlives its Controller"


def test_without_a_controller_it_says_what_it_is_for() -> None:
    places = {"AI2THOR_FIFO_SERVER_PIPE_PATH": "/none/a", "AI2THOR_FIFO_CLIENT_PIPE_PATH": "/none/b"}
    for variables, said in (
        ({}, "Controller(local_executable_path="),
        ({"AI2THOR_SERVER_TYPE": "FIFO", **places}, "no Controller reads /none/a"),
        (
            {"AI2THOR_SERVER_TYPE": "WSGI", "AI2THOR_HOST": "127.0.0.1", "AI2THOR_PORT": "9"},
            "no Controller answers",
        ),
    ):
        run = subprocess.run(
            [*command_line().split(), "-screen-width", "64"],
            env=os.environ | variables,
            capture_output=True,
            text=True,
            timeout=240,
        )
        assert run.returncode == 1 and said in run.stderr and "Traceback" not in run.stderr, run.stderr


def test_unitys_words() -> None:
    words = [
        "-screen-fullscreen",
        "0",
        "-screen-quality",
        "7",
        "-screen-width",
        "224",
        "-screen-height",
        "96",
    ]
    assert as_keys([*words, "-batchmode", "-nographics", "assets=a.json", "-force-device-index", "1"]) == [
        *("width=224", "height=96", "headless=true", "assets=a.json")
    ]
