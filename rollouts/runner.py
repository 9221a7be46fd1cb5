"""The only episode loop: a list of work goes through slots and comes back as episodes, in the list's order.

What is unusual: every episode has its own seed, so slots are stepped here and not by a vector environment
(whose automatic resets lose seeds), and a slot takes the next piece of work the moment its episode ends. One
policy serves all slots with one `act` call per tick. Nothing is dropped: an exception in environment or
policy makes an episode with status "error" and the message, and Ctrl-C still hands out what was finished.

It refuses to know what becomes of an episode (files, tables, videos) and in which process it runs.
"""

import time
from collections import Counter, deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from policies import embodiments
from policies.base import Policy, Step
from policies.embodiments.base import Embodiment

PHASES = ("reset", "policy", "step")


@dataclass(frozen=True, kw_only=True)
class Work:
    """One episode to be played."""

    index: int
    """Place in the work list: episodes are handed out by it."""
    task: str
    level: str
    seed: int
    env: str
    """The suite, as `envs.suite` takes it."""


@dataclass
class Episode:
    """What happened to one piece of work: T actions and the T + 1 observations around them."""

    work: Work
    policy: str = ""
    vocabulary_hash: str = ""
    env_kwargs: dict[str, Any] = field(default_factory=dict)
    """What the environment was made with."""
    observations: list[Mapping[str, Any]] = field(default_factory=list)
    infos: list[Mapping[str, Any]] = field(default_factory=list)
    actions: list[dict[str, Any]] = field(default_factory=list)
    """As executed (`Embodiment.checked`): floats are float32, so a stored action is the action."""
    action_texts: list[str] = field(default_factory=list)
    """The executed actions in the model's action language, as the policy chose them or the embodiment writes
    them."""
    tokens: list[np.ndarray | None] = field(default_factory=list)
    """Ids the model answered with before each action; None when a script acted."""
    rewards: list[float] = field(default_factory=list)
    status: str = "running"
    """success, failure, truncated or error."""
    message: str = ""
    """Type and text of the exception when the status is error."""
    timings: dict[str, float] = field(default_factory=lambda: dict.fromkeys(PHASES, 0.0))
    """Seconds spent in each phase; a shared `act` call is divided evenly among its steps."""

    @property
    def body(self) -> Embodiment:
        """Return who acted; UIO2Error before the first observation."""
        return embodiments.of(self.infos[0] if self.infos else {})

    @property
    def success(self) -> bool:
        """Return whether the task was solved."""
        return self.status == "success"

    @property
    def failure(self) -> bool:
        """Return whether the task was irrecoverably missed."""
        return self.status == "failure"

    @property
    def steps(self) -> int:
        """Return the number of executed actions."""
        return len(self.actions)

    def fail(self, error: BaseException) -> None:
        """End the episode because of an exception."""
        self.status = "error"
        self.message = f"{type(error).__name__}: {error}"


def work_list(
    tasks: Sequence[str],
    level: str,
    *,
    seed: int,
    episodes: int,
    env: str,
    shard: tuple[int, int] = (1, 1),
) -> list[Work]:
    """Return `episodes` pieces of work: tasks take turns, each with consecutive seeds from `seed`.

    `shard=(i, n)` keeps the i-th of every n (from 1); the `index` stays that of the whole list.
    """
    part, parts = shard
    return [
        Work(index=i, env=env, task=tasks[i % len(tasks)], level=level, seed=seed + i // len(tasks))
        for i in range(part - 1, episodes, parts)
    ]


@dataclass
class _Slot:
    """One running episode and the environment it runs in."""

    number: int
    episode: Episode
    env: Any


class _EnvPool:
    """Environments by (suite, task, level): made once, reset many times, closed when no work is left for
    them."""

    def __init__(self, make_env: Callable[[Work], Any], work: Sequence[Work]):
        self._make_env = make_env
        self._free: dict[tuple[str, ...], list[Any]] = {}
        self._wanted = Counter(self._key(item) for item in work)

    @staticmethod
    def _key(work: Work) -> tuple[str, ...]:
        return work.env, work.task, work.level

    def take(self, work: Work) -> Any:
        self._wanted[self._key(work)] -= 1
        free = self._free.get(self._key(work))
        return free.pop() if free else self._make_env(work)

    def give_back(self, work: Work, env: Any) -> None:
        if self._wanted[self._key(work)] > 0:
            self._free.setdefault(self._key(work), []).append(env)
        else:
            env.close()

    def close(self) -> None:
        for env in (env for free in self._free.values() for env in free):
            env.close()


def run_episodes(
    work: Sequence[Work], make_env: Callable[[Work], Any], policy: Policy, *, slots: int = 1
) -> Iterator[Episode]:
    """Play every piece of `work` and yield one episode each, in the order of the list.

    `make_env` gets the first piece of work of its kind; later pieces with the same task and level reuse
    that environment. Observations are kept as they come: an environment must not write into what it returned.
    Environments that say `one_at_a_time` are played one episode after the other, whatever `slots`.
    After KeyboardInterrupt the episodes that finished behind a slower one are handed out too (so there may be
    gaps) and the interrupt goes on.
    """
    order = {item.index: place for place, item in enumerate(work)}
    finished: dict[int, Episode] = {}
    pool = _EnvPool(make_env, work)
    running: list[_Slot] = []
    waiting = deque(work)
    free_numbers = list(range(slots))[::-1]
    next_place = 0

    def end(slot: _Slot) -> None:
        running.remove(slot)
        free_numbers.append(slot.number)
        finished[order[slot.episode.work.index]] = slot.episode
        if slot.episode.status == "error":
            _close_quietly(slot.env)  # its state is unknown: never reused
        else:
            pool.give_back(slot.episode.work, slot.env)

    try:
        while waiting or running:
            while waiting and free_numbers:
                slot = _Slot(free_numbers.pop(), _new_episode(waiting.popleft(), policy), None)
                running.append(slot)
                _start(slot, pool, policy)
                if slot.env is not None and getattr(slot.env.unwrapped, "one_at_a_time", False):
                    free_numbers.clear()
                if slot.episode.status != "running":
                    end(slot)
            for slot, action, text in _decide(policy, list(running)):
                _advance(slot, action, text)
            for slot in [slot for slot in running if slot.episode.status != "running"]:
                end(slot)
            while next_place in finished:
                yield finished.pop(next_place)
                next_place += 1
    except KeyboardInterrupt:
        for place in sorted(finished):
            yield finished[place]
        raise
    finally:
        pool.close()
        for slot in running:
            _close_quietly(slot.env)


def play(env: Any, vectors: Sequence[np.ndarray], seed: int) -> Iterator[Mapping[str, Any]]:
    """Yield the T + 1 observations of `env` reset with `seed` and given stored actions: a replay."""
    observation, info = env.reset(seed=seed)
    body = embodiments.of(info)
    yield observation
    for vector in vectors:
        yield env.step(body.action(vector))[0]


def _new_episode(work: Work, policy: Policy) -> Episode:
    return Episode(work, policy=policy.name, vocabulary_hash=getattr(policy, "vocabulary_hash", ""))


def _start(slot: _Slot, pool: _EnvPool, policy: Policy) -> None:
    episode, began = slot.episode, time.perf_counter()
    try:
        slot.env = pool.take(episode.work)
        if slot.env.spec is not None:
            episode.env_kwargs = dict(slot.env.spec.kwargs)
        observation, info = slot.env.reset(seed=episode.work.seed)
        episode.timings["reset"] += time.perf_counter() - began
        episode.observations.append(observation)
        episode.infos.append(info)
        began = time.perf_counter()
        policy.reset(slot.number, observation, info)
        episode.timings["policy"] += time.perf_counter() - began
    except Exception as error:
        episode.fail(error)


def _decide(policy: Policy, slots: list[_Slot]) -> Iterator[tuple[_Slot, Any, str]]:
    """One action, and its text, for each slot. When the joint call raises, each slot is asked alone: only the
    guilty end."""
    steps = [Step(slot.number, slot.episode.observations[-1], slot.episode.infos[-1]) for slot in slots]
    began = time.perf_counter()
    try:
        actions = policy.act(steps) if steps else []
        if len(actions) != len(steps):
            raise ValueError(f"policy {policy.name} returned {len(actions)} actions for {len(steps)} steps")
    except Exception as error:
        if len(slots) > 1:
            for slot in slots:
                yield from _decide(policy, [slot])
        else:
            slots[0].episode.fail(error)
        return
    share = (time.perf_counter() - began) / max(len(steps), 1)
    for slot, action in zip(slots, actions, strict=True):
        slot.episode.timings["policy"] += share
        try:
            answer = policy.answer(slot.number)
            slot.episode.tokens.append(None if answer is None else answer.tokens)
            yield slot, *_chosen(policy, slot, action)
        except Exception as error:
            slot.episode.fail(error)


def _chosen(policy: Policy, slot: _Slot, action: Any) -> tuple[Any, str]:
    """The action as it is executed, and its text: the policy's own where it has one."""
    episode = slot.episode
    body = episode.body
    action = body.checked(action)
    written = getattr(policy, "action_text", None)  # classes that only look like a policy may lack it
    text = written(slot.number) if written else None
    if text is None:
        state = body.state(episode.observations[-1], episode.infos[-1])
        text = body.action_text(action, state, episode.steps)
    return action, text


def _advance(slot: _Slot, action: Any, text: str) -> None:
    episode, began = slot.episode, time.perf_counter()
    try:
        observation, reward, terminated, truncated, info = slot.env.step(action)
    except Exception as error:
        episode.fail(error)
        return
    episode.timings["step"] += time.perf_counter() - began
    episode.actions.append(action)
    episode.action_texts.append(text)
    episode.observations.append(observation)
    episode.infos.append(info)
    episode.rewards.append(float(reward))
    if info.get("success", False):
        episode.status = "success"
    elif terminated:
        episode.status = "failure"
    elif truncated:
        episode.status = "truncated"


def _close_quietly(env: Any) -> None:
    """Close an environment that already failed, whatever it says to that."""
    try:
        if env is not None:
            env.close()
    except Exception:
        pass
