"""Habitat's episode files and measures."""

import gzip
import json
import math
from pathlib import Path
from typing import Any

import gymnasium as gym
import numpy as np
import pytest

from envs import EnvError
from envs.habitat.episodes import Episode, Goal, ViewPoint, read_episodes, write_episodes
from envs.habitat.recording import record_episodes
from envs.house.tasks import metrics

SHARED = Path(__file__).parents[3] / "shared" / "fixtures"
POINT = Episode("7", "house.glb", (0.5, 0.0, 1.0), (0.0, 0.0, 0.0, 1.0), (Goal((2.0, 0.0, -1.0), 0.2),))
OBJECT = Episode(
    "0",
    "sub/house.glb",
    (0.5, 0.0, 1.0),
    (0.0, math.sin(0.5), 0.0, math.cos(0.5)),
    (Goal((2.0, 0.4, -1.0), None, 3, "chair_3", (ViewPoint((1.5, 0.0, -1.0), iou=0.25),)),),
    "chair",
    4,
    info={"geodesic_distance": 2.5},
)
FIELDS = {
    *("episode_id", "scene_id", "scene_dataset_config", "additional_obj_config_paths", "start_position"),
    *("start_rotation", "info", "goals", "start_room", "shortest_paths"),
}


def _raw(path: Path) -> dict[str, Any]:
    with gzip.open(path, "rt", encoding="utf-8") as file:
        return json.load(file)


def _written(path: Path, record: Any) -> Path:
    path.write_bytes(gzip.compress(json.dumps(record).encode()))
    return path


def _make(task: str, **options: Any):
    return gym.make(f"habitat/{task}-v0", size=32, sensors=[], disable_env_checker=True, **options).unwrapped


@pytest.mark.parametrize("by_scene", [False, True])
@pytest.mark.parametrize("episode", [POINT, OBJECT])
def test_what_is_written_is_read(episode: Episode, by_scene: bool, tmp_path: Path) -> None:
    path = tmp_path / "val.json.gz"
    write_episodes(path, [episode], by_scene=by_scene)
    assert read_episodes(path) == (episode,)
    assert (tmp_path / "content" / "house.json.gz").exists() is by_scene
    write_episodes(tmp_path / "again.json.gz", [episode], by_scene=False)
    write_episodes(tmp_path / "twice.json.gz", [episode], by_scene=False)
    assert (tmp_path / "again.json.gz").read_bytes() == (tmp_path / "twice.json.gz").read_bytes()


def test_only_what_habitat_lab_knows_is_written(tmp_path: Path) -> None:
    write_episodes(tmp_path / "point.json.gz", [POINT])
    assert set(_raw(tmp_path / "point.json.gz")["episodes"][0]) == FIELDS
    write_episodes(tmp_path / "object.json.gz", [OBJECT])
    record = _raw(tmp_path / "object.json.gz")
    assert set(record["episodes"][0]) == FIELDS | {"object_category"} and record["episodes"][0]["goals"] == []
    assert list(record["goals_by_category"]) == ["house.glb_chair"]
    assert record["category_to_task_category_id"] == {"chair": 4}
    assert record["category_to_scene_annotation_category_id"].keys() == {"chair"}


def test_goals_written_inline_and_old_names_are_read(tmp_path: Path) -> None:
    write_episodes(tmp_path / "new.json.gz", [OBJECT])
    record = _raw(tmp_path / "new.json.gz")
    record["episodes"][0]["goals"] = record.pop("goals_by_category")["house.glb_chair"]
    record["category_to_mp3d_category_id"] = record.pop("category_to_scene_annotation_category_id")
    assert read_episodes(_written(tmp_path / "old.json.gz", record)) == (OBJECT,)


def _changed(**change: Any) -> dict[str, Any]:
    episode = {
        "episode_id": "0",
        "scene_id": "house.glb",
        "start_position": [0, 0, 0],
        "start_rotation": [0, 0, 0, 1],
        "goals": [{"position": [1, 0, 1], "radius": None}],
        **change,
    }
    return {"episodes": [episode]}


@pytest.mark.parametrize(
    ("record", "said"),
    [
        ([], "'episodes' is missing"),
        ({"episodes": 3}, "'episodes' is missing"),
        ({"episodes": []}, "'episodes' is empty"),
        ({"episodes": [3]}, r"episodes\[0\] is no mapping"),
        (_changed(start_position=[0, 0]), "start_position.*three finite numbers"),
        (_changed(start_position=[0, 0, float("nan")]), "start_position.*three finite numbers"),
        (_changed(start_position=None), "start_position"),
        (_changed(start_rotation=[0, 0, 0, 2]), "unit quaternion"),
        (_changed(scene_id=""), "scene_id"),
        (_changed(scene_id=5), "scene_id"),
        (_changed(goals=[]), "at least one goal"),
        (_changed(goals={}), "at least one goal"),
        (_changed(goals=[{"position": "here"}]), r"goals\[0\].position"),
        (_changed(goals=[{"position": [1, 0, 1], "radius": -1}]), "radius"),
        (_changed(goals=[{"position": [1, 0, 1], "view_points": [{}]}]), "agent_state"),
        (_changed(object_category="chair", goals=[]), "'goals_by_category' does not hold it"),
        (_changed(ao_states={}), "'ao_states', unknown"),
        (_changed(info=[1]), "info"),
        (_changed(scene_dataset_config=3), "scene_dataset_config"),
        ({**_changed(), "category_to_task_category_id": {"a": "b"}}, "numbers"),
        ({**_changed(), "category_to_task_category_id": {"a": 1},
          "category_to_mp3d_category_id": {"b": 1}}, "same categories"),
        ({**_changed(), "goals_by_category": [1]}, "'goals_by_category' must map"),
    ],
)  # fmt: skip
def test_a_bad_file_is_told_by_file_key_and_remedy(record: Any, said: str, tmp_path: Path) -> None:
    path = _written(tmp_path / "bad.json.gz", record)
    with pytest.raises(EnvError, match=said) as caught:
        read_episodes(path)
    assert str(path) in str(caught.value)


def test_what_is_no_file_is_told(tmp_path: Path) -> None:
    for name, content in (("cut.json.gz", gzip.compress(b"{}" * 999)[:20]), ("plain.json.gz", b"{}")):
        (tmp_path / name).write_bytes(content)
        with pytest.raises(EnvError, match="no episode file"):
            read_episodes(tmp_path / name)
    with pytest.raises(EnvError, match="there is no such episode file"):
        read_episodes(tmp_path / "none.json.gz")
    with pytest.raises(EnvError, match=r"\.json\.gz"):
        write_episodes(tmp_path / "name.json", [POINT])


@pytest.mark.skipif(not SHARED.is_dir(), reason=f"no fixtures at {SHARED}")
def test_rearrangement_is_refused_by_name() -> None:
    with pytest.raises(EnvError, match="unknown to PointNav and ObjectNav"):
        read_episodes(SHARED / "habitat" / "rearrange_v2_demo_episode.json.gz")


@pytest.mark.parametrize(
    ("succeeded", "distance", "shortest", "walked", "spl", "soft"),
    [
        (True, 0.1, 5.0, 5.0, 1.0, 0.98),
        (True, 0.1, 5.0, 10.0, 0.5, 0.49),
        (True, 0.1, 5.0, 4.9, 1.0, 0.98),  # shorter than short: the goal is an area
        (False, 2.5, 5.0, 4.0, 0.0, 0.5),
        (False, 8.0, 5.0, 6.0, 0.0, 0.0),  # farther than at the start
        (False, 5.0, 5.0, 0.0, 0.0, 0.0),
        (True, 0.0, 0.0, 0.0, 1.0, 1.0),  # the start is the goal
        (True, 0.0, 0.0, 1.0, 0.0, 0.0),
    ],
)
def test_measures(
    succeeded: bool, distance: float, shortest: float, walked: float, spl: float, soft: float
) -> None:
    assert metrics.spl(succeeded, shortest, walked) == pytest.approx(spl)
    assert metrics.soft_spl(succeeded, distance, shortest, walked) == pytest.approx(soft)


@pytest.mark.parametrize("task", ["PointNav", "ObjectNav"])
def test_our_episodes_play_from_their_file(task: str, tmp_path: Path) -> None:
    drawn = _make(task, level="small")
    path = tmp_path / "ours.json.gz"
    record_episodes(drawn, [5, 6], path, by_scene=task == "ObjectNav")
    played = _make(task, episodes=str(path), expert=True)
    for number, seed in enumerate((5, 6)):
        first, info = drawn.reset(seed=seed)
        again, told = played.reset(seed=number)
        np.testing.assert_array_equal(first["rgb"]["front"], again["rgb"]["front"])
        assert info["metrics"] == told["metrics"] and info["prompt"] == told["prompt"]
        assert told["scene_id"].startswith("embedded/house_")
    while "expert_action" in told:
        *_, told = played.step(told["expert_action"])
    assert told["success"]
    drawn.close()
    played.close()


def test_an_episode_that_cannot_be_played_is_told(tmp_path: Path) -> None:
    path = tmp_path / "ours.json.gz"
    record_episodes(_make("PointNav", level="small"), [5], path)
    (good,) = read_episodes(path)
    x, y, z = good.start_position
    bad = {
        "scene_id": {"scene_id": "embedded/nowhere.json"},
        "start_position": {"start_position": (x + 500, y, z)},
        "goals": {"goals": (Goal((x, y, z + 500)),)},
    }
    for key, change in bad.items():
        write_episodes(path, [Episode(**{**vars(good), **change})])
        env = _make("PointNav", episodes=str(path))
        with pytest.raises(EnvError, match=f"ours.json.gz: episode 5, {key}="):
            env.reset(seed=0)
        with pytest.raises(EnvError, match="reset"):
            env.step(0)
    write_episodes(path, [OBJECT])
    with pytest.raises(EnvError, match="play it as ObjectNav"):
        _make("PointNav", episodes=str(path))
    write_episodes(path, [good])
    with pytest.raises(EnvError, match="play it as PointNav"):
        _make("ObjectNav", episodes=str(path))
    with pytest.raises(EnvError, match="either episodes or houses"):
        _make("PointNav", episodes=str(path), houses="x")
