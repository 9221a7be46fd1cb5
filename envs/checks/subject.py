"""What checks have in common: their subject, how they say what does not hold, and how they play episodes.

A check gets a `Subject`, returns what there is to report, and raises `Off` with the rule that does not hold,
or `NotOffered`. Unusual: none holds two environments in mid-episode, so that simulators of which a process
has only one can be checked too.

This module refuses to know suites by name, and policies.
"""

import copy
import dataclasses
import hashlib
import pickle
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Executor
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from typing import Any

import gymnasium
import numpy as np

from envs.errors import EnvError
from envs.suites import Suite, suite

NO_SUCH = "no_such_name"


class Off(Exception):
    """A rule of the contract does not hold; the text says which."""


class NotOffered(Exception):
    """The environment does not offer what the check is about, and says so by itself."""


@dataclass(frozen=True, kw_only=True)
class Subject:
    """What is checked: a task of a suite, at a level, with further arguments of `gym.make`."""

    spec: str | Suite
    task: str
    level: str
    options: Mapping[str, Any] = field(default_factory=dict)
    seeds: Sequence[int] = (0, 1)
    elsewhere: Executor | None = None
    """Runs functions in another process; it pickles what it gets."""

    @property
    def suite(self) -> Suite:
        return self.spec if isinstance(self.spec, Suite) else suite(self.spec)

    def make(self, **more: Any) -> gymnasium.Env:
        """Make the environment; the suite itself checks no name here."""
        self.suite.register()
        options = {"level": self.level, **self.options, **more}
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # gymnasium warns of a render mode before the environment can
            return gymnasium.make(self.suite.env_id(self.task), disable_env_checker=True, **options)

    def offers(self, ability: str) -> bool:
        with closing(self.make()) as env:
            return ability in env.unwrapped.abilities

    def played(self, **more: Any) -> gymnasium.Env:
        """Make the environment with its expert, where it has one, so that episodes go somewhere."""
        return self.make(**(self.suite.expert_options(self.options) if self.offers("expert") else {}), **more)


def require(holds: Any, rule: str) -> None:
    """Raise Off unless the rule holds."""
    if not holds:
        raise Off(rule)


@contextmanager
def refused(what: str) -> Iterator[list[str]]:
    """Raise Off unless the block raises EnvError; its text comes in the list that is handed out."""
    said: list[str] = []
    try:
        yield said
    except EnvError as error:
        said.append(str(error))
        return
    except Exception as error:
        raise Off(f"{what} raises {type(error).__name__} instead of EnvError: {error}") from error
    raise Off(f"{what} is taken without an EnvError")


def fingerprint(value: Any) -> str:
    """Return a digest of all bytes of nested mappings, sequences, records, arrays and plain values."""
    digest = hashlib.sha256()

    def feed(part: Any) -> None:
        digest.update(type(part).__name__.encode())
        if isinstance(part, Mapping):
            for key in sorted(part, key=str):
                feed(key)
                feed(part[key])
        elif isinstance(part, np.ndarray | np.generic):
            digest.update(f"{part.dtype}{part.shape}".encode() + part.tobytes())
        elif isinstance(part, list | tuple):
            for item in part:
                feed(item)
        elif dataclasses.is_dataclass(part):
            feed({item.name: getattr(part, item.name) for item in dataclasses.fields(part)})
        elif part is None or isinstance(part, bool | int | float | str):
            digest.update(repr(part).encode())
        else:
            digest.update(pickle.dumps(part))

    feed(value)
    return digest.hexdigest()


def actions(env: gymnasium.Env, seed: int) -> Callable[[Mapping[str, Any]], Any]:
    """Return a function info → action: the expert's, or random ones that the seed decides."""
    space = copy.deepcopy(env.action_space)
    space.seed(seed)
    return lambda info: space.sample() if info.get("expert_action") is None else info["expert_action"]


def moments(env: gymnasium.Env, seed: int) -> Iterator[tuple[Any, ...]]:
    """Play an episode; yield (observation, info), then all that each step returns."""
    act = actions(env, seed)
    observation, info = env.reset(seed=seed)
    yield observation, info
    ended = False
    while not ended:
        moment = env.step(act(info))
        yield moment
        _, _, terminated, truncated, info = moment
        ended = terminated or truncated


def trace(env: gymnasium.Env, seed: int) -> list[str]:
    """Return the fingerprints of an episode."""
    return [fingerprint(moment) for moment in moments(env, seed)]


def trace_apart(subject: Subject, seed: int) -> list[str]:
    with closing(subject.played()) as env:
        return trace(env, seed)
