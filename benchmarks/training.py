"""Nano's training on one CPU thread, in examples per second: as it was, and as it is.

Usage: python -m benchmarks.training DATA [--model nano] [--steps 3] [--rounds 4] [--batch 32] [--compiled]
           [--against CHECKOUT]

DATA is a folder that `uio2 collect` made. The same model takes the same batches in every mode, forward,
backward and the optimizer's step, without the eye's first phase:

    before     each batch is made when it is needed; examples are padded to the longest of their kind
    prepared   the batches are made once, before the clock starts
    packed     and share one row, so that nothing is padded
    bfloat16   and the products of layers are in bfloat16 (dtype=bfloat16)
    compiled   packed, and the layers compiled (with --compiled; compiling takes minutes and is not counted)

With --against the mode `before` is that of another checkout of this project, of an older commit for
instance: `git worktree add ../old f10db5e`. Modes take turns, in processes of their own, because other
work on the machine comes and goes; a step's time is the median. Times are those of the process's own CPU; the
first losses on locations and words are printed too, since they must agree.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).parents[1]


def serve(options: argparse.Namespace) -> None:
    """Take a round of steps for each line that comes in, and answer with their seconds and the first loss."""
    from pretrain.settings import TrainConfig
    from pretrain.trainer import Run

    with tempfile.TemporaryDirectory() as output:
        config = TrainConfig(
            model=options.model,
            data=(options.data,),
            output=output,
            batch_size=options.batch,
            eye_steps=0,
            validation_episodes=0,
            workers=0,
            threads=1,
            device="cpu",
            dtype="bfloat16" if options.mode == "bfloat16" else "float32",
        )
        run = Run(config)
        run.objective.packs = options.mode in ("packed", "bfloat16", "compiled")
        if options.mode == "compiled":
            from pretrain.sharding import compile_layers

            compile_layers(run.model)
        made = {} if options.mode == "before" else {step: run.data[step] for step in range(options.steps)}
        for _ in sys.stdin:
            seconds, losses = [], []
            for run.step in range(options.steps):
                began = time.process_time()
                values = run.learn(made.get(run.step) or run.data[run.step])
                seconds.append(time.process_time() - began)
                losses.append(values["training/locations"] + values["training/words"])
            print(json.dumps([seconds, losses[0]]), flush=True)
        run.close()


def started(mode: str, options: argparse.Namespace) -> subprocess.Popen:
    """Start a process that takes steps in a mode, of the checkout that the mode is of."""
    root = options.against if mode == "before" and options.against else ROOT
    words = [__file__, options.data, "--model", options.model, "--steps", str(options.steps)]
    return subprocess.Popen(
        [sys.executable, *words, "--batch", str(options.batch), "--mode", mode],
        env=os.environ
        | {"PYTHONPATH": str(Path(root).resolve()), "PYTHONSAFEPATH": "1", "OMP_NUM_THREADS": "1"},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )


def asked(process: subprocess.Popen) -> tuple[list[float], float]:
    """Have a round taken."""
    process.stdin.write("\n")
    process.stdin.flush()
    while not (line := process.stdout.readline()).startswith("["):  # after what a run says of its data
        if not line:
            raise SystemExit(f"a mode ended with {process.wait()}: its own words stand above")
    seconds, loss = json.loads(line)
    return seconds, loss


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("data")
    parser.add_argument("--model", default="nano")
    parser.add_argument("--steps", type=int, default=3)
    parser.add_argument("--rounds", type=int, default=4)
    parser.add_argument("--batch", type=int, default=32)
    parser.add_argument("--compiled", action="store_true")
    parser.add_argument("--against")
    parser.add_argument("--mode", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.mode:
        serve(options)
        return
    modes = ["before", "prepared", "packed", "bfloat16", *(["compiled"] if options.compiled else [])]
    processes = {mode: started(mode, options) for mode in modes}
    first = {mode: asked(process)[1] for mode, process in processes.items()}  # not counted: caches are cold
    seconds: dict[str, list[float]] = {mode: [] for mode in modes}
    for _ in range(options.rounds):
        for mode, process in processes.items():
            seconds[mode] += asked(process)[0]
    for process in processes.values():
        process.communicate()
    print("| mode | CPU s a step | examples/s | against before | first loss |")
    print("| --- | ---: | ---: | ---: | ---: |")
    whole = statistics.median(seconds["before"])
    for mode in modes:
        step = statistics.median(seconds[mode])
        speed = f"{options.batch / step:.1f} | {whole / step:.2f} x"
        print(f"| {mode} | {step:.2f} | {speed} | {first[mode]:.4f} |", flush=True)


if __name__ == "__main__":
    main()
