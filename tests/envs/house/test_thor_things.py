"""AI2-THOR's interactions in the embedded house: what is picked up, put, opened, lit, and what is refused."""

import itertools
from collections.abc import Iterator

import numpy as np
import pytest

from envs.house.generator import generate_house
from envs.house.thor import actions  # noqa: F401  (registers the actions)
from envs.house.thor.metadata import state
from envs.house.thor.pictures import Painter
from envs.house.thor.session import Session

HOUSE = generate_house(3, "4-room")


@pytest.fixture(scope="module")
def built() -> Iterator[Session]:
    session = Session(96, 96)
    yield session
    session.close()


@pytest.fixture
def session(built: Session) -> Session:
    """A furnished house whose agent reaches two metres."""
    done(built, "Reset", sceneName="Procedural")
    done(built, "Initialize", visibilityDistance=2.0)
    done(built, "CreateHouse", house=HOUSE.json)
    done(built, "TeleportFull", **{**HOUSE.json["metadata"]["agent"], "standing": True})
    return built


def act(session: Session, action: str, **arguments):
    return session.step({"action": action, **arguments})


def done(session: Session, action: str, **arguments):
    outcome = act(session, action, **arguments)
    assert outcome.success, outcome.message
    return outcome.returned


def record(session: Session, id: str) -> dict:
    return next(each for each in objects(session) if each["objectId"] == id)


def objects(session: Session) -> list[dict]:
    return state(session, None)["agents"][0]["objects"]


def one(session: Session, **wanted) -> str:
    """The id of an object whose record has some values."""
    return next(each["objectId"] for each in objects(session) if wanted.items() <= each.items())


def go_to(session: Session, id: str) -> None:
    """Stand where an object is visible."""
    pose = done(session, "GetInteractablePoses", objectId=id, maxPoses=1, standings=[True])[0]
    done(
        session,
        "TeleportFull",
        position={axis: pose[axis] for axis in "xyz"},
        rotation={"y": pose["rotation"]},
        horizon=pose["horizon"],
        standing=True,
    )


def bottom(found: dict) -> float:
    box = found["axisAlignedBoundingBox"]
    return box["center"]["y"] - box["size"]["y"] / 2


def inside(found: dict, around: dict) -> bool:
    """Whether the middle of a box lies within another from above."""
    box, other = found["axisAlignedBoundingBox"], around["axisAlignedBoundingBox"]
    return all(abs(box["center"][a] - other["center"][a]) <= other["size"][a] / 2 for a in "xz")


def test_a_mug_is_picked_up_and_put_on_a_table(session: Session) -> None:
    mug = one(session, objectType="Mug")
    before = record(session, mug)
    go_to(session, mug)
    done(session, "PickupObject", objectId=mug)
    agent = state(session, None)["agents"][0]
    assert agent["inventoryObjects"] == [{"objectId": mug, "objectType": "Mug"}]
    held = record(session, mug)
    assert held["isPickedUp"] and held["parentReceptacles"] is None and held["visible"]
    assert agent["heldObjectPose"]["position"] == held["position"]
    assert np.isclose(np.hypot(*[agent["heldObjectPose"]["localPosition"][a] for a in "xz"]), 0.5, atol=0.15)
    other = next(
        each["objectId"] for each in objects(session) if each["pickupable"] and each["objectId"] != mug
    )
    assert act(session, "PickupObject", objectId=other).code == "InventoryFull"
    table = next(
        each["objectId"]
        for each in objects(session)
        if each["objectType"] in ("DiningTable", "Desk", "CoffeeTable")
        and each["objectId"] not in (before["parentReceptacles"] or [])
    )
    outcome = act(session, "PutObject", objectId=table)
    if not record(session, table)["visible"]:
        assert outcome.code == "ReceptacleNotVisible"
    go_to(session, table)
    done(session, "PutObject", objectId=table)
    put, onto = record(session, mug), record(session, table)
    assert put["parentReceptacles"] == [table] and mug in onto["receptacleObjectIds"]
    assert inside(put, onto) and not put["isPickedUp"]
    assert np.isclose(bottom(put), bottom(onto) + onto["axisAlignedBoundingBox"]["size"]["y"], atol=0.05)
    assert act(session, "PutObject", objectId=table).code == "ObjectNotInInventory"
    done(session, "PickupObject", objectId=mug)


def test_a_table_is_full_at_last_and_nothing_overlaps(session: Session) -> None:
    """Things that are forced onto one table one after another stand apart."""
    table = one(session, objectType="DiningTable")
    session_ids = [each["objectId"] for each in objects(session) if each["pickupable"]]
    put = []
    for id in session_ids:
        done(session, "PickupObject", objectId=id, forceAction=True)
        outcome = act(session, "PutObject", objectId=table, forceAction=True)
        if outcome.success:
            put.append(id)
        else:
            assert outcome.code in ("ReceptacleFull", "ObjectNotAllowedInReceptacle")
            done(session, "DropHandObject", forceAction=True)
    assert len(put) > 5
    boxes = [record(session, id)["axisAlignedBoundingBox"] for id in put]
    for a, b in itertools.combinations(boxes, 2):
        gaps = [abs(a["center"][x] - b["center"][x]) - (a["size"][x] + b["size"][x]) / 2 for x in "xyz"]
        assert max(gaps) > -0.02


def test_what_is_dropped_lies_on_what_is_below(session: Session) -> None:
    mug = one(session, objectType="Mug")
    done(session, "PickupObject", objectId=mug, forceAction=True)
    hand = record(session, mug)["position"]
    done(session, "DropHandObject")
    lying = record(session, mug)
    assert [lying["position"][a] for a in "xz"] == [hand[a] for a in "xz"]
    assert (
        np.isclose(bottom(lying), 0, atol=0.01) or lying["parentReceptacles"][0] in session.simulator.states
    )
    assert act(session, "DropHandObject").code == "ObjectNotInInventory"
    done(session, "PickupObject", objectId=mug, forceAction=True)
    done(session, "ThrowObject", moveMagnitude=40.0)
    flown = record(session, mug)["position"]
    assert np.hypot(flown["x"] - session.x, flown["z"] - session.z) > 0.6
    rooms = {room.id for room in HOUSE.rooms}
    assert set(record(session, mug)["parentReceptacles"]) <= rooms | set(session.simulator.states)


def test_the_hand_is_moved_and_turned(session: Session) -> None:
    mug = one(session, objectType="Mug")
    assert act(session, "MoveHeldObject", ahead=0.1).code == "ObjectNotInInventory"
    done(session, "PickupObject", objectId=mug, forceAction=True)
    before = record(session, mug)["position"]
    done(session, "MoveHeldObject", up=0.1)
    assert np.isclose(record(session, mug)["position"]["y"], before["y"] + 0.1)
    done(session, "RotateHeldObject", yaw=90)
    turned = record(session, mug)["rotation"]["y"] - HOUSE.start.yaw
    assert np.isclose(turned % 90, 0, atol=1e-6) and not np.isclose(turned % 360, 0)
    done(session, "RotateRight")
    assert np.isclose(record(session, mug)["position"]["y"], before["y"])
    assert act(session, "MoveHeldObject", ahead=50).message.startswith(mug)


def test_a_fridge_opens_is_filled_and_closed(session: Session) -> None:
    fridge, apple = one(session, objectType="Fridge"), one(session, objectType="Mug")
    go_to(session, fridge)
    done(session, "PickupObject", objectId=apple, forceAction=True)
    assert act(session, "PutObject", objectId=fridge).code == "ReceptacleNotOpen"
    done(session, "OpenObject", objectId=fridge, openness=0.8)
    assert record(session, fridge)["isOpen"] and record(session, fridge)["openness"] == 0.8
    done(session, "PutObject", objectId=fridge)
    assert inside(record(session, apple), record(session, fridge))
    done(session, "CloseObject", objectId=fridge)
    assert not record(session, fridge)["isOpen"] and not record(session, apple)["visible"]
    assert act(session, "CloseObject", objectId=fridge).message.endswith("already closed")
    assert "openness must be in [0:1]" in act(session, "OpenObject", objectId=fridge, openness=2).message
    inner = act(session, "PickupObject", objectId=apple)
    assert inner.code == "ObjectNotVisible"
    bed = one(session, objectType="Bed")
    assert "is not an Openable object" in act(session, "OpenObject", objectId=bed, forceAction=True).message


def test_a_door_closes_the_way(session: Session) -> None:
    """A closed door parts what can be reached; opened, all is as before."""
    doors = [door.id for door in HOUSE.doors if door.openable]
    everywhere = done(session, "GetReachablePositions")
    for door in doors:
        act(session, "CloseObject", objectId=door, forceAction=True)
    assert len(done(session, "GetReachablePositions")) < len(everywhere)
    for door in doors:
        done(session, "OpenObject", objectId=door, forceAction=True)
    assert len(done(session, "GetReachablePositions")) > 0.95 * len(everywhere)


def test_lamps_and_screens_are_switched(session: Session) -> None:
    lamp = next(each["objectId"] for each in objects(session) if each["toggleable"])
    go_to(session, lamp)
    before, on = Painter(session).agent().rgb, record(session, lamp)["isToggled"]
    first, second = ("ToggleObjectOff", "ToggleObjectOn") if on else ("ToggleObjectOn", "ToggleObjectOff")
    assert "already" in act(session, second, objectId=lamp).message
    done(session, first, objectId=lamp)
    assert record(session, lamp)["isToggled"] is not on
    assert (Painter(session).agent().rgb != before).any()
    done(session, second, objectId=lamp)
    assert (Painter(session).agent().rgb == before).all()


@pytest.mark.parametrize(
    ("action", "ability", "told", "back"),
    [
        ("SliceObject", "sliceable", "isSliced", None),
        ("BreakObject", "breakable", "isBroken", None),
        ("UseUpObject", "canBeUsedUp", "isUsedUp", None),
        ("DirtyObject", "dirtyable", "isDirty", "CleanObject"),
        ("FillObjectWithLiquid", "canFillWithLiquid", "isFilledWithLiquid", "EmptyLiquidFromObject"),
    ],
)
def test_states_that_metadata_tell_of(
    session: Session, action: str, ability: str, told: str, back: str | None
) -> None:
    able = next((each["objectId"] for each in objects(session) if each[ability] and not each[told]), None)
    if able is None:
        pytest.skip(f"nothing in this house is {ability}")
    assert act(session, action, objectId=able).code in ("", "ObjectNotVisible")
    if not record(session, able)[told]:
        done(session, action, objectId=able, forceAction=True)
    assert record(session, able)[told] is True
    assert "already" in act(session, action, objectId=able, forceAction=True).message
    if back is not None:
        done(session, back, objectId=able, forceAction=True)
        assert record(session, able)[told] is False
    unable = next(each["objectId"] for each in objects(session) if not each[ability] and each["mass"])
    assert " is not " in act(session, action, objectId=unable, forceAction=True).message


def test_what_is_pushed_slides_and_stops_before_the_wall(session: Session) -> None:
    chair = one(session, objectType="Chair")
    go_to(session, chair)
    before = record(session, chair)["position"]
    moved = 0
    for angle in (0, 90, 180, 270):
        moved += act(session, "DirectionalPush", objectId=chair, pushAngle=angle, moveMagnitude=20).success
    after = record(session, chair)["position"]
    assert moved and after["y"] == before["y"]
    low, high = session.simulator.box(chair)
    for corner in itertools.product(*zip(low[:2] + 0.02, high[:2] - 0.02, strict=True)):
        assert session.simulator.on_floor(np.array(corner))
    bath = one(session, moveable=False, pickupable=False, objectType="Floor")
    assert "must be moveable" in act(session, "PushObject", objectId=bath, forceAction=True).message


def test_picking_up_by_a_place_in_the_picture(session: Session) -> None:
    for pickupable in (each["objectId"] for each in objects(session) if each["pickupable"]):
        poses = done(session, "GetInteractablePoses", objectId=pickupable, maxPoses=1, standings=[True])
        if not poses:
            continue
        go_to(session, pickupable)
        for x, y in itertools.product(np.linspace(0.05, 0.95, 19), repeat=2):
            if act(session, "GetObjectInFrame", x=x, y=y).returned == pickupable:
                done(session, "PickupObject", x=x, y=y)
                assert record(session, pickupable)["isPickedUp"]
                return
    raise AssertionError("nothing that can be picked up is in any picture")


def test_looks_are_varied_and_come_back(session: Session) -> None:
    first = Painter(session).agent().rgb
    for vary, back in (("RandomizeMaterials", "ResetMaterials"), ("RandomizeLighting", "ResetLighting")):
        done(session, vary)
        varied = Painter(session).agent().rgb
        assert np.abs(varied.astype(int) - first).mean() > 3
        done(session, vary)
        done(session, back)
        assert (Painter(session).agent().rgb == first).all()
