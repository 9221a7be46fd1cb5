"""Suites as benchmarks of vla-eval: the seeds, levels and budgets of `uio2 evaluate`.

Unusual: simulators are imported when a benchmark is made, because vla-eval chooses how to render before that.
"""

from pathlib import Path
from typing import Any, ClassVar

import numpy as np
from vla_eval.benchmarks.base import StepBenchmark, StepResult
from vla_eval.render import apply_env
from vla_eval.specs import IMAGE_RGB, LANGUAGE, RAW, DimSpec
from vla_eval.types import Action, EpisodeResult, Observation, Task

from policies import embodiments
from vla_eval_uio2 import messages

FIRST_SEED = 5_000_000
"""That of `uio2 evaluate`: seeds from here on are held out."""
_MESA = Path("/usr/share/glvnd/egl_vendor.d/50_mesa.json")


class SuiteBenchmark(StepBenchmark):
    """The tasks of a suite, each with consecutive seeds.

    Arguments:
        task: As `uio2 evaluate task=`: a name, several, or None for those that the suite shows.
        level: As `level=`; None is the suite's default.
        seed: First of a task's seeds; episode i has seed + i.
        env_kwargs: Further arguments of `gym.make`.

    Raises:
        EnvError, RolloutError: A name there is not.
    """

    suite: ClassVar[str]
    """As `env=` takes it."""
    render_backends = frozenset({"gpu", "cpu"})

    def __init__(
        self,
        task: str | list[str] | None = "all",
        level: str | list[str] | None = None,
        seed: int = FIRST_SEED,
        env_kwargs: dict[str, Any] | None = None,
    ) -> None:
        super().__init__()
        import envs
        from rollouts.worklist import bodies, tasks_by_level

        self._suite = envs.suite(self.suite)
        self._places = tasks_by_level(self.suite, task, level)
        self._bodies = bodies(self.suite, task, level)
        self._seed, self._env_kwargs = seed, env_kwargs or {}
        self._env, self._made = None, None
        self._info: dict[str, Any] = {}

    @classmethod
    def configure_render(cls, mode: str) -> dict[str, str]:
        """Keep graphics off the GPU for `render: cpu`: Mesa draws, through EGL where it is installed."""
        if mode == "gpu":
            return {}
        mesa = {"MUJOCO_GL": "egl", "__EGL_VENDOR_LIBRARY_FILENAMES": str(_MESA)}
        found = mesa if _MESA.exists() else {"MUJOCO_GL": "osmesa"}
        return apply_env({**found, "PYOPENGL_PLATFORM": found["MUJOCO_GL"], "LIBGL_ALWAYS_SOFTWARE": "1"})

    def get_tasks(self) -> list[Task]:
        return [
            {"name": f"{task}-{level}", "suite": level, "task": task, "level": level}
            for level, tasks in self._places.items()
            for task in tasks
        ]

    def reset(self, task: Task) -> Any:
        place = task["task"], task["level"]
        if place != self._made:
            self.cleanup()
            self._env, self._made = self._suite.make(*place, **self._env_kwargs), place
        observation, self._info = self._env.reset(seed=self._seed + task["episode_idx"])
        self._record(observation)
        return observation

    def step(self, action: Action) -> StepResult:
        observation, reward, terminated, truncated, self._info = self._env.step(self._read(action))
        self._record(observation)
        done = bool(terminated or truncated or self._info["success"])
        return StepResult(observation, float(reward), done, self._info)

    def make_obs(self, raw_obs: Any, task: Task) -> Observation:
        return messages.message(raw_obs, self._info)

    def get_step_result(self, step_result: StepResult) -> EpisodeResult:
        return {**self._info["metrics"], "success": bool(self._info["success"]), "seed": self._info["seed"]}

    def get_action_spec(self) -> dict[str, DimSpec]:
        return action_spec(embodiments.get(self._bodies[0])) if len(self._bodies) == 1 else {}

    def get_observation_spec(self) -> dict[str, DimSpec]:
        return {"image": IMAGE_RGB, "language": LANGUAGE, messages.OWN: RAW}

    def get_metric_keys(self) -> dict[str, str]:
        return dict.fromkeys(("success", *self._suite.shown_metrics), "mean")

    def get_metadata(self) -> dict[str, Any]:
        budgets = [
            self._suite.max_steps(task, self._env_kwargs) for held in self._places.values() for task in held
        ]
        return {"max_steps": max(budgets)}

    def cleanup(self) -> None:
        if self._env is not None:
            self._env.close()
        self._env, self._made = None, None

    def _read(self, action: Action) -> Any:
        """The environment's action of a message. ValueError for one that is none."""
        found = np.asarray(action.get("actions", ()))
        body = embodiments.of(self._info)
        columns = body.action_names
        if found.shape not in ((len(columns),), (1, len(columns))) or found.dtype.kind not in "iuf":
            raise ValueError(
                f"`actions` of shape {found.shape}; a step of {body.name} is {len(columns)} numbers "
                f"({', '.join(columns)}), one step at a time (chunk_size of the server)"
            )
        return body.checked(body.action(found.reshape(-1).astype(np.float32)))

    def _record(self, observation: Any) -> None:
        """Hand the first camera's picture to the film, if one is made."""
        self._recorder.record_video(np.moveaxis(next(iter(observation["rgb"].values())), 0, -1))


class VIMABenchmark(SuiteBenchmark):
    """The tabletop."""

    suite = "vima"


class ProcTHORBenchmark(SuiteBenchmark):
    """Finding things, and carrying them, in houses."""

    suite = "procthor"


class HabitatBenchmark(SuiteBenchmark):
    """Going to points, and finding things, in houses."""

    suite = "habitat"


def action_spec(body: Any) -> dict[str, DimSpec]:
    """Return what an action of a body is: a vector in its own columns."""
    columns = ", ".join(body.action_names)
    return {
        "actions": DimSpec("actions", len(body.action_names), f"uio2_{body.name}", description=columns),
    }
