"""VIMA-Bench itself (PyBullet) behind the interface of `VimaEnv`: `gym.make(..., backend="upstream")`.

Same spaces, same keys, same types, so policies, collection and evaluation cannot tell the two apart, but by
`info["timed_out"]`. Seeds mean upstream's own episodes, drawn by upstream's code. Unusual: every reset makes
upstream's environment anew, because it carries tolerances from one episode into the next; and upstream gives
up a motion after some seconds of wall-clock time, which ends an episode as truncated here, neither solved nor
failed, because on an idle machine it might have ended otherwise.

It knows what upstream returns, not how its tasks work. What it cannot do, it says: no recorded scenes, no
`state()`, no motion to watch, one episode at a time in a process.
"""

import copy
import math
from collections.abc import Mapping
from typing import Any, ClassVar

import numpy as np

from envs.assets import PromptAssets
from envs.base import SimulatorEnv
from envs.errors import EnvError, unknown_name
from envs.inputs import numbers
from envs.poses import Pose, yaw_quaternion
from envs.vima.actions import action_space, read_action
from envs.vima.environment import RESET_ATTEMPTS, observation_space
from envs.vima.experts.pick_and_place import check_style
from envs.vima.levels import level_name
from envs.vima.registration import EXTRA_STEPS
from envs.vima.table.camera import HEIGHT, VIEWS, WIDTH
from envs.vima.table.tools import SPATULA
from envs.vima.things.recorded import SAME_PLACE_M
from envs.vima.things.state import ObjectState
from envs.vima.upstream.package import SIMULATOR, load_vima_bench, passing_files, quiet

MOTION_TIMEOUT_S = 5.0
"""Upstream's own patience: wall-clock seconds for one movement of the arm, of which a step has hundreds."""
DIFFICULTIES = ("easy", "medium", "hard")
NUDGE_M = 1e-3
"""What a push of no length is given; upstream divides by its length."""


class UpstreamVimaEnv(SimulatorEnv):
    """An installed `vima_bench` as a gymnasium environment.

    Arguments:
        task: name of one of upstream's 17 tasks.
        level: as for `VimaEnv`; pools come from upstream's own partition files. None takes upstream's
            defaults.
        expert: whether info carries `expert_action`: upstream's oracle, clipped to the action space.
        expert_style: `upstream`, the only one there is.
        oracle_rules: whether goals meant for the oracle only count too (upstream's `skip_oracle=False`).
        difficulty: `easy`, `medium` or `hard`.
        motion_timeout: wall-clock seconds for each movement of the arm; more makes results independent of how
            busy the machine is.
        render_mode: None or `rgb_array` (both views, front above top).

    `info` is `VimaEnv`'s, and `timed_out`: whether this step was given up because of the clock.
    """

    embodiment = "vima"
    _chosen_by = ("backend",)
    abilities = frozenset({"expert"})
    reasons: ClassVar[dict[str, str]] = {
        "objects": "upstream only draws scenes by seed: backend='mujoco' places recorded objects",
        "state": "upstream cannot save its state in mid-episode or go back to one: backend='mujoco' can",
        "watch": "upstream shows no motion inside its steps: backend='mujoco' can be watched",
        "depth": "upstream has its depth pictures switched off: backend='mujoco' has them",
    }
    one_at_a_time = True

    def __init__(
        self,
        task: str,
        level: str | None = None,
        *,
        expert: bool = False,
        expert_style: str = "upstream",
        oracle_rules: bool = False,
        difficulty: str = "easy",
        motion_timeout: float = MOTION_TIMEOUT_S,
        render_mode: str | None = None,
        **unknown: Any,
    ) -> None:
        super().__init__(render_mode=render_mode, expert=expert, **unknown)
        if check_style(expert_style) != "upstream":
            raise EnvError(
                f"upstream's oracle has no style {expert_style!r}: ask for expert_style='upstream'"
            )
        if difficulty not in DIFFICULTIES:
            raise unknown_name("upstream difficulty", difficulty, DIFFICULTIES)
        if motion_timeout != math.inf:
            (motion_timeout,) = numbers(motion_timeout, "motion_timeout", (1,), 0.0).tolist()
        self._package = load_vima_bench()
        names = [name.rpartition("/")[2] for name in self._package.ALL_TASKS]
        if task not in names:
            raise unknown_name("upstream task", task, names)
        self.task_name = task
        self.level = level_name(level)
        self._task_kwargs = _task_kwargs(self._package, task, self.level)
        self.difficulty = difficulty
        self.oracle_rules = oracle_rules
        self.motion_timeout = motion_timeout
        self.action_space = action_space()
        self.observation_space = observation_space(HEIGHT, WIDTH)
        self._given_up: list[bool] = []
        self._oracle: Any = None
        self._targets: dict[int, Pose] = {}
        self._seen: dict[str, Any] = {}

    # gymnasium

    def reset(
        self, *, seed: int | None = None, options: Mapping[str, Any] | None = None
    ) -> tuple[dict[str, Any], dict[str, Any]]:
        """Begin upstream's episode of `seed`; one it cannot place is tried again on sub-streams of that seed.

        Sub-stream n is numpy's `default_rng([seed, n])`, as in `VimaEnv`; upstream's own scripts go on to the
        next seed instead, which then would be played twice. Raises EnvError for any `options`, and while
        another upstream episode runs in this process.
        """
        self._begin(seed, options)
        SIMULATOR.take(self)
        with passing_files(), quiet():
            observation = self._make()
            self._oracle = SIMULATOR.env.task.oracle(SIMULATOR.env)
        self._given_up = _limit_motions(SIMULATOR.env, self.motion_timeout)
        self.max_steps = SIMULATOR.env.task.oracle_max_steps + EXTRA_STEPS
        self.in_episode = True
        self._targets = _displaced(SIMULATOR.env)
        return self._observed(observation), self._info(False, False)

    def step(self, action: Mapping[str, Any]) -> tuple[dict[str, Any], float, bool, bool, dict[str, Any]]:
        """Carry out one motion until all stands still; the reward is 1 when the task is solved by it."""
        self._check_step()
        given = self._upstream_action(action)
        self._given_up.clear()
        with quiet():
            observation, _, _, result = SIMULATOR.env.step(given, skip_oracle=not self.oracle_rules)
        self._steps += 1
        timed_out = bool(self._given_up)
        failure = bool(result["failure"]) and not timed_out
        success = bool(result["success"]) and not timed_out and not failure
        info = self._info(success, failure)
        return self._observed(observation), *self._ends(info, given_up=timed_out), info

    def render(self) -> np.ndarray | None:
        """Return both views, front above top, as uint8 (256, 256, 3)."""
        if self.render_mode is None:
            return None
        self._check_reset("render")
        return np.concatenate([self._seen["rgb"][view].transpose(1, 2, 0) for view in VIEWS])

    def close(self) -> None:
        """Disconnect PyBullet if this environment holds it."""
        super().close()
        if SIMULATOR.held_by(self):
            with quiet():
                SIMULATOR.release()

    # inside

    def _make(self) -> dict[str, Any]:
        for attempt in range(RESET_ATTEMPTS):
            seed = self._seed if attempt == 0 else [self._seed, attempt]
            SIMULATOR.begin(
                self._package,
                self.task_name,
                modalities=["rgb", "segm"],
                task_kwargs=copy.deepcopy(self._task_kwargs),
                seed=seed,
            )
            if self.difficulty != "easy":
                _set_difficulty(SIMULATOR.env, self.difficulty, seed)
            try:
                return SIMULATOR.env.reset()
            except ValueError as error:  # upstream found no place for an object
                reason = error
        raise EnvError(f"{self.task_name}, seed {self._seed}: {RESET_ATTEMPTS} attempts, {reason}")

    def _upstream_action(self, action: Mapping[str, Any]) -> dict[str, np.ndarray]:
        """Bring an action of any form that `VimaEnv` takes into upstream's: inside the space, quaternions."""
        motion = read_action(action)
        given = {
            "pose0_position": np.array(motion.start, np.float32),
            "pose0_rotation": _quaternion(action["pose0_rotation"], motion.start_yaw),
            "pose1_position": np.array(motion.end, np.float32),
            "pose1_rotation": _quaternion(action["pose1_rotation"], motion.end_yaw),
        }
        if self._end_effector() == SPATULA and math.dist(motion.start, motion.end) < NUDGE_M:
            middle = (self.action_space["pose1_position"].low + self.action_space["pose1_position"].high) / 2
            given["pose1_position"][0] += math.copysign(NUDGE_M, middle[0] - motion.start[0])
        return given

    def _end_effector(self) -> int:
        return int(SIMULATOR.env.meta_info["end_effector_type"] == "spatula")

    def _observed(self, observation: Mapping[str, Any]) -> dict[str, Any]:
        self._seen = {
            kind: {view: np.ascontiguousarray(observation[kind][view]) for view in VIEWS}
            for kind in ("rgb", "segm")
        }
        return {**self._seen, "ee": int(observation["ee"])}

    def _info(self, success: bool, failure: bool) -> dict[str, Any]:
        env = SIMULATOR.env
        info = self._common_info(
            prompt=env.prompt,
            prompt_assets=PromptAssets(env.prompt_assets),
            success=success,
            failure=failure,
            end_effector=self._end_effector(),
            objects=_objects(env, self._targets),
            oracle_max_steps=env.task.oracle_max_steps,
            timed_out=bool(self._given_up),
        )
        if self.expert and not (success or failure):  # vector environments cannot mix None with a dict
            with quiet():
                info["expert_action"] = self._expert_action(env.task)
        return info

    def _expert_action(self, task: Any) -> dict[str, np.ndarray] | None:
        """Ask the oracle; where it has nothing to do for a goal that is the oracle's alone, ask for the next.

        Under an agent's rules such goals stay open for ever. The oracle empties the goals when it has no
        action, which would count as success, so they are put back.
        """
        goals, action = task.goals, None
        try:
            for place, goal in enumerate(goals):
                task.goals = goals[place:]
                action = self._oracle.act(None)
                if action is not None or not _oracle_only(goal):
                    break
        finally:
            task.goals = goals
        if action is None:
            return None
        spaces = self.action_space.spaces
        return {
            key: np.clip(action[key], spaces[key].low, spaces[key].high, dtype=np.float32) for key in spaces
        }


def _task_kwargs(package: Any, task: str, level: str | None) -> dict[str, Any] | None:
    """Return what upstream's partition files say about a task; EnvError where the level lacks it."""
    if level is None:
        return None
    levels = {name.removesuffix("_generalization"): name for name in package.ALL_PARTITIONS}
    specs = {short: package.PARTITION_TO_SPECS["test"][name] for short, name in levels.items()}
    specs["train"] = package.PARTITION_TO_SPECS["train"]
    if task not in specs[level]:
        holding = ", ".join(name for name, tasks in specs.items() if task in tasks)
        raise EnvError(f"level {level!r} does not hold task {task!r}: it exists at {holding}")
    return specs[level][task]


def _set_difficulty(env: Any, difficulty: str, seed: Any) -> None:
    """Give a task another difficulty than `easy`, which the environment has just set: a task refuses to be
    asked twice.

    What some tasks draw here, upstream from a generator without a seed, they draw as ours do
    (tasks.base.exchange_textures).
    """
    task = env.task
    task._once_set_difficulty = lambda: True
    task.rng = np.random.default_rng(seed).spawn(1)[0]
    task.set_difficulty(difficulty)
    env.seed(seed)


def _limit_motions(env: Any, seconds: float) -> list[bool]:
    """Set the patience of the arm's movements; return a list that grows whenever it runs out."""
    move, given_up = env.movej, []

    def movej(target: Any, speed: float = 0.01) -> bool:
        timed_out = move(target, speed, seconds)
        if timed_out:
            given_up.append(True)
        return timed_out

    env.movej = movej
    return given_up


def _oracle_only(goal: tuple) -> bool:
    """Upstream's goals are tuples; the last but one holds parameters, a dict in some tasks."""
    return isinstance(goal[-2], dict) and bool(goal[-2]["oracle_only"])


def _quaternion(rotation: Any, yaw: float) -> np.ndarray:
    """Return a rotation as upstream takes it, float32 in the action space; a zero quaternion means no turn.

    Quaternions inside the space stay as they are, longer ones are shortened.
    """
    values = np.asarray(rotation, np.float64).reshape(-1)
    values = (values / max(1.0, float(np.abs(values).max()))).astype(np.float32)
    if len(values) == 1 or not values.any():
        return np.array(yaw_quaternion(yaw), np.float32)
    return values


def _objects(env: Any, targets: Mapping[int, Pose]) -> tuple[ObjectState, ...]:
    """Describe every object where it is now, in creation order."""
    states = []
    for body, known in sorted(env.meta_info["obj_id_to_info"].items()):
        added, pose = env.additions[body], _pose(env, body)
        scaling = np.broadcast_to(np.asarray(added["scaling"], float), 3)
        states.append(
            ObjectState(
                id=body,
                name=known["obj_name"],
                texture=known["texture_name"],
                fixed=body in env.obj_ids["fixed"],
                size=tuple(map(float, added["size"])),
                scale=float(scaling[0]) if np.ptp(scaling) == 0 else tuple(scaling.tolist()),
                position=pose.position,
                quaternion=pose.quaternion,
                target=targets.get(body),
            )
        )
    return tuple(states)


def _displaced(env: Any) -> dict[int, Pose]:
    """Return where free objects were added that stand elsewhere now: so the prompt's picture shows them."""
    targets = {}
    for body in env.obj_ids["rigid"]:
        position, quaternion = (tuple(map(float, part)) for part in env.additions[body]["pose"])
        if math.dist(position, _pose(env, body).position) > SAME_PLACE_M:
            targets[body] = Pose(position, quaternion)
    return targets


def _pose(env: Any, body: int) -> Pose:
    """Return where a body's origin is; PyBullet tells where its centre of mass is."""
    import pybullet

    client = env.client_id
    centre = pybullet.getBasePositionAndOrientation(body, physicsClientId=client)
    inertial = pybullet.getDynamicsInfo(body, -1, physicsClientId=client)[3:5]
    position, quaternion = pybullet.multiplyTransforms(*centre, *pybullet.invertTransform(*inertial))
    return Pose(tuple(map(float, position)), tuple(map(float, quaternion)))
