"""Checks of what an episode returns, and of what decides it: seeds, processes, states.

Each is a small function of a `Subject` (envs.checks.subject); the rule it checks is its first line.
"""

import copy
import dataclasses
import itertools
import pickle
import re
import warnings
from collections.abc import Mapping
from contextlib import closing

from gymnasium.utils.env_checker import check_env

from envs.base import FIRST_HELD_OUT_SEED, INFO_KEYS
from envs.checks.subject import (
    NotOffered,
    Subject,
    actions,
    fingerprint,
    moments,
    refused,
    require,
    trace,
    trace_apart,
)

_PLACEHOLDER = re.compile(r"\{(\w+)\}")


def check_gymnasium(subject: Subject) -> None:
    """Gymnasium's own checker."""
    with closing(subject.make()) as env, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        check_env(env.unwrapped, skip_render_check=env.unwrapped.one_at_a_time)


def check_spaces(subject: Subject) -> str:
    """Observations lie in their space, rewards and ends are plain values that agree with info."""
    count = 0
    with closing(subject.played()) as env:
        for observation, *rest, info in itertools.chain.from_iterable(moments(env, s) for s in subject.seeds):
            count += 1
            require(env.observation_space.contains(observation), "an observation is outside its space")
            if rest:
                reward, terminated, truncated = rest
                kinds = (type(reward), type(terminated), type(truncated))
                require(kinds == (float, bool, bool), f"step returns {kinds}, not float, bool, bool")
                require(reward == float(info["success"]), "the reward is not 1 for success and 0 otherwise")
                require(
                    terminated == (info["success"] or info["failure"]), "terminated is not success or failure"
                )
                require(not (terminated and truncated), "a step is terminated and truncated at once")
    return f"{count} observations"


def check_info(subject: Subject) -> str:
    """Info holds all that the contract names, of the right types."""
    kinds = {
        "prompt": str,
        "prompt_assets": Mapping,
        "task": str,
        "level": str,
        "seed": int,
        "embodiment": str,
    }
    kinds |= {"success": bool, "failure": bool, "max_steps": int, "metrics": dict}
    names = None
    with closing(subject.played()) as env:
        for seed in subject.seeds:
            for step, (_, *_, info) in enumerate(moments(env, seed)):
                missing = [key for key in INFO_KEYS if key not in info]
                require(not missing, f"info lacks {', '.join(missing)}")
                for key, kind in kinds.items():
                    right = isinstance(info[key], kind)
                    require(right, f"info[{key!r}] is {type(info[key]).__name__}, not {kind.__name__}")
                assets = info["prompt_assets"]
                require(
                    not isinstance(assets, dict),
                    "prompt_assets are a dict: vector environments take it apart",
                )
                require(
                    pickle.loads(pickle.dumps(assets)) == assets, "prompt_assets change when they are pickled"
                )
                shown = set(_PLACEHOLDER.findall(info["prompt"]))
                require(
                    shown == set(assets),
                    f"the prompt's placeholders {shown} are not the assets {set(assets)}",
                )
                which = (
                    subject.task,
                    subject.suite.level_name(subject.level),
                    seed,
                    subject.suite.embodiment_of(subject.task),
                )
                said = tuple(info[key] for key in ("task", "level", "seed", "embodiment"))
                require(said == which, f"info says {said} of episode {which}")
                floats = all(type(value) is float for value in info["metrics"].values())
                require(floats, "a metric is no float")
                names = names or [set(info["metrics"])]
                require(set(info["metrics"]) == names[0], "the names of the metrics change")
                require(step or not (info["success"] or info["failure"]), "an episode is over at its reset")
            budget = subject.suite.max_steps(subject.task, subject.options)
            require(info["max_steps"] == budget, f"the suite says {budget} steps, info {info['max_steps']}")
            require(step <= budget, f"an episode took {step} steps of {budget}")
    return f"metrics: {', '.join(sorted(names[0])) or 'none'}"


def check_levels(subject: Subject) -> str:
    """Every level by each of its names, and no level that lacks the task."""
    held = subject.suite.task_levels()[subject.task]
    for level, aliases in subject.suite.levels.items():
        if level not in held:
            with refused(f"level {level}, which lacks the task,"):
                subject.make(level=level).close()
            continue
        for name in (level, *aliases):
            with closing(subject.make(level=name)) as env:
                said = env.reset(seed=subject.seeds[0])[1]["level"]
                require(said == level, f"level {name} is called {said} in info")
    return ", ".join(held)


# seeds and states


def check_same_seed(subject: Subject) -> None:
    """The same seed is the same episode, after any other and in another environment."""
    first, *others = subject.seeds
    with closing(subject.played()) as env:
        before = trace(env, first)
        for seed in others:
            trace(env, seed)
        require(trace(env, first) == before, f"seed {first} gives another episode the second time")
    with closing(subject.played()) as env:
        require(trace(env, first) == before, f"seed {first} gives another episode in another environment")


def check_other_process(subject: Subject) -> None:
    """The same seed is the same episode in another process."""
    if subject.elsewhere is None:
        raise NotOffered("no other process was asked for")
    theirs = subject.elsewhere.submit(
        trace_apart, dataclasses.replace(subject, elsewhere=None), subject.seeds[0]
    )
    ours = trace_apart(subject, subject.seeds[0])
    require(theirs.result() == ours, f"seed {subject.seeds[0]} gives another episode in another process")


def check_seeds_differ(subject: Subject) -> None:
    """Different seeds are different episodes."""
    with closing(subject.make()) as env:
        seen = set()
        for seed in subject.seeds:
            observation, info = env.reset(seed=seed)
            seen.add(fingerprint((observation, {**info, "seed": 0})))
    require(len(seen) > 1 or len(subject.seeds) < 2, f"seeds {list(subject.seeds)} are all alike")


def check_unseeded(subject: Subject) -> None:
    """A reset without a seed draws ones that are not held out."""
    with closing(subject.make()) as env:
        env.reset(seed=subject.seeds[0])
        drawn = [env.reset()[1]["seed"] for _ in range(4)]
    low = all(0 <= seed < FIRST_HELD_OUT_SEED for seed in drawn)
    require(low, f"reset() draws held-out seeds: {drawn}")
    require(len(set(drawn)) > 1, f"reset() draws seed {drawn[0]} again and again")


def check_state(subject: Subject) -> None:
    """A pickled state goes on in a fresh environment as it would have in the old one."""
    with closing(subject.played()) as env:
        if "state" not in env.unwrapped.abilities:
            env.reset(seed=subject.seeds[0])
            with refused("state()"):
                env.unwrapped.state()
            with refused("set_state()") as said:
                env.unwrapped.set_state({})
            raise NotOffered(*said)
        act, seed = actions(env, 0), subject.seeds[0]
        observation, info = env.reset(seed=seed)
        given = act(info)
        first = env.step(given)
        if first[2] or first[3]:
            env.reset(seed=seed)
        else:
            (observation, *_, info), given = first, act(first[-1])
        state = pickle.loads(pickle.dumps(env.unwrapped.state()))
        here, future = fingerprint((observation, info)), fingerprint(env.step(given))
        with closing(subject.played()) as other:
            for name, each in (("a fresh environment", other), ("the same environment", env)):
                returned = each.unwrapped.set_state(copy.deepcopy(state))
                require(fingerprint(returned) == here, f"set_state in {name} returns something else")
                require(
                    fingerprint(each.step(given)) == future, f"after set_state {name} goes on differently"
                )
