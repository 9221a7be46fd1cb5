"""What the expert would have done in the place of another policy is kept and learned."""

from types import SimpleNamespace
from typing import ClassVar

import numpy as np
import pytest

from envs import suite
from policies import embodiments
from policies.base import Policy
from policies.loading import check_policy, load_policy
from policies.oracle import OraclePolicy
from pretrain.moments import learned_steps, moment
from pretrain.selection import split_episodes
from pretrain.sources import EpisodeFolders
from rollouts.collect import collect
from rollouts.runner import run_episodes, work_list
from tests.rollouts.test_dataset import configuration
from uio2_agent.errors import UIO2Error


def _advice(record) -> list[str]:
    """Ask the expert again, along the stored actions."""
    body, env = embodiments.get(record.embodiment), suite("tests.toys:SUITE").make("slide", expert=True)
    observation, info = env.reset(seed=record.seed)
    said = []
    for number, vector in enumerate(record.actions):
        state = body.state(observation, info)
        said.append(body.action_text(body.checked(info["expert_action"]), state, number))
        observation, _, _, _, info = env.step(body.action(vector))
    return said


def test_the_expert_is_asked_whoever_acts(tmp_path) -> None:
    settings = {"policy": "random", "env_kwargs": {}, "episodes": 3, "ask_expert": True}
    collect(configuration(tmp_path / "set", **settings), progress=False)
    source = EpisodeFolders([tmp_path / "set"])
    assert not any(record.success for record in source) and all(f["has_expert"] for f in source.facts)
    for record in source:
        assert record.expert_texts == _advice(record) != record.action_texts
        now = moment(record, 1, ["top"])
        assert now.remaining == [record.expert_texts[1]] and now.executed == record.action_texts[:1]
    trained, held = split_episodes(source, 0)  # unsolved, and yet of use
    assert trained == [0, 1, 2] and not held


def test_the_experts_own_episodes_keep_no_second_copy(tmp_path) -> None:
    collect(configuration(tmp_path / "set", policy="oracle"), progress=False)
    source = EpisodeFolders([tmp_path / "set"])
    assert not any(fact["has_expert"] for fact in source.facts)
    assert source[0].expert_texts == [""] * source[0].length
    assert moment(source[0], 0, ["top"]).remaining == source[0].action_texts


def test_what_the_expert_did_not_know_is_not_learned() -> None:
    def steps(*said: str) -> list[int]:
        return list(learned_steps(SimpleNamespace(expert_texts=said, length=len(said))))

    assert steps("a", "", "b") == [0, 2] and steps("", "", "") == [0, 1, 2]


def _played(policy: OraclePolicy, slots: int) -> list[list[np.ndarray]]:
    work = work_list(["slide"], "placement", seed=0, episodes=12, env="tests.toys:SUITE")
    make = lambda item: suite(item.env).make(item.task, item.level, expert=True)  # noqa: E731
    return [
        [action["pose1_position"] for action in episode.actions]
        for episode in run_episodes(work, make, policy, slots=slots)
    ]


def test_noise_is_the_episodes_own() -> None:
    """The same seed goes astray alike, alone and beside others; without noise nothing does."""
    straight, alone, together = (
        _played(OraclePolicy(noise=noise), slots) for noise, slots in ((0.0, 1), (0.4, 1), (0.4, 5))
    )
    same = [np.array_equal(np.array(a), np.array(b)) for a, b in zip(alone, straight, strict=True)]
    assert 0 < sum(same) < 12
    for one, other in zip(alone, together, strict=True):
        np.testing.assert_array_equal(one, other)


class Pupil(Policy):
    """Plays into a corner, and remembers what was played in fact."""

    name = "pupil"
    played_in_fact: ClassVar[dict[int, list[np.ndarray]]] = {}

    def reset(self, slot, observation, info) -> None:
        self.played_in_fact[slot] = []

    def act(self, steps):
        corner = np.array([0.3, -0.4], np.float32)
        turn = np.array([0, 0, 0, 1], np.float32)
        for step in steps:
            self.played_in_fact[step.slot].append(corner)
        names = ("pose0_position", "pose1_position", "pose0_rotation", "pose1_rotation")
        return [dict(zip(names, (corner, corner, turn, turn), strict=True)) for _ in steps]

    def played(self, slot, action) -> None:
        self.played_in_fact[slot][-1] = action["pose1_position"]


def test_a_pupil_leads_astray_and_knows_what_was_played() -> None:
    by = "tests.rollouts.test_ask_expert:Pupil"
    straight, led = (_played(load_policy("oracle", noise=noise, by=by), 1) for noise in (0.0, 0.5))
    assert any(len(a) != len(b) for a, b in zip(straight, led, strict=True))
    np.testing.assert_allclose(np.array(Pupil.played_in_fact[0]), np.array(led[-1]))
    with pytest.raises(UIO2Error, match="no known name"):
        load_policy("oracle", noise=0.1, by="nobody")
    with pytest.raises(UIO2Error, match="no known name"):
        check_policy("oracle", {"noise": 0.1, "by": "nobody"})


def test_pictures_are_decoded_one_by_one(tmp_path) -> None:
    collect(configuration(tmp_path / "set"), progress=False)
    film = EpisodeFolders([tmp_path / "set"])[0].frames["top"]
    whole = np.asarray(film)
    assert whole.shape == film.shape and whole.dtype == np.uint8
    np.testing.assert_array_equal(film[len(film) - 1], whole[-1])
    np.testing.assert_array_equal(film[-1], whole[-1])
    np.testing.assert_array_equal(film[0:1], whole[0:1])
    with pytest.raises(IndexError):
        film[len(film)]
    with pytest.raises(ValueError, match="read-only"):
        film[0][:] = 0
