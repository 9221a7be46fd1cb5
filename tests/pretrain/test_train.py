"""A run is the same whether it is interrupted or not, learns, and refuses what it must not train on."""

import dataclasses
import json

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from policies.embodiments.vima import VIMA
from policies.style import load_styles
from pretrain.checkpointing import STATE
from pretrain.errors import TrainingError
from pretrain.loop import loop
from pretrain.settings import TrainConfig
from pretrain.trainer import Run, train
from rollouts.datasets.encoding import encode_episode
from rollouts.datasets.writer import DatasetWriter
from rollouts.runner import run_episodes, work_list
from rollouts.workers import MakeEnv
from tests.toys import TOY, ScriptedPolicy
from uio2_agent.errors import UIO2Error
from uio2_agent.unified_io2 import UnifiedIO2


def collect(root, seed: int, episodes: int) -> str:
    work = work_list(["slide"], "placement", seed=seed, episodes=episodes, env=TOY)
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


@pytest.mark.parametrize(("lora_rank", "optimizer"), [(0, "adamw"), (4, "adamw"), (0, "muon")])
def test_a_stopped_run_goes_on_as_if_it_had_not_stopped(config, tmp_path, lora_rank, optimizer):
    config = dataclasses.replace(config, lora_rank=lora_rank, optimizer=optimizer)
    whole = train(dataclasses.replace(config, output=str(tmp_path / "whole")))
    halves = dataclasses.replace(config, output=str(tmp_path / "halves"), save_every=1)
    for said in ("stopped at step 1", "stopped at step 2", "finished"):  # each call takes one step and stops
        train(dataclasses.replace(halves, stop_after=1e-9))
        page = (tmp_path / "halves" / "index.html").read_text()
        assert f"halves: {said}</h1>" in page and "http-equiv" not in page
    expected, resumed = (
        UnifiedIO2.from_pretrained(path).state_dict() for path in (whole, tmp_path / "halves")
    )
    for name, value in expected.items():
        assert torch.equal(value, resumed[name]), name
    lines = [json.loads(line) for line in (tmp_path / "halves" / "metrics.jsonl").read_text().splitlines()]
    assert [line["step"] for line in lines] == [1, 2, 3]
    assert ("training/locations" in lines[0]) == (lora_rank > 0) and "training/locations" in lines[1]
    assert "<polyline" in (tmp_path / "halves" / "curves.svg").read_text()
    assert len(list((tmp_path / "halves" / "tensorboard").iterdir())) == 3, "a file of each sitting"
    assert load_styles(whole, "") == {"vima": VIMA.style(small=True)}


def test_the_loss_falls(config, tmp_path):
    run = Run(
        dataclasses.replace(config, output=str(tmp_path), steps=15, log_every=100, eye_steps=0, eye_weight=0)
    )
    first = run.validate()
    loop(run)
    last = run.validate()
    assert last["validation/locations"] < first["validation/locations"] - 0.5
    assert last["validation/words"] < first["validation/words"] - 3


def test_a_frozen_eye_stands_still(config, tmp_path):
    run = Run(dataclasses.replace(config, output=str(tmp_path), eye_steps=0, eye_weight=0.0))
    before = [parameter.clone() for parameter in run.model.image_encoder.parameters()]
    loop(run)
    assert all(torch.equal(a, b) for a, b in zip(before, run.model.image_encoder.parameters(), strict=True))


def test_batches_depend_on_the_seed_and_the_step_alone(config, tmp_path):
    one, two = (Run(dataclasses.replace(config, output=str(tmp_path / name))) for name in "ab")
    two.data[0], two.data[1]
    for a, b in zip(vars(one.data[3][0].text).values(), vars(two.data[3][0].text).values(), strict=True):
        assert torch.equal(a, b)
    seen = np.concatenate([one.data._order(step) for step in range(8)])  # 32 places, 11 episodes
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


def test_adapters_learn_beside_a_model_that_stands_still(config, tmp_path):
    """The checkpoint is the packaged model plus the product of the adapter file, layer by layer."""
    config = dataclasses.replace(
        config, output=str(tmp_path), lora_rank=4, lora_alpha=8.0, lora_targets="query, down", eye_weight=1.0
    )
    output = train(config)
    base, tuned = (UnifiedIO2.from_pretrained(name).state_dict() for name in ("nano", output))
    adapters = load_file(output / "adapter_model.safetensors")
    for name, value in base.items():
        layer = "base_model.model." + name.removesuffix(".weight")
        if (down := adapters.pop(f"{layer}.lora_A.weight", None)) is not None:
            up = adapters.pop(f"{layer}.lora_B.weight")
            assert up.abs().max() > 0
            value = value + 2.0 * up @ down
        torch.testing.assert_close(tuned[name], value, atol=1e-6, rtol=1e-6)
    assert not adapters
    assert (output / STATE).stat().st_size < 2_000_000 < (output / "model.safetensors").stat().st_size / 10


def test_a_model_with_a_frozen_image_encoder_is_tuned_in_half_precision(config, tmp_path):
    """As the official ones are: the whole model, and adapters on a model kept in bfloat16."""
    model = UnifiedIO2.from_pretrained("nano")
    model.config = dataclasses.replace(model.config, freeze_vit=True)
    model.save_pretrained(tmp_path / "start")
    config = dataclasses.replace(config, model=str(tmp_path / "start"), dtype="bfloat16", steps=2)
    before = model.state_dict()
    for lora_rank in (0, 4):
        run = Run(dataclasses.replace(config, output=str(tmp_path / f"{lora_rank}"), lora_rank=lora_rank))
        loop(run)
        weights = {parameter.dtype for parameter in run.model.decoder.parameters()}
        assert weights == {torch.bfloat16 if lora_rank else torch.float32}
        after = UnifiedIO2.from_pretrained(tmp_path / f"{lora_rank}").state_dict()
        name = "decoder.layers.0.cross_attention.query.weight"
        assert not torch.equal(after[name].bfloat16(), before[name].bfloat16())


def test_adapters_want_a_trained_model(config, tmp_path):
    with pytest.raises(UIO2Error, match="no model 'large'"):
        train(dataclasses.replace(config, output=str(tmp_path), model="large", lora_rank=4))
    with pytest.raises(TrainingError, match=r"choose of these, found 'qeury'"):
        train(dataclasses.replace(config, output=str(tmp_path), lora_rank=4, lora_targets="qeury"))


def test_optimizers_that_there_are_not_or_that_adapters_cannot_use_are_told(config):
    with pytest.raises(TrainingError, match=r"no optimizer 'mion' \(did you mean 'muon'\?\)"):
        dataclasses.replace(config, optimizer="mion")
    with pytest.raises(TrainingError, match=r"lora_rank=4.*drop optimizer=muon"):
        dataclasses.replace(config, optimizer="muon", lora_rank=4)
