"""Poses, 3-D boxes, agents, controls and plans: round trips to a bin's width, and recorded plans."""

import json

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from uio2_agent import labels
from uio2_agent.errors import UIO2Error

BIN = 1 / 999 * 1.001
"""One bin and what float32 may add."""


def _angle(difference: np.ndarray) -> np.ndarray:
    return np.abs((difference + np.pi) % (2 * np.pi) - np.pi)


def test_recorded_plans(shared):
    cases = json.loads((shared / "fixtures/training/vima_actions.json").read_text())["cases"]
    assert any(len(case["actions"] or []) > 1 for case in cases)
    for case in cases:
        steps = labels.read_plan(case["text"], released=True)
        assert [str(step.number) for step in steps] == (case["steps"] or [])
        for step, (*numbers, end_effector) in zip(steps, case["actions"] or [], strict=True):
            found = np.concatenate([step.start, step.end]) * [1, 1, 360, 1, 1, 360]
            assert np.abs(found - numbers).max() < 1e-6
            verbs = [("pick", "place"), ("push", "push")][int(end_effector)]
            assert (step.verb, step.second_verb) == verbs


def test_plans_come_back_and_are_written_as_recorded(shared):
    cases = json.loads((shared / "fixtures/training/vima_actions.json").read_text())["cases"]
    text = cases[0]["text"]
    assert labels.write_plan(labels.read_plan(text)) == text
    step = labels.PlanStep(3, "grasp gently", np.array([0.1, 0.9]), "drop", np.array([1.0]))
    (found,) = labels.read_plan("then " + labels.write_plan([step]) + " !")
    assert (found.number, found.verb, found.second_verb) == (3, "grasp gently", "drop")
    assert np.abs(found.start - step.start).max() < BIN and found.end.tolist() == [1.0]
    for verb, numbers in (("Pick", [0.5]), ("pick from", [])):
        with pytest.raises(UIO2Error):
            labels.write_plan([labels.PlanStep(0, verb, np.array(numbers), "drop", np.array([1.0]))])


def test_an_answer_is_an_option_or_nothing():
    options = ["turn left", "Stop"]
    assert labels.read_choice(" Turn left. ", options) == "turn left"
    assert labels.read_choice("stop", options) == "Stop"
    assert labels.read_choice("turn left now", options) is None
    assert labels.read_choice("", options) is None


def test_camera_poses_come_back():
    rng = np.random.default_rng(0)
    poses = rng.uniform([-np.pi, -np.pi, -0.7], [np.pi, np.pi, 0.7], (200, 3))
    found = labels.read_camera_poses(labels.write_camera_poses(poses))
    assert np.abs(found[:, 0] - poses[:, 0]).max() < 2 * np.pi * BIN
    assert np.abs(found[:, 2] - poses[:, 2]).max() < 1.4 * BIN
    # Sine and cosine are each off by at most two bins' worth of 1/999; so is the direction, by their length.
    assert _angle(found[:, 1] - poses[:, 1]).max() < np.arcsin(2 * BIN * np.sqrt(2))
    assert labels.read_camera_poses("nothing").shape == (0, 3)
    with pytest.raises(UIO2Error, match="finite"):
        labels.write_camera_poses(np.array([0, np.nan, 0]))


def test_cuboids_come_back():
    rng = np.random.default_rng(1)
    rotations = Rotation.random(40, random_state=2).as_matrix()
    given = labels.Cuboids(
        rng.uniform(-0.1, 1.1, (40, 2)), rng.uniform(0, 0.1, 40), rng.uniform(0, 6, (40, 3)), rotations
    )
    names = [f"object {i}" for i in range(40)]
    found, read = labels.read_labelled_cuboids(labels.write_cuboids(given, names))
    assert read == names
    assert np.abs(found.centres - given.centres).max() < 1.2 * BIN
    assert np.abs(found.depths - given.depths).max() < 0.101 * BIN
    assert np.abs(found.log_sizes - given.log_sizes).max() < 6 * BIN
    # Both columns are off by at most 2 bins in each of 3 numbers.
    turned = Rotation.from_matrix(found.rotations @ rotations.transpose(0, 2, 1)).magnitude()
    assert turned.max() < 2 * np.sqrt(2 * 3) * 2 * BIN
    assert np.allclose(found.rotations @ found.rotations.transpose(0, 2, 1), np.eye(3))
    assert np.allclose(np.linalg.det(found.rotations), 1)


def test_any_twelve_locations_are_a_cuboid():
    for bins in ([499] * 12, [500] * 6 + [999, 0, 0, 999, 0, 0], [0] * 12):
        text = " ".join(f"<extra_id_{200 + b}>" for b in bins)
        rotations = labels.read_cuboids(text).rotations
        assert np.allclose(np.linalg.det(rotations), 1)
    assert labels.read_cuboids("").rotations.shape == (0, 3, 3)
    with pytest.raises(UIO2Error, match="rotation"):
        labels.write_cuboids(labels.Cuboids([[0, 0]], [0], [[0, 0, 0]], [-np.eye(3)]))
    with pytest.raises(UIO2Error, match="equally many"):
        labels.write_cuboids(labels.Cuboids([[0, 0]], [0, 1], [[0, 0, 0]], [np.eye(3)]))


@pytest.mark.parametrize("reach", [50.0, 8.0])
def test_trajectories_come_back(reach):
    rng = np.random.default_rng(3)
    numbers = rng.uniform([-reach, -reach, -7], [reach, reach, 7], (9, 3))
    states = [labels.AgentState(*row) for row in numbers.tolist()]
    actions = ["move ahead", "turn left"] * 4
    past = list(zip(states, actions, strict=False))
    text = labels.write_trajectory(past, states[8], reach)
    assert text.count("<image_history_") == 8 and "\n" not in text
    steps, now = labels.read_trajectory(f"history: {text}", reach)
    assert [action for _, action in steps] == actions
    for given, found in zip(states, [*(state for state, _ in steps), now], strict=True):
        assert max(abs(given.x - found.x), abs(given.z - found.z)) < 2 * reach * BIN
        assert _angle(given.yaw - found.yaw) < 2 * np.pi * BIN
    goal = labels.read_goal(f"Go to {labels.write_goal(3.3, -7.7, reach)}", reach)
    assert np.abs(np.subtract(goal, (3.3, -7.7))).max() < 2 * reach * BIN


def test_states_at_the_ends_of_the_scale():
    assert labels.write_state(labels.AgentState(-50, 50, -np.pi)) == (
        "( <extra_id_200> <extra_id_1199> <extra_id_200> )"
    )
    assert labels.write_state(labels.AgentState(-80, 0, np.pi)) == labels.write_state(
        labels.AgentState(-50, 0, -np.pi)
    )
    for state, reach in ((labels.AgentState(np.nan, 0, 0), 50), (labels.AgentState(0, 0, 0), 0)):
        with pytest.raises(UIO2Error):
            labels.write_state(state, reach)
    with pytest.raises(UIO2Error, match="9 past steps"):
        labels.write_trajectory([(labels.AgentState(0, 0, 0), "stop")] * 9, labels.AgentState(0, 0, 0))


def test_answers_of_an_agent():
    words = ["move ahead", "stop"]
    state = labels.AgentState(1.0, 2.0, 0.5)
    for given in (None, state):
        action, found = labels.read_step(labels.write_step("move ahead", given), words)
        assert action == "move ahead" and (found is None) == (given is None)
    assert labels.read_step(" Stop.", words) == ("stop", None)
    assert labels.read_step("stop it", words)[0] is None
    assert labels.read_step("( 1 2 3 ) stop", words) == (None, None)
    assert labels.read_goal("( <extra_id_300> <extra_id_300> <extra_id_300> )") is None
    with pytest.raises(UIO2Error, match="rename"):
        labels.write_step("( stop )")


def test_controls_come_back():
    rng = np.random.default_rng(4)
    data = np.column_stack([rng.normal(size=(500, 3)) * [0.01, 1, 100], rng.integers(0, 2, 500)])
    names = ("x", "y", "z", "gripper")
    space = labels.ControlSpace.from_data(data, names, switches=["gripper"])
    assert space.description == "<x, y, z, gripper>"
    low, high = np.quantile(data[:, :3], [0.01, 0.99], axis=0)
    found = space.read(" ".join(space.write(row) for row in data))
    clipped = data[:, :3].clip(low, high)
    assert (np.abs(found[:, :3] - clipped) < (high - low) * BIN).all()
    assert np.array_equal(found[:, 3], data[:, 3])
    assert space.write([0, 0, 0, 0.7]).split()[-2] == "<extra_id_1199>"
    assert space.read("( <extra_id_300> ) ( <extra_id_300> <extra_id_300>").shape == (0, 4)


def test_controls_that_make_no_sense_are_refused():
    still = labels.ControlSpace.from_data(np.full((5, 1), 3.0), ["x"])
    assert still.read(still.write([3.0])).tolist() == [[3.0]]
    for arguments in (
        (("x",), (0.0, 1.0), (1.0,)),
        (("x",), (1.0,), (0.0,)),
        (("x",), (0.0,), (np.inf,)),
        (("x",), (0.0,), (1.0,), ("y",)),
    ):
        with pytest.raises(UIO2Error):
            labels.ControlSpace(*arguments)
    for action in ([1.0, 2.0], [np.nan], [[1.0], [2.0]]):
        with pytest.raises(UIO2Error):
            still.write(action)
    with pytest.raises(UIO2Error, match="no actions"):
        labels.ControlSpace.from_data(np.empty((0, 1)), ["x"])
