"""Calls that habitat-sim answered with an exception, an abort or nonsense: ours must refuse each before."""

import json
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np

from envs.errors import EnvError
from envs.habitat.navmesh.settings import NavMeshSettings
from envs.habitat.specs import AgentSpec, CameraSpec
from tests.habitat_parity.backends import Opener

_SMALL = CameraSpec(height=8, width=8)
_NAN = float("nan")
_NOT_OURS = {
    "unknown_movefn": "an agent's moves are fixed",
    "state_magnum_quat": "a magnum type",
    "recompute_wrong_type": "a type of habitat-sim",
    "unloaded_verts": "nothing asks for a mesh's corners",
    "channels3": "a camera's channels are fixed",
    "semantic": "there is no semantic camera",
    "no_agents": "there is always one body",
    "agent_id_bad": "there is one body",
    "greedy_unreachable": "its follower is not used",
    "greedy_next_unreachable": "its follower is not used",
}
"""What a caller cannot express, and why."""
_SILENT = (
    *("hfov_zero", "hfov_180", "hfov_negative", "find_path_nan", "snap_nan", "isnav_nan"),
    *("recompute_neg_radius", "recompute_neg_cell", "recompute_neg_height", "recompute_big_radius"),
    *("recompute_nan_radius", "recompute_nan_cell"),
)
"""Taken without an exception, and refused by us."""


def scenes(folder: Path) -> list[str]:
    """Return the names of a folder's box scenes."""
    found = []
    for path in sorted(folder.glob("*.json")):
        record = json.loads(path.read_text(encoding="utf-8"))
        if isinstance(record, dict) and "boxes" in record:
            found.append(path.stem)
    return found


class Calls:
    """The recorded calls of a folder.

    Arguments:
        folder: it holds `api_facts_raw.json`.
        opened: opens a scene.
    """

    def __init__(self, folder: Path, opened: Opener) -> None:
        self._folder, self._opened = folder, opened
        self._scene = scenes(folder)[0]

    @staticmethod
    def names(folder: Path) -> list[str]:
        """Return the names of the recorded calls that must be refused."""
        path = folder / "api_facts_raw.json"
        if not path.is_file():
            return []
        tests = json.loads(path.read_text(encoding="utf-8"))["tests"]
        bad = [name for name, each in tests.items() if each["returncode"] != 0]
        return [
            name for name in (*bad, *(name for name in _SILENT if name in tests)) if name not in _NOT_OURS
        ]

    def run(self, only: str | None) -> Iterator[tuple[str, tuple[bool, str] | None]]:
        """Yield (name, (whether it was refused, what was said)); None for a call that is not known."""
        checks = self._checks()
        for name in [only] if only else self.names(self._folder):
            check = checks.get(name)
            yield name, None if check is None else self._tried(check)

    def _tried(self, check: Callable[[], object]) -> tuple[bool, str]:
        try:
            check()
        except EnvError as error:
            return True, str(error)[:60]
        except (Exception, SystemExit) as error:
            return False, f"{type(error).__name__}: {error}"[:60]
        return False, "taken"

    def _make(self, scene: str | None = None, **arguments):
        arguments.setdefault("agent", AgentSpec(0.88, 0.1))
        arguments.setdefault("cameras", [_SMALL])
        simulator = self._opened(self._folder, scene if scene is not None else self._scene, **arguments)
        simulator.close()
        return simulator

    def _with(self, use: Callable) -> Callable[[], object]:
        """A call on an open simulator."""

        def call() -> object:
            simulator = self._opened(self._folder, self._scene, agent=AgentSpec(0.88, 0.1), cameras=[_SMALL])
            try:
                return use(simulator)
            finally:
                simulator.close()

        return call

    def _camera(self, **arguments) -> Callable[[], object]:
        return lambda: self._make(cameras=[CameraSpec(**{"height": 64, "width": 64, **arguments})])

    def _mesh(self, **arguments) -> Callable[[], object]:
        return lambda: self._make(settings=NavMeshSettings(**arguments))

    def _empty(self, use: Callable) -> Callable[[], object]:
        """A call on a scene without a place to stand."""

        def call() -> object:
            with tempfile.TemporaryDirectory() as place:
                box = {"name": "post", "center": [0, 0, 0], "size": [0.1, 1, 0.1], "color": [1, 1, 1]}
                (Path(place) / "post.json").write_text(json.dumps({"boxes": [box]}))
                (Path(place) / "post.glb").touch()
                simulator = self._opened(Path(place), "post", agent=AgentSpec(0.88, 0.1), cameras=[_SMALL])
                try:
                    return use(simulator)
                finally:
                    simulator.close()

        return call

    def _checks(self) -> dict[str, Callable[[], object]]:
        o, one = (0.0, 0.0, 0.0), (1.0, 1.0, 1.0)
        return {
            "unknown_action": self._with(lambda sim: sim.act("fly")),
            "state_nan_position": self._with(lambda sim: sim.stand((_NAN, 0, 0))),
            "state_inf_ctor": self._with(lambda sim: sim.stand((np.inf, 0, 0))),
            "state_nonunit_quat": self._with(lambda sim: sim.stand(o, (0, 0, 0, 2))),
            "state_zero_quat": self._with(lambda sim: sim.stand(o, (0, 0, 0, 0))),
            "state_wrong_len": self._with(lambda sim: sim.stand((1, 0))),
            "snap_wrong_type": self._with(lambda sim: sim.snap("abc")),
            "snap_nan": self._with(lambda sim: sim.snap((_NAN, 0, 0))),
            "isnav_wrong_len": self._with(lambda sim: sim.is_navigable((0, 0))),
            "isnav_nan": self._with(lambda sim: sim.is_navigable((_NAN, 0, 0))),
            "find_path_nan": self._with(lambda sim: sim.way((_NAN, 0, 0), [one])),
            "topdown_zero_mpp": self._with(lambda sim: sim.topdown(0.0, 0.0)),
            "close_then_step": self._with(lambda sim: (sim.close(), sim.act("move_forward"))),
            "agent_after_close": self._with(lambda sim: (sim.close(), sim.pose())),
            "unloaded_random_point": self._empty(lambda sim: sim.random_point(np.random.default_rng(0))),
            "unloaded_find_path": self._empty(lambda sim: sim.way(o, [one])),
            "unloaded_is_navigable": self._empty(lambda sim: sim.is_navigable(o)),
            "unloaded_snap": self._empty(lambda sim: sim.snap(o)),
            "unloaded_try_step": self._empty(lambda sim: sim.try_step(o, one)),
            "unloaded_island": self._empty(lambda sim: sim.snap(o)),
            "unloaded_obstacle": self._empty(lambda sim: sim.distance_to_obstacle(o)),
            "recompute_zero_cell": self._mesh(cell_size=0.0),
            "recompute_neg_cell": self._mesh(cell_size=-0.05),
            "recompute_neg_radius": self._mesh(agent_radius=-0.1),
            "recompute_neg_height": self._mesh(agent_height=-1.0),
            "recompute_big_radius": lambda: self._opened(
                self._folder, self._scene, agent=AgentSpec(), cameras=[_SMALL],
                settings=NavMeshSettings(agent_radius=3.0),
            ).snap(o),
            "recompute_nan_radius": self._mesh(agent_radius=_NAN),
            "recompute_nan_cell": self._mesh(cell_size=_NAN),
            "scene_missing": lambda: self._make("nope"),
            "scene_empty_string": lambda: self._make(""),
            "no_sensors": lambda: self._make(cameras=[]),
            "dup_uuid": lambda: self._make(cameras=[_SMALL, _SMALL]),
            "empty_uuid": self._camera(name=""),
            "res_zero": self._camera(height=0),
            "res_negative": self._camera(height=-4),
            "res_huge": self._camera(height=40_000),
            "res_wrong_len": self._camera(height=(64, 64, 3)),
            "near_ge_far": self._camera(near=10.0, far=1.0),
            "near_zero": self._camera(near=0.0),
            "hfov_zero": self._camera(hfov=0),
            "hfov_180": self._camera(hfov=180),
            "hfov_negative": self._camera(hfov=-10),
        }  # fmt: skip
