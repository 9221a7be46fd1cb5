"""One policy that decides for several workers, without Ray: the same episodes, batches, errors and limits."""

import asyncio
import pickle
import threading
import time
from collections.abc import Callable, Coroutine, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from policies import load_policy
from policies.base import Step
from policies.random import RandomPolicy
from rollouts.inference.actor import Inference
from rollouts.inference.client import InferencePolicy
from rollouts.inference.desk import Desk
from rollouts.inference.messages import Asked, Batching, Change, Facts, Failure, Reply
from rollouts.limits import unwatched
from rollouts.results.files import episode_row
from rollouts.runner import Episode, Work, run_episodes, work_list
from rollouts.workers import Job, MakeEnv
from tests.rollouts.test_misbehaviour import POLICIES
from tests.toys import TOY, ScriptedPolicy

MAKE = MakeEnv({"expert": True})


def works(count: int, env: str = TOY, task: str = "slide", seed: int = 0) -> list[Work]:
    return work_list([task], "placement", env=env, seed=seed, episodes=count)


def rows(episodes: Sequence[Episode]) -> list[dict[str, Any]]:
    return [episode_row(episode)[0] for episode in episodes]


def at(desk: Desk, worker: int = 0, facts: Facts | None = None) -> InferencePolicy:
    """A policy whose steps a desk decides, a worker's at a time."""

    def ask(asked: Sequence[Asked]) -> Reply:
        return desk.decide([(worker, pickle.loads(pickle.dumps(asked)))])[0]

    return InferencePolicy(ask, facts or Facts("scripted", ""), unwatched)


def play(work: Sequence[Work], policy: InferencePolicy, slots: int = 1, make: Any = MAKE) -> list[Episode]:
    return list(run_episodes(work, make, policy, slots=slots, watch=policy.watch))


@contextmanager
def served(job: Job, note: Path, batching: Batching) -> Iterator[Callable[[int, Sequence[Work]], list[dict]]]:
    """An inference actor's code in a thread of this process; hands out how a worker plays, two slots at a
    time.
    """
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever)
    thread.start()

    def wait(coroutine: Coroutine) -> Any:
        return asyncio.run_coroutine_threadsafe(coroutine, loop).result()

    actor = Inference(job, "", note, batching)
    facts = wait(actor.load())

    def played(worker: int, work: Sequence[Work]) -> list[dict]:
        def ask(asked: Sequence[Asked]) -> Reply:
            return wait(actor.act(worker, pickle.loads(pickle.dumps(asked))))

        try:
            return rows(play(work, InferencePolicy(ask, facts, unwatched), 2, MakeEnv()))
        finally:
            wait(actor.leave(worker))

    try:
        yield played
    finally:
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()


def test_what_stayed_the_same_object_is_not_sent_again() -> None:
    picture = np.zeros((128, 256, 3), np.uint8)
    before = {"picture": picture, "step": 0, "hint": "left"}
    now = {"picture": picture, "step": 1}
    change = Change.between(before, now)
    assert change.new == {"step": 1} and change.after(before) == now
    assert Change.between(None, now).after("nothing") is now
    assert Change.between(before, None).after(before) is None


def test_pictures_of_the_prompt_travel_once_an_episode() -> None:
    desk, sizes = Desk(ScriptedPolicy(), unwatched), []

    def ask(asked: Sequence[Asked]) -> Reply:
        sizes.append(len(pickle.dumps(asked)))
        return desk.decide([(0, asked)])[0]

    policy = InferencePolicy(ask, Facts("scripted", ""), unwatched)
    episodes = play(works(4), policy)
    assert len(sizes) == sum(episode.steps for episode in episodes) > 4
    pictures = 2 * 128 * 256 * (3 + 1)
    first = [size for size in sizes if size > 4 * pictures]  # the observation and three prompt pictures
    assert len(first) == 4 and len(set(sizes) - set(first)) > 0
    assert all(size < 1.1 * pictures for size in sizes if size not in first), "the observation alone"


@pytest.mark.parametrize("how", POLICIES)
def test_what_a_policy_does_elsewhere_ends_its_episode_alike(how: str) -> None:
    work, slots = works(5), 3
    here = load_policy("tests.misbehaving:Policy", how=how)
    there = load_policy("tests.misbehaving:Policy", how=how)
    expected = rows(list(run_episodes(work, MAKE, here, slots=slots)))
    assert rows(play(work, at(Desk(there, unwatched), facts=Facts(there.name, "")), slots)) == expected
    assert [row["status"] for row in expected].count("error") == 1


def test_an_action_that_cannot_travel_costs_its_own_episode_alone() -> None:
    class Strange(ScriptedPolicy):
        def act(self, steps: list[Step]) -> list[Any]:
            odd = {step.slot: self.seeds[step.slot] == 2 for step in steps}
            return [
                (lambda: None) if odd[step.slot] else action
                for step, action in zip(steps, super().act(steps), strict=True)
            ]

    policy = Strange()
    episodes = play(works(6), at(Desk(policy, unwatched)), slots=3)
    assert [e.status for e in episodes] == ["success"] * 2 + ["error"] + ["success"] * 3
    assert sum(policy.batches) == sum(e.steps for e in episodes) + 1, "nobody was asked twice"


def first_step(seed: int) -> Asked:
    """What a worker asks when its episode begins."""
    observation, info = MAKE(works(1)[0]).reset(seed=seed)
    same = Change({}, whole=False)
    return Asked(0, seed, 0.0, (observation, info), (), same, same)


def test_one_workers_error_is_not_anothers() -> None:
    policy = ScriptedPolicy(raise_at=1)
    fine, wrong, other = Desk(policy, unwatched).decide([(n, [first_step(n)]) for n in range(3)])
    assert wrong.decisions == Failure("ValueError: no idea for seed 1")
    assert len(fine.decisions) == len(other.decisions) == 1
    assert policy.batches == [3, 1, 1, 1] and fine.batch == 1


def test_slots_of_those_who_left_are_given_again() -> None:
    policy = ScriptedPolicy()
    desk = Desk(policy, unwatched)
    desk.decide([(n, [first_step(n)]) for n in range(3)])
    desk.leave(1)
    desk.leave(7)
    desk.decide([(3, [first_step(9)]), (4, [first_step(8)])])
    assert policy.seeds == {0: 0, 1: 9, 2: 2, 3: 8}


def test_what_was_played_instead_is_told() -> None:
    """Before the next decision, and of the right slot."""
    told = []

    class Listening(ScriptedPolicy):
        def played(self, slot: int, action: Any) -> None:
            told.append((self.seeds[slot], action))

    class Meddling(InferencePolicy):
        def action_text(self, slot: int) -> str | None:
            self.played(slot, f"instead of {slot}")
            return super().action_text(slot)

    desk = Desk(Listening(), unwatched)
    policy = Meddling(lambda asked: desk.decide([(0, asked)])[0], Facts("", ""), unwatched)
    episodes = play(works(4), policy, slots=2)
    steps = {e.work.seed: e.steps for e in episodes}
    assert sorted(seed for seed, _ in told) == [seed for seed in steps for _ in range(steps[seed] - 1)]
    assert {action for _, action in told} <= {"instead of 0", "instead of 1"}


@pytest.mark.parametrize(("batch", "wait", "largest"), [(4, 5.0, {4}), (3, 0.05, {2, 3}), (1, 0.0, {2})])
def test_batches_are_as_large_as_asked_and_change_nothing(
    tmp_path: Path, batch: int, wait: float, largest: set[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two workers of two slots, which stay together. Nobody waits five seconds for one who cannot ask."""
    shares = [works(6), works(6, seed=100)]
    expected = [rows(list(run_episodes(share, MakeEnv(), RandomPolicy()))) for share in shares]
    sizes, act = [], RandomPolicy.act
    monkeypatch.setattr(RandomPolicy, "act", lambda self, steps: sizes.append(len(steps)) or act(self, steps))
    began = time.monotonic()
    batching = Batching(1, batch, wait)
    with served(Job("random"), tmp_path / "note", batching) as play_at, ThreadPoolExecutor(2) as threads:
        found = list(threads.map(play_at, (0, 1), shares))
    assert found == expected
    assert max(sizes) in largest
    assert time.monotonic() - began < 5


def test_nano_decides_the_same_for_many_workers_as_for_one(tmp_path: Path) -> None:
    """Every digit of actions and texts, on CPU."""
    shares = [works(2, "vima", "visual_manipulation"), works(2, "vima", "rotate", seed=50)]
    policy = load_policy("nano")
    expected = [rows(list(run_episodes(share, MakeEnv(), policy))) for share in shares]
    batching = Batching(1, 4, 1.0)
    with served(Job("nano"), tmp_path / "note", batching) as play_at, ThreadPoolExecutor(2) as threads:
        assert list(threads.map(play_at, (0, 1), shares)) == expected
