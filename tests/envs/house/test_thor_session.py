"""AI2-THOR's actions, errors and metadata in the embedded house: against the specification, ProcTHOR's
houses, geometry, and each other.
"""

import itertools
import json
import math
import re
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from envs.house.generator import generate_house
from envs.house.scene import unity_rotation
from envs.house.thor import actions  # noqa: F401  (registers the actions)
from envs.house.thor.frames import euler
from envs.house.thor.metadata import state
from envs.house.thor.pictures import Painter
from envs.house.thor.registry import ACTIONS
from envs.house.thor.session import Session
from envs.house.thor.settings import FAR, NEAR

HOUSE = generate_house(3, "4-room")
POSE = {**HOUSE.json["metadata"]["agent"], "standing": True}


def act(session: Session, action: str, **arguments):
    """What became of an action."""
    return session.step({"action": action, **arguments})


def done(session: Session, action: str, **arguments):
    """What an action that must succeed returns."""
    outcome = act(session, action, **arguments)
    assert outcome.success, outcome.message
    return outcome.returned


def told(session: Session) -> dict:
    return state(session, None)["agents"][0]


def objects(session: Session) -> dict[str, dict]:
    return {each["objectId"]: each for each in told(session)["objects"]}


def of_type(session: Session, *types: str) -> dict:
    return next(each for each in told(session)["objects"] if each["objectType"] in types)


@pytest.fixture(scope="module")
def built() -> Iterator[Session]:
    session = Session(96, 96)
    yield session
    session.close()


@pytest.fixture
def session(built: Session) -> Session:
    """A session at the start of a furnished house."""
    done(built, "Reset", sceneName="Procedural")
    done(built, "Initialize", renderDepthImage=True, renderInstanceSegmentation=True)
    done(built, "CreateHouse", house=HOUSE.json)
    done(built, "TeleportFull", **POSE)
    return built


# houses


def test_every_real_house_stands_where_its_file_says(shared: Path) -> None:
    """Each loads; what is recorded of its start and its objects is what metadata tell."""
    session = Session(64, 64)
    files = sorted((shared / "fixtures/procthor").glob("*_*.json"))
    for file in (each for each in files if each.name != "asset_boxes.json"):
        house = json.loads(file.read_text())
        done(session, "CreateHouse", house=house)
        if (pose := house["metadata"].get("agent")) and house["rooms"]:
            done(session, "TeleportFull", **pose)
            assert len(done(session, "GetReachablePositions")) > 20, file.name
        known, stack = objects(session), list(house["objects"])
        while stack:
            record = stack.pop()
            stack += record.get("children", [])
            found = known[record["id"]]
            assert found["assetId"] == record["assetId"]
            for axis, value in record["position"].items():
                assert math.isclose(found["position"][axis], value, abs_tol=1e-9)
            turned = [
                unity_rotation(tuple(each[axis] for axis in "xyz"))
                for each in (found["rotation"], {"x": 0, "y": 0, "z": 0, **record["rotation"]})
            ]
            assert np.allclose(*turned, atol=1e-6), record["id"]
            for child in record.get("children", []):
                assert known[child["id"]]["parentReceptacles"] == [record["id"]]
    session.close()


def test_a_house_that_is_none_leaves_what_stands(session: Session) -> None:
    before = objects(session)
    for house in ({}, {"rooms": "none"}, {**HOUSE.json, "walls": [{}]}):
        outcome = act(session, "CreateHouse", house=house)
        assert not outcome.success and "CreateHouse" in outcome.message
        assert objects(session) == before
    done(session, "Reset", sceneName="FloorPlan1_physics")
    assert "Procedural" in act(session, "CreateHouse", house=HOUSE.json).message


# metadata


def test_metadata_have_the_keys_of_the_specification(shared: Path, session: Session) -> None:
    text = (shared / "specs/procthor_ai2thor.md").read_text()
    section = text[text.index("### 1.5") : text.index("### 1.6")]
    record = section[section.index("Object record: ") + 15 : section.index("`visibleBounds2D`")]
    record = re.sub(r"\([^)]*\)|\{[^}]*\}", "", record)
    keys = {re.match(r"\w+", part.strip())[0] for part in record.split(",")}
    assert len(keys) > 40 and keys <= set(of_type(session, "Bed"))
    table = section[: section.index("Object record: ")]
    words = {
        word.strip()
        for line in table.splitlines()[3:]
        for cell in line.split("|")[1::3]
        for word in cell.replace("`", "").split(",")
        if re.fullmatch(r"\s*[a-z]\w+\s*", word)
    }
    assert {"objects", "fov", "inventoryObjects", "arm"} <= words <= set(told(session))
    json.dumps(told(session))


def test_angles_are_unitys() -> None:
    rng = np.random.default_rng(0)
    for _ in range(200):
        angles = tuple(rng.uniform(-180, 180, 3))
        back = euler(unity_rotation(angles))
        assert np.allclose(unity_rotation(tuple(back.values())), unity_rotation(angles), atol=1e-9)


def test_what_is_visible_is_in_the_picture_and_near(session: Session) -> None:
    painter, seen, shown = Painter(session), 0, 0
    for place in done(session, "GetReachablePositions")[::60]:
        for yaw in (0, 90, 180, 270):
            done(session, "TeleportFull", **{**POSE, "position": place, "rotation": {"y": yaw}})
            picture = painter.agent().instances.reshape(-1, 3)
            colours = {each["name"]: each["color"] for each in painter.palette.table if "|" in each["name"]}
            for record in told(session)["objects"]:
                if not record["visible"]:
                    continue
                box, seen = record["axisAlignedBoundingBox"], seen + 1
                gap = [
                    max(0.0, abs(box["center"][axis] - place[axis]) - box["size"][axis] / 2) for axis in "xz"
                ]
                assert math.hypot(*gap) <= 1.5 + 1e-6
                shown += bool((picture == colours[record["objectId"]]).all(1).any())
    assert seen > 100 and shown / seen > 0.95


def test_a_filter_limits_what_is_told(session: Session) -> None:
    bed = of_type(session, "Bed")["objectId"]
    done(session, "SetObjectFilter", objectIds=[bed])
    assert list(objects(session)) == [bed]
    done(session, "ResetObjectFilter")
    assert len(objects(session)) > 20


# motion


def test_motion_goes_where_reachable_positions_say(session: Session) -> None:
    """From each place a move succeeds exactly where its end is a reachable place, and back again."""
    places = done(session, "GetReachablePositions")
    known = {(round(place["x"], 4), round(place["z"], 4)) for place in places}
    for place in places[::25]:
        for yaw, (x, z) in ((0, (0, 0.25)), (90, (0.25, 0)), (180, (0, -0.25)), (270, (-0.25, 0))):
            done(session, "TeleportFull", **{**POSE, "position": place, "rotation": {"y": yaw}})
            outcome = act(session, "MoveAhead")
            end = round(place["x"] + x, 4), round(place["z"] + z, 4)
            if not outcome.success:
                assert " is blocking Agent 0 from moving by (" in outcome.message and end not in known
                assert told(session)["agent"]["position"] == place
                continue
            assert end in known
            assert math.isclose(session.x, end[0], abs_tol=1e-6)
            done(session, "MoveBack")
    done(session, "TeleportFull", **{**POSE, "position": places[-1]})
    assert {(round(p["x"], 4), round(p["z"], 4)) for p in done(session, "GetReachablePositions")} == known


def test_sides_turns_and_heights(session: Session) -> None:
    agent = told(session)["agent"]
    for _ in range(4):
        done(session, "RotateRight")
    assert told(session)["agent"] == agent
    done(session, "RotateRight", degrees=30)
    assert math.isclose(told(session)["agent"]["rotation"]["y"], (POSE["rotation"]["y"] + 30) % 360)
    done(session, "Initialize", snapToGrid=False)
    start = np.array([session.x, session.z])
    yaw = math.radians(session.yaw)
    for action, way in (
        ("MoveRight", (math.cos(yaw), -math.sin(yaw))),
        ("MoveLeft", (-math.cos(yaw), math.sin(yaw))),
        ("MoveBack", (-math.sin(yaw), -math.cos(yaw))),
    ):
        if act(session, action, moveMagnitude=0.1).success:
            assert np.allclose([session.x, session.z], start + 0.1 * np.array(way))
            start = np.array([session.x, session.z])
    height = told(session)["cameraPosition"]["y"]
    assert math.isclose(height, 1.576, abs_tol=1e-3)
    done(session, "Crouch")
    assert math.isclose(told(session)["cameraPosition"]["y"], height - 0.22, abs_tol=0.01)
    assert told(session)["agent"]["isStanding"] is False
    done(session, "Stand")
    done(session, "Initialize", agentMode="locobot")
    assert told(session)["agent"]["isStanding"] is None and told(session)["fov"] == 60
    assert math.isclose(told(session)["cameraPosition"]["y"], 0.8698, abs_tol=1e-3)


@pytest.mark.parametrize(
    ("mode", "action", "code", "said"),
    [
        (
            "default",
            "LookDown",
            "LookDownCantExceedMin",
            "can't look down beyond 60 degrees below the forward",
        ),
        ("default", "LookUp", "LookUpCantExceedMax", "can't look up beyond 30 degrees above the forward"),
        ("locobot", "LookDown", "LookDownCantExceedMin", "beyond 30 degrees below"),
        ("locobot", "LookUp", "LookUpCantExceedMax", "beyond 30 degrees above"),
    ],
)
def test_the_head_has_its_limits(session: Session, mode: str, action: str, code: str, said: str) -> None:
    done(session, "Initialize", agentMode=mode)
    outcomes = [act(session, action) for _ in range(5)]
    assert outcomes[-1].code == code and said in outcomes[-1].message
    horizon = told(session)["agent"]["cameraHorizon"]
    assert horizon == {"LookUp": -30, "LookDown": 60 if mode == "default" else 30}[action]


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"position": {"x": -50, "y": 0.9, "z": 0}}, "not on the floor"),
        ({"position": {"x": POSE["position"]["x"], "y": 9, "z": POSE["position"]["z"]}}, "not on the floor"),
        ({"horizon": 90}, "Each horizon must be in [-30:60]. You gave 90"),
        ({"rotation": {"x": 10, "y": 0, "z": 0}}, "No agents currently can change in pitch or roll"),
    ],
)
def test_places_where_nobody_can_stand(session: Session, changed: dict, said: str) -> None:
    before = told(session)["agent"]
    outcome = act(session, "TeleportFull", **{**POSE, **changed})
    assert not outcome.success and said in outcome.message and outcome.code == ""
    assert told(session)["agent"] == before


def test_nobody_stands_in_a_bed(session: Session) -> None:
    bed = of_type(session, "Bed")
    outcome = act(session, "Teleport", position={**bed["position"], "y": 0.9})
    assert bed["objectId"] in outcome.message and told(session)["collidedObjects"] == [bed["objectId"]]
    done(session, "Teleport", position={**bed["position"], "y": 0.9}, forceAction=True)


# calls


@pytest.mark.parametrize(
    ("command", "code", "said"),
    [
        ({"action": "Fly"}, "InvalidAction", "Invalid action: Fly"),
        ({"action": "MoveAhed"}, "InvalidAction", "MoveAhead"),
        ({"action": None}, "InvalidAction", "Invalid action: None"),
        ({"action": "MoveAhead", "foo": 1}, "InvalidArgument", "foo"),
        ({"action": "MoveAhead", "moveMagnitude": "far"}, "InvalidArgument", "Cannot convert to: float"),
        ({"action": "MoveAhead", "moveMagnitude": float("nan")}, "InvalidArgument", "moveMagnitude"),
        ({"action": "TeleportFull", "position": {"x": 0, "y": 0, "z": 0}}, "MissingArguments", "horizon"),
        (
            {"action": "TeleportFull", "rotation": {"y": 0}, "horizon": 0},
            "MissingArguments",
            "position,standing",
        ),
        ({"action": "PickupObject"}, "MissingArguments", "objectId"),
        ({"action": "SetObjectFilter"}, "MissingArguments", "objectIds"),
        ({"action": "Pass", "agentId": 1}, "", "one agent"),
        ({"action": "Initialize", "agentMode": "drone"}, "", "default, locobot"),
        ({"action": "Initialize", "gridSize": -1}, "", "gridSize"),
        ({"action": "PickupObject", "objectId": "Nothing|1"}, "", "not the objectId on any object"),
    ],
)
def test_calls_that_fail(session: Session, command: dict, code: str, said: str) -> None:
    outcome = session.step(command)
    assert not outcome.success and outcome.code == code and said in outcome.message
    assert told(session)["errorCode"] == code and told(session)["lastActionSuccess"] is False


def test_what_may_stand_beside_any_action(session: Session) -> None:
    done(session, "Pass", renderImage=False, agentId=0, sequenceId=7, renderInstanceSegmentation=True)
    assert state(session, None)["sequenceId"] == 7 and not session.drawing
    assert done(session, "Initialize", anythingElse=3) == {"cameraNearPlane": NEAR, "cameraFarPlane": FAR}


def test_the_actions_of_the_specification_are_there(shared: Path) -> None:
    text = (shared / "specs/procthor_ai2thor.md").read_text()
    table = text[text.index("### 1.3") : text.index("Error codes (string)")]
    rows = [line.split("|")[1] for line in table.splitlines() if line.startswith("|")][2:]
    names = {name.strip() for row in rows for name in re.split(r"[/,]", row.replace("On/Off", "On"))}
    names = {name for name in names if re.fullmatch(r"[A-Z]\w+", name)}
    assert len(names) > 40 and names <= set(ACTIONS)


# looking


def test_rays_and_depth_meet_at_the_same_point(session: Session) -> None:
    painter = Painter(session)
    metres = painter.agent().depth * (FAR - NEAR)
    eye = told(session)["cameraPosition"]
    forward = np.array([math.sin(math.radians(session.yaw)), math.cos(math.radians(session.yaw))])
    tilt = math.radians(session.horizon)
    axis = np.array([forward[0] * math.cos(tilt), -math.sin(tilt), forward[1] * math.cos(tilt)])
    near = 0
    for row, column in ((20, 48), (48, 20), (60, 60), (80, 30), (90, 48)):
        x, y = (column + 0.5) / 96, (row + 0.5) / 96
        met = done(session, "GetCoordinateFromRaycast", x=x, y=y)
        along = np.dot([met[each] - eye[each] for each in "xyz"], axis)
        near += abs(along - metres[row, column]) < 0.02
    assert near >= 4  # rays meet boxes, pictures show shapes


def test_cameras_beside_the_agents(session: Session) -> None:
    view = done(session, "GetMapViewCameraProperties")
    done(session, "AddThirdPartyCamera", **view)
    painter = Painter(session)
    above = painter.third_party(session.cameras[0]).instances.reshape(-1, 3)
    colours = {each["name"]: each["color"] for each in painter.palette.table}
    for room in HOUSE.rooms:
        assert (above == colours[room.id]).all(1).sum() > 20, room.id
    done(session, "UpdateThirdPartyCamera", thirdPartyCameraId=0, position={"y": 1.0})
    assert session.cameras[0].position == {**view["position"], "y": 1.0}
    assert "there are 1 cameras" in act(session, "UpdateThirdPartyCamera", thirdPartyCameraId=1).message
    assert told(session)["thirdPartyCameras"][0]["thirdPartyCameraId"] == 0


def test_interactable_poses_are_poses_from_which_it_is_visible(session: Session) -> None:
    bed = of_type(session, "Bed")["objectId"]
    poses = done(session, "GetInteractablePoses", objectId=bed, horizons=[0, 30], standings=[True])
    assert len(poses) > 5
    for pose in poses[:: len(poses) // 5]:
        place = {axis: pose[axis] for axis in "xyz"}
        done(
            session,
            "TeleportFull",
            position=place,
            rotation={"y": pose["rotation"]},
            horizon=pose["horizon"],
            standing=pose["standing"],
        )
        assert objects(session)[bed]["visible"]


def test_shortest_paths(session: Session) -> None:
    far = max(
        done(session, "GetReachablePositions"),
        key=lambda p: math.hypot(p["x"] - session.x, p["z"] - session.z),
    )
    corners = done(session, "GetShortestPathToPoint", **far)["corners"]
    assert (
        math.isclose(corners[0]["x"], session.x)
        and math.dist((corners[-1]["x"], corners[-1]["z"]), (far["x"], far["z"])) < 0.05
    )
    assert (
        sum(math.dist((a["x"], a["z"]), (b["x"], b["z"])) for a, b in itertools.pairwise(corners))
        >= math.hypot(far["x"] - session.x, far["z"] - session.z) - 0.05
    )
    bed = of_type(session, "Bed")
    end = done(session, "GetShortestPath", objectId=bed["objectId"])["corners"][-1]
    size = bed["axisAlignedBoundingBox"]["size"]
    assert max(abs(end[a] - bed["position"][a]) - size[a] / 2 for a in "xz") < 0.5
    assert "not near any free place" in act(session, "GetShortestPathToPoint", x=-90, y=0, z=0).message
