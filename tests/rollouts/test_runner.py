"""The episode loop: order, seeds, slots and errors, on a toy environment."""

import weakref

import numpy as np
import pytest

from policies.embodiments.vima import VIMA
from rollouts.results.files import episode_row
from rollouts.runner import Work, play, run_episodes, work_list
from rollouts.workers import MakeEnv
from tests.toys import TOY, ScriptedPolicy, ToyEnv

MAKE = MakeEnv({"expert": True})


def works(task: str, count: int, seed: int = 10) -> list[Work]:
    return work_list([task], "placement", seed=seed, episodes=count, env=TOY)


def test_work_list_interleaves_tasks_and_counts_seeds():
    work = work_list(["a", "b"], "placement", env=TOY, seed=7, episodes=5)
    assert [(w.index, w.task, w.seed) for w in work] == [
        (0, "a", 7),
        (1, "b", 7),
        (2, "a", 8),
        (3, "b", 8),
        (4, "a", 9),
    ]
    parts = [work_list(["a", "b"], "placement", env=TOY, seed=7, episodes=5, shard=(i, 3)) for i in (1, 2, 3)]
    assert sorted(w.index for part in parts for w in part) == list(range(5))
    assert {w for part in parts for w in part} == set(work)


@pytest.mark.parametrize("slots", [1, 3, 8])
def test_episodes_come_in_work_order_and_do_not_depend_on_slots(slots):
    episodes = list(run_episodes(works("slide", 12), MAKE, ScriptedPolicy(), slots=slots))
    alone = [next(run_episodes([item], MAKE, ScriptedPolicy())) for item in works("slide", 12)]
    assert [e.work.seed for e in episodes] == list(range(10, 22))
    assert len({e.steps for e in episodes}) > 1, "the toy's episodes must differ in length to test refilling"
    for together, single in zip(episodes, alone, strict=True):
        assert together.status == single.status == "success"
        assert together.action_texts == single.action_texts
        assert len(together.observations) == together.steps + 1 == len(together.infos)
        for a, b in zip(together.observations, single.observations, strict=True):
            assert np.array_equal(a["rgb"]["top"], b["rgb"]["top"])


@pytest.mark.parametrize("frames", [True, False])
def test_without_frames_episodes_hold_two_observations(frames):
    seen, held = [], []

    class Watched(ToyEnv):
        def _observation(self):
            observation = super()._observation()
            seen.append(weakref.ref(observation["rgb"]["top"]))
            held.append(sum(picture() is not None for picture in seen))
            return observation

    def thin():
        make = lambda _: Watched(expert=True)  # noqa: E731
        return run_episodes(works("slide", 12), make, ScriptedPolicy(), slots=2, frames=frames)

    for mine, whole in zip(thin(), run_episodes(works("slide", 12), MAKE, ScriptedPolicy()), strict=True):
        assert episode_row(mine)[0] == episode_row(whole)[0]
        assert len(mine.observations) == len(mine.infos) == (mine.steps + 1 if frames else 2)
        for place in (0, -1):
            assert np.array_equal(
                mine.observations[place]["rgb"]["top"], whole.observations[place]["rgb"]["top"]
            )
    del mine, seen[:], held[:]
    episodes = list(thin())
    steps = sum(episode.steps for episode in episodes)
    assert max(held) == steps + 12 if frames else max(held) <= 2 * 12 + 1 < steps + 12


def test_a_slot_is_refilled_at_once():
    policy = ScriptedPolicy()
    episodes = list(run_episodes(works("slide", 12), MAKE, policy, slots=4))
    assert set(policy.batches[:-4]) == {4}, "until the work runs out every call serves all slots"
    assert sum(policy.batches) == sum(e.steps for e in episodes)


def test_environments_are_made_once_and_closed():
    ToyEnv.made.clear()
    list(run_episodes(works("slide", 9), MAKE, ScriptedPolicy(), slots=2))
    assert len(ToyEnv.made) == 2
    assert all(env.closed for env in ToyEnv.made)


@pytest.mark.parametrize("slots", [1, 4])
def test_errors_become_episodes(slots):
    work = [Work(index=0, env=TOY, task="crash", level="placement", seed=s) for s in ()]
    work = [
        Work(index=i, env=TOY, task=task, level="placement", seed=i)
        for i, task in enumerate(
            ["slide", "crash", "unplaceable", "crash", "unplaceable", "slide", "missing"]
        )
    ]
    episodes = list(run_episodes(work, MAKE, ScriptedPolicy(raise_at=5), slots=slots))
    assert [e.work for e in episodes] == work
    by_index = dict(enumerate(episodes))
    assert by_index[4].message == "RuntimeError: cannot place the objects"
    assert by_index[5].message == "ValueError: no idea for seed 5"
    assert by_index[6].status == "error"
    assert "missing" in by_index[6].message
    crashed = [e for e in episodes if e.work.task == "crash" and e.status == "error"]
    assert crashed
    assert all(e.message == "RuntimeError: the simulator broke" and e.steps == 1 for e in crashed)
    assert by_index[0].status == "success"


def test_failure_and_truncation_are_told_apart():
    spoiled = list(run_episodes(works("slide", 2, seed=0), MAKE, ScriptedPolicy(spoil=2)))
    assert [e.status for e in spoiled] == ["truncated", "success"]
    assert [e.success for e in spoiled] == [False, True]


def test_interrupt_hands_out_what_is_finished():
    class Interrupting(ScriptedPolicy):
        def act(self, steps):
            if len(self.batches) == 4:
                raise KeyboardInterrupt
            return super().act(steps)

    seen = []
    with pytest.raises(KeyboardInterrupt):
        for episode in run_episodes(works("slide", 50), MAKE, Interrupting(), slots=4):
            seen.append(episode)
    assert 0 < len(seen) < 50
    assert all(e.status == "success" for e in seen)


def test_phases_are_timed():
    episode = next(run_episodes(works("slow", 1), MAKE, ScriptedPolicy()))
    assert episode.timings["step"] >= 0.05 * episode.steps
    assert episode.timings["reset"] > 0
    assert episode.timings["policy"] > 0


def test_played_actions_give_the_same_observations():
    episode = next(run_episodes(works("slide", 1), MAKE, ScriptedPolicy()))
    env = MAKE(episode.work)
    again = list(play(env, [VIMA.vector(action) for action in episode.actions], episode.work.seed))
    assert len(again) == len(episode.observations)
    for a, b in zip(again, episode.observations, strict=True):
        assert np.array_equal(a["rgb"]["front"], b["rgb"]["front"])
    assert all(a["pose1_position"].dtype == np.float32 for a in episode.actions)
