"""Maps, films and pages of bodies that walk: what a dataset keeps, and what is shown of it."""

import re
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import envs
from policies.embodiments.navigation import NAVIGATION
from pretrain.sources import schema
from pretrain.sources.lerobot import LeRobotSource
from pretrain.sources.schema import DatasetError
from rollouts.collect import CollectConfig, collect
from rollouts.commands.inspect import inspect_dataset
from rollouts.datasets.maps import map_paths, read_map
from rollouts.datasets.merge import merge
from rollouts.datasets.writer import DatasetWriter, read_config
from rollouts.pages import report
from rollouts.pages.maps import draw_map, plain_map, told
from rollouts.results import files as results

OPTIONS = {"size": 48, "sensors": ["depth", "segmentation"]}


@pytest.fixture(scope="module")
def walked(tmp_path_factory: pytest.TempPathFactory, rendering: None) -> Path:
    folder = tmp_path_factory.mktemp("walked") / "set"
    config = CollectConfig(output=str(folder), env="procthor", level="small", policy="oracle", episodes=2,
                           seed=20, env_kwargs=OPTIONS)  # fmt: skip
    assert collect(config, progress=False).published == 2
    return folder


def test_a_dataset_keeps_the_map_of_the_episode(walked: Path) -> None:
    env = envs.suite("procthor").make("ObjectNav", "small", size=48).unwrapped
    for record in LeRobotSource(walked):
        env.reset(seed=record.seed)
        drawn, kept = env.floor_map(), read_map(walked, record.index)
        assert np.allclose(kept.frame, drawn.frame) and kept.rooms == drawn.rooms
        assert kept.goals == pytest.approx(np.array(drawn.goals))
        assert np.abs(kept.picture.astype(int) - drawn.picture).mean() < 6
        size = sum(path.stat().st_size for path in map_paths(walked, record.index).values())
        assert size < 60_000
    env.close()


def test_maps_are_merged_and_leftovers_of_one_removed(walked: Path, tmp_path: Path) -> None:
    assert merge([walked], tmp_path / "merged") == 2
    for index in range(2):
        mine, theirs = map_paths(walked, index), map_paths(tmp_path / "merged", index)
        assert {kind: path.read_bytes() for kind, path in mine.items()} == {
            kind: path.read_bytes() for kind, path in theirs.items()
        }
    left = map_paths(tmp_path / "merged", 2)["jpg"]
    left.write_bytes(b"half")
    DatasetWriter(tmp_path / "merged", read_config(tmp_path / "merged")).close()
    assert not left.exists()


def test_the_page_comes_from_the_dataset_alone(
    walked: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(envs.suites.Suite, "make", None)
    page = inspect_dataset(walked, tmp_path, episodes=2, films=["all"])
    text = page.read_text()
    named = re.findall(r'(?:src|href)="([^"#:]+)"', text)
    assert sorted(named) == sorted(
        f"episode-{i:06d}{end}" for i in (0, 1) for end in (".mp4", ".jpg", "-map.jpg")
    )
    assert all((tmp_path / name).is_file() for name in named)
    for record in LeRobotSource(walked):
        steps = np.linalg.norm(np.diff(record.states[:, :2], axis=0), axis=1).sum()
        assert f'alt="{steps:.2f} m walked, never held up, ended ' in text
        assert f"{record.length} actions" in text or record.length <= 12
        for room in read_map(walked, record.index).rooms:
            assert f"{room.name}: " in text
        names = {thing["name"] for things in record.objects for thing in things}
        assert names and all(name in text for name in names)


def test_a_set_without_maps_is_shown_on_paper(walked: Path, tmp_path: Path) -> None:
    bare = tmp_path / "bare"
    merge([walked], bare)
    for path in (*map_paths(bare, 0).values(), map_paths(bare, 1)["jpg"]):
        path.unlink()
    assert read_map(bare, 0) is None
    with pytest.raises(DatasetError, match="map of episode 1 is damaged"):
        read_map(bare, 1)
    map_paths(bare, 1)["json"].unlink()
    (tmp_path / "page").mkdir()
    text = inspect_dataset(bare, tmp_path / "page", episodes=2).read_text()
    assert "m walked" in text and "nearest goal" not in text


def test_films_play_at_the_bodys_rate_and_end_as_the_episode_did(walked: Path, tmp_path: Path) -> None:
    import av

    inspect_dataset(walked, tmp_path, episodes=1, films=["all"])
    record = LeRobotSource(walked)[0]
    with av.open(str(tmp_path / "episode-000000.mp4")) as container:
        stream = container.streams.video[0]
        seconds = float(stream.duration * stream.time_base)
        frames = [frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)]
    assert len(frames) == record.length + 2
    assert seconds == pytest.approx(record.length / NAVIGATION.fps + (16 + 30) / 20)
    for shown, seen in ((frames[0], record.frames["front"][0]), (frames[-1], record.final["front"])):
        view = np.asarray(Image.fromarray(seen).resize((512, 512), Image.BILINEAR), float)
        assert np.abs(shown[16:528, 400:912] - view).mean() < 6  # what the body saw, not black
    badge = frames[-1][540:570, 404:480].reshape(-1, 3).astype(int)
    assert np.abs(badge - (32, 140, 78)).max(1).min() < 20, "green: success"


def test_marks_are_where_the_way_leads() -> None:
    """Eastwards, then into something, a turn, and northwards."""
    states = np.zeros((5, 6))
    states[:, :3] = [
        (0, 0, np.pi / 2),
        (0.25, 0, np.pi / 2),
        (0.25, 0, np.pi / 2),
        (0.25, 0, 0),
        (0.25, 0.25, 0),
    ]
    track = NAVIGATION.track(states, [1, 1, 2, 1])
    assert track.held_up.tolist() == [False, True, False, False]
    paper = plain_map(track)
    assert paper.frame[0, 0] == pytest.approx(400 / 3)  # a metre around it, to whole ones: from -1 to 2
    assert told(track, paper) == "0.50 m walked, held up once"
    drawn = np.asarray(draw_map(paper, track, (400, 400)), int)
    (cross,) = paper.pixels([(0.25, 0)]) + (8, 0)  # before the body, which looked east
    column, row = np.rint(cross * drawn.shape[1] / paper.picture.shape[1]).astype(int)
    assert np.abs(drawn[row - 4 : row + 5, column - 4 : column + 5] - (190, 20, 60)).max(-1).min() < 40
    column, row = np.rint(paper.pixels([(0.125, 0)])[0]).astype(int)
    assert np.abs(drawn[row - 2 : row + 3, column - 2 : column + 3] - (255, 92, 40)).max(-1).min() < 40


def test_lerobot_sees_no_other_files(walked: Path) -> None:
    """Its reader globs data and meta; maps lie beside them."""
    assert {path.relative_to(walked).parts[0] for path in walked.rglob("*.parquet")} == {"data", "meta"}
    assert schema.MAP_PATH.startswith("maps/")


def test_tables_show_the_metrics_that_a_suite_names(tmp_path: Path) -> None:
    rows = [
        {"task": "ObjectNav", "level": "small", "seed": seed, "success": True, "failure": False, "prompt": "",
         "status": "success", "steps": 4, "actions": [], "action_texts": [], "policy": "oracle",
         "metrics": {"spl": spl, "distance_to_goal": 0.25, "collisions": 3.0}}
        for seed, spl in ((1, 0.5), (2, 1.0))
    ]  # fmt: skip
    recipe = {"env": "procthor", "policy": "oracle", "checkpoint_hash": None, "env_kwargs": {}, "seed": 1}
    done = {row["seed"]: (row, [0.1, 0.1, 0.1]) for row in rows}
    result = results.save(tmp_path, recipe, {}, done)
    columns = {column.header: list(column.cells) for column in report.table(result).columns}
    assert columns["spl"] == ["0.75"] and columns["distance to goal"] == ["0.25"]
    assert "collisions" not in columns
    page = report.write_evaluation(tmp_path, result).read_text()
    assert "<th>steps</th><th>spl</th><th>distance to goal</th><th>errors</th>" in page
    cells = re.findall(r'<td data-label="([a-z ]+)">([0-9.]+)</td>', page)
    wanted = [("steps", "4.00"), ("spl", "0.75"), ("distance to goal", "0.25"), ("errors", "0")]
    assert [cell for cell in cells if cell in wanted] == wanted
    del result["shown_metrics"]  # as older programs wrote it
    assert "spl" not in [column.header for column in report.table(result).columns]
