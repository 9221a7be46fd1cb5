"""Habitat's backends against the recorded outputs of the real habitat-sim."""

from pathlib import Path

import numpy as np
import pytest

from envs.habitat.box_scene import read_box_scene
from envs.habitat.navmesh.settings import NavMeshSettings
from envs.habitat.pathfinder import PathFinder
from tests.habitat_parity.__main__ import main

RECORDED = Path(__file__).parents[3] / "shared" / "fixtures" / "habitat_sim"
needs_recordings = pytest.mark.skipif(not RECORDED.is_dir(), reason=f"no recordings at {RECORDED}")


@needs_recordings
@pytest.mark.parametrize(
    "case", ["house_r010", "house_r018", "t04", "t08", "t12", "t14", "house_b", "house_e"]
)
def test_our_simulator_answers_as_habitat_sim_did(case: str, capsys: pytest.CaptureFixture) -> None:
    asked = f"nav_{case}" if "_r0" in case else case
    assert main([str(RECORDED), "--case", asked, "--backend", "house"]) == 0, capsys.readouterr().out


@needs_recordings
@pytest.mark.parametrize("case", ["nav_house_r018", "t06", "t18", "house_c"])
def test_the_adapter_hands_on_what_the_library_answers(case: str, capsys: pytest.CaptureFixture) -> None:
    assert main([str(RECORDED), "--case", case, "--backend", "double"]) == 0, capsys.readouterr().out


@needs_recordings
@pytest.mark.parametrize("backend", ["house", "double"])
def test_calls_that_end_habitat_sim_are_refused_before(backend: str, capsys: pytest.CaptureFixture) -> None:
    said = [str(RECORDED), "--case", "api_facts_raw", "--backend", backend, "--strict"]
    assert main(said) == 0, capsys.readouterr().out


@needs_recordings
@pytest.mark.parametrize("radius", [0.10, 0.18])
def test_the_mesh_itself_is_the_recorded_one(radius: float) -> None:
    with np.load(RECORDED / f"nav_house_r{round(100 * radius):03d}.npz") as file:
        boxes = read_box_scene(RECORDED / "house.json")
        paths = PathFinder.of_boxes(boxes.low, boxes.high, NavMeshSettings(0.88, radius))
        recorded = {
            tuple(corner) for corner in np.round(file["navmesh_tri_vertices"].reshape(-1, 3), 3).tolist()
        }
        assert {tuple(corner) for corner in np.round(paths.corners, 3).astype("f4").tolist()} == recorded
        assert paths.navigable_area == pytest.approx(float(file["navigable_area"]), abs=1e-4)
        for point, reach in zip(file["query_point"][:40], file["query_island_radius"], strict=False):
            assert paths.island_radius(point) == pytest.approx(float(reach), abs=1e-4)
        for point, place in zip(file["query_point"], file["query_hit_pos"], strict=True):
            np.testing.assert_allclose(paths.distance_to_obstacle(point)[1], place, atol=1e-4)


@needs_recordings
def test_what_is_off_is_told(tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    """The same recordings over a scene whose walls stand elsewhere."""
    for name in ("nav_house_r010.npz", "house.glb"):
        (tmp_path / name).symlink_to(RECORDED / name)
    moved = (RECORDED / "house.json").read_text().replace("-1.5", "-1.2")
    (tmp_path / "house.json").write_text(moved)
    assert main([str(tmp_path), "--backend", "house"]) == 1
    assert "OFF" in capsys.readouterr().out
    assert main([str(tmp_path), "--case", "t99"]) == 2
