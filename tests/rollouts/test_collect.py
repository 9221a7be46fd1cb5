"""Collecting: workers, interruptions, restarts and errors leave the dataset that one calm process makes."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from envs.errors import EnvError
from pretrain.sources import LeRobotSource
from pretrain.sources.schema import DatasetError
from rollouts.collect import CollectConfig, collect, replay
from rollouts.datasets import keeper
from rollouts.datasets.writer import DatasetWriter
from rollouts.errors import RolloutError
from tests.rollouts.test_dataset import configuration, contents
from tests.toys import ScriptedPolicy

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize("changes", [{"workers": 2, "slots": 2}, {"slots": 5}])
def test_workers_and_slots_leave_no_trace(tmp_path, changes):
    wanted, got = tmp_path / "one", tmp_path / "other"
    collect(configuration(wanted, episodes=9), progress=False)
    collect(configuration(got, episodes=9, **changes), progress=False)
    assert contents(got) == contents(wanted)


@pytest.mark.parametrize("killed_after", [0, 4])
def test_sigkill_leaves_the_published_and_a_rerun_completes(tmp_path, killed_after):
    calm, killed = tmp_path / "calm", tmp_path / "killed"
    collect(configuration(calm, tasks=("slow",), episodes=10), progress=False)
    code = (
        "from tests.rollouts.test_dataset import configuration\n"
        "from rollouts.collect import collect\n"
        "from pathlib import Path\n"
        f"collect(configuration(Path({str(killed)!r}), tasks=('slow',), episodes=10), progress=False)\n"
    )
    process = subprocess.Popen([sys.executable, "-c", code], cwd=ROOT)
    index = killed / "meta/uio2_episodes.jsonl"
    deadline = time.monotonic() + 300
    while not index.exists() or index.read_text().count("\n") < killed_after:
        assert time.monotonic() < deadline and process.poll() is None
        time.sleep(0.005)
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    if killed_after:
        published = LeRobotSource(killed)
        assert killed_after <= len(published) < 10
        assert [record.frames["top"].shape[0] for record in published] == [r.length for r in published]
    result = collect(configuration(killed, tasks=("slow",), episodes=10), progress=False)
    assert result.played <= 10 - killed_after
    assert contents(killed) == contents(calm)


@pytest.fixture(scope="module")
def calm(tmp_path_factory) -> Path:
    root = tmp_path_factory.mktemp("calm")
    collect(configuration(root), progress=False)
    return root


@pytest.mark.parametrize("stop_before", range(1, 16))
def test_a_stop_between_any_two_files_is_recovered(tmp_path, monkeypatch, calm, stop_before):
    """Stop the writer before its k-th rename or append on reopening; a rerun makes the same set."""
    stopped = tmp_path / "stopped"
    collect(configuration(stopped, episodes=2), progress=False)
    left = stop_before

    class Stopped(BaseException):
        pass

    def counting(function):
        def call(*arguments):
            nonlocal left
            left -= 1
            if left == 0:
                raise Stopped
            return function(*arguments)

        return call

    with monkeypatch.context() as patch:
        patch.setattr(os, "replace", counting(os.replace))
        patch.setattr(DatasetWriter, "_append", counting(DatasetWriter._append))
        with pytest.raises(Stopped):
            collect(configuration(stopped, episodes=6), progress=False)
    published = len(LeRobotSource(stopped))
    assert published >= 2
    DatasetWriter(stopped, configuration(stopped).recipe()).close()
    names = {path.name for path in stopped.rglob("*") if path.is_file()}
    assert not any(name.endswith(".partial") or name.startswith(f"file-{published:03d}") for name in names)
    collect(configuration(stopped), progress=False)
    assert contents(stopped) == contents(calm)


def test_more_episodes_extend_a_set(tmp_path):
    collect(configuration(tmp_path / "grown", episodes=4), progress=False)
    result = collect(configuration(tmp_path / "grown", episodes=6), progress=False)
    assert (result.played, result.published) == (2, 6)
    collect(configuration(tmp_path / "whole", episodes=6), progress=False)
    assert contents(tmp_path / "grown") == contents(tmp_path / "whole")


def test_success_only_and_errors(tmp_path):
    spoiling = {"policy_args": {"spoil": 3}, "tasks": ("slide", "unplaceable"), "episodes": 12}
    result = collect(configuration(tmp_path / "all", **spoiling), progress=False)
    kept = collect(configuration(tmp_path / "kept", success_only=True, **spoiling), progress=False)
    assert result.outcomes == kept.outcomes == {"success": 6, "truncated": 4, "error": 2}
    assert (result.published, kept.published) == (10, 6)
    source = LeRobotSource(tmp_path / "kept")
    assert all(record.success for record in source)
    assert [record.index for record in source] == list(range(6))
    again = collect(configuration(tmp_path / "kept", success_only=True, **spoiling), progress=False)
    assert again.published == 6
    errors = [json.loads(line) for line in (tmp_path / "kept/meta/errors.jsonl").read_text().splitlines()]
    assert [(e["seed"], e["message"]) for e in errors] == [
        (s, "RuntimeError: cannot place the objects") for s in (1, 4)
    ]


@pytest.mark.parametrize("env", ["toy", "vima"])
def test_a_stored_episode_replays_to_the_same_frames(tmp_path, env):
    if env == "toy":
        config = configuration(tmp_path, episodes=4)
    else:
        tasks = ("visual_manipulation", "scene_understanding", "rotate", "sweep_without_exceeding")
        config = CollectConfig(output=str(tmp_path), tasks=tasks, episodes=4, seed=40)
    assert "error" not in collect(config, progress=False).outcomes
    for record in LeRobotSource(tmp_path):
        observations = list(replay(record))
        assert len(observations) == record.length + 1
        for view in ("front", "top"):
            stored = [*record.frames[view], record.final[view]]
            for observation, frame in zip(observations, stored, strict=True):
                assert np.array_equal(observation["rgb"][view].transpose(1, 2, 0), frame)


@pytest.mark.parametrize("together", [0.0, 3600.0])
def test_interrupt_keeps_what_is_published(tmp_path, monkeypatch, together):
    """Among the episodes, and where the last ones are published together."""

    def interrupted(self, episodes):
        if self.episodes + len(episodes) > 2:
            raise KeyboardInterrupt
        return publish_all(self, episodes)

    publish_all = DatasetWriter.publish_all
    with monkeypatch.context() as patch:
        patch.setattr(DatasetWriter, "publish_all", interrupted)
        patch.setattr(keeper, "_TOGETHER_S", together)
        result = collect(configuration(tmp_path), progress=False)
    assert (result.interrupted, result.published) == (True, 1 if together else 2)
    assert collect(configuration(tmp_path), progress=False).published == 6


@pytest.mark.parametrize("together", [0.0, 3600.0])
def test_together_or_one_by_one_makes_the_same_set(tmp_path, monkeypatch, calm, together):
    """However long episodes may wait for each other: what waits at the end is published too."""
    published, publish_all = [], DatasetWriter.publish_all

    def counted(self, episodes):
        published.append(len(episodes))
        return publish_all(self, episodes)

    monkeypatch.setattr(DatasetWriter, "publish_all", counted)
    monkeypatch.setattr(keeper, "_TOGETHER_S", together)
    collect(configuration(tmp_path), progress=False)
    assert published == ([1] * 6 if together == 0 else [1, 5])
    assert contents(tmp_path) == contents(calm)


def test_killed_between_files_and_index_nothing_is_left_of_the_group(tmp_path, monkeypatch, calm):
    """All files of five episodes are in place, and none counts: opened again they are gone, then played."""

    def killed(self, path, *records):
        if len(records) > 1:
            raise KeyboardInterrupt
        return append(self, path, *records)

    append = DatasetWriter._append
    with monkeypatch.context() as patch:
        patch.setattr(keeper, "_TOGETHER_S", 3600.0)
        patch.setattr(DatasetWriter, "_append", killed)
        assert collect(configuration(tmp_path), progress=False).interrupted
    assert len(list(tmp_path.glob("data/*/*.parquet"))) == 6
    with DatasetWriter(tmp_path, configuration(tmp_path).recipe()) as writer:
        assert writer.episodes == 1
    assert len(list(tmp_path.glob("data/*/*.parquet"))) == 1
    collect(configuration(tmp_path), progress=False)
    assert contents(tmp_path) == contents(calm)


def test_what_is_not_kept_is_on_record_behind_what_came_before(tmp_path, monkeypatch):
    """A process that dies where it drops an episode has published those before: none is skipped later."""
    settings = {"policy_args": {"spoil": 3}, "success_only": True, "episodes": 6}  # seeds 0 and 3 fail
    calm, killed = tmp_path / "calm", tmp_path / "killed"
    collect(configuration(calm, **settings), progress=False)

    record = DatasetWriter.record_dropped
    with monkeypatch.context() as patch:

        def die(self, work_index, status):
            record(self, work_index, status)
            if work_index == 3:
                patch.setattr(keeper.Keeper, "publish", lambda self: None)  # nothing more is written
                raise SystemExit

        patch.setattr(keeper, "_TOGETHER_S", 3600.0)
        patch.setattr(DatasetWriter, "record_dropped", die)
        with pytest.raises(SystemExit):
            collect(configuration(killed, **settings), progress=False)
    collect(configuration(killed, **settings), progress=False)
    assert contents(killed) == contents(calm)


def test_interrupt_among_several_slots_leaves_no_gap(tmp_path, monkeypatch, calm):
    """Episodes that finished behind an unfinished one are played again, not published out of their turn."""
    act, calls = ScriptedPolicy.act, []

    def interrupted(self, steps):
        calls.append(steps)
        if len(calls) == 3:
            raise KeyboardInterrupt
        return act(self, steps)

    with monkeypatch.context() as patch:
        patch.setattr(ScriptedPolicy, "act", interrupted)
        result = collect(configuration(tmp_path, slots=6), progress=False)
    assert result.interrupted
    assert result.published < 6
    collect(configuration(tmp_path, slots=6), progress=False)
    assert contents(tmp_path) == contents(calm)


def test_held_out_seeds_and_bad_settings_are_refused(tmp_path):
    with pytest.raises(DatasetError, match="seeds from 5000000 on are held out"):
        configuration(tmp_path, seed=4_999_999, episodes=2)
    configuration(tmp_path, seed=4_999_999, episodes=1)
    configuration(tmp_path, seed=5_000_000, allow_held_out=True)
    for changes in ({"episodes": 0}, {"workers": 0}):
        with pytest.raises(DatasetError):
            configuration(tmp_path, **changes)
    for changes in ({"shard": "0/2"}, {"shard": "3/2"}, {"shard": "x"}):
        with pytest.raises(RolloutError, match="is not i/n"):
            configuration(tmp_path, **changes)
    with pytest.raises(EnvError, match="unknown suite 'nothing': choose one of vima"):
        CollectConfig(output=str(tmp_path), env="nothing")
    with pytest.raises(DatasetError, match="keeps one embodiment"):
        CollectConfig(output=str(tmp_path), env="procthor", tasks=("ObjectNav", "PickAndPlace"))
