"""The simulators that are compared, all opened in the same way."""

import sys
from collections.abc import Callable
from pathlib import Path

from envs.habitat.simulator import Simulator

BACKENDS = ("house", "double", "habitat_sim")
DOUBLES = str(Path(__file__).parents[1] / "doubles")

Opener = Callable[..., Simulator]
"""(folder, scene's name, arguments of a Simulator) → the simulator."""


def opener(backend: str) -> Opener:
    """Return what opens a scene."""

    def house(folder: Path, scene: str, **arguments) -> Simulator:
        from envs.habitat.embedded import EmbeddedSimulator

        return EmbeddedSimulator(folder / f"{scene}.json", **arguments)

    def habitat_sim(folder: Path, scene: str, **arguments) -> Simulator:
        from envs.habitat.habitat_sim import HabitatSim

        return HabitatSim(folder / f"{scene}.glb", **arguments)

    if backend == "house":
        return house
    if backend == "double":
        if DOUBLES not in sys.path:
            sys.path.insert(0, DOUBLES)
        import habitat_sim as library

        if DOUBLES not in str(library.__file__):
            raise SystemExit("the real habitat_sim is loaded already: run the double in a process of its own")
    return habitat_sim
