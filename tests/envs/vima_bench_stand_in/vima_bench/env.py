"""Stand-in for VIMA-Bench's environment, see README.md: the old gym interface."""

import gym
import numpy as np
import pybullet

from .tasks import ALL_TASKS, picture

SECONDS_PER_MOVE = 0.0
"""How long a movement of the arm pretends to take; beyond the time-out it is given up."""


class VIMAEnvBase(gym.Env):
    def __init__(self, modalities=None, task=None, task_kwargs=None, seed=None):
        names = {name.split("/")[1]: task_class for name, task_class in ALL_TASKS.items()} | ALL_TASKS
        assert task in names, f"Invalid task name provided {task}"
        assert set(modalities) == {"rgb", "segm"}, modalities
        self.task = names[task](**(task_kwargs or {}))
        self.task.set_difficulty("easy")
        box = gym.spaces.Box
        bounds = {
            "low": np.array([0.25, -0.5], np.float32),
            "high": np.array([0.75, 0.5], np.float32),
            "dtype": np.float32,
        }
        turn = {"low": -1.0, "high": 1.0, "shape": (4,), "dtype": np.float32}
        self.action_space = gym.spaces.Dict(
            {
                "pose0_position": box(**bounds),
                "pose0_rotation": box(**turn),
                "pose1_position": box(**bounds),
                "pose1_rotation": box(**turn),
            }
        )
        self.client_id = pybullet.connect()
        self.obj_ids = {"fixed": [], "rigid": []}
        self.prompt = self.prompt_assets = None
        self.meta_info = {}
        self.seed(seed)

    def seed(self, seed=None):
        self.task.rng = np.random.default_rng(seed=seed)
        self.task.seed = seed

    def close(self):
        pybullet.disconnect(self.client_id)

    def reset(self, workspace_only=False):
        pybullet.CLIENTS[self.client_id].clear()
        self.obj_ids = {"fixed": [], "rigid": []}
        self.obj_id_reverse_mapping = {}
        self.task.reset(self)
        self.prompt, self.prompt_assets = self.task.generate_prompt()
        self.meta_info = {
            "end_effector_type": "spatula" if self.task.spatula else "suction",
            "n_objects": len(self.obj_id_reverse_mapping),
            "seed": self.task.seed,
            "obj_id_to_info": self.obj_id_reverse_mapping,
        }
        return self.step()[0]

    def step(self, action=None, skip_oracle=True):
        if action is not None:
            assert self.action_space.contains(action), f"got {action}, action space {self.action_space}"
            poses = [(action[f"pose{i}_position"], action[f"pose{i}_rotation"]) for i in (0, 1)]
            if self.task.primitive(self.movep, self, *poses):
                return self._get_obs(), 0.0, True, self._get_info()
        self.task.update_goals(skip_oracle=skip_oracle)
        done = any(self.task.check_success())
        return self._get_obs(), 0, done, self._get_info()

    def movep(self, pose, speed=0.01):
        return self.movej(np.zeros(6), speed)

    def movej(self, targj, speed=0.01, timeout=5):
        if timeout < SECONDS_PER_MOVE:
            print(f"Warning: movej exceeded {timeout} second timeout. Skipping.")
            return True
        return False

    def _get_obs(self):
        bodies = {
            body: pybullet.getBasePositionAndOrientation(body, physicsClientId=self.client_id)[0]
            for body in self.obj_id_reverse_mapping
        }
        return {**picture(bodies), "ee": int(self.task.spatula)}

    def _get_info(self):
        success, failure = self.task.check_success()
        return {"prompt": self.prompt, "success": success, "failure": failure}
