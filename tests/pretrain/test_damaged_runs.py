"""What a run cannot go on from, or cannot do, is one line that names the file and the remedy."""

import dataclasses
import os
import random
import shutil
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file

from pretrain import trainer
from pretrain.checkpointing import STATE
from pretrain.episode_objective import EpisodeObjective
from pretrain.errors import TrainingError
from pretrain.settings import TrainConfig
from pretrain.sources import DatasetError
from pretrain.trainer import Run, train
from rollouts.cli import main
from tests.pretrain.test_stopping import config
from uio2_agent.errors import UIO2Error
from uio2_agent.unified_io2 import UnifiedIO2

__all__ = ["config"]


@pytest.fixture(scope="module")
def run(config: TrainConfig, tmp_path_factory: pytest.TempPathFactory) -> TrainConfig:
    """A run of which one step is done."""
    output = tmp_path_factory.mktemp("run") / "output"
    config = dataclasses.replace(config, output=str(output), evaluate_every=0, log_every=1, steps=3)
    train(dataclasses.replace(config, stop_after=1e-9))
    return config


@pytest.fixture
def copy(run: TrainConfig, tmp_path: Path) -> TrainConfig:
    shutil.copytree(run.output, tmp_path / "copy")
    return dataclasses.replace(run, output=str(tmp_path / "copy"))


def refused(config: TrainConfig, said: str) -> str:
    with pytest.raises(UIO2Error, match=said) as error:
        Run(config)
    line = str(error.value)
    assert "\n" not in line and "weights_only" not in line, line
    return line


def changed(change: Callable[[dict[str, Any]], object]) -> Callable[[Path], None]:
    def rewrite(path: Path) -> None:
        state = torch.load(path, weights_only=True)
        change(state)
        torch.save(state, path)

    return rewrite


def first(state: dict[str, Any]) -> dict[str, torch.Tensor]:
    return state["parts"]["model"]


class Code:
    def __reduce__(self) -> tuple[Any, ...]:
        return os.system, ("true",)


DAMAGES: dict[str, Callable[[Path], object]] = {
    "cut": lambda path: path.write_bytes(path.read_bytes()[:1000]),
    "empty": lambda path: path.write_bytes(b""),
    "rubbish": lambda path: path.write_bytes(b"\0\xff" * 500),
    "code": lambda path: torch.save({"settings": Code()}, path),
    "script": lambda path: torch.jit.script(torch.nn.Linear(1, 1)).save(path),
    "no state": lambda path: torch.save([1, 2], path),
    "no settings": changed(lambda state: state.pop("settings")),
    "lacks a tensor": changed(lambda state: first(state).pop(next(iter(first(state))))),
    "surplus": changed(lambda state: first(state).update(more=torch.zeros(1))),
    "misshapen": changed(lambda state: first(state).update({next(iter(first(state))): torch.zeros(3)})),
    "another number": changed(lambda state: next(iter(first(state).values())).view(-1)[0].add_(1)),
    "no moments": changed(
        lambda state: state["optimizer"]["state"].pop(3, None) or state["optimizer"].pop("state")
    ),
    "another step": changed(lambda state: state.update(step=2)),
    "no digest": changed(lambda state: state.pop("digest")),
}


@pytest.mark.parametrize("name", DAMAGES)
@pytest.mark.filterwarnings("ignore:.*jit:DeprecationWarning")
def test_a_damaged_state_is_refused(name: str, copy: TrainConfig) -> None:
    path = Path(copy.output) / STATE
    DAMAGES[name](path)
    line = refused(copy, "is damaged|is refused|is no state|older program|holds")
    assert str(path) in line and ("delete it to start anew" in line or "resume=false" in line)
    train(dataclasses.replace(copy, steps=1, resume=False))


def test_a_flipped_bit_is_noticed_or_without_effect(copy: TrainConfig) -> None:
    path, draw = Path(copy.output) / STATE, random.Random(0)
    whole = path.read_bytes()
    run = Run(copy)
    expected = {name: value.clone() for name, value in run.model.state_dict().items()}
    noticed = 0
    for _ in range(150):
        content = bytearray(whole)
        content[draw.randrange(len(content))] ^= 1 << draw.randrange(8)
        path.write_bytes(content)
        try:
            step, means = trainer.load_state(run.directory, run.settings, run.parts, run.optimizer)
        except TrainingError:
            noticed += 1
        else:
            assert (step, means) == (1, vars(run.book.means))
            assert all(torch.equal(value, expected[name]) for name, value in run.model.state_dict().items())
    assert noticed > 100


@pytest.mark.parametrize(
    "line",
    [
        b'{"step": 1, "tra',
        b"\0\0\0\0",
        b"\xff\xfe",
        b"[]",
        b'{"a/b": 1}',
        b'{"step": "1"}',
        b'{"step": NaN}',
        b"",
    ],
)
def test_a_torn_line_of_the_log_is_named(line: bytes, copy: TrainConfig) -> None:
    """In the middle; at the end, where a kill leaves it, it does not count."""
    path = Path(copy.output) / "metrics.jsonl"
    whole = path.read_bytes()
    path.write_bytes(line + b"\n" + whole)
    assert "line 1 is no record of a training: restore the file, or delete it" in refused(copy, str(path))
    path.write_bytes(whole + line)
    Run(copy)
    assert path.read_bytes() == whole
    path.unlink()
    train(dataclasses.replace(copy, steps=3))
    assert path.read_text().count("\n") == 2


def test_adapters_go_on_beside_the_weights_they_began_with(run: TrainConfig, tmp_path: Path) -> None:
    """The state does not hold them: other weights are another run."""
    start = tmp_path / "start"
    shutil.copytree(run.model, start)
    config = dataclasses.replace(run, model=str(start), output=str(tmp_path / "run"), lora_rank=2)
    train(dataclasses.replace(config, stop_after=1e-9))
    Run(config)
    weights = start / "model.safetensors"
    tensors = load_file(weights)
    first = next(iter(tensors))
    began = tensors[first].clone()
    tensors[first].view(-1)[0] += 1
    save_file(tensors, weights)  # as another program writes them, without a checksum of ours
    line = refused(config, "run with other settings .start '")
    assert str(tmp_path / "run") in line
    tensors[first] = began
    save_file(tensors, weights)
    Run(config)  # the weights are what counts, not the file


def test_a_run_does_not_replace_the_model_it_starts_from(run: TrainConfig) -> None:
    with pytest.raises(TrainingError, match="is the folder of the model to start from"):
        dataclasses.replace(run, output=run.model + "/")


@pytest.mark.parametrize("where", ["loss", "gradients"])
def test_a_loss_that_is_no_number_stops_and_keeps_the_last_state(
    where: str, copy: TrainConfig, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = (Path(copy.output) / STATE).read_bytes()
    losses = EpisodeObjective.__call__

    def broken(self: EpisodeObjective, batch: Any, step: int, *totals: Any) -> Any:
        total, parts = losses(self, batch, step, *totals)
        if step >= 1 and where == "loss":
            parts["words"] = parts["words"] * float("nan")
        return total * (float("inf") if where == "gradients" and step >= 1 else 1), parts

    monkeypatch.setattr(EpisodeObjective, "__call__", broken)
    said = "words is nan" if where == "loss" else "norm of the gradients is (nan|inf)"
    with pytest.raises(TrainingError, match=rf"{said} after step 1: .* lower learning_rate= \(it is 0.001\)"):
        train(copy)
    assert (Path(copy.output) / STATE).read_bytes() == before
    assert (Path(copy.output) / "metrics.jsonl").read_text().count("\n") == 1


def test_a_process_that_prepares_batches_dies(copy: TrainConfig, monkeypatch: pytest.MonkeyPatch) -> None:
    read = trainer.TrainingBatches.__getitem__

    def dying(self: Any, step: int) -> Any:
        if step == 2:
            os.kill(os.getpid(), signal.SIGKILL)
        return read(self, step)

    monkeypatch.setattr(trainer.TrainingBatches, "__getitem__", dying)
    with pytest.raises(
        TrainingError, match=r"prepares batches was ended.*workers=0.*state of step . is kept"
    ):
        train(dataclasses.replace(copy, workers=1))


def test_an_error_of_the_data_keeps_its_words_and_the_steps_before(
    copy: TrainConfig, monkeypatch: pytest.MonkeyPatch
) -> None:
    read = trainer.TrainingBatches.__getitem__

    def broken(self: Any, step: int) -> Any:
        if step == 2:
            raise DatasetError("frame 3 is broken")
        return read(self, step)

    monkeypatch.setattr(trainer.TrainingBatches, "__getitem__", broken)
    with pytest.raises(DatasetError, match=r"^frame 3 is broken$"):
        train(dataclasses.replace(copy, workers=1, save_every=100))
    assert torch.load(Path(copy.output) / STATE, weights_only=True)["step"] == 2


@pytest.mark.parametrize("error", [MemoryError(), RuntimeError("DefaultCPUAllocator: can't allocate memory")])
def test_too_little_memory(error: Exception, copy: TrainConfig, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(EpisodeObjective, "__call__", lambda *_: (_ for _ in ()).throw(error))
    with pytest.raises(
        TrainingError, match=r"too little memory for batch_size=2: use a smaller one.*step 1 is kept"
    ):
        train(copy)


def test_an_eye_that_is_told_nothing_learns_nothing(
    copy: TrainConfig, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A batch in which nobody told the objects has no loss."""
    config = dataclasses.replace(copy, eye_steps=3, resume=False)
    run = Run(config)
    batch, labels = run.data[0]
    for name in ("name", "history_name"):
        getattr(labels, name).fill_(-100)
    before = [parameter.clone() for parameter in run.model.parameters()]
    assert run.learn((batch, labels)) == {"speed/examples_per_s": 2}
    assert all(torch.equal(a, b) for a, b in zip(before, run.model.parameters(), strict=True))


@pytest.mark.parametrize(
    ("word", "said"),
    [
        ("device=gpu", "there is no device 'gpu' here: choose one of auto, cpu"),
        ("device=cuda:99", "there is no device 'cuda:99' here: choose one of auto, cpu"),
        ("dtype=float16", "there is no dtype 'float16' (did you mean 'bfloat16'?): choose one of float32"),
        ("optimizer=adm", "there is no optimizer 'adm' (did you mean 'adamw'?): choose one"),
        ("batch_size=0", "batch_size must be at least 1, found batch_size=0"),
        ("log_every=0", "log_every must be at least 1"),
        ("save_every=-5", "save_every must be at least 1"),
        ("steps=0", "steps must be at least 1"),
        ("workers=-1", "workers must be at least 0"),
        ("threads=-1", "threads must be at least 0"),
        ("learning_rate=nan", "uio2 train: learning_rate takes a number"),
        ("sigma=-1", "sigma must be at least 0"),
        ("seed=-1", "seed must be at least 0"),
        ("boxes_share=2", "boxes_share must be at most 1"),
        ("stop_after=-1", "stop_after must be at least 0"),
        ("schedule=cosine", "there is no schedule 'cosine'"),
    ],
)
def test_settings_out_of_bounds(
    word: str, said: str, run: TrainConfig, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["train", f"data={run.data[0]}", f"output={tmp_path / 'out'}", word]) == 2
    line = capsys.readouterr().err
    assert line.startswith(f"uio2: {said}") and line.count("\n") == 1
    assert not (tmp_path / "out/config.yaml").exists()


def test_a_refused_command_leaves_the_settings_of_the_run(
    copy: TrainConfig, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = [
        "train",
        f"data={copy.data[0]}",
        f"output={tmp_path / 'out'}",
        "device=cpu",
        "threads=1",
        "workers=0",
    ]
    words += [f"model={copy.model}", "batch_size=2", "validation_episodes=1", "eye_steps=0"]
    assert main([*words, "steps=1"]) == 0
    before = (tmp_path / "out/config.yaml").read_bytes()
    assert main([*words, "steps=2"]) == 2
    assert "(steps 1 -> 2)" in capsys.readouterr().err
    assert (tmp_path / "out/config.yaml").read_bytes() == before


def test_a_batch_may_be_larger_than_the_set(run: TrainConfig, tmp_path: Path) -> None:
    output = train(
        dataclasses.replace(run, output=str(tmp_path), batch_size=30, steps=1, validation_episodes=0)
    )
    assert UnifiedIO2.from_pretrained(output)
