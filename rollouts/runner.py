"""The only episode loop: a list of work goes through slots and comes back as episodes, in the list's order.

What is unusual: every episode has its own seed, so slots are stepped here and not by a vector environment
(whose automatic resets lose seeds), and a slot takes the next piece of work the moment its episode ends. One
policy serves all slots with one `act` call per tick. Nothing is dropped: an exception in environment or
policy, even SystemExit, makes an episode with status "error" and the message, and so does an observation,
info or action that cannot be read; Ctrl-C still hands out what was finished.

It refuses to know what becomes of an episode (files, tables, videos) and in which process it runs.
"""

import time
from collections import Counter, deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np

from envs.floor_map import FloorMap
from policies import embodiments
from policies.base import Policy, PolicyLost, Step
from policies.embodiments.base import Embodiment
from rollouts.inference.messages import Elsewhere
from rollouts.limits import Watch, unwatched
from uio2_agent.errors import described

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


class Sketch(Protocol):
    """Looks at the steps of an episode while they are there (`rollouts.pages.strip`)."""

    def step(self, body: Embodiment, views: Mapping[str, np.ndarray], state: np.ndarray, action: Any) -> None:
        """Take what is seen before an action."""
        ...


@dataclass
class Episode:
    """What happened to one piece of work: T actions and the T + 1 observations and infos around them, or of
    those the first and the last alone (`run_episodes`).
    """

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
    sketch: "Sketch | None" = None
    """What looked at each step, where that was asked for; None too if it could not draw one."""
    floor_map: FloorMap | None = None
    """The floor from above when the episode began, where that was asked for and the environment draws it."""
    status: str = "running"
    """success, failure, truncated or error."""
    message: str = ""
    """Type and text of the exception when the status is error."""
    timings: dict[str, float] = field(default_factory=lambda: dict.fromkeys(PHASES, 0.0))
    """Seconds spent in each phase; a shared `act` call is divided evenly among its steps, without what it
    waited for others (`Policy.waited`)."""

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
        """End the episode because of an exception, whatever its text may be."""
        self.status = "error"
        self.message = error.said if isinstance(error, Elsewhere) else described(error)


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
    alone: bool = False
    """Whether the environment bears no other beside it."""


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

    def give_back(self, work: Work, env: Any) -> bool:
        """Keep an environment for more work of its kind; False where there is none."""
        if wanted := self._wanted[self._key(work)] > 0:
            self._free.setdefault(self._key(work), []).append(env)
        return wanted

    def empty(self) -> list[Any]:
        """Return what is kept, and keep nothing."""
        kept = [env for free in self._free.values() for env in free]
        self._free.clear()
        return kept


def run_episodes(
    work: Sequence[Work],
    make_env: Callable[[Work], Any],
    policy: Policy,
    *,
    slots: int = 1,
    watch: Watch = unwatched,
    maps: bool = False,
    frames: bool = True,
    sketch: Callable[[], Sketch] | None = None,
) -> Iterator[Episode]:
    """Play every piece of `work` and yield one episode each, in the order of the list.

    `make_env` gets the first piece of work of its kind; later pieces with the same task and level reuse
    that environment. Observations are kept as they come: an environment must not write into what it returned.
    Environments that say `one_at_a_time` are played one episode after the other, whatever `slots`.
    `watch` stands around each call of environment and policy (`rollouts.limits`). `maps` keeps the floor map
    of environments that draw one. Without `frames`, episodes keep the first and the last observation and info
    alone: those of long ones, and of many that wait for a slower one before them, fill gigabytes. `sketch`
    makes for each episode what looks at its steps. An environment is closed after its last episode was
    handed out, so that one that hangs there costs none.
    After KeyboardInterrupt or PolicyLost the episodes that finished behind a slower one are handed out too
    (so there may be gaps) and the exception goes on.
    """
    order = {item.index: place for place, item in enumerate(work)}
    finished: dict[int, Episode] = {}
    pool = _EnvPool(make_env, work)
    running: list[_Slot] = []
    waiting = deque(work)
    free_numbers = list(range(slots))[::-1]
    closing: list[Any] = []
    next_place = 0

    def end(slot: _Slot) -> None:
        running.remove(slot)
        free_numbers.append(slot.number)
        finished[order[slot.episode.work.index]] = slot.episode
        # after an error its state is unknown: never reused
        if slot.episode.status == "error" or not pool.give_back(slot.episode.work, slot.env):
            closing.append(slot.env)

    def hand_out() -> Iterator[Episode]:
        nonlocal next_place
        while next_place in finished:
            yield finished.pop(next_place)
            next_place += 1
        while closing:
            _close(closing.pop(), watch)

    try:
        while waiting or running:
            while waiting and free_numbers:
                slot = _Slot(free_numbers.pop(), _new_episode(waiting.popleft(), policy), None)
                slot.episode.sketch = None if sketch is None else sketch()
                running.append(slot)
                _start(slot, pool, policy, watch, maps)
                if slot.alone:
                    free_numbers.clear()
                if slot.episode.status != "running":
                    end(slot)
                    yield from hand_out()
            for slot, action, text in _decide(policy, list(running), watch):
                _advance(slot, action, text, watch, frames)
            for slot in [slot for slot in running if slot.episode.status != "running"]:
                end(slot)
            yield from hand_out()
    except (KeyboardInterrupt, PolicyLost):
        for place in sorted(finished):
            yield finished[place]
        raise
    finally:
        for env in (*closing, *pool.empty(), *(slot.env for slot in running)):
            _close(env, watch)


def play(env: Any, vectors: Sequence[np.ndarray], seed: int) -> Iterator[Mapping[str, Any]]:
    """Yield the T + 1 observations of `env` reset with `seed` and given stored actions: a replay."""
    observation, info = env.reset(seed=seed)
    body = embodiments.of(info)
    yield observation
    for vector in vectors:
        yield env.step(body.action(vector))[0]


def _new_episode(work: Work, policy: Policy) -> Episode:
    return Episode(work, policy=policy.name, vocabulary_hash=getattr(policy, "vocabulary_hash", ""))


def _start(slot: _Slot, pool: _EnvPool, policy: Policy, watch: Watch, maps: bool) -> None:
    episode, began = slot.episode, time.perf_counter()
    try:
        with watch("reset", [episode]):
            slot.env = pool.take(episode.work)
            slot.alone = bool(getattr(slot.env.unwrapped, "one_at_a_time", False))
            if slot.env.spec is not None:
                episode.env_kwargs = dict(slot.env.spec.kwargs)
            observation, info = slot.env.reset(seed=episode.work.seed)
        episode.timings["reset"] += time.perf_counter() - began
        _check_info(info)
        episode.observations.append(observation)
        episode.infos.append(info)
        if maps and "map" in getattr(slot.env.unwrapped, "abilities", ()):
            with watch("reset", [episode]):
                episode.floor_map = slot.env.unwrapped.floor_map()
        began = time.perf_counter()
        with watch("policy", [episode]):
            policy.reset(slot.number, observation, info)
        episode.timings["policy"] += time.perf_counter() - began
    except KeyboardInterrupt:
        raise
    except BaseException as error:
        episode.fail(error)


def _decide(policy: Policy, slots: list[_Slot], watch: Watch) -> list[tuple[_Slot, Any, str]]:
    """One action, and its text, for each slot. When the joint call raises, each slot is asked alone: only the
    guilty end."""
    if not slots:
        return []
    steps = [Step(slot.number, slot.episode.observations[-1], slot.episode.infos[-1]) for slot in slots]
    began = time.perf_counter()
    try:
        with watch("policy", [slot.episode for slot in slots]):
            actions = list(policy.act(steps))
            share = (time.perf_counter() - began - getattr(policy, "waited", 0.0)) / len(steps)
            if len(actions) != len(steps):
                raise ValueError(
                    f"policy {policy.name} returned {len(actions)} actions for {len(steps)} steps"
                )
            chosen = [_chosen(policy, slot, action) for slot, action in zip(slots, actions, strict=True)]
    except (KeyboardInterrupt, PolicyLost):
        raise
    except BaseException as error:
        if len(slots) > 1:
            return [decision for slot in slots for decision in _decide(policy, [slot], watch)]
        slots[0].episode.fail(error)
        return []
    for slot in slots:
        slot.episode.timings["policy"] += share
    return [decision for decision in chosen if decision is not None]


def _chosen(policy: Policy, slot: _Slot, action: Any) -> tuple[_Slot, Any, str] | None:
    """The action as it is executed, and its text: the policy's own where it has one. None ends the
    episode.
    """
    episode = slot.episode
    try:
        answer = policy.answer(slot.number)
        episode.tokens.append(None if answer is None else answer.tokens)
        body = episode.body
        action = body.checked(action)
        written = getattr(policy, "action_text", None)  # classes that only look like a policy may lack it
        text = written(slot.number) if written else None
        if text is None:
            state = body.state(episode.observations[-1], episode.infos[-1])
            text = body.action_text(action, state, episode.steps)
        if not isinstance(text, str):
            raise TypeError(f"the policy's action_text returned {type(text).__name__}, not a string")
        text.encode()  # what has no bytes cannot be stored
    except KeyboardInterrupt:
        raise
    except BaseException as error:
        episode.fail(error)
        return None
    return slot, action, text


def _advance(slot: _Slot, action: Any, text: str, watch: Watch, frames: bool) -> None:
    episode, began = slot.episode, time.perf_counter()
    try:
        with watch("step", [episode]):
            observation, reward, terminated, truncated, info = slot.env.step(action)
        spent = time.perf_counter() - began
        success = _check_info(info)
        over, cut = _flag("terminated", terminated), _flag("truncated", truncated)
        if not np.isfinite(reward := float(reward)):
            raise ValueError(f"the environment returned the reward {reward}, not a finite number")
    except KeyboardInterrupt:
        raise
    except BaseException as error:
        episode.fail(error)
        return
    episode.timings["step"] += spent
    _look(episode, action)
    episode.actions.append(action)
    episode.action_texts.append(text)
    if not frames:
        del episode.observations[1:], episode.infos[1:]
    episode.observations.append(observation)
    episode.infos.append(info)
    episode.rewards.append(reward)
    if success:
        episode.status = "success"
    elif over:
        episode.status = "failure"
    elif cut:
        episode.status = "truncated"


def _look(episode: Episode, action: Any) -> None:
    """Let the sketch take the step that was just carried out; what cannot be drawn costs no episode."""
    if episode.sketch is None:
        return
    observation, info, body = episode.observations[-1], episode.infos[-1], episode.body
    try:
        episode.sketch.step(body, body.views(observation), body.state(observation, info), action)
    except Exception:
        episode.sketch = None


def _check_info(info: Any) -> bool:
    """Return whether the task is solved; TypeError where `info` is none."""
    if not isinstance(info, Mapping):
        raise TypeError(f"the environment returned an info of type {type(info).__name__}, not a mapping")
    return _flag("info['success']", info.get("success", False))


def _flag(name: str, value: Any) -> bool:
    """Return a truth value; TypeError for what is none, such as text or several numbers."""
    flag = np.asarray(value)
    if flag.shape != () or flag.dtype.kind not in "biuf" or flag not in (0, 1):
        raise TypeError(f"the environment returned {name}={value!r:.80}, not true or false")
    return bool(flag)


def _close(env: Any, watch: Watch) -> None:
    """Close an environment, whatever it says to that: its episodes are over."""
    try:
        if env is not None:
            with watch("close", []):
                env.close()
    except KeyboardInterrupt:
        raise
    except BaseException:
        pass
