"""A run that is stopped, killed or out of disk at any moment leaves no trace: same log, same weights."""

import dataclasses
import itertools
import json
import os
import re
import resource
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import torch

from policies.embodiments.vima import VIMA
from policies.style import save_styles
from pretrain import loop, trainer
from pretrain.checkpointing import STATE
from pretrain.errors import TrainingError
from pretrain.output import LOCK
from pretrain.settings import TrainConfig
from pretrain.trainer import Run, train
from tests.pretrain.test_train import collect
from uio2_agent import files
from uio2_agent.config import UnifiedIO2Config
from uio2_agent.inputs.processor import Processor
from uio2_agent.text.tokenizer import TextTokenizer
from uio2_agent.unified_io2 import UnifiedIO2

ROOT = Path(__file__).parents[2]
STEPS = 7


@pytest.fixture(scope="module")
def config(tmp_path_factory: pytest.TempPathFactory) -> TrainConfig:
    """A model of a few thousand weights. Neither saving nor evaluating falls on the steps of the log."""
    place = tmp_path_factory.mktemp("start")
    small = {"width": 32, "heads": 2, "head_dim": 16, "mlp_dim": 32}
    sizes = UnifiedIO2Config.preset("nano").to_dict() | {**small, "encoder_layers": 1, "decoder_layers": 1}
    sizes["image_encoder"] |= {**small, "layers": 1}
    sizes["image_history"] |= {**small, "layers": 1}
    model = UnifiedIO2(UnifiedIO2Config.from_dict(sizes))
    model.processor = Processor(model.config, TextTokenizer.packaged())
    model.save_pretrained(place / "model")
    save_styles(place / "model", {"vima": VIMA.style(small=True)})
    return TrainConfig(
        data=(collect(place / "data", seed=0, episodes=12),),
        output="",
        model=str(place / "model"),
        steps=STEPS,
        eye_steps=1,
        batch_size=2,
        warmup=1,
        validation_episodes=1,
        workers=0,
        log_every=3,
        save_every=2,
        evaluate_every=4,
        threads=1,
        device="cpu",
    )


def evaluated(checkpoint: Path, step: int) -> dict[str, float]:
    """A number that depends on the weights."""
    weights = UnifiedIO2.from_pretrained(checkpoint).state_dict()
    return {"success/sum": float(sum(value.abs().sum() for value in weights.values()))}


def log(output: Path) -> list[dict[str, float]]:
    records = [json.loads(line) for line in (output / "metrics.jsonl").read_text().splitlines()]
    for record in records:
        record.pop("speed/examples_per_s", None)
    return records


def weights(output: Path) -> bytes:
    return (output / "model.safetensors").read_bytes()


@pytest.fixture(scope="module")
def whole(config: TrainConfig, tmp_path_factory: pytest.TempPathFactory) -> Path:
    output = train(dataclasses.replace(config, output=str(tmp_path_factory.mktemp("whole"))), evaluated)
    found = [(r["step"], "success/sum" in r) for r in log(output)]
    assert found == [(3, False), (4, True), (6, False), (7, False)]
    return output


def test_stopped_after_every_step_the_log_is_the_same(
    config: TrainConfig, whole: Path, tmp_path: Path
) -> None:
    for _ in range(STEPS):
        train(dataclasses.replace(config, output=str(tmp_path), stop_after=1e-9), evaluated)
    assert log(tmp_path) == log(whole) and weights(tmp_path) == weights(whole)


class Killed(BaseException):
    """What nothing catches."""


@pytest.mark.parametrize("place", ["os.replace", "os.fsync", "evaluate"])
def test_killed_while_it_writes_or_evaluates(
    place: str, config: TrainConfig, whole: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """At one write after the other, until the run gets through."""
    countdown = 0

    def dying(call: Any) -> Any:
        def wrapped(*arguments: Any) -> Any:
            nonlocal countdown
            countdown -= 1
            if countdown == 0:
                raise Killed
            return call(*arguments)

        return wrapped

    evaluate = dying(evaluated) if place == "evaluate" else evaluated
    if place != "evaluate":
        name = place.removeprefix("os.")
        monkeypatch.setattr(files.os, name, dying(getattr(os, name)))
    kills = 0
    for at in (1, 1) if place == "evaluate" else (3, 7, 4, 6):
        countdown = at
        try:
            train(dataclasses.replace(config, output=str(tmp_path)), evaluate)
        except Killed:
            kills += 1
    assert kills >= 2
    countdown = 0
    train(dataclasses.replace(config, output=str(tmp_path)), evaluate)
    assert log(tmp_path) == log(whole) and weights(tmp_path) == weights(whole)


def command(config: TrainConfig, output: Path, **changes: Any) -> list[str]:
    keys = {
        **dataclasses.asdict(config),
        "output": output,
        "data": config.data[0],
        "evaluate_every": 0,
        **changes,
    }
    words = [
        f"{key}={str(value).lower() if isinstance(value, bool) else value}"
        for key, value in keys.items()
        if value is not None
    ]
    return [
        sys.executable,
        "-m",
        "rollouts.cli",
        "train",
        *(word for word in words if not word.startswith("style=")),
    ]


def started(words: list[str]) -> subprocess.Popen:
    """Start a command as the leader of a group of processes."""
    pipe = subprocess.PIPE
    return subprocess.Popen(words, cwd=ROOT, stdout=pipe, stderr=pipe, text=True, start_new_session=True)


def wait_for(path: Path, process: subprocess.Popen) -> None:
    deadline = time.monotonic() + 240
    while not path.exists():
        assert time.monotonic() < deadline and process.poll() is None, process.communicate()
        time.sleep(0.02)


def test_sigkill_and_at_once_again(config: TrainConfig, tmp_path: Path) -> None:
    """With a process that prepares batches, which outlives the killed one for a moment."""
    expected = train(dataclasses.replace(config, output=str(tmp_path / "whole"), evaluate_every=0))
    output = tmp_path / "killed"
    for path in (STATE, "curves.svg"):
        process = started(command(config, output, workers=1))
        wait_for(output / path, process)
        process.send_signal(signal.SIGKILL)
        process.communicate()
    train(dataclasses.replace(config, output=str(output), evaluate_every=0))
    assert log(output) == log(expected) and weights(output) == weights(expected)


@pytest.mark.parametrize("tell", [os.kill, os.killpg])
def test_sigterm_saves_where_it_was_and_lines_are_whole(
    config: TrainConfig, tmp_path: Path, tell: Callable[[int, int], None]
) -> None:
    """Also where the process that prepares batches is told to end with it, as service managers do."""
    words = command(config, tmp_path, workers=1, steps=400, save_every=10**6, log_every=2)
    process = started(words)
    wait_for(tmp_path / "curves.svg", process)
    tell(process.pid, signal.SIGTERM)
    out, said = process.communicate(timeout=240)
    assert process.returncode == 130 and said == (
        "\nstopped; with resume=true, the default, the same command goes on from the last saved step\n"
    )
    step = torch.load(tmp_path / STATE, weights_only=True)["step"]
    first, second, *_, last = lines = out.splitlines()
    assert first == f"start    the weights of {config.model}"
    assert second == "data     11 episodes to learn from, 1 held back (a tenth at most)"
    assert step >= 2 and last.startswith(f"train {step}/400  ")
    form = r"train \d+/400(  \w+ [\d.]+( \w+ [\d.]+)*)  [\d.]+ examples/s(  [\d.]+ s/step  [\d hmins]+ left)?"
    for line in lines[2:]:
        assert re.fullmatch(form, line), line
    assert "\r" not in out and "\x1b" not in out


def test_a_signal_waits_for_the_end_of_the_step(
    config: TrainConfig, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In the middle of the optimizer's work weights are of two steps."""
    make = trainer.build_optimizer

    def interrupting(*arguments: Any) -> torch.optim.Optimizer:
        optimizer = make(*arguments)
        optimizer.register_step_pre_hook(lambda *_: os.kill(os.getpid(), signal.SIGTERM))
        return optimizer

    config = dataclasses.replace(config, steps=3, evaluate_every=0)
    expected = train(dataclasses.replace(config, output=str(tmp_path / "whole")))
    monkeypatch.setattr(trainer, "build_optimizer", interrupting)
    before = signal.getsignal(signal.SIGTERM)
    for step in (1, 2, 3):
        with pytest.raises(KeyboardInterrupt):
            train(dataclasses.replace(config, output=str(tmp_path / "cut")))
        assert torch.load(tmp_path / "cut" / STATE, weights_only=True)["step"] == step
    assert signal.getsignal(signal.SIGTERM) is before
    assert log(tmp_path / "cut") == log(expected) and weights(tmp_path / "cut") == weights(expected)


def test_the_first_state_does_not_wait_for_save_every(
    config: TrainConfig, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ticks = itertools.count(0.0, 10.0)  # at least one a step
    monkeypatch.setattr(loop.time, "monotonic", lambda: next(ticks))
    saved = []
    run = Run(dataclasses.replace(config, output=str(tmp_path), save_every=10**6, evaluate_every=0))
    save = run.save
    monkeypatch.setattr(run, "save", lambda **of: (saved.append(run.step), save(**of)))
    loop.loop(run)
    assert saved[0] <= 3 and saved[-1] == STEPS


@contextmanager
def no_file_above(size: int) -> Iterator[None]:
    """A disk that is full for larger files."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


@pytest.mark.parametrize(
    ("name", "size", "rank"),
    [(STATE, 200_000, 0), ("metrics.jsonl", 400, 0), ("model.safetensors", 200_000, 4)],
)
def test_a_full_disk_is_one_line_and_nothing_is_lost(
    name: str, size: int, rank: int, config: TrainConfig, tmp_path: Path
) -> None:
    config = dataclasses.replace(
        config,
        output=str(tmp_path),
        steps=3,
        log_every=1,
        evaluate_every=0,
        lora_rank=rank,
        tensorboard=False,
    )
    train(dataclasses.replace(config, stop_after=1e-9))
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    with (
        no_file_above(size),
        pytest.raises(TrainingError, match=r"(File too large|bytes were written); make room") as error,
    ):
        train(config)
    assert str(error.value).startswith(f"cannot write {tmp_path / name}: ")
    for path in tmp_path.iterdir():
        whole = path.read_bytes()
        if path.name == "metrics.jsonl":
            assert whole.startswith(before[path.name]) and whole.endswith(b"\n")
        elif rank == 0 and path.name not in ("curves.svg", "index.html", "training.pt", "model.safetensors"):
            assert whole == before[path.name]
    assert not list(tmp_path.glob("*.part"))
    train(config)
    expected = train(dataclasses.replace(config, output=str(tmp_path / "whole")))
    assert log(tmp_path) == log(expected) and weights(tmp_path) == weights(expected)


def test_an_output_that_vanishes_stops_the_run(config: TrainConfig, tmp_path: Path) -> None:
    run = Run(dataclasses.replace(config, output=str(tmp_path / "run")))
    (tmp_path / "run").rename(tmp_path / "elsewhere")
    with pytest.raises(TrainingError, match="was removed, moved or unmounted"):
        loop.loop(run)
    assert not (tmp_path / "run").exists()


HOLDER = """import fcntl, sys
with open(sys.argv[1], "w") as file:
    fcntl.lockf(file, fcntl.LOCK_EX)
    print(flush=True)
    input()
"""


def test_one_process_has_an_output(config: TrainConfig, tmp_path: Path) -> None:
    words = [sys.executable, "-c", HOLDER, str(tmp_path / LOCK)]
    with subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as other:
        other.stdout.readline()
        with pytest.raises(TrainingError, match=f"another process trains in {tmp_path}: wait for it"):
            Run(dataclasses.replace(config, output=str(tmp_path)))
        other.communicate("\n")
    Run(dataclasses.replace(config, output=str(tmp_path)))
