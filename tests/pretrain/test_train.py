"""A run is the same whether it is interrupted or not, learns, and refuses what it must not train on."""

import dataclasses
import json

import numpy as np
import pytest
import torch

from policies.prompts import PromptStyle
from pretrain.state import STATE, TrainingError
from pretrain.train import Run, TrainConfig, train
from rollouts.dataset import DatasetWriter
from rollouts.encoding import encode_episode
from rollouts.runner import run_episodes, work_list
from rollouts.workers import MakeEnv
from tests.toys import ScriptedPolicy
from uio2_agent.model import UnifiedIO2


def collect(root, seed: int, episodes: int) -> str:
    work = work_list(["slide"], "placement", seed=seed, episodes=episodes, env="toy")
    with DatasetWriter(root, {}) as writer:
        for episode in run_episodes(work, MakeEnv({"expert": True}), ScriptedPolicy()):
            writer.publish(encode_episode(episode))
    return str(root)


@pytest.fixture(scope="module")
def config(tmp_path_factory) -> TrainConfig:
    """A run of a few seconds: three steps, the first for the eye."""
    data = collect(tmp_path_factory.mktemp("data"), seed=0, episodes=12)
    return TrainConfig(
        data=(data,),
        output="",
        steps=3,
        eye_steps=1,
        batch_size=4,
        warmup=1,
        validation_episodes=2,
        workers=0,
        log_every=1,
        save_every=100,
        threads=1,
        device="cpu",
    )


def test_a_stopped_run_goes_on_as_if_it_had_not_stopped(config, tmp_path):
    whole = train(dataclasses.replace(config, output=str(tmp_path / "whole")))
    halves = dataclasses.replace(config, output=str(tmp_path / "halves"), save_every=1)
    for _ in range(3):  # each call takes one step, saves and stops
        train(dataclasses.replace(halves, stop_after=1e-9))
    expected, resumed = (
        UnifiedIO2.from_pretrained(path).state_dict() for path in (whole, tmp_path / "halves")
    )
    for name, value in expected.items():
        assert torch.equal(value, resumed[name]), name
    lines = [json.loads(line) for line in (tmp_path / "halves" / "metrics.jsonl").read_text().splitlines()]
    assert [line["step"] for line in lines] == [1, 2, 3]
    assert "training/locations" not in lines[0] and "training/locations" in lines[1]
    assert "<polyline" in (tmp_path / "halves" / "curves.svg").read_text()
    assert PromptStyle.load(whole) == PromptStyle.nano()


def test_the_loss_falls(config, tmp_path):
    run = Run(
        dataclasses.replace(config, output=str(tmp_path), steps=15, log_every=100, eye_steps=0, eye_weight=0)
    )
    first = run.validate()
    run.loop()
    last = run.validate()
    assert last["validation/locations"] < first["validation/locations"] - 0.5
    assert last["validation/words"] < first["validation/words"] - 3


def test_a_frozen_eye_stands_still(config, tmp_path):
    run = Run(dataclasses.replace(config, output=str(tmp_path), eye_steps=0, eye_weight=0.0))
    before = [parameter.clone() for parameter in run.model.image_encoder.parameters()]
    run.loop()
    assert all(torch.equal(a, b) for a, b in zip(before, run.model.image_encoder.parameters(), strict=True))


def test_batches_depend_on_the_seed_and_the_step_alone(config, tmp_path):
    one, two = (Run(dataclasses.replace(config, output=str(tmp_path / name))) for name in "ab")
    two.batches[0], two.batches[1]
    for a, b in zip(
        vars(one.batches[3][0].text).values(), vars(two.batches[3][0].text).values(), strict=True
    ):
        assert torch.equal(a, b)
    seen = np.concatenate([one.batches._order(step) for step in range(8)])  # 32 places, 11 episodes
    assert set(np.bincount(seen)) <= {2, 3}, "every pass sees every episode once"


def test_held_out_seeds_are_refused(config, tmp_path):
    data = collect(tmp_path / "data", seed=5_000_000, episodes=2)
    with pytest.raises(TrainingError, match=r"held-out seeds.*5000000"):
        train(dataclasses.replace(config, data=(data,), output=str(tmp_path / "run")))


def test_another_runs_state_is_refused(config, tmp_path):
    config = dataclasses.replace(config, output=str(tmp_path), steps=1, eye_steps=1)
    train(config)
    with pytest.raises(TrainingError, match=r"sigma 8\.0 -> 4\.0"):
        train(dataclasses.replace(config, sigma=4.0))
    (tmp_path / STATE).write_bytes((tmp_path / STATE).read_bytes()[:1000])
    with pytest.raises(TrainingError, match="damaged"):
        train(config)
