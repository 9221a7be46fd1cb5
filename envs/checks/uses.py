"""Checks of how an environment is used: experts, vector environments, recorded scenes, pictures, mistakes.

Each is a small function of a `Subject` (envs.checks.subject); the rule it checks is its first line.
"""

import copy
import itertools
from collections.abc import Mapping
from contextlib import closing, suppress
from typing import Any

import gymnasium
import numpy as np

from envs.checks.subject import (
    NO_SUCH,
    NotOffered,
    Subject,
    actions,
    fingerprint,
    moments,
    refused,
    require,
)
from envs.errors import EnvError

LEAST_EXPERT_RATE = 0.5
"""Below this share of solved episodes an expert counts as broken; the rate itself is reported."""
WATCHED_SIZE = (48, 96)


def check_expert(subject: Subject) -> str:
    """The expert's actions are valid, there until the end, and solve the task within the budget."""
    if not subject.offers("expert"):
        with refused("expert=True") as said:
            subject.make(**subject.suite.expert_options(subject.options)).close()
        raise NotOffered(*said)
    with closing(subject.make()) as env:
        require("expert_action" not in env.reset(seed=subject.seeds[0])[1], "expert_action is there unasked")
    solved = 0
    with closing(subject.played()) as env:
        for seed in subject.seeds:
            for _, *rest, info in moments(env, seed):
                over = bool(rest) and (rest[1] or rest[2])
                require(over or "expert_action" in info, "expert_action is missing before the end")
                action = info.get("expert_action")
                valid = action is None or env.action_space.contains(action)
                require(valid, "an expert action is outside the action space")
            solved += info["success"]
    said = f"{solved} of {len(subject.seeds)} solved"
    require(solved >= LEAST_EXPERT_RATE * len(subject.seeds), f"the expert is no expert: {said}")
    return said


def check_objects(subject: Subject) -> None:
    """A scene put back by its recorded objects is the same scene and goes on in the same way."""
    seed = subject.seeds[0]
    with closing(subject.played()) as env:
        if "objects" not in env.unwrapped.abilities:
            with refused("reset(options={'objects': ...})") as said:
                env.reset(seed=seed, options={"objects": []})
            raise NotOffered(*said)
        before, act = env.reset(seed=seed), actions(env, 0)
        require("objects" in before[1], "info lacks objects, which it offers to place again")
        given = act(before[1])
        ahead = fingerprint(env.step(given))
        again = env.reset(seed=seed, options={"objects": before[1]["objects"]})
        require(fingerprint(again) == fingerprint(before), "recorded objects give another scene")
        require(fingerprint(env.step(given)) == ahead, "a recorded scene goes on in another way")


def check_vector_sync(subject: Subject) -> str:
    """A synchronous vector environment carries every slot as it is alone, prompt_assets whole."""
    return _check_vector(subject, "sync")


def check_vector_async(subject: Subject) -> str:
    """An asynchronous vector environment carries every slot as it is alone, prompt_assets whole."""
    return _check_vector(subject, "async")


def _check_vector(subject: Subject, mode: str) -> str:
    with closing(subject.make()) as env:
        number = 1 if mode == "sync" and env.unwrapped.one_at_a_time else 2
        seeds = [subject.seeds[i % len(subject.seeds)] for i in range(number)]
        alone = [env.reset(seed=seed) for seed in seeds]
    vector = gymnasium.make_vec(
        subject.suite.env_id(subject.task),
        num_envs=number,
        vectorization_mode=mode,
        level=subject.level,
        **subject.options,
    )
    with closing(vector):
        observation, info = vector.reset(seed=seeds)
        for slot, (own, own_info) in enumerate(alone):
            assets = info["prompt_assets"][slot]
            require(isinstance(assets, Mapping), "prompt_assets are taken apart")
            require(assets == own_info["prompt_assets"], "prompt_assets are not those of the slot's seed")
            require(info["prompt"][slot] == own_info["prompt"], "the prompt is not that of the slot's seed")
            slice_ = gymnasium.vector.utils.iterate(vector.observation_space, observation)
            mine = next(itertools.islice(slice_, slot, None))
            same = _leaves(mine).keys() == _leaves(own).keys() and all(
                np.array_equal(value, _leaves(own)[key]) for key, value in _leaves(mine).items()
            )
            require(same, "an observation is not that of the slot's seed")
        vector.action_space.seed(0)
        _, rewards, *_ = vector.step(vector.action_space.sample())
        require(len(rewards) == number, "step does not return a reward for each slot")
    return f"{number} slots"


def _leaves(value: Any, name: str = "") -> dict[str, Any]:
    if isinstance(value, Mapping):
        return {k: v for key, item in value.items() for k, v in _leaves(item, f"{name}/{key}").items()}
    return {name: value}


def check_arrays_stay(subject: Subject) -> None:
    """Nothing that was returned is written to afterwards."""
    with closing(subject.played()) as env:
        kept = [
            (moment, fingerprint(moment))
            for moment in itertools.chain.from_iterable(moments(env, seed) for seed in subject.seeds)
        ]
    changed = sum(fingerprint(moment) != before for moment, before in kept)
    require(not changed, f"{changed} of {len(kept)} returned values were written to later")


def check_actions_stay(subject: Subject) -> None:
    """Actions handed in are not changed."""
    with closing(subject.played()) as env:
        act = actions(env, 0)
        action = act(env.reset(seed=subject.seeds[0])[1])
        before = fingerprint(action)
        env.step(action)
        require(fingerprint(action) == before, "step changes the action it was given")


def check_errors_of_names(subject: Subject) -> None:
    """A task, level, option, backend or render mode that there is not raises EnvError."""
    with refused("suite.make of an unknown task"):
        subject.suite.make(NO_SUCH)
    with refused("suite.make at an unknown level"):
        subject.suite.make(subject.task, NO_SUCH)
    for name in ("task", "level", "render_mode", NO_SUCH, *(["backend"] if subject.suite.backends else [])):
        with refused(f"{name}={NO_SUCH!r}"):
            subject.make(**{name: NO_SUCH}).close()
    with closing(subject.make()) as env, refused(f"reset(options={{{NO_SUCH!r}: …}})"):
        env.reset(seed=subject.seeds[0], options={NO_SUCH: 1})


def check_errors_of_calls(subject: Subject) -> None:
    """Impossible actions, seeds and options, a step before reset and one past the end raise EnvError and harm
    nothing.
    """
    with closing(subject.played(render_mode="rgb_array")) as env:
        act, action = actions(env, 0), env.action_space.sample()
        with refused("a step before reset"):
            env.step(action)
        with refused("render before reset"):
            env.render()
        first = act(env.reset(seed=subject.seeds[0])[1])
        ahead = fingerprint(env.step(first))
        for impossible in (None, object(), "left", 10**400, [[1.0], [2.0, 3.0]], _not_a_number(action)):
            env.reset(seed=subject.seeds[0])
            with refused(f"the action {impossible!r}"):
                env.step(impossible)
            require(fingerprint(env.step(first)) == ahead, "a refused action changes what follows")
        env.reset(seed=subject.seeds[0])
        for seed in (-1, 1.5, "3", True, 2**70):
            with refused(f"reset(seed={seed!r})"):
                env.reset(seed=seed)
        for options in (5, ["objects"], {"objects": 5}):
            with refused(f"reset(options={options!r})"):
                env.reset(seed=subject.seeds[0], options=options)
        require(fingerprint(env.step(first)) == ahead, "a refused reset changes the episode")
        for _ in moments(env, subject.seeds[0]):
            pass
        with refused("a step past the end of the episode"):
            env.step(action)
        env.reset(seed=subject.seeds[0])


def _not_a_number(action: Any) -> Any:
    """An action with NaN in the place of its numbers; None where it has no floating ones."""
    if isinstance(action, Mapping):
        return {key: _not_a_number(value) for key, value in action.items()}
    floating = isinstance(action, np.ndarray) and np.issubdtype(action.dtype, np.floating)
    return np.full_like(action, np.nan) if floating else None


def check_render(subject: Subject) -> str:
    """render() gives uint8 pictures with render_mode="rgb_array", and None without."""
    with closing(subject.make()) as env:
        env.reset(seed=subject.seeds[0])
        require(env.render() is None, "render() gives something without a render_mode")
    with closing(subject.make(render_mode="rgb_array")) as env:
        env.reset(seed=subject.seeds[0])
        return _size(env.render(), "render()")


def check_watch(subject: Subject) -> str:
    """Being watched shows the scene at once and motion inside a step, until it is ended."""
    frames: list[np.ndarray] = []
    with closing(subject.played()) as env:
        act = actions(env, 0)
        _, info = env.reset(seed=subject.seeds[0])
        if "watch" not in env.unwrapped.abilities:
            with refused("watch()") as said:
                env.unwrapped.watch(frames.append)
            raise NotOffered(*said)
        env.unwrapped.watch(frames.append, *WATCHED_SIZE)
        require(len(frames) == 1, f"watch() shows {len(frames)} pictures at once, not one")
        env.step(act(info))
        require(len(frames) > 1, "a watched step shows nothing")
        for frame in frames:
            said = _size(frame, "watch()")
            require(frame.shape[:2] == WATCHED_SIZE, f"watch() shows {said}, asked for {WATCHED_SIZE}")
        count, some = len(frames), []
        env.unwrapped.watch(None)
        env.step(act(env.reset(seed=subject.seeds[0])[1]))
        require(len(frames) == count, "watch(None) does not end it")
        _, info = env.reset(seed=subject.seeds[0])
        env.unwrapped.watch(some.append, *WATCHED_SIZE, every=2)
        env.step(act(info))
        wanted = 1 + count // 2  # the scene, and of the motion the first and then every second one
        require(len(some) == wanted, f"watch(every=2) shows {len(some)} pictures, not {wanted} of {count}")
    return f"{count} pictures in the first step"


def check_depth(subject: Subject) -> str:
    """Depth is finite float32 metres by view."""
    with closing(subject.make()) as env:
        env.reset(seed=subject.seeds[0])
        if "depth" not in env.unwrapped.abilities:
            with refused("depth()") as said:
                env.unwrapped.depth()
            raise NotOffered(*said)
        maps = env.unwrapped.depth()
    for view, depth in maps.items():
        right = isinstance(depth, np.ndarray) and depth.dtype == np.float32 and depth.ndim == 2
        require(right and np.isfinite(depth).all(), f"depth of {view} is no finite float32 (H, W)")
    return ", ".join(maps)


def check_map(subject: Subject) -> str:
    """A map is a picture that holds where the body began, and drawing it changes nothing."""
    with closing(subject.played()) as env:
        act, seed = actions(env, 0), subject.seeds[0]
        _, info = env.reset(seed=seed)
        if "map" not in env.unwrapped.abilities:
            with refused("floor_map()") as said:
                env.unwrapped.floor_map()
            raise NotOffered(*said)
        action = act(info)
        ahead = fingerprint(env.step(action))
        env.reset(seed=seed)
        drawn = env.unwrapped.floor_map()
        said = _size(drawn.picture, "floor_map()")
        require(fingerprint(env.step(action)) == ahead, "drawing a map changes what follows")
        (start,) = drawn.pixels([(0, 0)])
        height, width = drawn.picture.shape[:2]
        inside = (start >= 0).all() and start[0] <= width and start[1] <= height
        require(bool(inside), "the map does not hold the place where the body began")
        again = env.unwrapped.floor_map()
        require(np.allclose(again.frame, drawn.frame), "the map moves with the body")
    return f"{said}, {len(drawn.goals)} goals"


def check_close(subject: Subject) -> None:
    """Closing ends the episode, twice is fine, and an environment can be closed unused."""
    subject.make().close()
    env = subject.played()
    _, info = env.reset(seed=subject.seeds[0])
    action = copy.deepcopy(actions(env, 0)(info))
    env.close()
    env.close()
    with refused("a step after close"):
        env.step(action)
    require(not env.unwrapped.in_episode, "a closed environment is still in an episode")
    with suppress(EnvError):  # it may be usable again
        env.reset(seed=subject.seeds[0])
        env.close()


def _size(picture: Any, what: str) -> str:
    right = isinstance(picture, np.ndarray) and picture.dtype == np.uint8 and picture.ndim == 3
    require(right and picture.shape[2] == 3, f"{what} gives no uint8 (H, W, 3)")
    return f"{picture.shape[0]} × {picture.shape[1]}"
