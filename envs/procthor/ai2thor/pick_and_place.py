"""`procthor/PickAndPlace-v0` in the real AI2-THOR: `gym.make(..., backend="ai2thor")`.

The Controller says what can be handled and where things come to rest; the embedded house follows it.
"""

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

from envs.house.scene import from_unity, unity_rotation
from envs.house.tasks.household import REACH
from envs.procthor.ai2thor.environment import Ai2thorEnv
from envs.procthor.pick_and_place import PickAndPlaceEnv


class Ai2thorPickAndPlaceEnv(Ai2thorEnv, PickAndPlaceEnv):
    """Bring an object to a receptacle in AI2-THOR. Arguments: see Ai2thorEnv and PickAndPlaceEnv."""

    abilities = Ai2thorEnv.abilities - {"state"}
    reasons: ClassVar = {
        **Ai2thorEnv.reasons,
        "state": "AI2-THOR does not go back to where things have been moved; backend='house' does",
    }
    thor_reach = REACH

    def _told(self) -> None:
        return None

    def _handle(self, name: str, point: tuple[float, float]) -> str:
        self._event = self._player.step(name, x=point[0], y=point[1])
        if not self._event:
            return self._event.metadata["errorMessage"] or f"{name} failed"
        self._mirror(self._event.metadata)
        return ""

    def _mirror(self, metadata: Mapping[str, Any]) -> None:
        """Let the embedded house stand as AI2-THOR's does."""
        simulator = self._simulator
        told = {each["objectId"]: each for each in metadata["objects"]}
        held = next((each["objectId"] for each in metadata["inventoryObjects"]), None)
        if simulator.held is not None and simulator.held != held:
            record = told[simulator.held]
            centre, turn = record["axisAlignedBoundingBox"]["center"], record["rotation"]
            simulator.put(
                simulator.held,
                from_unity((centre["x"], centre["y"], centre["z"])),
                unity_rotation((turn["x"], turn["y"], turn["z"])),
                parent=self._parent(record["parentReceptacles"] or ()),
            )
        if held in simulator.states and held != simulator.held:
            simulator.take(held)
        for id, state in simulator.states.items():
            record = told.get(id)
            if record is not None and record["openable"] and abs(record["openness"] - state.openness) > 1e-3:
                simulator.open(id, record["openness"])

    def _parent(self, told: Sequence[str]) -> str | None:
        """Which thing of ours the receptacles mean; a part, such as a sink's basin, means the whole."""
        known = [id for id in self._types for name in told if name == id or name.startswith(f"{id}|")]
        return next((id for id in known if self._types[id] == self._receptacle), known[0] if known else None)

    def state(self) -> dict[str, Any]:
        raise self._refusal("state")

    def set_state(self, state: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
        raise self._refusal("state")
