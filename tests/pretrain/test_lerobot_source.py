"""The reader gives back what the episode was, lazily, and names what it cannot read."""

import gc
import pickle
import shutil
import weakref
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from policies.embodiments.vima import VIMA
from pretrain.sources import LeRobotSource
from pretrain.sources.schema import DatasetError
from rollouts.datasets.encoding import encode_episode
from rollouts.datasets.writer import DatasetWriter
from rollouts.runner import run_episodes, work_list
from rollouts.workers import MakeEnv
from tests.toys import TOY, ScriptedPolicy


@pytest.fixture(scope="module")
def stored(tmp_path_factory):
    root = tmp_path_factory.mktemp("set")
    work = work_list(["slide"], "placement", seed=3, episodes=4, env=TOY)
    episodes = list(run_episodes(work, MakeEnv({"expert": True}), ScriptedPolicy(tokens=True)))
    with DatasetWriter(root, {}) as writer:
        for episode in episodes:
            writer.publish(encode_episode(episode))
    return root, episodes


def test_a_record_is_the_episode(stored):
    root, episodes = stored
    for record, episode in zip(LeRobotSource(root), episodes, strict=True):
        first = episode.infos[0]
        assert (record.task, record.level, record.seed) == ("slide", "placement", episode.work.seed)
        assert (record.prompt, record.embodiment, record.length) == (first["prompt"], "vima", episode.steps)
        assert record.states.tolist() == [[1.0, 0.0]] * episode.steps
        assert (record.status, record.success, record.policy) == ("success", True, "scripted")
        assert record.action_texts == episode.action_texts
        assert record.vocabulary_hash == "toy"
        for got, wanted in zip(record.tokens, episode.tokens, strict=True):
            assert np.array_equal(got, wanted)
        for view in VIMA.cameras:
            pictures = [o["rgb"][view].transpose(1, 2, 0) for o in episode.observations]
            assert np.array_equal(record.frames[view], pictures[:-1])
            assert np.array_equal(record.final[view], pictures[-1])
        for vector, action in zip(record.actions, episode.actions, strict=True):
            for part, value in VIMA.action(vector).items():
                assert np.array_equal(value, action[part])
        for things, info in zip([*record.objects, record.final_objects], episode.infos, strict=True):
            assert [t["position"] for t in things] == [list(t.position) for t in info["objects"]]
            assert [t["id"] for t in things] == [5, 6]


def test_boxes_hold_the_objects_pixels(stored):
    root, episodes = stored
    for record, episode in zip(LeRobotSource(root), episodes, strict=True):
        for things, observation in zip(record.objects, episode.observations, strict=False):
            for thing in things:
                rows, columns = np.nonzero(observation["segm"]["top"] == thing["id"])
                box = [rows.min(), columns.min(), rows.max(), columns.max()] if len(rows) else None
                assert thing["boxes"]["top"] == box


def plain(value):
    """What environments hand out frozen, as JSON gives it back."""
    if isinstance(value, Mapping):
        return {key: plain(part) for key, part in value.items()}
    return [plain(part) for part in value] if isinstance(value, list | tuple) else value


def test_prompt_assets_are_laid_out_as_the_environments(stored):
    root, episodes = stored
    for record, episode in zip(LeRobotSource(root), episodes, strict=True):
        wanted = episode.infos[0]["prompt_assets"]
        assert isinstance(record.prompt_assets, Mapping)
        assert set(record.prompt_assets) == set(wanted)
        for name, asset in record.prompt_assets.items():
            assert asset["placeholder_type"] == wanted[name]["placeholder_type"]
            assert plain(asset["segm"]["obj_info"]) == plain(wanted[name]["segm"]["obj_info"])
            for view in VIMA.cameras:
                assert np.array_equal(asset["rgb"][view], wanted[name]["rgb"][view])
                assert np.array_equal(asset["segm"][view], wanted[name]["segm"][view])


def test_several_folders_count_on(stored):
    root, _ = stored
    source = LeRobotSource([root, root], cache_episodes=1)
    assert [record.seed for record in source] == [3, 4, 5, 6, 3, 4, 5, 6]
    assert source[-1].seed == 6
    assert source[1] is source[1]
    assert [row["length"] for row in source.facts] == [record.length for record in source]
    with pytest.raises(IndexError):
        source[8]


def test_a_source_travels_to_loader_processes(stored):
    source = LeRobotSource(stored[0])
    source[0].frames["top"]
    copy = pickle.loads(pickle.dumps(source))
    assert np.array_equal(copy[0].frames["top"], source[0].frames["top"])


def test_what_cannot_be_read_is_named(tmp_path, stored):
    with pytest.raises(DatasetError, match="is no dataset of ours"):
        LeRobotSource(tmp_path)
    with DatasetWriter(tmp_path, {}), pytest.raises(DatasetError, match="no episodes in"):
        LeRobotSource(tmp_path)
    with pytest.raises(DatasetError, match="an empty list"):
        LeRobotSource([])
    data = Path(stored[0]) / "data/chunk-000/file-003.parquet"
    content = data.read_bytes()
    data.write_bytes(content[: len(content) // 2])
    try:
        with pytest.raises(DatasetError, match=r"cannot read .*file-003.parquet \(episode 3\)"):
            _ = LeRobotSource(stored[0])[3].actions
    finally:
        data.write_bytes(content)


def test_pictures_of_other_modes_are_the_same_pictures(tmp_path, stored):
    """A tool that stores PNGs smaller makes palettes of them, without the loss of a level."""
    root = shutil.copytree(stored[0], tmp_path / "set")
    paths = [*root.glob("prompts/**/*.png"), *root.glob("images/**/*.png")]
    changed = 0
    for path in paths:
        with Image.open(path) as picture:
            if picture.mode == "RGB" and len(picture.getcolors(1 << 16) or range(257)) <= 256:
                picture.convert("P", palette=Image.Palette.ADAPTIVE, colors=256).save(path)
                changed += 1
    assert changed
    for again, record in zip(LeRobotSource(root), LeRobotSource(stored[0]), strict=True):
        for name, asset in again.prompt_assets.items():
            for view in VIMA.cameras:
                assert np.array_equal(asset["rgb"][view], record.prompt_assets[name]["rgb"][view])
                assert np.array_equal(asset["segm"][view], record.prompt_assets[name]["segm"][view])
        for view in VIMA.cameras:
            assert np.array_equal(again.final[view], record.final[view])


def test_a_record_goes_with_all_it_keeps_when_nobody_holds_it(stored):
    """Without the collector of cycles, which waits for long where a source of many episodes is kept."""
    record = LeRobotSource(stored[0])[0]
    gc.disable()
    try:
        film = record.frames["top"]
        _ = film[0], dict(record.final), record.objects, record.action_texts
        for asset in record.prompt_assets.values():
            _ = dict(asset["rgb"]), dict(asset["segm"])
        gone, kept = weakref.ref(record), weakref.ref(record.final)
        del record, asset
        assert gone() is None and kept() is None
        assert film[0].shape == film.shape[1:]  # who still looks at a film can
    finally:
        gc.enable()
