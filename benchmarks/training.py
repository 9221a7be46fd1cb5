"""Nano's training on one CPU thread, in examples per second: as it was, and as it is.

Usage: python -m benchmarks.training DATA [--steps 6] [--batch 32] [--compiled]

DATA is a folder that `uio2 collect env=vima task=all` made. The same model takes the same batches in every
mode, forward, backward and the optimizer's step, without the eye's first phase:

    before     each batch is made when it is needed; examples are padded to the longest of their kind
    prepared   the batches are made once, before the clock starts
    packed     and share one row, so that nothing is padded
    compiled   and the layers are compiled (with --compiled; compiling takes minutes and is not counted)

Times are those of the process's own CPU, so that a busy machine tells the truth too; the losses of all modes
are printed, since they must agree.
"""

import argparse
import tempfile
import time

import torch

from pretrain.settings import TrainConfig
from pretrain.sharding import compile_layers
from pretrain.trainer import Run


def measure(mode: str, options: argparse.Namespace) -> tuple[float, float]:
    """Return CPU seconds of a step and the last step's loss on locations and words."""
    with tempfile.TemporaryDirectory() as output:
        config = TrainConfig(
            data=(options.data,),
            output=output,
            batch_size=options.batch,
            eye_steps=0,
            validation_episodes=0,
            workers=0,
            threads=1,
            device="cpu",
        )
        run = Run(config)
        run.objective.packs = mode in ("packed", "compiled")
        if mode == "compiled":
            compile_layers(run.model)
            for step in range(2):
                run.learn(run.data[step])
        made = {} if mode == "before" else {step: run.data[step] for step in range(options.steps)}
        torch.manual_seed(0)
        began = time.process_time()
        for run.step in range(options.steps):
            values = run.learn(made.get(run.step) or run.data[run.step])
        seconds = (time.process_time() - began) / options.steps
        run.close()
    return seconds, values["training/locations"] + values["training/words"]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("data")
    parser.add_argument("--steps", type=int, default=6)
    parser.add_argument("--batch", type=int, default=32)
    parser.add_argument("--compiled", action="store_true")
    options = parser.parse_args()
    modes = ["before", "prepared", "packed", *(["compiled"] if options.compiled else [])]
    print("| mode | CPU s a step | examples/s | against before | last loss |")
    print("| --- | ---: | ---: | ---: | ---: |")
    first = None
    for mode in modes:
        seconds, loss = measure(mode, options)
        first = first or seconds
        speed = f"{options.batch / seconds:.1f} | {first / seconds:.2f} x"
        print(f"| {mode} | {seconds:.2f} | {speed} | {loss:.3f} |", flush=True)


if __name__ == "__main__":
    main()
