"""The contract that every environment of ours keeps: what `reset`, `step` and `info` mean beyond gymnasium.

Derive from `SimulatorEnv`, say `embodiment` and `abilities`, write `reset` and `step` with the helpers below
(docs/environments.md has a whole example), and `python -m tests.contract SUITE` checks the rest. Unusual:
what an environment can do besides is declared as its abilities, so that whoever needs one asks before, and
who asks for one that is not there gets the reason.

This module refuses to know simulators, tasks and bodies.
"""

import inspect
from collections.abc import Callable, Mapping, Sequence
from typing import Any, ClassVar

import gymnasium
import numpy as np

from envs.errors import EnvError, shown, unknown_name
from envs.floor_map import FloorMap
from envs.inputs import whole_number

FIRST_HELD_OUT_SEED = 5_000_000
"""Seeds from here on belong to evaluation. A reset without a seed draws one below, so it never plays them."""

LARGEST_SEED = 2**63 - 1
"""What fits into the 64 bits that datasets keep a seed in."""

ABILITIES = ("objects", "state", "watch", "expert", "depth", "map")
"""What an environment may offer: recorded scenes in `reset`, `state` and `set_state`, motion inside a step,
`expert=True`, depth pictures, and a map of the floor."""

INFO_KEYS = (
    *("prompt", "prompt_assets", "task", "level", "seed", "embodiment"),
    *("success", "failure", "max_steps", "metrics"),
)
"""What every `info` holds."""


class SimulatorEnv(gymnasium.Env):
    """An environment of ours: gymnasium's interface, and what episodes, prompts and experts mean here.

    A seed is an episode: all randomness comes from it, so the same seed gives the same bytes in any process
    and after any other episode. Whatever is returned stays as it was: no array is written to afterwards.

    `info` holds, after `reset` and every `step`:

    - `prompt` (str): the instruction, with `{placeholders}` for pictures.
    - `prompt_assets` (envs.assets.PromptAssets): what each placeholder shows; immutable and no dict, so that
      vector environments carry it whole.
    - `task` (str), `level` (str, None without restriction), `seed` (int): which episode this is.
    - `embodiment` (str): who acts, a name or `module:attribute` for policies.embodiments.
    - `success`, `failure` (bool): solved; irrecoverably lost. Neither holds after `reset`.
    - `max_steps` (int): the budget after which an episode is truncated.
    - `metrics` (dict, name → float): further measures of the episode so far; may be empty, but has the same
      names in every `info` of an environment.
    - `expert_action`, only with `expert=True`: what the expert would do next, in the action space, or None
      where it knows nothing. It is there after `reset` and after each step until the episode ends.

    Anything more is the environment's own. `terminated` is success or failure, the reward is 1 for success
    and 0 otherwise, `truncated` says that the budget is spent.

    Arguments:
        render_mode: None or one of `metadata["render_modes"]`.
        expert: whether info carries `expert_action`.
        unknown: whatever else somebody asked for, handed on by those who derive; EnvError names the right
            options.
    """

    metadata: ClassVar[dict[str, Any]] = {"render_modes": ["rgb_array"], "render_fps": 2}
    embodiment: ClassVar[str]
    """Who acts here."""
    abilities: ClassVar[frozenset[str]] = frozenset()
    """Those of `ABILITIES` that are offered."""
    reasons: ClassVar[Mapping[str, str]] = {}
    """Ability that is not offered → why, and what to do instead."""
    farthest_m: ClassVar[float] = 100.0
    """What is farther away is measured as this far (ability `depth`)."""
    one_at_a_time: ClassVar[bool] = False
    """Whether, of all such environments in a process, only one can be in an episode."""

    task_name: str
    level: str | None
    max_steps: int
    in_episode: bool = False
    """Whether an episode is under way: begun, and neither ended nor closed."""

    _chosen_by: ClassVar[tuple[str, ...]] = ()
    """Options that choose this class among others, before those that it is made with."""
    _seed: int | None = None
    _steps: int = 0

    def __init__(self, *, render_mode: str | None = None, expert: bool = False, **unknown: Any) -> None:
        for name in unknown:
            raise unknown_name("option", name, self._options())
        modes = self.metadata["render_modes"]
        if render_mode == "human" and render_mode not in modes:
            raise EnvError(
                f"render_mode='human' opens no window here: there is {', '.join(modes)}, whose pictures "
                "env.render() returns, and the command uio2 play, which shows an episode in the browser"
            )
        if render_mode is not None and render_mode not in modes:
            raise unknown_name("render mode", render_mode, modes)
        if expert:
            self._need("expert")
        self.render_mode, self.expert = render_mode, expert

    # gymnasium

    def reset(
        self, *, seed: int | None = None, options: Mapping[str, Any] | None = None
    ) -> tuple[Any, dict[str, Any]]:
        """Begin the episode of `seed` and return its first observation and info.

        Arguments:
            seed: the episode, from 0 to `LARGEST_SEED`; None draws one that is not held out, from the
                generator of the last seed given.
            options: `{"objects": [...]}` puts recorded objects, as `info["objects"]` or a dataset tells of
                them, in the place of the drawn ones (ability `objects`).

        Raises EnvError for any other seed or option, which changes nothing; for recorded objects that do not
        fit the task; and where the objects of a seed cannot be placed. Such a seed is first tried again on
        sub-streams of its own, never as the next seed, which would then be played twice.
        """
        raise NotImplementedError

    def step(self, action: Any) -> tuple[Any, float, bool, bool, dict[str, Any]]:
        """Carry out one action and return (observation, reward, terminated, truncated, info).

        `action` is not changed. Raises EnvError for one that cannot be read, before the first reset, and
        after the end of an episode (terminated, truncated, closed): then call `reset(seed=...)`.
        """
        raise NotImplementedError

    def render(self) -> np.ndarray | None:
        """Return the scene as it stands, uint8 (H, W, 3); None without a `render_mode`. Raises EnvError
        before the first reset.
        """
        raise NotImplementedError

    def close(self) -> None:
        """End the episode and free what the environment holds; closing twice is fine."""
        self.in_episode = False

    # abilities

    def state(self) -> Any:
        """Return everything that the episode depends on, as plain data that pickles (ability `state`).

        Any environment made with the same arguments, in this process or another, can go on from it.
        """
        raise self._refusal("state")

    def set_state(self, state: Any) -> tuple[Any, dict[str, Any]]:
        """Go back, or over from another environment, to a state; return its observation and info.

        What follows is what would have followed there. Raises EnvError for a state of another task.
        """
        raise self._refusal("state")

    def watch(
        self,
        callback: Callable[[np.ndarray], None] | None,
        height: int = 288,
        width: int = 512,
        every: int = 1,
    ) -> None:
        """Show `callback` the scene now and the motion inside the steps to come (ability `watch`).

        Pictures are for people, uint8 (height, width, 3); of those of the motion, the first and then each
        `every`-th is drawn. None ends it.
        """
        raise self._refusal("watch")

    def depth(self) -> dict[str, np.ndarray]:
        """Measure the scene as it stands: float32 (H, W) by view, in metres (ability `depth`)."""
        raise self._refusal("depth")

    def floor_map(self) -> FloorMap:
        """Draw the scene as it stands from above, with where the body began and where it is to go (ability
        `map`).
        """
        raise self._refusal("map")

    # helpers for those who derive

    def _begin(self, seed: int | None, options: Mapping[str, Any] | None) -> Any:
        """Start `reset`: check the options, settle on a seed (`self._seed`), leave the last episode; return
        the recorded objects, or None.
        """
        recorded = self._recorded(options)
        seed = None if seed is None else whole_number(seed, "seed", 0, LARGEST_SEED)
        gymnasium.Env.reset(self, seed=seed)
        self._seed = int(self.np_random.integers(FIRST_HELD_OUT_SEED)) if seed is None else seed
        self._steps, self.in_episode = 0, False
        return recorded

    def _recorded(self, options: Mapping[str, Any] | None) -> Any:
        """Check the options of `reset` and return the recorded objects among them, or None; changes nothing.

        Whoever reads them further overrides this, so that a mistake is told before the last episode is left.
        """
        if options is None:
            return None
        if not isinstance(options, Mapping):
            raise EnvError(f'reset options are a mapping such as {{"objects": [...]}}; got {shown(options)}')
        if unknown := [shown(name) for name in options if name != "objects"]:
            raise EnvError(f"unknown reset options {', '.join(unknown[:5])}: only 'objects' is understood")
        recorded = options.get("objects")
        if "objects" in options:
            self._need("objects")
            if isinstance(recorded, str | bytes) or not isinstance(recorded, Sequence):
                raise EnvError(
                    f"options['objects'] is a list of recorded objects, such as info['objects']; "
                    f"got {shown(recorded)}"
                )
        return recorded

    def _check_step(self) -> None:
        """Start `step`: raise EnvError unless an episode is under way."""
        self._check_reset("step")
        if not self.in_episode:
            raise EnvError("step past the end of the episode, or closed: call reset(seed=...) first")

    def _check_reset(self, call: str) -> None:
        if self._seed is None:
            raise EnvError(f"{call} before reset: call reset(seed=...) first")

    def _common_info(
        self,
        *,
        prompt: str,
        prompt_assets: Mapping[str, Any],
        success: bool = False,
        failure: bool = False,
        metrics: Mapping[str, float] | None = None,
        **more: Any,
    ) -> dict[str, Any]:
        """Return an info with all of `INFO_KEYS`, and `more`."""
        return {
            "prompt": prompt,
            "prompt_assets": prompt_assets,
            "task": self.task_name,
            "level": self.level,
            "seed": self._seed,
            "embodiment": self.embodiment,
            "success": success,
            "failure": failure,
            "max_steps": self.max_steps,
            "metrics": dict(metrics or {}),
            **more,
        }

    def _ends(self, info: Mapping[str, Any], *, given_up: bool = False) -> tuple[float, bool, bool]:
        """End `step`: return reward, terminated and truncated, and note whether the episode goes on."""
        terminated = bool(info["success"] or info["failure"])
        truncated = not terminated and (given_up or self._steps >= self.max_steps)
        self.in_episode = not (terminated or truncated)
        return float(info["success"]), terminated, truncated

    @classmethod
    def _options(cls) -> list[str]:
        """The names of the arguments that this environment is made with."""
        made_by = [vars(each)["__init__"] for each in cls.__mro__ if "__init__" in vars(each)]
        named = (
            name
            for function in made_by[: made_by.index(SimulatorEnv.__init__) + 1]
            for name, parameter in inspect.signature(function).parameters.items()
            if name != "self" and parameter.kind not in (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD)
        )
        return list(dict.fromkeys((*cls._chosen_by, *named)))

    def _need(self, ability: str) -> None:
        if ability not in self.abilities:
            raise self._refusal(ability)

    def _refusal(self, ability: str) -> EnvError:
        return EnvError(self.reasons.get(ability, f"{type(self).__name__} does not offer {ability!r}"))
