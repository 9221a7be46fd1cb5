"""What a thing is counts, never where it lies: policies, training data, shards; nothing lost or doubled."""

import dataclasses
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from policies.loading import policy_identity
from policies.style import load_styles, save_styles
from pretrain.settings import TrainConfig
from pretrain.sources.schema import DatasetError
from pretrain.trainer import train
from rollouts.cli import main
from rollouts.collect import collect
from rollouts.datasets.merge import merge
from rollouts.datasets.writer import DatasetWriter
from tests.rollouts.test_dataset import configuration, contents
from tests.toys import TOY
from uio2_agent.errors import UIO2Error
from uio2_agent.formats.packaged import checkpoint_directory

ROOT = Path(__file__).parents[2]


def test_a_policy_is_its_weights_style_and_vocabulary(tmp_path, monkeypatch):
    here, there = tmp_path / "here", tmp_path / "there"
    for place in (here, there):
        shutil.copytree(checkpoint_directory("nano"), place)
    before = policy_identity(str(here))
    assert before == policy_identity(str(there)) == policy_identity("nano") and before is not None
    (here / "metrics.jsonl").write_text("{}")  # what is written beside it is not it
    (here / "evaluation").mkdir()
    assert policy_identity(str(here)) == before
    for name in ("model.safetensors", "policy.json", "tokenizer.model", "config.json"):
        path = there / name
        kept = path.read_bytes()
        path.write_bytes(kept + b" ")
        assert policy_identity(str(there)) != before, name
        path.write_bytes(kept)
    monkeypatch.chdir(tmp_path)
    (tmp_path / "oracle").mkdir()  # as when results are written to output=oracle
    assert policy_identity("oracle") is None


def test_a_policy_is_what_its_arguments_name(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name in ("leader", "copy"):
        shutil.copytree(checkpoint_directory("nano"), tmp_path / name)
    led = [policy_identity("oracle", {"noise": 0.5, "by": by}) for by in ("leader", "copy", "nano")]
    assert len(set(led)) == 1 and led[0] is not None
    (tmp_path / "leader" / "model.safetensors").write_bytes(b"other weights")
    assert policy_identity("oracle", {"noise": 0.5, "by": "leader"}) != led[0]
    assert policy_identity("oracle", {"noise": 0.5, "by": "random"}) is None
    drawing = tmp_path / "drawing"
    shutil.copytree(checkpoint_directory("nano"), drawing)
    styles = load_styles(drawing, unnamed="vima")
    save_styles(drawing, {name: dataclasses.replace(style, goal=True) for name, style in styles.items()})
    shown = tmp_path / "shown" / "pictures"
    shown.mkdir(parents=True)
    (shown / "one.png").write_bytes(b"a goal")
    without = policy_identity("drawing")
    assert policy_identity("drawing", {"goal": "none"}) == without
    before = policy_identity("drawing", {"goal": "shown"})
    (tmp_path / "shown").rename(tmp_path / "elsewhere")
    assert policy_identity("drawing", {"goal": "elsewhere"}) == before != without
    (tmp_path / "elsewhere" / "pictures" / "one.png").write_bytes(b"another")
    assert policy_identity("drawing", {"goal": "elsewhere"}) != before
    (tmp_path / "none").mkdir()  # a folder of a word's name
    assert policy_identity("drawing", {"goal": "none"}) == without


def test_another_policy_of_the_same_name_is_refused(tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(tmp_path)
    source = "from tests.toys import ScriptedPolicy\nclass Mine(ScriptedPolicy): pass\n"
    (tmp_path / "mine_of_today.py").write_text(source)
    settings = {"policy": "mine_of_today:Mine", "episodes": 2}
    collect(configuration(tmp_path / "set", **settings), progress=False)
    (tmp_path / "mine_of_today.py").write_text(source + "# another one\n")
    with pytest.raises(DatasetError, match="was made with policy_identity="):
        collect(configuration(tmp_path / "set", **settings), progress=False)


def test_training_goes_on_with_the_very_data_only(tmp_path):
    data = tmp_path / "data"
    collect(configuration(data, episodes=20), progress=False)
    settings = {
        **{"output": str(tmp_path / "run"), "eye_steps": 0, "batch_size": 2, "validation_episodes": 2},
        **{"workers": 0, "device": "cpu", "threads": 1, "log_every": 1},
    }
    train(TrainConfig(data=(str(data),), steps=2, **settings))
    elsewhere = tmp_path / "elsewhere"
    shutil.copytree(data, elsewhere)  # the same content under another name
    train(TrainConfig(data=(str(elsewhere),), steps=2, **settings))
    collect(configuration(data, episodes=30), progress=False)
    with pytest.raises(UIO2Error, match=r"data .*20 episodes .* -> .*30 episodes"):
        train(TrainConfig(data=(str(data),), steps=2, **settings))
    with pytest.raises(UIO2Error, match="episodes 0 and 20 of the data are the same one"):
        train(
            TrainConfig(
                data=(str(elsewhere), str(elsewhere)), steps=2, **settings | {"output": str(tmp_path)}
            )
        )


def test_merging_refuses_holes_and_doubles(tmp_path):
    parts = [tmp_path / f"part{i}" for i in (1, 2)]
    collect(configuration(parts[0], shard="1/2", episodes=8), progress=False)
    collect(configuration(parts[1], shard="2/2", episodes=4), progress=False)
    with pytest.raises(DatasetError, match=r"part2 \(shard 2/2\) lacks 1 pieces .* at place 5"):
        merge(parts, tmp_path / "whole")
    with pytest.raises(DatasetError, match="not one collection: merge each of 1/2 to 2/2 once"):
        merge(parts[:1], tmp_path / "whole")
    shutil.copytree(parts[0], tmp_path / "copy")
    collect(configuration(tmp_path / "more", seed=50, episodes=2), progress=False)
    with pytest.raises(DatasetError, match="are the same one: merge each set once"):
        merge([parts[0], tmp_path / "more", tmp_path / "copy"], tmp_path / "whole")
    with pytest.raises(DatasetError, match="are the same one: merge each set once"):
        merge([tmp_path / "more", tmp_path / "more"], tmp_path / "whole")
    assert not (tmp_path / "whole").exists()
    collect(configuration(parts[1], shard="2/2", episodes=8), progress=False)
    assert merge(parts, tmp_path / "whole") == 8


def test_work_that_is_not_kept_is_no_hole(tmp_path):
    """With success_only a place without an episode is done: not played again, and shards still merge."""
    settings = {"policy_args": {"spoil": 3}, "success_only": True, "episodes": 7}
    collect(configuration(tmp_path / "one", **settings), progress=False)
    again = collect(configuration(tmp_path / "one", **settings), progress=False)
    assert again.played == 0 and again.published == 4
    assert again.outcomes == {"success": 4, "truncated": 3}
    for i in (1, 2):
        collect(configuration(tmp_path / f"part{i}", shard=f"{i}/2", **settings), progress=False)
    assert merge([tmp_path / "part1", tmp_path / "part2"], tmp_path / "both") == 4
    assert contents(tmp_path / "both") == contents(tmp_path / "one")


def test_counts_are_of_all_sittings(tmp_path, capsys):
    words = [f"env={TOY}", "task=slide", "policy=oracle", f"output={tmp_path}"]
    assert main(["collect", *words, "episodes=2"]) == main(["collect", *words, "episodes=5"]) == 0
    assert "5 episodes (5 success)" in capsys.readouterr().out
    assert main(["collect", *words, "episodes=5"]) == 0
    assert "5 episodes (5 success; nothing was left to play)" in capsys.readouterr().out


def test_a_shard_without_work_is_an_empty_part(tmp_path, capsys):
    words = [f"env={TOY}", "task=slide", "policy=oracle", "episodes=2"]
    for i in (1, 2, 3):
        assert main(["collect", *words, f"shard={i}/3", f"output={tmp_path / str(i)}"]) == 0
    assert "0 episodes (of 2 episodes none is for shard 3/3)" in capsys.readouterr().out
    assert merge([tmp_path / str(i) for i in (1, 2, 3)], tmp_path / "whole") == 2


def test_a_folder_that_vanishes_stops_the_collection(tmp_path):
    collect(configuration(tmp_path / "set", episodes=2), progress=False)
    with DatasetWriter(tmp_path / "set", configuration(tmp_path / "set").recipe()) as writer:
        shutil.rmtree(tmp_path / "set")
        with pytest.raises(DatasetError, match="was removed, moved or unmounted"):
            writer.record_error(2, {})
    assert not (tmp_path / "set").exists()


def test_a_line_that_finds_no_room_leaves_the_file_as_it_was(tmp_path):
    """/dev/full says what a full disk says."""
    collect(configuration(tmp_path / "set", episodes=2), progress=False)
    errors = tmp_path / "set/meta/errors.jsonl"
    with DatasetWriter(tmp_path / "set", configuration(tmp_path / "set").recipe()) as writer:
        errors.symlink_to("/dev/full")
        with pytest.raises(
            DatasetError, match=r"cannot write .*No space left.*2 episodes published are safe"
        ):
            writer.record_error(2, {})


@pytest.mark.parametrize("workers", [1, 2])
def test_sigterm_is_a_ctrl_c(tmp_path, workers):
    words = [f"env={TOY}", "task=slow", "policy=oracle", "episodes=400", f"workers={workers}"]
    command = [Path(sys.executable).with_name("uio2"), "collect", *words, f"output={tmp_path}"]
    process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    index, deadline = tmp_path / "meta/uio2_episodes.jsonl", time.monotonic() + 120
    while not index.exists() or index.read_text().count("\n") < 3:
        assert time.monotonic() < deadline and process.poll() is None
        time.sleep(0.02)
    for _ in range(workers):  # a second one may end Ray's end, not what is said and kept
        os.kill(process.pid, signal.SIGTERM)
        time.sleep(0.3)
    out, said = process.communicate(timeout=120)
    ended = (130,) if workers == 1 else (130, -signal.SIGTERM)
    assert process.returncode in ended and "the same command goes on from there" in said, out + said
    rows = [json.loads(line) for line in index.read_text().splitlines()]
    assert 3 <= len(rows) < 400 and f"{len(rows)} episodes (" in out
