"""A server and a benchmark of vla-eval that know nothing of us, for tests.proof.vla_eval: stand-ins for
anybody's, in the environment that has it.

Usage: python vla_eval_strangers.py --host=127.0.0.1 --port=PORT serves; the benchmark is `Reach` in here.
"""

from typing import Any

import numpy as np
from vla_eval.benchmarks.base import StepBenchmark, StepResult
from vla_eval.model_servers.base import SessionContext
from vla_eval.model_servers.predict import PredictModelServer
from vla_eval.model_servers.serve import run_server
from vla_eval.specs import IMAGE_RGB, LANGUAGE, DimSpec

COLUMNS = {"actions": DimSpec("actions", 12, "uio2_vima")}
LOW, HIGH = np.array([0.25, -0.5]), np.array([0.75, 0.5])


class Blind(PredictModelServer):
    """Picks and places somewhere on the table, two steps at a time, whatever it sees."""

    def __init__(self, seed: int = 0) -> None:
        super().__init__(chunk_size=2)
        self._rng = np.random.default_rng(seed)

    def predict(self, obs: dict[str, Any], ctx: SessionContext) -> dict[str, Any]:
        assert obs["task_description"] and obs["images"]["top"].shape[2] == 3
        poses = [np.concatenate([self._rng.uniform(LOW, HIGH), [0, 0, 0, 1]]) for _ in range(4)]
        return {"actions": np.concatenate(poses).reshape(2, 12)}

    def get_action_spec(self) -> dict[str, DimSpec]:
        return COLUMNS

    def get_observation_spec(self) -> dict[str, DimSpec]:
        return {"image": IMAGE_RGB, "language": LANGUAGE}


class Reach(StepBenchmark):
    """A grey picture, an instruction, and an action that is right when it is on the table."""

    render_backends = frozenset({"cpu"})

    @classmethod
    def configure_render(cls, mode: str) -> dict[str, str]:
        return {}

    def get_tasks(self) -> list[dict[str, Any]]:
        return [{"name": "reach"}]

    def reset(self, task: dict[str, Any]) -> Any:
        return np.full((128, 256, 3), 40 * task["episode_idx"], np.uint8)

    def step(self, action: dict[str, Any]) -> StepResult:
        places = np.asarray(action["actions"]).reshape(2, 6)[:, :2]
        reached = bool(np.all((places >= LOW - 1e-6) & (places <= HIGH + 1e-6)))
        return StepResult(self.reset(self._task), float(reached), True, {"success": reached})

    def make_obs(self, raw_obs: Any, task: dict[str, Any]) -> dict[str, Any]:
        return {"images": {"camera": raw_obs}, "task_description": "Put the red block into the bowl."}

    def get_step_result(self, step_result: StepResult) -> dict[str, Any]:
        return {"success": step_result.info["success"]}

    def get_action_spec(self) -> dict[str, DimSpec]:
        return COLUMNS

    def get_observation_spec(self) -> dict[str, DimSpec]:
        return {"image": IMAGE_RGB, "language": LANGUAGE}

    def get_metadata(self) -> dict[str, Any]:
        return {"max_steps": 1}


if __name__ == "__main__":
    run_server(Blind)
