"""Toys that break the contract, one for each way; `CASES` tells which check must find it and what it says."""

import os
from dataclasses import replace

import numpy as np

from tests.envs.toy_env import FLAWS, ToyEnv, example, flaw

# what comes back


@flaw("gymnasium", "deterministic")
@flaw("same seed", "the second time")
class RemembersEpisodes(ToyEnv):
    count = 0

    def reset(self, *, seed=None, options=None):
        self.count += 1
        observation, info = super().reset(seed=seed, options=options)
        return observation // 255 * self.count, info


@flaw("spaces", "outside its space")
class WideObservation(ToyEnv):
    def _observation(self):
        return super()._observation().astype(np.int64)


@flaw("spaces", "not float, bool, bool")
class NumpyReward(ToyEnv):
    def step(self, action):
        observation, reward, *rest = super().step(action)
        return observation, np.float32(reward), *rest


@flaw("spaces", "reward is not 1")
class GenerousReward(ToyEnv):
    def step(self, action):
        observation, reward, *rest = super().step(action)
        return observation, reward + 1, *rest


@flaw("spaces", "terminated is not success")
class NeverTerminates(ToyEnv):
    def step(self, action):
        observation, reward, _, _, info = super().step(action)
        return observation, reward, False, self._steps >= self.max_steps, info


@flaw("spaces", "at once")
class EndsTwice(ToyEnv):
    def step(self, action):
        observation, reward, terminated, truncated, info = super().step(action)
        return observation, reward, terminated, terminated or truncated, info


def changed(check, says, change):
    """A toy whose info `change` rewrites in place."""

    def _info(self):
        info = ToyEnv._info(self)
        change(info, self)
        return info

    name = f"Info{len(FLAWS)}"
    flaw(check, says)(type(name, (ToyEnv,), {"_info": _info}))


changed("info", "lacks metrics", lambda info, env: info.pop("metrics"))
changed("info", "'success'] is int", lambda info, env: info.update(success=int(info["success"])))
changed("info", "are a dict", lambda info, env: info.update(prompt_assets=dict(info["prompt_assets"])))
changed("info", "placeholders", lambda info, env: info.update(prompt="Move the dot onto {it}."))
changed("info", "of episode", lambda info, env: info.update(seed=info["seed"] + 1))
changed("info", "of episode", lambda info, env: info.update(embodiment="nobody"))
changed("info", "metric is no float", lambda info, env: info.update(metrics={"distance": 1}))
changed("info", "names of the metrics", lambda info, env: info["metrics"].update({f"at{env._steps}": 0.0}))
changed("info", "over at its reset", lambda info, env: info.update(success=True))
changed("info", "suite says 4 steps", lambda info, env: info.update(max_steps=5))
changed("levels", "is called", lambda info, env: info.update(level="near"))
changed("vector sync", "KeyError", lambda info, env: info.update(prompt_assets=dict(info["prompt_assets"])))
changed("vector async", "KeyError", lambda info, env: info.update(prompt_assets=dict(info["prompt_assets"])))


@flaw("info", "an episode took")
class TooLong(ToyEnv):
    def __init__(self, task, level=None, expert=False, **options):
        super().__init__(task, level, **options)

    def _ends(self, info, **more):
        self.in_episode = self._steps < 9
        return 0.0, False, not self.in_episode


@flaw("levels", "which lacks the task")
class AnyLevel(ToyEnv):
    def __init__(self, task, level=None, **options):
        super().__init__("reach", level, **options)
        self.task_name = task


# seeds and states


def reseeded(check, says, seed_of):
    def reset(self, *, seed=None, options=None):
        observation, info = ToyEnv.reset(self, seed=seed_of(self, seed), options=options)
        if seed is not None:
            self._seed = info["seed"] = seed
        return observation, info

    flaw(check, says)(type(f"Seed{len(FLAWS)}", (ToyEnv,), {"reset": reset}))


def _instance(env, seed):
    if not hasattr(env, "number"):
        _instance.number = env.number = getattr(_instance, "number", 0) + 1
    return seed + env.number


reseeded("same seed", "in another environment", _instance)
reseeded("other process", "in another process", lambda env, seed: seed + os.getpid())
reseeded("vector sync", "not that of the slot", _instance)
reseeded("vector async", "not that of the slot", lambda env, seed: seed + os.getpid())
reseeded("seeds differ", "all alike", lambda env, seed: 3)
reseeded("unseeded", "held-out", lambda env, seed: 5_000_007 if seed is None else seed)
reseeded("unseeded", "again and again", lambda env, seed: 7 if seed is None else seed)


@flaw("state", "returns something else")
class ForgetsTheMark(ToyEnv):
    def set_state(self, state):
        return super().set_state({**state, "mark": 0.5})


@flaw("state", "goes on differently")
class TurnsLater(ToyEnv):
    def set_state(self, state):
        returned = super().set_state(state)
        self._mark = -self._mark
        return returned


@flaw("state", "state() is taken")
class HidesItsState(ToyEnv):
    abilities = ToyEnv.abilities - {"state"}


@flaw("recorded objects", "another scene")
class IgnoresRecords(ToyEnv):
    def _place(self, recorded):
        self._mark = -0.2


@flaw("recorded objects", "in another way")
class HeavierWhenPlaced(ToyEnv):
    placed = False

    def _place(self, recorded):
        self.placed = True
        super()._place(recorded)

    def step(self, action):
        return super().step(action * np.float32(0.4) if self.placed else action)


@flaw("recorded objects", "lacks objects")
class RecordsNothing(ToyEnv):
    def _info(self):
        info = super()._info()
        del info["objects"]
        return info


@flaw("recorded objects", "is taken without")
class PlacesUnasked(ToyEnv):
    abilities = ToyEnv.abilities - {"objects"}

    def _need(self, ability):
        pass

    def _place(self, recorded):
        pass


# how it is used


@flaw("expert", "unasked")
class ExpertAlways(ToyEnv):
    def _info(self):
        return {"expert_action": np.zeros(1, np.float32), **super()._info()}


@flaw("expert", "0 of 2 solved")
class LazyExpert(ToyEnv):
    def _info(self):
        info = super()._info()
        return {**info, "expert_action": np.zeros(1, np.float32)} if "expert_action" in info else info


@flaw("expert", "missing before the end")
class NoExpert(ToyEnv):
    def _info(self):
        info = super()._info()
        return {key: value for key, value in info.items() if key != "expert_action"}


@flaw("expert", "outside the action space")
class WildExpert(ToyEnv):
    def _info(self):
        info = super()._info()
        return {**info, "expert_action": np.full(1, 3.0)} if "expert_action" in info else info


@flaw("expert", "is taken without")
class ExpertIgnored(ToyEnv):
    abilities = ToyEnv.abilities - {"expert"}

    def __init__(self, task, level=None, expert=False, **options):
        super().__init__(task, level, **options)


@flaw("arrays stay", "written to later")
class OneBuffer(ToyEnv):
    buffer = None

    def _observation(self):
        if self.buffer is None:
            self.buffer = super()._observation()
        self.buffer[...] = super()._observation()
        return self.buffer


@flaw("actions stay", "changes the action")
class ScalesActions(ToyEnv):
    def step(self, action):
        action *= 0.5
        return super().step(action)


def lenient(name, says):
    """A toy that takes any value of an option."""

    def __init__(self, task, level=None, **options):
        given = {"task": task, "level": level, **options}
        sound = {"task": "reach", "level": "near", "render_mode": None}
        given.pop("no_such_name", None) if name == "option" else given.update({name: sound[name]})
        ToyEnv.__init__(self, **given)

    flaw("errors of names", says)(type(f"Any_{name}", (ToyEnv,), {"__init__": __init__}))


for each in ("task", "level", "render_mode"):
    lenient(each, f"{each}='no_such_name' is taken")
lenient("option", "no_such_name='no_such_name' is taken")


@flaw("errors of names", "raises TypeError instead")
class StrictSignature(ToyEnv):
    def __init__(self, task, level=None, expert=False, render_mode=None):
        super().__init__(task, level, expert=expert, render_mode=render_mode)


@flaw("errors of names", "reset(options=")
class AnyResetOption(ToyEnv):
    def reset(self, *, seed=None, options=None):
        return super().reset(seed=seed)


@flaw("errors of calls", "past the end of the episode is taken")
@flaw("close", "a step after close")
class GoesOn(ToyEnv):
    def _check_step(self):
        self._check_reset("step")


@flaw("errors of calls", "a step before reset raises AttributeError")
class StepsAtOnce(ToyEnv):
    def _check_step(self):
        if self._seed is not None:
            super()._check_step()


@flaw("errors of calls", "render before reset")
class RendersNothing(ToyEnv):
    def render(self):
        return None if self._seed is None else super().render()


@flaw("errors of calls", "nan")
class TakesNan(ToyEnv):
    def step(self, action):
        return super().step(np.nan_to_num(action) if isinstance(action, np.ndarray) else action)


@flaw("errors of calls", "the action None raises ZeroDivisionError")
class OtherErrors(ToyEnv):
    def step(self, action):
        return super().step(action) if action is not None else 1 / 0


@flaw("render", "without a render_mode")
class AlwaysRenders(ToyEnv):
    def render(self):
        return self._observation()


@flaw("render", "no uint8 (H, W, 3)")
class FloatPicture(ToyEnv):
    def render(self):
        picture = super().render()
        return None if picture is None else picture / 255


@flaw("watch", "0 pictures at once")
class NothingAtOnce(ToyEnv):
    def watch(self, callback, *size, **more):
        shown = None if callback is None else lambda frame: self._steps and callback(frame)
        super().watch(shown, *size, **more)

    def step(self, action):
        self._steps += 1
        return super().step(action)


@flaw("watch", "shows nothing")
class StillPicture(ToyEnv):
    step = example.LineEnv.step


@flaw("watch", "asked for")
class OwnSize(ToyEnv):
    def watch(self, callback, height=288, width=512):
        super().watch(callback)


@flaw("watch", "does not end it")
class WatchedForEver(ToyEnv):
    def watch(self, callback, *size, **more):
        if callback is not None:
            super().watch(callback, *size, **more)


@flaw("watch", "watch(every=2) shows 4 pictures, not 3 of 4")
class WatchedThroughout(ToyEnv):
    def watch(self, callback, *size, every=1):
        super().watch(callback, *size)


@flaw("watch", "is taken without")
class WatchedInSecret(ToyEnv):
    abilities = ToyEnv.abilities - {"watch"}


@flaw("depth", "finite float32")
class EndlessDepth(ToyEnv):
    def depth(self):
        return {"front": np.full((8, 64), np.inf, np.float32)}


@flaw("depth", "is taken without")
class DepthInSecret(ToyEnv):
    abilities = ToyEnv.abilities - {"depth"}


@flaw("map", "does not hold the place")
class MapOfAnotherPlace(ToyEnv):
    def floor_map(self):
        return replace(super().floor_map(), frame=np.array([[10.0, 0, -15], [0, -10, 10]]))


@flaw("map", "moves with the body")
class MapOfTheBody(ToyEnv):
    steps = 0

    def step(self, action):
        self.steps += 1
        return super().step(action)

    def floor_map(self):
        return replace(super().floor_map(), frame=np.array([[10.0, 0, 15 - self.steps], [0, -10, 10]]))


@flaw("map", "uint8")
class MapInGrey(ToyEnv):
    def floor_map(self):
        return replace(super().floor_map(), picture=np.zeros((20, 30), np.uint8))


@flaw("map", "is taken without")
class MapInSecret(ToyEnv):
    abilities = ToyEnv.abilities - {"map"}


@flaw("close", "RuntimeError")
class ClosesOnce(ToyEnv):
    closed = False

    def close(self):
        if self.closed:
            raise RuntimeError("closed already")
        self.closed = True
        super().close()


@flaw("close", "still in an episode")
class NeverLeaves(ToyEnv):
    def close(self):
        self.closed = True

    closed = False

    def _check_step(self):
        if self.closed:
            raise example.EnvError("closed")
        super()._check_step()
