"""Poses: the same rotations as scipy's, to the last digits; MuJoCo's order and back."""

import math

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from envs.poses import (
    IDENTITY,
    Pose,
    as_yaw,
    offset,
    rotation_matrix,
    turned,
    unit,
    unit_from_wxyz,
    units_from_wxyz,
    wxyz,
    yaw_matrix,
    yaw_of,
    yaw_quaternion,
)

NUMBER = 3000
TOLERANCE = 1e-14


@pytest.fixture(scope="module")
def quaternions():
    drawn = np.random.default_rng(0).normal(size=(NUMBER, 4))
    return drawn / np.linalg.norm(drawn, axis=1, keepdims=True)


@pytest.fixture(scope="module")
def yaws():
    return np.random.default_rng(1).uniform(-7, 7, NUMBER)


def test_yaws_are_scipys(yaws):
    quats = np.array([yaw_quaternion(yaw) for yaw in yaws.tolist()])
    theirs = Rotation.from_euler("z", yaws[:, None])
    np.testing.assert_array_equal(quats, theirs.as_quat())
    back = np.array([yaw_of(quat) for quat in quats])
    np.testing.assert_allclose(np.remainder(back - yaws + 1, 2 * math.pi), 1, atol=TOLERANCE)
    matrices = np.array([yaw_matrix(yaw) for yaw in yaws.tolist()])
    np.testing.assert_allclose(matrices, theirs.as_matrix(), atol=TOLERANCE)


def test_quaternions_are_scipys(quaternions, yaws):
    matrices = np.array([rotation_matrix(quat) for quat in quaternions])
    np.testing.assert_allclose(matrices, Rotation.from_quat(quaternions).as_matrix(), atol=TOLERANCE)
    ours = np.array([turned(quat, yaw) for quat, yaw in zip(quaternions, yaws.tolist(), strict=True)])
    theirs = (Rotation.from_euler("z", yaws[:, None]) * Rotation.from_quat(quaternions)).as_quat()
    np.testing.assert_allclose(ours, theirs, atol=TOLERANCE)


def test_offset_is_a_turn_and_a_shift(yaws):
    for yaw in yaws[:50].tolist():
        expected = np.array([1.0, -2.0]) + yaw_matrix(yaw)[:2, :2] @ (0.3, 0.4)
        assert offset((1.0, -2.0, 9.0), (0.3, 0.4), yaw) == pytest.approx(tuple(expected), abs=TOLERANCE)


def test_orders_of_mujoco(quaternions):
    for quat in quaternions[:50]:
        assert unit_from_wxyz(wxyz(2 * quat)) == pytest.approx(quat, abs=TOLERANCE)
    assert wxyz(IDENTITY) == (1.0, 0.0, 0.0, 0.0)


def test_what_is_no_unit_quaternion():
    assert as_yaw(0.5) == as_yaw(np.float32(0.5)) == 0.5
    assert as_yaw((0, 0, 3.0, 0)) == pytest.approx(math.pi) and as_yaw((0, 0, 0, 0)) == 0.0
    np.testing.assert_array_equal(unit((0, 0, 0, 0)), IDENTITY)
    np.testing.assert_array_equal(unit((0, 0, -2.0, 0)), (0, 0, -1, 0))
    assert Pose((0, 0, 0), yaw_quaternion(1.25)).yaw == pytest.approx(1.25)


def test_many_at_once_are_the_same_to_the_bit(quaternions):
    many = units_from_wxyz(quaternions.reshape(30, -1, 4)).reshape(-1, 4)
    np.testing.assert_array_equal(many, [unit_from_wxyz(each) for each in quaternions])
    assert units_from_wxyz(np.empty((0, 4))).shape == (0, 4)
