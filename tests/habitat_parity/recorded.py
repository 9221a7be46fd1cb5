"""The cases of a folder: navigation meshes, trajectories, pictures, and calls that must be refused."""

import contextlib
from abc import ABC, abstractmethod
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from envs.habitat.navmesh.settings import NavMeshSettings
from envs.habitat.simulator import Simulator
from envs.habitat.specs import AgentSpec, CameraSpec
from tests.habitat_parity.backends import Opener
from tests.habitat_parity.calls import Calls, scenes

_CLOSE = 1e-4
"""Metres that single precision may cost."""
_MOVES_AS_RECORDED = 0.95
_CELL = 0.05
_GEODESIC = 0.03, 0.1
_DEPTH, _PIXELS = 0.01, 0.995
_BLIND = (CameraSpec(height=8, width=8),)
"""For what needs no pictures: habitat-sim opens no scene without a camera."""


@dataclass(frozen=True)
class Row:
    measure: str
    found: str
    limit: str
    verdict: str

    @classmethod
    def of(cls, measure: str, found: str, limit: str, fine: bool) -> "Row":
        return cls(measure, found, limit, "ok" if fine else "OFF")


class Case(ABC):
    """Recorded outputs that are compared together."""

    def __init__(self, folder: Path, name: str) -> None:
        self.folder, self.name = folder, name

    def matches(self, asked: str | None) -> bool:
        return asked is None or asked in (self.name, self.name.rpartition("__")[2])

    @abstractmethod
    def compare(self, opened: Opener) -> Iterator[Row]:
        """Yield a row for each measure."""


def cases(folder: Path) -> list[Case]:
    """Return the cases of a folder, by name."""
    found: list[Case] = [Mesh(folder, path.stem) for path in sorted(folder.glob("nav_*.npz"))]
    if (path := folder / "trajectories.npz").is_file():
        with np.load(path) as file:
            names = sorted({key.split("_")[0] for key in file.files if key.endswith("_actions")})
        found += [Trajectory(folder, f"trajectories__{name}") for name in names]
    if (path := folder / "renders.npz").is_file():
        with np.load(path) as file:
            names = sorted(key.replace("_rgb_", "_") for key in file.files if "_rgb_" in key)
        found += [Pictures(folder, f"renders__{name}") for name in names]
    if (folder / "api_facts_raw.json").is_file():
        found.append(Refused(folder, "api_facts_raw"))
    return found


def _moves(measure: str, away: np.ndarray) -> Row:
    same = float((away <= _CLOSE).mean()) if len(away) else 1.0
    worst = float(away.max(initial=0))
    return Row.of(
        measure,
        f"{same:.1%} of {len(away)} as recorded, at most {worst:.4f} m away",
        f"{_MOVES_AS_RECORDED:.0%}, {_CELL} m",
        same >= _MOVES_AS_RECORDED and worst <= _CELL,
    )


class Mesh(Case):
    def compare(self, opened: Opener) -> Iterator[Row]:
        with np.load(self.folder / f"{self.name}.npz") as file:
            data = {name: file[name] for name in file.files}
        names = [name for name in NavMeshSettings.__dataclass_fields__ if f"settings_{name}" in data]
        settings = NavMeshSettings(**{name: round(float(data[f"settings_{name}"]), 6) for name in names})
        agent = AgentSpec(settings.agent_height, settings.agent_radius)
        scene = _scene(self.folder, self.name.removeprefix("nav_"))
        with contextlib.closing(
            opened(self.folder, scene, agent=agent, cameras=_BLIND, settings=settings)
        ) as simulator:
            yield from self._places(simulator, data)
            yield from self._steps(simulator, data)
            yield from self._ways(simulator, data)

    def _places(self, simulator: Simulator, data: dict[str, np.ndarray]) -> Iterator[Row]:
        points = data["query_point"]
        snapped, wanted = np.array([simulator.snap(point) for point in points]), data["query_snap"]
        missing = np.isnan(wanted).any(1) != np.isnan(snapped).any(1)
        away = np.linalg.norm(np.nan_to_num(snapped - wanted), axis=1)
        yield _moves("snapped points", np.where(missing, 9.0, away))
        for key, tolerance in (("", 0.5), ("_ydelta_0p1", 0.1)):
            if f"query_is_navigable{key}" in data:
                same = [simulator.is_navigable(point, tolerance) for point in points] == data[
                    f"query_is_navigable{key}"
                ]
                fine = float(same.mean())
                yield Row.of(f"navigable within {tolerance} m", f"{fine:.1%}", "95%", fine >= 0.95)
        for key, reach in (("", 2.0), ("_r0p5", 0.5)):
            if f"query_obstacle_distance{key}" in data:
                wanted = data[f"query_obstacle_distance{key}"]
                found = np.array([simulator.distance_to_obstacle(point, reach) for point in points])
                away = np.where(
                    found == wanted, 0, np.abs(np.nan_to_num(found - wanted, posinf=9, neginf=-9))
                )
                yield _moves(f"distance to obstacles up to {reach} m", away)
        if "topdown" in data:
            found = simulator.topdown(float(data["topdown_mpp"]), float(data["topdown_height"]))
            same = float((found == data["topdown"]).mean()) if found.shape == data["topdown"].shape else 0.0
            yield Row.of("map from above", f"{same:.2%} of cells", "99%", same >= 0.99)

    def _steps(self, simulator: Simulator, data: dict[str, np.ndarray]) -> Iterator[Row]:
        for key, when in (("step", ""), ("step2", ", again from there")):
            for kind, sliding in (("slide", True), ("noslide", False)):
                if f"{key}_{kind}" not in data:
                    continue
                ends = np.array(
                    [
                        simulator.try_step(start, end, sliding)
                        for start, end in zip(data[f"{key}_start"], data[f"{key}_end"], strict=True)
                    ]
                )
                away = np.linalg.norm(ends - data[f"{key}_{kind}"], axis=1)
                yield _moves(f"{'slides' if sliding else 'stops'}{when}", away)

    def _ways(self, simulator: Simulator, data: dict[str, np.ndarray]) -> Iterator[Row]:
        for key, what in (
            ("pair", "between places"),
            ("offpair", "between any points"),
            ("multi", "to one of three"),
        ):
            if f"{key}_geodesic" not in data:
                continue
            wanted = data[f"{key}_geodesic"]
            ends = data["multi_ends"] if key == "multi" else data[f"{key}_end"][:, None]
            found = np.array(
                [simulator.way(a, b).geodesic for a, b in zip(data[f"{key}_start"], ends, strict=True)]
            )
            missing = np.count_nonzero(np.isinf(found) != np.isinf(wanted))
            both = np.isfinite(found) & np.isfinite(wanted)
            away = np.abs(found - wanted)[both]
            allowed = np.maximum(_GEODESIC[0] * wanted[both], _GEODESIC[1])
            yield Row.of(
                f"ways {what}",
                f"at most {away.max(initial=0):.4f} m off, {missing} of {len(wanted)} missing or too many",
                "3% or 0.1 m",
                not missing and bool((away <= allowed).all()),
            )


class Trajectory(Case):
    def compare(self, opened: Opener) -> Iterator[Row]:
        short = self.name.rpartition("__")[2]
        with np.load(self.folder / "trajectories.npz") as file:
            data = {
                name.removeprefix(f"{short}_"): file[name]
                for name in file.files
                if name.startswith(f"{short}_")
            }
            names = [str(name) for name in file["action_names"]]
        agent = AgentSpec(
            0.88,
            float(data["agent_radius"]),
            turn=float(data["turn_degrees"]),
            sliding=bool(data["sliding"]),
        )
        free, held, turned, same = [], [], [], []
        with contextlib.closing(
            opened(self.folder, str(data["scene"]), agent=agent, cameras=_BLIND)
        ) as simulator:
            simulator.stand(data["position"][0], _xyzw(data["rotation_wxyz"][0]))
            for number, action in enumerate(data["actions"]):
                collided = simulator.act(names[action])
                pose, wanted = simulator.pose(), data["position"][number + 1]
                recorded = bool(data["collided"][number])
                same.append(collided == recorded)
                away = float(np.linalg.norm(pose.position - wanted))
                (held if recorded else free).append(away)
                turned.append(_angle(pose.rotation, _xyzw(data["rotation_wxyz"][number + 1])))
                if away > _CLOSE:  # go on from where it was recorded
                    simulator.stand(wanted, pose.rotation)
        worst = max(free, default=0.0)
        yield Row.of("poses without contact", f"at most {worst:.1e} m away", f"{_CLOSE:g} m", worst <= _CLOSE)
        worst = max(turned, default=0.0)
        yield Row.of("headings", f"at most {worst:.1e} rad away", "0.001 rad", worst <= 1e-3)
        yield _moves("poses with contact", np.array(held))
        share = float(np.mean(same))
        yield Row.of(
            "collisions", f"{share:.1%} of {len(same)} as recorded", "95%", share >= _MOVES_AS_RECORDED
        )


class Pictures(Case):
    def compare(self, opened: Opener) -> Iterator[Row]:
        scene, _, camera = self.name.rpartition("__")[2].rpartition("_")
        with np.load(self.folder / "renders.npz") as file:
            names = [f"{kind}_{camera}" for kind in ("near_far", "hfov", "resolution_hw", "sensor_height")]
            (near, far), hfov, (height, width), eye = (file[name] for name in names)
            colors, depths = file[f"{scene}_rgb_{camera}"], file[f"{scene}_depth_{camera}"]
            kept, poses = file[f"{scene}_index_{camera}"], file["poses_xz_yaw_pitchsteps"]
            places, rotations = file[f"{scene}_agent_position"], file[f"{scene}_agent_rotation_wxyz"]
        lens = {
            "height": int(height), "width": int(width), "hfov": float(hfov), "eye": float(eye),
            "near": float(near), "far": float(far),
        }  # fmt: skip
        cameras = [CameraSpec("rgb", **lens), CameraSpec("depth", "depth", **lens)]
        agent = AgentSpec(0.88, 0.1)
        fine, same = [], []
        with contextlib.closing(opened(self.folder, scene, agent=agent, cameras=cameras)) as simulator:
            for number, color, depth in zip(kept, colors, depths, strict=True):
                simulator.stand(places[number], _xyzw(rotations[number]))
                steps = int(poses[number][3])
                for _ in range(abs(steps)):
                    simulator.act("look_up" if steps > 0 else "look_down")
                seen = simulator.observe()
                fine.append((np.abs(seen["depth"] - depth) <= _DEPTH).mean())
                same.append((seen["rgb"] == color[..., :3]).all(-1).mean())
        for what, shares in (("depth within 1 cm", fine), ("colour equal", same)):
            worst = float(min(shares))
            yield Row.of(
                what,
                f"{worst:.2%} of pixels in the worst of {len(shares)}",
                f"{_PIXELS:.1%}",
                worst >= _PIXELS,
            )


class Refused(Case):
    _only: str | None = None

    def matches(self, asked: str | None) -> bool:
        self._only = asked if asked in Calls.names(self.folder) else None
        return super().matches(asked) or self._only is not None

    def compare(self, opened: Opener) -> Iterator[Row]:
        for name, said in Calls(self.folder, opened).run(self._only):
            if said is None:
                yield Row(f"refused: {name}", "no such check", "EnvError", "not yet")
            else:
                yield Row.of(f"refused: {name}", said[1], "EnvError", said[0])


def _scene(folder: Path, name: str) -> str:
    """The scene that a recording's name begins with."""
    return max((scene for scene in scenes(folder) if name.startswith(scene)), key=len)


def _xyzw(rotation: np.ndarray) -> np.ndarray:
    return np.roll(np.asarray(rotation, float), -1)


def _angle(first: np.ndarray, second: np.ndarray) -> float:
    return 2 * float(
        np.arcsin(min(1.0, min(np.linalg.norm(first - second), np.linalg.norm(first + second)) / 2))
    )
