"""`procthor/ObjectNav-v0` in the real AI2-THOR: `gym.make(..., backend="ai2thor")`."""

from envs.house.simulator import Stance
from envs.procthor.ai2thor.environment import Ai2thorEnv
from envs.procthor.object_nav import REACH, ObjectNavEnv


class Ai2thorObjectNavEnv(Ai2thorEnv, ObjectNavEnv):
    """Find an object in AI2-THOR. Arguments: see Ai2thorEnv and ObjectNavEnv."""

    thor_reach = REACH

    def _told(self) -> str:
        return self._target

    def _reached(self, stance: Stance) -> bool:
        return any(
            each["visible"] for each in self._event.metadata["objects"] if each["objectType"] == self._target
        )
