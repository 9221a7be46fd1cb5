"""Habitat's tasks in the embedded house: rules, the expert, the contract."""

import math

import gymnasium as gym
import numpy as np
import pytest

from envs import EnvError
from envs.contract import check, passed
from envs.house.tasks.body import AHEAD, LEFT, STOP


def _make(**options):
    return gym.make("habitat/PointNav-v0", size=48, disable_env_checker=True, **options).unwrapped


def test_it_keeps_the_contract() -> None:
    rows = check("habitat", options={"size": 64}, seeds=(0,))
    assert passed(rows), [row for row in rows if row.verdict == "off"]


def test_the_point_goal_is_where_the_body_would_find_it() -> None:
    """Turning by its angle and going its distance as the crow flies leads to the goal."""
    env = _make(level="small", sensors=[])
    for seed in range(3):
        observation, _ = env.reset(seed=seed)
        distance, left = observation["pointgoal"]
        stance = env._simulator.stance
        yaw = stance.yaw + left
        reached = stance.point + distance * np.array([-math.sin(yaw), math.cos(yaw)])
        np.testing.assert_allclose(reached, env._goal, atol=1e-4)
        observation, *_ = env.step(LEFT)
        turned = (left - observation["pointgoal"][1]) % (2 * math.pi)
        assert turned == pytest.approx(math.radians(10), abs=1e-5)
    env.close()


def test_the_expert_arrives_nearly_as_short_as_can_be() -> None:
    env = _make(level="medium", expert=True, sensors=[])
    found = []
    for seed in range(5_000_000, 5_000_012):
        _, info = env.reset(seed=seed)
        over = False
        while not over:
            _, _, terminated, truncated, info = env.step(info["expert_action"])
            over = terminated or truncated
        found.append(info["metrics"])
        assert info["success"] and info["metrics"]["distance_to_goal"] < 0.2
    assert np.mean([each["spl"] for each in found]) > 0.95
    env.close()


def test_stopping_elsewhere_fails_and_walls_are_slid_along() -> None:
    env = _make(level="small", sensors=[])
    env.reset(seed=3)
    for _ in range(60):
        *_, truncated, info = env.step(AHEAD)
    assert info["metrics"]["collisions"] > 0 and not truncated
    _, _, terminated, _, info = env.step(STOP)
    assert terminated and info["failure"] != info["success"]
    env.close()


def test_sensors() -> None:
    env = _make(level="small", sensors=["depth", "segmentation"])
    observation, info = env.reset(seed=1)
    assert observation in env.observation_space
    seen = set(np.unique(observation["segm"]["front"])) - {-1}
    assert {thing["id"] for thing in info["objects"]} <= seen
    depth = observation["depth"]["front"]
    assert depth.dtype == np.float32 and depth.min() > 0 and depth.max() <= env.farthest_m
    env.close()
    with pytest.raises(EnvError, match="segmentation"):
        _make(sensors=["segment"])
    with pytest.raises(EnvError, match="list"):
        _make(sensors="depth")
