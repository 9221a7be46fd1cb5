"""LeRobot sets of anybody, v2.1 and v3.0, with pictures or videos, are read as trajectories of numbers."""

import json
import pickle

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from pretrain.generated.writing import mkv, png
from pretrain.sources.films import ArrayFilm
from pretrain.sources.opening import open_source
from pretrain.sources.robots import RobotEpisodes
from pretrain.sources.schema import DatasetError
from pretrain.sources.source import BadRecord
from rollouts.datasets.encoding import encode_episode
from rollouts.datasets.writer import DatasetWriter
from rollouts.runner import run_episodes, work_list
from rollouts.workers import MakeEnv
from tests.toys import TOY, ScriptedPolicy

FPS = 5
LENGTHS = (4, 7, 5)
TASKS = ("open the drawer", "push the red block", "open the drawer")
NAMES = ["x", "y", "z", "roll", "pitch", "yaw", "gripper"]


def numbers(episode):
    rng = np.random.default_rng(episode)
    actions = rng.normal(0, [1, 2, 3, 0.1, 0.1, 0.1, 1], (LENGTHS[episode], 7)).astype(np.float32)
    actions[:, 6] = actions[:, 6] > 0
    actions[0, 6], actions[1, 6] = 0, 1
    return actions, rng.normal(size=(LENGTHS[episode], 3)).astype(np.float32)


def pictures(episode, camera):
    rng = np.random.default_rng([episode, len(camera)])
    return rng.integers(0, 256, (LENGTHS[episode], 16, 24, 3), dtype=np.uint8)


def rows(episode, first, cameras=()):
    actions, states = numbers(episode)
    return [
        {
            "action": actions[frame].tolist(),
            "observation.state": states[frame].tolist(),
            **{key: {"bytes": png(pictures(episode, key)[frame]), "path": None} for key in cameras},
            "timestamp": frame / FPS,
            "frame_index": frame,
            "episode_index": episode,
            "index": first + frame,
            "task_index": 0,
        }
        for frame in range(LENGTHS[episode])
    ]


def info(version, cameras, dtype, **paths):
    names = {"motors": NAMES}
    views = {key: {"dtype": dtype, "shape": [16, 24, 3], "names": ["h", "w", "c"]} for key in cameras}
    features = {
        "action": {"dtype": "float32", "shape": [7], "names": names},
        "observation.state": {"dtype": "float32", "shape": [3], "names": None},
        **views,
    }
    return {"codebase_version": version, "fps": FPS, "chunks_size": 1000, "features": features, **paths}


def write(path, content):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content if isinstance(content, bytes) else content.encode())


def table(path, items):
    path.parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(pa.Table.from_pylist(items), path)


def write_v2(root, cameras=("observation.images.top", "observation.images.wrist")):
    """As Bridge's conversions are: a data file and a video a camera for each episode."""
    data = "data/chunk-{episode_chunk:03d}/episode_{episode_index:06d}.parquet"
    video = "videos/chunk-{episode_chunk:03d}/{video_key}/episode_{episode_index:06d}.mp4"
    write(
        root / "meta/info.json", json.dumps(info("v2.1", cameras, "video", data_path=data, video_path=video))
    )
    lines = [
        json.dumps({"episode_index": n, "tasks": [TASKS[n]], "length": LENGTHS[n]})
        for n in range(len(LENGTHS))
    ]
    write(root / "meta/episodes.jsonl", "\n".join(lines) + "\n")
    for episode in range(len(LENGTHS)):
        place = {"episode_chunk": 0, "episode_index": episode}
        table(root / data.format(**place), rows(episode, 0))
        for key in cameras:
            film = ArrayFilm(pictures(episode, key), FPS)
            write(root / video.format(video_key=key, **place), mkv(film))  # a reader looks into a file
    return root


def write_v3(root, camera="observation.image"):
    """All episodes in one data file and one video."""
    data = "data/chunk-{chunk_index:03d}/file-{file_index:03d}.parquet"
    video = "videos/{video_key}/chunk-{chunk_index:03d}/file-{file_index:03d}.mp4"
    write(
        root / "meta/info.json", json.dumps(info("v3.0", [camera], "video", data_path=data, video_path=video))
    )
    firsts = np.cumsum([0, *LENGTHS])
    place = {"chunk_index": 0, "file_index": 0}
    table(root / data.format(**place), [r for n in range(len(LENGTHS)) for r in rows(n, int(firsts[n]))])
    film = ArrayFilm(np.concatenate([pictures(n, camera) for n in range(len(LENGTHS))]), FPS)
    write(root / video.format(video_key=camera, **place), mkv(film))
    episodes = [
        {
            "episode_index": n,
            "tasks": [TASKS[n]],
            "length": LENGTHS[n],
            **{f"data/{key}": value for key, value in place.items()},
            **{f"videos/{camera}/{key}": value for key, value in place.items()},
            f"videos/{camera}/from_timestamp": firsts[n] / FPS,
            f"videos/{camera}/to_timestamp": firsts[n + 1] / FPS,
        }
        for n in range(len(LENGTHS))
    ]
    table(root / "meta/episodes/chunk-000/file-000.parquet", episodes)
    return root


@pytest.mark.parametrize("write_set", [write_v2, write_v3])
def test_episodes_are_what_was_recorded(tmp_path, write_set):
    source = open_source("bridge", write_set(tmp_path / "set"), "trajectory")
    assert len(source) == 3
    for index in (2, 0, 1):
        record = pickle.loads(pickle.dumps(source))[index]
        actions, states = numbers(index)
        assert (record.instruction, record.fps, record.success) == (TASKS[index], FPS, None)
        assert np.array_equal(record.actions, actions)
        assert np.array_equal(record.states, states)
        for camera in source.cameras:
            frames = record.frames[camera]
            assert len(frames) == LENGTHS[index]
            assert all(np.array_equal(a, b) for a, b in zip(frames, pictures(index, camera), strict=True))


def test_ranges_are_percentiles_of_all_actions_and_are_kept(tmp_path):
    root = write_v3(tmp_path / "set")
    source = RobotEpisodes("s", root)
    actions = np.concatenate([numbers(n)[0] for n in range(3)])
    controls = source.controls
    assert controls.names == tuple(NAMES)
    assert controls.switches == ("gripper",)
    assert np.allclose(controls.low[:6], np.percentile(actions[:, :6], 1, axis=0))
    assert np.allclose(controls.high[:6], np.percentile(actions[:, :6], 99, axis=0))
    assert json.loads((root / "meta/uio2_ranges.json").read_text())["names"] == NAMES
    assert RobotEpisodes("s", root).controls == controls
    written = controls.write(np.array(controls.low, np.float32))
    assert written == "( " + "<extra_id_200> " * 7 + ")"
    own = RobotEpisodes("s", root, controls=RobotEpisodes("s", write_v2(tmp_path / "b")).controls)
    assert own[0].controls == own.controls


def test_actions_of_two_numbers_without_names_under_a_name_of_their_own(tmp_path):
    """As Language-Table's conversions are."""
    root = write_v3(tmp_path / "set")
    about = json.loads((root / "meta/info.json").read_text())
    about["features"]["actions"] = {"dtype": "float32", "shape": [2], "names": None}
    del about["features"]["action"]
    write(root / "meta/info.json", json.dumps(about))
    path = root / "data/chunk-000/file-000.parquet"
    found = pq.read_table(path)
    two = pa.array([row[:2] for row in found["action"].to_pylist()], pa.list_(pa.float32(), 2))
    pq.write_table(found.drop_columns("action").append_column("actions", two), path)
    source = open_source("lt", root, "trajectory", {"action": "actions", "state": "none"})
    record = source[1]
    assert record.controls.description == "<actions 0, actions 1>"
    assert record.actions.shape == (7, 2)
    assert record.states.shape == (7, 0)
    with pytest.raises(DatasetError, match=r"no feature 'action': say which of observation\.state, actions"):
        open_source("lt", root, "trajectory")


def test_pictures_in_the_data_file_and_our_own_sets_are_read_as_anybodys(tmp_path):
    work = work_list(["slide"], "placement", seed=3, episodes=2, env=TOY)
    episodes = list(run_episodes(work, MakeEnv({"expert": True}), ScriptedPolicy(tokens=True)))
    with DatasetWriter(tmp_path, {}) as writer:
        for episode in episodes:
            writer.publish(encode_episode(episode))
    own = open_source("own", tmp_path, "trajectory")
    foreign = RobotEpisodes("foreign", tmp_path)
    assert len(own) == len(foreign) == 2
    for index in range(2):
        mine, theirs = own[index], foreign[index]
        assert np.array_equal(mine.actions, theirs.actions)
        assert np.array_equal(mine.states, theirs.states)
        assert mine.success == theirs.success is True
        for view in mine.frames:
            pictures = zip(mine.frames[view], theirs.frames[f"observation.images.{view}"], strict=True)
            assert all(np.array_equal(a, b) for a, b in pictures)
    index = tmp_path / "meta/uio2_episodes.jsonl"
    index.write_text(index.read_text().replace(f'"seed": {own[1].seed}', '"seed": 5000001'))
    with pytest.raises(DatasetError, match="source own holds an episode of the held-out seed 5000001"):
        open_source("own", tmp_path, "trajectory")
    assert own.key(0) != own.key(1)
    assert own.identity.startswith("2 examples ")


def test_identity_follows_the_content_and_damage_is_named(tmp_path):
    a, b = write_v2(tmp_path / "a"), write_v2(tmp_path / "b")
    assert RobotEpisodes("a", a).identity == RobotEpisodes("b", b).identity
    keys = [RobotEpisodes("a", a).key(n) for n in range(3)]
    assert keys == [RobotEpisodes("c", write_v3(tmp_path / "c")).key(n) for n in range(3)]
    lines = (b / "meta/episodes.jsonl").read_text().splitlines()
    (b / "meta/episodes.jsonl").write_text("\n".join(lines[:2]))
    assert RobotEpisodes("b", b).identity.split()[0] == "2"
    assert RobotEpisodes("a", a).identity != RobotEpisodes("b", b).identity
    (a / "data/chunk-000/episode_000001.parquet").write_bytes(b"PAR1 no")
    (a / "videos/chunk-000/observation.images.top/episode_000002.mp4").unlink()
    source = RobotEpisodes("a", a)
    with pytest.raises(BadRecord, match=r"episode_000001\.parquet \(episode 1\) cannot be read"):
        source[1]
    with pytest.raises(BadRecord, match=r"episode_000002\.mp4 is missing"):
        source[2]
    assert source[0].instruction == TASKS[0]
    (a / "meta/info.json").write_text("{}")
    with pytest.raises(DatasetError, match="is no LeRobot dataset"):
        RobotEpisodes("a", a)
