"""A run on a mixture is one function of its settings: stopped, killed, on one process or two, its curves and
weights are the same; and it refuses what it cannot go on with.
"""

import dataclasses
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch
import torch.distributed as dist
from torch.distributed.tensor import DTensor

from policies.style import load_styles
from pretrain.errors import TrainingError
from pretrain.pretrain_settings import PretrainConfig
from pretrain.pretraining import PretrainRun, pretrain
from pretrain.sharded_state import STATES
from pretrain.sharding import shard
from tests.pretrain.mixtures import ToySamples, open_toys, toy_config, toy_model
from uio2_agent.errors import UIO2Error
from uio2_agent.labels.controls import CONTROLS_FILE, ControlSpace, load_controls
from uio2_agent.unified_io2 import UnifiedIO2

ROOT = Path(__file__).parents[2]
STEPS = 4


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> str:
    return toy_model(tmp_path_factory.mktemp("start") / "model")


@pytest.fixture(scope="module")
def whole(model: str, tmp_path_factory: pytest.TempPathFactory) -> Path:
    output = tmp_path_factory.mktemp("whole")
    return pretrain(toy_config(model, output, steps=STEPS, validation_examples=4), open_toys)


def log(output: Path) -> list[dict[str, float]]:
    records = [json.loads(line) for line in (output / "metrics.jsonl").read_text().splitlines()]
    return [{name: v for name, v in record.items() if not name.startswith("speed/")} for record in records]


def weights(output: Path) -> dict[str, torch.Tensor]:
    return UnifiedIO2.from_pretrained(output).state_dict()


def test_the_losses_of_all_modalities_fall(whole: Path) -> None:
    first, *_, last = log(whole)
    assert [record["step"] for record in log(whole)] == [1, 2, 3, 4]
    for name in ("text", "image", "audio"):
        assert last[f"training/{name}"] < first[f"training/{name}"] - 0.5, name
        assert last[f"validation/{name}"] < first[f"validation/{name}"], name


def test_stopped_after_every_step_it_is_the_same_run(model: str, whole: Path, tmp_path: Path) -> None:
    config = toy_config(model, tmp_path, steps=STEPS, validation_examples=4, stop_after=1e-9)
    for _ in range(STEPS):
        pretrain(config, open_toys)
    assert log(tmp_path) == log(whole)
    expected = weights(whole)
    assert all(torch.equal(value, expected[name]) for name, value in weights(tmp_path).items())
    assert len(list((tmp_path / STATES).iterdir())) == 2  # the last two


def test_recomputed_and_accumulated_it_is_the_same_run(model: str, whole: Path, tmp_path: Path) -> None:
    config = toy_config(
        model,
        tmp_path,
        steps=STEPS,
        validation_examples=4,
        recompute=True,
        accumulate=2,
        without=("packing",),
    )
    pretrain(dataclasses.replace(config), open_toys)
    for one, two in zip(log(whole), log(tmp_path), strict=True):
        assert one == pytest.approx(two, abs=2e-3)


def started(words: list[str], processes: int) -> subprocess.Popen:
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node"]
    return subprocess.Popen(
        [*command, str(processes), "-m", "tests.pretrain.toy_pretraining", *words],
        cwd=ROOT,
        env=os.environ | {"OMP_NUM_THREADS": "1"},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )


def test_two_processes_killed_and_gone_on_with_as_one(model: str, whole: Path, tmp_path: Path) -> None:
    """Sharded over two processes with gloo, killed without warning, then on a single one."""
    words = [model, str(tmp_path), f"steps={STEPS}", "save_every=1", "validation_examples=4"]
    process = started(words, 2)
    try:
        deadline = time.monotonic() + 300
        while not (done := sorted((tmp_path / STATES).glob("step-0000000[23]"))):
            assert time.monotonic() < deadline and process.poll() is None, process.communicate()
            time.sleep(0.02)
    finally:
        os.killpg(process.pid, signal.SIGKILL)
        process.communicate()
    assert done
    pretrain(toy_config(model, tmp_path, steps=STEPS, validation_examples=4), open_toys)
    assert not list((tmp_path / STATES).glob("*.part"))
    for one, two in zip(log(whole), log(tmp_path), strict=True):
        assert one == pytest.approx(two, abs=1e-4)


def newest(output: Path) -> Path:
    return max((output / STATES).iterdir())


@pytest.mark.parametrize("recompute", [False, True])
def test_sharded_in_half_precision_the_losses_are_those_of_one_process(
    model: str, tmp_path: Path, recompute: bool
) -> None:
    """A group of one process deals weights out and casts them as one of many does."""
    run = PretrainRun(toy_config(model, tmp_path / "run", dtype="bfloat16", recompute=recompute), open_toys)
    objective, portion = run.objective, run.data[0][0]
    found = []
    dist.init_process_group("gloo", init_method=f"file://{tmp_path}/meeting", rank=0, world_size=1)
    try:
        for _ in range(2):
            objective.zero_grad()
            total, losses = objective(portion, 0, objective.counts(portion))
            total.backward()
            gradients = [p.grad for p in objective.parameters() if p.grad is not None]
            whole = [g.full_tensor() if isinstance(g, DTensor) else g for g in gradients]
            found.append((losses, [gradient.clone() for gradient in whole]))
            if not isinstance(gradients[-1], DTensor):
                shard(objective, half_precision=True)
    finally:
        run.close()
        dist.destroy_process_group()
    (losses, gradients), (sharded_losses, sharded_gradients) = found
    for name, loss in losses.items():
        assert sharded_losses[name].item() == pytest.approx(loss.item(), abs=1e-3), name
    size = sum(gradient.square().sum() for gradient in gradients).sqrt()
    pairs = zip(gradients, sharded_gradients, strict=True)
    assert sum((one - other).square().sum() for one, other in pairs).sqrt() < 0.01 * size


def test_what_a_run_cannot_go_on_with_is_said(model: str, tmp_path: Path) -> None:
    config = toy_config(model, tmp_path, steps=1)
    pretrain(config, open_toys)
    with pytest.raises(TrainingError, match=r"other settings \(learning_rate 0\.01 -> 0\.02\)"):
        pretrain(dataclasses.replace(config, learning_rate=0.02), open_toys)

    class Grown(ToySamples):
        def __init__(self) -> None:
            super().__init__()
            self.identities["sources"]["toy"] = "1001 examples"

    with pytest.raises(TrainingError, match="source toy has grown from 1000 to 1001"):
        pretrain(config, lambda *_: Grown())
    shard = next(newest(tmp_path).glob("*.distcp"))
    content = bytearray(shard.read_bytes())
    content[len(content) // 2] ^= 1
    shard.write_bytes(content)
    with pytest.raises(
        TrainingError, match=r"distcp is damaged .*delete this folder to go on from the state"
    ):
        pretrain(config, open_toys)
    pretrain(dataclasses.replace(config, resume=False), open_toys)


def test_damaged_examples_are_counted_named_and_end_a_run(
    model: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    class Damaged(ToySamples):
        def __getitem__(self, number: int) -> tuple:
            return self.sample(number), (f"toy: example {number} is torn",) if number % 8 == 3 else ()

    pretrain(toy_config(model, tmp_path / "few", steps=2, bad_records=2), lambda *_: Damaged())
    out = capsys.readouterr().out
    assert "damaged  toy: example 3 is torn" in out and "example 11 is torn" in out
    assert log(tmp_path / "few")[-1]["left_out/damaged_examples"] == 2
    with pytest.raises(TrainingError, match="3 damaged examples, more than bad_records=2"):
        pretrain(toy_config(model, tmp_path / "many", steps=3, bad_records=2), lambda *_: Damaged())


def test_examples_longer_than_a_row_are_refused_and_counted(model: str, tmp_path: Path) -> None:
    """A row of 10 tokens of the decoder holds words, and neither a picture nor a sound."""
    pretrain(toy_config(model, tmp_path, steps=2, decoder_row=10), open_toys)
    *_, last = log(tmp_path)
    drawn = [ToySamples().sample(number).target for number in range(16)]
    assert last["left_out/refused_examples"] == sum(target.text is None for target in drawn) == 6
    assert {name for name in last if name.startswith("training/")} == {"training/text"}


def test_a_checkpoint_tells_how_its_actions_are_read_and_of_the_bodies_it_learned(
    model: str, tmp_path: Path
) -> None:
    space = ControlSpace(("x", "grip"), (-1.0, 0.0), (1.0, 1.0), switches=("grip",))
    handed = []

    class Robots(ToySamples):
        def __init__(self) -> None:
            super().__init__()
            self.embodiments, self.controls = ("household",), {"arm": space}

    def open_robots(config: PretrainConfig, network: object, styles: object, controls: object) -> Robots:
        handed.append(controls)
        return Robots()

    first = pretrain(toy_config(model, tmp_path / "first", steps=1), open_robots)
    assert load_controls(first) == {"arm": space}
    assert set(load_styles(first, "vima")) == {"household"}
    second = pretrain(toy_config(str(first), tmp_path / "second", steps=1), open_toys)
    assert load_controls(second) == {"arm": space}
    assert set(load_styles(second, "vima")) == {"household"}
    pretrain(toy_config(str(first), tmp_path / "third", steps=1), open_robots)
    assert handed == [{}, {"arm": space}]
    (first / CONTROLS_FILE).write_text('{"arm": {"names": ["x"]}}')
    with pytest.raises(UIO2Error, match=r"controls.json holds no ranges"):
        load_controls(first)


def test_a_run_learns_only_what_is_not_frozen(model: str, tmp_path: Path) -> None:
    run = PretrainRun(toy_config(model, tmp_path), open_toys)
    try:
        assert not any(p.requires_grad for p in run.model.targets["image"].tokenizer.parameters())
    finally:
        run.close()
