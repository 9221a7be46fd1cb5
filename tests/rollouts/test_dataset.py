"""What is written: the LeRobot v3.0 layout, statistics, boxes, errors, and merging."""

import json
import re
import shutil
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest

from policies import OraclePolicy
from policies.embodiments.vima import VIMA
from pretrain.sources import LeRobotSource, schema
from pretrain.sources.schema import DatasetError
from rollouts.cli import main
from rollouts.collect import CollectConfig, collect
from rollouts.datasets.encoding import StatisticsFold, encode_episode, image_statistics, statistics
from rollouts.datasets.merge import merge
from rollouts.datasets.writer import DatasetWriter
from rollouts.runner import run_episodes, work_list
from rollouts.workers import MakeEnv
from tests.toys import TOY, ToyObject


def configuration(output: Path, **changes) -> CollectConfig:
    settings = {
        "output": str(output),
        "env": TOY,
        "tasks": ("slide",),
        "policy": "tests.toys:ScriptedPolicy",
        "env_kwargs": {"expert": True},
        "episodes": 6,
    }
    return CollectConfig(**{**settings, **changes})


def contents(root: Path) -> dict[str, bytes]:
    """Return the bytes of every file of a dataset but the lock; commits may be made while tests run."""
    paths = (path for path in root.rglob("*") if path.is_file() and path.name != ".lock")
    return {
        str(path.relative_to(root)): re.sub(rb"[0-9a-f]{40}", b"-" * 40, path.read_bytes()) for path in paths
    }


@pytest.fixture(scope="module")
def collected(tmp_path_factory) -> Path:
    root = tmp_path_factory.mktemp("collected")
    collect(configuration(root), progress=False)
    return root


def test_layout_is_lerobot_v3(collected):
    info = json.loads((collected / "meta/info.json").read_text())
    files = sorted((collected / "data").rglob("*.parquet"))
    assert info["codebase_version"] == "v3.0"
    assert (info["total_episodes"], info["splits"]) == (6, {"train": "0:6"})
    assert files == [collected / info["data_path"].format(chunk_index=0, file_index=i) for i in range(6)]
    rows = [row for path in files for row in pq.read_table(path).to_pylist()]
    assert [row["index"] for row in rows] == list(range(info["total_frames"]))
    tasks = pq.read_table(collected / "meta/tasks.parquet").to_pydict()
    assert json.loads(pq.read_schema(collected / "meta/tasks.parquet").metadata[b"pandas"])["index_columns"]
    start = 0
    for rank in range(6):
        path = collected / f"meta/episodes/chunk-000/file-{rank:03d}.parquet"
        meta = pq.read_table(path).to_pylist()[0]
        mine = [row for row in rows if row["episode_index"] == rank]
        assert meta["episode_index"] == meta["data/file_index"] == meta["meta/episodes/file_index"] == rank
        assert (meta["dataset_from_index"], meta["dataset_to_index"]) == (start, start + len(mine))
        assert meta["length"] == len(mine)
        assert [row["frame_index"] for row in mine] == list(range(len(mine)))
        assert [row["timestamp"] for row in mine] == [i / info["fps"] for i in range(len(mine))]
        assert [row["next.done"] for row in mine] == [False] * (len(mine) - 1) + [True]
        assert {tasks["__index_level_0__"][row["task_index"]] for row in mine} == set(meta["tasks"])
        assert meta["stats/action/mean"] == pytest.approx(np.mean([row["action"] for row in mine], axis=0))
        start += len(mine)
    hugging = json.loads(pq.read_schema(files[0]).metadata[b"huggingface"])["info"]["features"]
    assert list(hugging) == list(info["features"]) == pq.read_schema(files[0]).names
    assert hugging["action"] == {
        "feature": {"dtype": "float32", "_type": "Value"},
        "length": 12,
        "_type": "List",
    }


def test_instruction_names_what_placeholders_show(collected):
    record = LeRobotSource(collected)[0]
    shown = {thing["name"]: thing["texture"] for thing in record.objects[0]}
    assert (
        record.instruction
        == f"Put the {shown['square']} square onto the {shown['target']} target in this scene."
    )
    assert record.prompt == "Put the {square} onto the {target} in {scene}."


def test_statistics_of_the_set_are_those_of_all_rows(collected):
    stats = json.loads((collected / "meta/stats.json").read_text())
    source = LeRobotSource(collected)
    actions = np.concatenate([record.actions for record in source]).astype(float)
    for name, value in {
        "min": actions.min(0),
        "max": actions.max(0),
        "mean": actions.mean(0),
        "std": actions.std(0),
    }.items():
        np.testing.assert_allclose(stats["action"][name], value, rtol=1e-6, atol=1e-9)
    assert stats["action"]["count"] == [len(actions)]
    pixels = np.concatenate([record.frames["top"] for record in source])[:, ::4, ::4].reshape(-1, 3) / 255
    image = stats["observation.images.top"]
    np.testing.assert_allclose(np.ravel(image["mean"]), pixels.mean(0), rtol=1e-6)
    np.testing.assert_allclose(np.ravel(image["std"]), pixels.std(0), rtol=1e-6)
    assert np.shape(image["max"]) == (3, 1, 1)


def test_statistics_agree_with_numpy():
    values = np.random.default_rng(0).normal(size=(7, 3))
    got = statistics(values)
    for name, fraction in schema.QUANTILES.items():
        np.testing.assert_allclose(got[name], np.quantile(values, fraction, axis=0), rtol=1e-12)
    pictures = np.random.default_rng(1).integers(0, 256, (2, 40, 40, 3), np.uint8)
    sampled = pictures[:, ::4, ::4].reshape(-1, 3) / 255
    image = image_statistics(pictures)
    np.testing.assert_allclose(np.ravel(image["q50"]), np.quantile(sampled, 0.5, axis=0, method="lower"))
    np.testing.assert_allclose(np.ravel(image["min"]), sampled.min(0))
    np.testing.assert_allclose(np.ravel(image["max"]), sampled.max(0))


def test_folding_two_parts_is_the_whole():
    values = np.random.default_rng(2).normal(size=(9, 2))
    fold = StatisticsFold()
    for part in (values[:2], values[2:3], values[3:]):
        fold.add({"x": statistics(part)})
    for name in ("min", "max", "mean", "std", "count"):
        np.testing.assert_allclose(fold.as_dict()["x"][name], statistics(values)[name])


def test_boxes_are_inclusive_pixel_bounds():
    ids = np.zeros((128, 256), np.uint8)
    ids[10:13, 20:31] = 5
    ids[127, 255] = 9
    things = [ToyObject(number, "x", "red", False, (0, 0, 0)) for number in (5, 7, 9, 200)]
    seen = VIMA.objects({"segm": {"front": ids, "top": ids}}, {"objects": things})
    boxes = [thing["boxes"]["top"] for thing in seen]
    assert boxes == [[10, 20, 12, 30], None, [127, 255, 127, 255], None]


def test_another_recipe_and_another_writer_are_refused(tmp_path, collected):
    with pytest.raises(DatasetError, match=r'made with level="placement", asked for "combinatorial"'):
        collect(configuration(collected, level="combinatorial"), progress=False)
    with DatasetWriter(tmp_path, {"a": 1}), pytest.raises(DatasetError, match="another process is writing"):
        DatasetWriter(tmp_path, {"a": 1})
    DatasetWriter(tmp_path, {"a": 1}).close()


def test_foreign_and_unwritable_folders_are_named(tmp_path):
    (tmp_path / "meta").mkdir()
    (tmp_path / "meta/info.json").write_text("{}")
    with pytest.raises(DatasetError, match="did not make"):
        DatasetWriter(tmp_path, {})
    (tmp_path / "file").write_text("")
    with pytest.raises(
        DatasetError, match=r"cannot write the dataset to .*file/set: Not a directory; choose"
    ):
        DatasetWriter(tmp_path / "file" / "set", {})


def test_shards_merge_to_what_one_process_collects(tmp_path, collected):
    for i in (1, 2, 3):
        collect(configuration(tmp_path / f"part{i}", shard=f"{i}/3"), progress=False)
    assert merge([tmp_path / f"part{i}" for i in (3, 1, 2)], tmp_path / "whole") == 6
    assert contents(tmp_path / "whole") == contents(collected)
    with pytest.raises(DatasetError, match="holds 6 episodes already"):
        merge([tmp_path / "part1", tmp_path / "part2", tmp_path / "part3"], tmp_path / "whole")


def test_different_sets_merge_one_behind_the_other(tmp_path, collected):
    collect(configuration(tmp_path / "other", seed=50, episodes=2), progress=False)
    assert merge([tmp_path / "other", collected], tmp_path / "both") == 8
    assert [record.seed for record in LeRobotSource(tmp_path / "both")] == [50, 51, 0, 1, 2, 3, 4, 5]


@pytest.mark.parametrize("size", [(64, 128), (128, 128)])
def test_pictures_of_any_size_are_collected_read_and_trained_on(size, tmp_path, rendering):
    words = ["task=rotate", "episodes=4", f"env_kwargs.image_size=[{size[0]},{size[1]}]"]
    assert main(["collect", *words, f"output={tmp_path / 'set'}"]) == 0
    info = json.loads((tmp_path / "set/meta/info.json").read_text())
    source = LeRobotSource(tmp_path / "set")
    for camera in ("front", "top"):
        assert info["features"][f"observation.images.{camera}"]["shape"] == [*size, 3]
        assert source[0].frames[camera].shape == (source[0].length, *size, 3)
    assert source[0].record.cameras == {"front": size, "top": size}
    quick = (
        "steps=2 eye_steps=1 batch_size=2 validation_episodes=1 workers=0 log_every=1 device=cpu threads=1"
    )
    assert main(["train", f"data={tmp_path / 'set'}", f"output={tmp_path / 'run'}", *quick.split()]) == 0
    lines = [json.loads(line) for line in (tmp_path / "run/metrics.jsonl").read_text().splitlines()]
    assert len(lines) == 2 and lines[1]["training/words"] > 0 and lines[0]["training/name"] > 0
    assert main(["inspect", str(tmp_path / "set"), "episodes=1"]) == 0


def test_one_set_keeps_one_size_of_pictures(tmp_path, rendering):
    """Whoever plays it."""
    work = work_list(["rotate"], "placement", seed=0, episodes=1, env="vima")
    small = MakeEnv({"expert": True, "image_size": (64, 128)})
    with DatasetWriter(tmp_path, {}) as writer:
        writer.publish(encode_episode(next(run_episodes(work, MakeEnv({"expert": True}), OraclePolicy()))))
        other = encode_episode(next(run_episodes(work, small, OraclePolicy())))
        with pytest.raises(DatasetError, match="one set keeps one embodiment and one size of pictures"):
            writer.publish(other)
        assert writer.episodes == 1


def test_sets_of_before_have_the_record_their_features_tell(collected, tmp_path):
    """Format 2 named neither embodiment nor suite, and kept no record."""
    old = tmp_path / "old"
    shutil.copytree(collected, old)
    path = old / schema.PROVENANCE_PATH
    kept = json.loads(path.read_text())
    record = kept.pop("record")
    path.write_text(json.dumps(kept | {"format": 2}))
    index = old / schema.INDEX_PATH
    rows = [json.loads(line) for line in index.read_text().splitlines()]
    newer = ("embodiment", "suite", "has_expert")
    plain = [{key: row[key] for key in row if key not in newer} for row in rows]
    index.write_text("".join(json.dumps(row) + "\n" for row in plain))
    now, before = LeRobotSource(collected), LeRobotSource(old)
    assert before[0].record.to_dict() == record and before[0].embodiment == "vima"
    assert [r.suite for r in before] == ["toy"] * 6  # from the id
    for mine, theirs in zip(now, before, strict=True):
        assert np.array_equal(mine.actions, theirs.actions) and np.array_equal(mine.states, theirs.states)
        assert np.array_equal(mine.frames["top"], theirs.frames["top"])
    with pytest.raises(DatasetError, match="format 2, this program writes 5"):
        collect(configuration(old, episodes=8), progress=False)
