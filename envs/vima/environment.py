"""One tabletop episode as a gymnasium environment; every `vima/<task>-v0` is this class with another task.

A step is a whole motion: pick and place, or a push. All randomness of an episode comes from its seed, so a
seed is an episode, in any process and after any other. The environment knows no task's rules (tasks/) and no
physics (scene, primitives).
"""

import copy
import itertools
import operator
from collections.abc import Callable, Mapping, Sequence
from typing import Any, ClassVar

import gymnasium
import numpy as np

from envs.assets import PromptAssets
from envs.base import ABILITIES, SimulatorEnv
from envs.errors import EnvError, SpawnError, shown
from envs.vima.actions import Motion, action_space, read_action
from envs.vima.experts.pick_and_place import check_style
from envs.vima.levels import level_name
from envs.vima.registration import EXTRA_STEPS, find_task
from envs.vima.table import primitives
from envs.vima.table.camera import FAR_M, HEIGHT, VIEWS, WIDTH
from envs.vima.table.render import Drawable
from envs.vima.table.scene import Scene
from envs.vima.table.tool_motion import FrameCallback
from envs.vima.table.tools import SUCTION
from envs.vima.table.world import World
from envs.vima.tasks.base import Cast, Task
from envs.vima.tasks.goals import Progress
from envs.vima.things.recorded import objects_from_records
from envs.vima.things.state import ObjectState

RESET_ATTEMPTS = 20
EXPERT_STREAM = 0x0E5
SMALLEST_IMAGE, LARGEST_IMAGE = 16, 2048

_STATE: dict[str, type] = {
    **{"task": str, "difficulty": str, "seed": int, "steps": int, "scene": Mapping, "records": Mapping},
    **{
        "cast": Cast,
        "progress": Progress,
        "prompt": str,
        "prompt_assets": PromptAssets,
        "np_random": Mapping,
    },
}
"""What a state holds."""


class VimaEnv(SimulatorEnv):
    """A table, a suction gripper or a spatula, and an instruction with pictures in it.

    Arguments:
        task: name of a registered task, or a `Task` subclass.
        level: `placement`, `combinatorial`, `novel_object`, `novel_task` or `train`; None draws from
            everything.
        expert: whether info carries `expert_action`, what the scripted expert would do next, until the
            episode ends.
        expert_style: `upstream` or `canonical` (see envs.vima.experts.pick_and_place).
        oracle_rules: whether goals meant for the expert only count too, as when upstream records
            demonstrations.
        difficulty: `easy`, the published one, `medium` or `hard`; a task of your own says which it has.
        render_mode: None or `rgb_array` (both views, front above top).
        image_size: rows and columns of every picture, the prompt's too; the benchmark's are 128 × 256. Pixels
            stay square and the whole table in sight (envs.vima.table.camera).

    `info` holds what every environment's does (envs.base), and end_effector (0 suction, 1 spatula), objects
    and oracle_max_steps; the metric `goals_reached` is a share, by the rules in force.
    """

    embodiment = "vima"
    _chosen_by = ("backend",)
    abilities = frozenset(ABILITIES) - {"map"}
    reasons: ClassVar = {"map": "a table has no floor to walk on: the camera `top` shows it from above"}
    farthest_m = FAR_M

    def __init__(
        self,
        task: str | type[Task],
        level: str | None = None,
        *,
        expert: bool = False,
        expert_style: str = "upstream",
        oracle_rules: bool = False,
        difficulty: str = "easy",
        render_mode: str | None = None,
        image_size: Sequence[int] = (HEIGHT, WIDTH),
        **unknown: Any,
    ) -> None:
        super().__init__(render_mode=render_mode, expert=expert, **unknown)
        task_class = task if isinstance(task, type) and issubclass(task, Task) else find_task(task)
        self.level = level_name(level)
        self.difficulty = difficulty
        self.task = task_class(level=self.level, difficulty=difficulty)
        self.task_name = self.task.name
        self.expert_style = check_style(expert_style)
        self.oracle_rules = oracle_rules
        self.max_steps = self.task.oracle_max_steps + EXTRA_STEPS
        self.action_space = action_space()
        self.image_size = _picture_size("image_size", image_size)
        self.observation_space = observation_space(*self.image_size)
        self._world = World(Scene(image_size=self.image_size))
        self._cast = Cast()
        self._progress = Progress()
        self._prompt = ""
        self._assets = PromptAssets({})
        self._on_frame: FrameCallback | None = None

    # gymnasium

    def reset(
        self, *, seed: int | None = None, options: Mapping[str, Any] | None = None
    ) -> tuple[dict[str, Any], dict[str, Any]]:
        """Begin the episode of `seed`.

        `options={"objects": [...]}` puts recorded objects (ObjectState or mappings) in the place of the drawn
        ones; prompt values such as angles stay the seed's. Raises EnvError for an object that cannot stand on
        the table (envs.vima.things.recorded) and when the recorded scene does not fit the task.
        """
        recorded = self._begin(seed, options)
        self._spawn(recorded)
        task, world, cast = self.task, self._world, self._cast
        self._prompt = task.prompt(world, cast)
        self._assets = task.assets(world, cast)
        cast.goals = tuple(task.goals(world, cast))
        self._progress = Progress(goals=list(cast.goals))
        self.in_episode = True
        return self._observation(), self._info()

    def step(self, action: Mapping[str, Any]) -> tuple[dict[str, Any], float, bool, bool, dict[str, Any]]:
        """Carry out one motion until all stands still; the reward is 1 when the task is solved by it."""
        self._check_step()
        motion = read_action(action)
        self.in_episode = False  # unless the motion comes to its end
        self._move(motion)
        task, skip = self.task, not self.oracle_rules
        task.update(self._world, self._cast, self._progress, skip_oracle=skip)
        self._steps += 1
        info = self._info()
        return self._observation(), *self._ends(info), info

    def render(self) -> np.ndarray | None:
        """Return both views, front above top, as uint8 (2 H, W, 3)."""
        if self.render_mode is None:
            return None
        self._check_reset("render")
        rgb, _ = self._world.scene.render(VIEWS)
        return np.concatenate([rgb[view].transpose(1, 2, 0) for view in VIEWS])

    def depth(self) -> dict[str, np.ndarray]:
        """Measure the scene as it stands: float32 (H, W) by view, metres from the eye of its camera, which
        lies 2 m before the centre, along its direction (from above: 2 minus the height).
        """
        return self._world.scene.depth(VIEWS)

    def watch(
        self,
        callback: Callable[[np.ndarray], None] | None,
        height: int = 288,
        width: int = 512,
        every: int = 1,
    ) -> None:
        """Show `callback` the table now and the motion inside the steps to come; None ends it.

        Pictures are for people: uint8 (height, width, 3), from aslant, with the tool drawn, about 20 for each
        simulated second, of which the first and then each `every`-th is drawn. Being watched moves bodies by
        some hundredths of a millimetre at most, for physics then runs in other portions.
        """
        if callback is None:
            self._on_frame = None
            return
        if not callable(callback):
            raise EnvError(f"watch takes a function of a picture, or None; got {shown(callback)}")
        size = _picture_size("(height, width)", (height, width))
        scene, moments = self._world.scene, itertools.count()

        def show_moment(tool: tuple[Drawable, ...]) -> None:
            if next(moments) % every == 0:
                callback(scene.render_video_frame(*size, tool))

        callback(scene.render_video_frame(*size, ()))
        self._on_frame = show_moment

    # saving and restoring

    def state(self) -> dict[str, Any]:
        """Return everything the episode depends on, as plain data that pickles."""
        self._check_reset("state")
        return {
            "task": self.task.name,
            "difficulty": self.difficulty,
            "seed": self._seed,
            "steps": self._steps,
            "scene": copy.deepcopy(self._world.scene.state()),
            "records": dict(self._world.records),
            "cast": copy.deepcopy(self._cast),
            "progress": copy.deepcopy(self._progress),
            "prompt": self._prompt,
            "prompt_assets": self._assets,
            "np_random": copy.deepcopy(self.np_random.bit_generator.state),
        }

    def set_state(self, state: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
        """Go back (or over, from another environment of the same task and difficulty) to a state; return
        observation and info. Raises EnvError for anything but such a state, and changes nothing then.
        """
        if not isinstance(state, Mapping):
            raise EnvError(f"set_state takes what state() returned; got {shown(state)}")
        for name, kind in _STATE.items():
            if not isinstance(state.get(name), kind):
                raise EnvError(
                    f"set_state takes what state() returned; its {name!r} is {shown(state.get(name))}"
                )
        for name, mine in (("task", self.task.name), ("difficulty", self.difficulty)):
            if state[name] != mine:
                raise EnvError(f"a state of {name} {state[name]!r} does not fit an environment of {mine!r}")
        scene, generator = Scene(image_size=self.image_size), np.random.default_rng(0).bit_generator
        try:  # beside what is there, so that a state that cannot be read changes nothing
            scene.set_state(copy.deepcopy(state["scene"]))
            generator.state = state["np_random"]
        except (KeyError, TypeError, ValueError) as error:
            raise EnvError(
                f"set_state takes what state() returned; this one is damaged: {error!r}"
            ) from error
        self._seed, self._steps = state["seed"], state["steps"]
        self._world.scene = scene
        self.np_random.bit_generator.state = generator.state
        self._world.records = dict(state["records"])
        self._cast = copy.deepcopy(state["cast"])
        self._progress = copy.deepcopy(state["progress"])
        self._prompt, self._assets = state["prompt"], state["prompt_assets"]
        info = self._info()
        self._ends(info)
        return self._observation(), info

    # inside

    def _recorded(self, options: Mapping[str, Any] | None) -> list[ObjectState] | None:
        records = super()._recorded(options)
        return None if records is None else objects_from_records(records)

    def _spawn(self, recorded: list[ObjectState] | None) -> None:
        """Let the task fill the table; a table too full is tried again on a sub-stream of the same seed."""
        for attempt in range(RESET_ATTEMPTS):
            rng = np.random.default_rng(self._seed if attempt == 0 else [self._seed, attempt])
            self._world.begin(rng, self.task.end_effector)
            try:
                self._cast = self.task.spawn(self._world)
                break
            except SpawnError as error:
                reason = error
        else:
            raise EnvError(f"{self.task.name}, seed {self._seed}: {RESET_ATTEMPTS} attempts, {reason}")
        if recorded is not None:
            self._cast = self.task.adopt(self._world, self._cast, recorded)

    def _move(self, motion: Motion) -> None:
        scene = self._world.scene
        if self.task.end_effector == SUCTION:
            primitives.pick_place(
                scene, (motion.start, motion.start_yaw), (motion.end, motion.end_yaw), self._on_frame
            )
        else:
            poses = primitives.push(scene, (motion.start, 0.0), (motion.end, 0.0), self._on_frame)
            self.task.on_push(self._world, self._cast, self._progress, poses)

    def _observation(self) -> dict[str, Any]:
        rgb, segm = self._world.scene.render(VIEWS)
        return {"rgb": rgb, "segm": segm, "ee": self.task.end_effector}

    def _info(self) -> dict[str, Any]:
        task, world, cast, progress = self.task, self._world, self._cast, self._progress
        started = self._steps > 0  # what holds before the first motion does not end an episode
        failure = started and task.failed(world, cast, progress)
        success = (
            started
            and not failure
            and task.succeeded(world, cast, progress, skip_oracle=not self.oracle_rules)
        )
        info = self._common_info(
            prompt=self._prompt,
            prompt_assets=self._assets,
            success=success,
            failure=failure,
            metrics={"goals_reached": task.goals_reached(cast, progress, skip_oracle=not self.oracle_rules)},
            end_effector=task.end_effector,
            objects=world.objects(),
            oracle_max_steps=task.oracle_max_steps,
        )
        if self.expert and not (success or failure):  # vector environments cannot mix None with a dict
            info["expert_action"] = self._expert_action()
        return info

    def _expert_action(self) -> dict[str, np.ndarray] | None:
        rng = np.random.default_rng([self._seed, EXPERT_STREAM, self._steps])
        return self.task.expert_action(
            self._world, self._cast, self._progress, style=self.expert_style, rng=rng
        )


def _picture_size(name: str, size: Sequence[int]) -> tuple[int, int]:
    """Check rows and columns of pictures; EnvError calls them `name`."""
    try:
        height, width = map(operator.index, size)
    except Exception:  # TypeError, ValueError, and whatever an iterator of the caller's raises
        height = width = 0
    if not (SMALLEST_IMAGE <= height <= LARGEST_IMAGE and SMALLEST_IMAGE <= width <= LARGEST_IMAGE):
        raise EnvError(
            f"{name}={shown(size)}: give rows and columns as two whole numbers between {SMALLEST_IMAGE} and "
            f"{LARGEST_IMAGE}, such as (128, 256)"
        )
    return height, width


def observation_space(height: int, width: int) -> gymnasium.spaces.Dict:
    box, spaces = gymnasium.spaces.Box, gymnasium.spaces.Dict
    return spaces(
        {
            "rgb": spaces({view: box(0, 255, (3, height, width), np.uint8) for view in VIEWS}),
            "segm": spaces({view: box(0, 255, (height, width), np.uint8) for view in VIEWS}),
            "ee": gymnasium.spaces.Discrete(2),
        }
    )
