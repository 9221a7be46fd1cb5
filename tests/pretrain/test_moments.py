"""A mirrored or turned moment is what the simulator would have shown: pixels, boxes, actions agree."""

import dataclasses
from types import SimpleNamespace

import numpy as np
import pytest

from policies.embodiments.vima import VIMA, state_of
from policies.moment import Moment
from policies.style import PromptStyle
from pretrain.examples import plan_example
from pretrain.moments import moment

STYLE = PromptStyle(views=("top",), crop_to_mat=True, object_crop=64, wording="short")


def _pixel(point: np.ndarray) -> tuple[float, float]:
    """Row and column of a workspace point in the top view in pixel edges (docs/vima.md)."""
    return 64 + 250.98 * (point[0] - 0.5), 128 + 250.98 * point[1]


def _record(task: str = "visual_manipulation") -> SimpleNamespace:
    """An episode with one bright square whose centre the action picks."""
    place, goal = np.array([0.35, 0.2]), np.array([0.6, -0.3])
    row, column = map(round, _pixel(place))
    image = np.full((1, 128, 256, 3), 47, np.uint8)
    image[0, row - 10 : row + 10, column - 6 : column + 6] = (255, 0, 0)
    yaw = np.pi / 3
    action = {
        "pose0_position": place,
        "pose0_rotation": [0, 0, 0, 1],
        "pose1_position": goal,
        "pose1_rotation": [0, 0, np.sin(yaw / 2), np.cos(yaw / 2)],
    }
    shown = np.zeros((3, 128, 256), np.uint8)
    shown[:, 40:60, 110:120] = 200
    asset = {"rgb": {"top": shown, "front": shown}, "segm": {"obj_info": {}}, "placeholder_type": "object"}
    box = {"top": [row - 10, column - 6, row + 9, column + 5]}
    thing = {"name": "block", "texture": "red", "boxes": box, "position": [*place, 0.0], "id": 5}
    return SimpleNamespace(
        task=task,
        prompt="Put the {a} there.",
        prompt_assets={"a": asset, "b": asset | {"placeholder_type": "scene"}},
        embodiment="vima",
        states=np.stack([state_of(0)] * 2),
        frames={"top": image, "front": image},
        action_texts=[VIMA.action_text(action, state_of(0))],
        expert_texts=["", ""],
        objects=[[thing]],
    )


@pytest.mark.parametrize("mirror", [False, True])
@pytest.mark.parametrize("turn", [False, True])
def test_action_box_and_position_stay_on_the_object(mirror, turn):
    now = moment(_record(), 0, ["top"], (mirror, turn))
    red = np.argwhere(now.views["top"][..., 0] == 255)
    (thing,) = now.objects
    assert thing["boxes"]["top"] == [*red.min(0), *red.max(0)]
    middle = red.mean(0) + 0.5
    np.testing.assert_allclose(_pixel(thing["position"]), middle, atol=1.0)
    (step,) = VIMA.parse("0: " + now.remaining[0])
    np.testing.assert_allclose(_pixel(step.action["pose0_position"]), middle, atol=1.0)
    # The goal keeps its distance and its side: mirrored once, the turn from pick to place changes sense.
    original = np.array([0.6 - 0.35, -0.3 - 0.2])
    moved = step.action["pose1_position"] - step.action["pose0_position"]
    np.testing.assert_allclose(moved, original * (-1 if turn else 1, -1 if mirror != turn else 1), atol=2e-3)
    yaw = 2 * np.arctan2(step.action["pose1_rotation"][2], step.action["pose1_rotation"][3])
    assert np.isclose((yaw - (-1 if mirror else 1) * np.pi / 3 + np.pi) % (2 * np.pi), np.pi, atol=0.01)


def test_objects_of_prompts_are_mirrored_but_never_turned():
    record = _record()
    stored = record.prompt_assets["a"]["rgb"]["top"].transpose(1, 2, 0)
    turned = moment(record, 0, ["top"], (False, True)).prompt_assets
    np.testing.assert_array_equal(turned["a"]["rgb"]["top"], record.prompt_assets["a"]["rgb"]["top"])
    np.testing.assert_array_equal(turned["b"]["rgb"]["top"], stored[::-1, ::-1])
    mirrored = moment(record, 0, ["top"], (True, False)).prompt_assets
    np.testing.assert_array_equal(mirrored["a"]["rgb"]["top"], stored[:, ::-1])


def test_rotations_are_not_mirrored_and_oblique_views_not_turned():
    for task, views in (("rotate", ["top"]), ("visual_manipulation", ["front", "top"])):
        record = _record(task)
        now = moment(record, 0, views, (task == "rotate", task != "rotate"))
        np.testing.assert_array_equal(now.views["top"], record.frames["top"][0])
        assert now.remaining == record.action_texts


def test_a_changed_moment_makes_a_request():
    request = VIMA.request(moment(_record(), 0, ["top"], (True, True)), STYLE)
    assert request.image.shape == (124, 248, 3)
    assert len(request.image_history) == 1


def test_the_next_step_gives_objects_their_roles():
    now = moment(_record(), 0, ["top"], (True, False))
    picked, (x, y) = now.objects[0], (0.6, 0.3)  # the goal, mirrored
    far, base = ({**picked, "position": [*place, 0.0]} for place in ((0.3, -0.4), (x, y)))
    assert VIMA.roles(dataclasses.replace(now, objects=[far, picked, base])).tolist() == [0, 1, 2]
    assert VIMA.roles(dataclasses.replace(now, objects=[far, base])).tolist() == [0, 2]


def test_a_later_step_is_asked_as_a_replanning_policy_asks():
    record = _record()
    record.frames = {"top": np.concatenate([record.frames["top"], record.frames["top"][:, ::-1]])}
    record.action_texts = record.action_texts * 2
    record.objects = record.objects * 2
    example = plan_example(moment(record, 1, ["top"]), VIMA, STYLE)
    first, second = ({"top": frame} for frame in record.frames["top"])
    now = Moment(
        task=record.task,
        prompt=record.prompt,
        prompt_assets=record.prompt_assets,
        state=state_of(0),
        views=second,
        first_views=first,
        executed=record.action_texts[:1],
    )
    asked = VIMA.request(now, STYLE)
    assert example.request.text == asked.text
    assert example.target == f"1: {record.action_texts[1]}"
    pictures = zip(
        [example.request.image, *example.request.image_history],
        [asked.image, *asked.image_history],
        strict=True,
    )
    for mine, theirs in pictures:
        np.testing.assert_array_equal(mine, theirs)
