"""How fast the model is: `python -m benchmarks.model [--part decode|encode|decision|image] [--against
MODULE:FUNCTION]`.

Random weights of a named shape; the default `bench` is 512 wide with 8 + 8 layers and the released image
ViT and vocabularies. Parts: `decode` (one image and 64 text tokens in, 64 tokens out), `encode` (full,
half-empty and text-only requests), `decision` (the packaged nano's actions), `image` (a whole goal image, by
the ways there are to draw one).
Every figure is a median (or p50 and p95) of repeats that alternate between the rivals, so that a busy
machine is unfair to all alike.

--against names another implementation, called as `function(inputs, n_tokens)` with the flat official batch
(`/inputs/text/tokens`, ..., torch tensors) and returning the seconds it took to encode and to decode
n_tokens greedily with its own weights of the same shape. It is called with 1 and with n tokens: the
difference is what tokens cost.
"""

import argparse
import copy
import dataclasses
import importlib
import platform
import statistics
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from rich.console import Console
from rich.table import Table

from benchmarks.drawing import DRAWN, WAYS, Drawn, draw, measure_painter
from uio2_agent import Processor, Request, TextTokenizer, UnifiedIO2, UnifiedIO2Config
from uio2_agent.generation.compiled import compiled_stepper
from uio2_agent.generation.decoding import decode
from uio2_agent.generation.stepping import Stepper
from uio2_agent.inputs.batch import Batch, Patches, TextInput
from uio2_agent.model import Encoded

TEXT_TOKENS = 64
PARTS = ("decode", "encode", "decision", "image")


def config_of(size: str) -> UnifiedIO2Config:
    """Return a preset, or the shape all published ratios are for."""
    if size == "bench":
        return dataclasses.replace(UnifiedIO2Config.preset("base"), mlp_dim=2048)
    return UnifiedIO2Config.preset(size)


def inputs_of(config: UnifiedIO2Config, rows: int, patches: int | None = None) -> dict[str, torch.Tensor]:
    """Return a flat official batch: 64 text tokens, and an image of which `patches` are not padding."""
    generator = torch.Generator().manual_seed(rows)
    tokens = torch.randint(3, config.text_rows - 100, (rows, TEXT_TOKENS), generator=generator)
    count = config.image_tokens
    shape = (rows, count, config.image_encoder.patch_dim)
    places = torch.arange(count).expand(rows, -1)
    return {
        "/inputs/text/tokens": tokens.int(),
        "/inputs/text/mask": torch.ones_like(tokens, dtype=torch.int32),
        "/inputs/text/pos_ids": torch.arange(TEXT_TOKENS, dtype=torch.int32).expand(rows, -1),
        "/inputs/image/input": torch.randn(shape, generator=generator),
        "/inputs/image/mask": (places < (count if patches is None else patches)).int(),
        "/inputs/image/pos_ids": places.int(),
    }


def batch_of(inputs: dict[str, torch.Tensor], device: str) -> Batch:
    """Return our batch of a flat official one."""
    text = [inputs[f"/inputs/text/{name}"] for name in ("tokens", "mask", "pos_ids")]
    image = [inputs[f"/inputs/image/{name}"] for name in ("input", "mask", "pos_ids")]
    return Batch(
        TextInput(text[0].long(), text[1].bool(), text[2].long()),
        Patches(image[0], image[1].bool(), image[2].long()),
    ).to(device)


def seconds(run: Callable[[], object], device: str) -> float:
    """Return the wall-clock time of a call, the GPU's work included."""
    if device == "cuda":
        torch.cuda.synchronize()
    begin = time.perf_counter()
    run()
    if device == "cuda":
        torch.cuda.synchronize()
    return time.perf_counter() - begin


def rivals_of(model: UnifiedIO2, options: argparse.Namespace) -> dict[str, tuple[UnifiedIO2, Callable]]:
    """Return the ways to decode that are compared: name -> (model, what makes its stepper)."""
    rivals = {f"{options.dtype}": (model, Stepper)}
    if options.compiled:
        rivals[f"{options.dtype} compiled"] = (model, compiled_stepper)
    if options.device == "cpu" and options.dtype == "float32":
        for weights in ("float32", "int8"):
            packed = copy.deepcopy(model).pack(weights)
            rivals[f"{weights} packed"] = (packed, Stepper)
            if options.compiled:
                rivals[f"{weights} packed compiled"] = (packed, compiled_stepper)
    return rivals


def measure_decode(options: argparse.Namespace, console: Console, model: UnifiedIO2) -> None:
    """Encode and decode, by batch size and kind of weights, beside the other implementation if there is
    one.
    """
    other = _function(options.against) if options.against else None
    rivals = rivals_of(model, options)
    table = Table("batch", "weights", "encode ms", "ms/step", "tokens/s", "total s", title="decode")
    for name in ("encode", "step", "total") if other else ():
        table.add_column(f"{name} ×")
    for rows in options.batches:
        inputs = inputs_of(model.config, rows)
        batch = batch_of(inputs, options.device)
        encodes: list[float] = []
        decodes: dict[str, list[float]] = {name: [] for name in rivals}
        theirs: list[tuple[float, float]] = []
        for repeat in range(options.repeats + 1):  # the first round warms up
            kept: list[Encoded] = []
            encode = seconds(lambda kept=kept, batch=batch: kept.append(model.encode(batch)), options.device)
            for name, (rival, make) in rivals.items():

                def tokens(
                    rival: UnifiedIO2 = rival, make: Callable = make, encoded: Encoded = kept[0]
                ) -> None:
                    *_, _ = decode(make(rival, encoded, options.tokens), limit=options.tokens, end=None)

                took = seconds(tokens, options.device)
                if repeat:
                    decodes[name].append(took)
            if other:
                one, all_ = other(inputs, 1), other(inputs, options.tokens)
                if repeat:
                    theirs.append((one, all_))
            if repeat:
                encodes.append(encode)
        encode = statistics.median(encodes)
        lines = {name: (encode, statistics.median(times)) for name, times in decodes.items()}
        if other:
            one, all_ = (statistics.median(column) for column in zip(*theirs, strict=True))
            step = (all_ - one) / (options.tokens - 1)
            their = (one - step, step, all_)
            table.add_row(str(rows), options.against, *_line(*their[:2], their[2], rows), "1", "1", "1")
        for name, (encode, took) in lines.items():
            ours = (encode, took / options.tokens, encode + took)
            ratios = [f"{b / a:.1f}" for a, b in zip(ours, their, strict=True)] if other else []
            table.add_row(str(rows), name, *_line(*ours, rows), *ratios)
    console.print(table)


def _line(encode: float, step: float, total: float, rows: int) -> list[str]:
    return [f"{encode * 1e3:.0f}", f"{step * 1e3:.1f}", f"{rows / step:.0f}", f"{total:.2f}"]


def measure_encode(options: argparse.Namespace, console: Console, model: UnifiedIO2) -> None:
    """Requests of one batch size that fill their slots, half of them, or none."""
    table = Table("batch", "request", "ms", "× faster than full", title="encode")
    half = model.config.image_tokens // 2
    kinds = {"image and text": None, "half an image and text": half, "text only": 0}
    for rows in options.batches:
        batches = {
            name: batch_of(inputs_of(model.config, rows, n), options.device) for name, n in kinds.items()
        }
        times = _alternate(
            {name: lambda batch=batch: model.encode(batch) for name, batch in batches.items()}, options
        )
        full = statistics.median(times["image and text"])
        for name, values in times.items():
            middle = statistics.median(values)
            table.add_row(str(rows), name, f"{middle * 1e3:.0f}", f"{full / middle:.1f}")
    console.print(table)


def measure_decision(options: argparse.Namespace, console: Console) -> None:
    """One action of the packaged nano from one rendered table, decoded under its grammar."""
    from uio2_agent.grammar import Grammar, literal, location, sequence

    model = UnifiedIO2.from_pretrained("nano").to(options.device)
    tokenizer = model.processor.tokenizer
    triple = [location(tokenizer.vocabulary)] * 3
    grammar = Grammar(
        sequence(
            literal(tokenizer, "0: pick from ("), *triple,
            literal(tokenizer, ") and place to ("), *triple,
            literal(tokenizer, ")"),
        ),
        tokenizer.vocabulary.eos,
    )  # fmt: skip
    random = np.random.default_rng(0)
    pictures = [random.integers(0, 255, (128, 256, 3), np.uint8) for _ in range(8)]
    table = Table("requests", "decoding", "p50 ms", "p95 ms", "tokens/s", title="decision (nano)")
    for rows in options.batches:
        requests = [
            Request("Put the <image_history_1> into it.", pictures[i % 8], (pictures[0][:64, :64],))
            for i in range(rows)
        ]
        ways = {"token by token": {}, "fixed shapes": {"fixed_shape": True}, "parallel": {"parallel": True}}
        runs = {
            name: lambda way=way, requests=requests: model.generate(requests, grammar=grammar, **way)
            for name, way in ways.items()
        }
        count = sum(len(answer.tokens) for answer in runs["token by token"]())
        for name, values in _alternate(runs, options, 20).items():
            p50, p95 = np.percentile(values, [50, 95]) * 1e3
            table.add_row(str(rows), name, f"{p50:.1f}", f"{p95:.1f}", f"{count / p50 * 1e3:.0f}")
    console.print(table)


def measure_image(options: argparse.Namespace, console: Console, model: UnifiedIO2) -> None:
    """Whole images, 1,024 tokens each, and their pixels, by the ways there are to draw them."""
    model.processor = Processor(model.config, TextTokenizer.packaged())
    table = Table("batch", "weights", "way", "calls", "s per image", "CPU s", "tokens/s", "×", title="image")
    rivals = rivals_of(model, options)
    for rows in options.batches:
        requests = [Request(f"Picture {row}") for row in range(rows)]
        drawn: dict[tuple[str, str], Drawn] = {}
        if unknown := set(options.weights or ()) - set(rivals):
            raise SystemExit(f"there are no weights {unknown.pop()!r}: choose of {', '.join(rivals)}")
        for name in options.weights or rivals:
            rival, make = rivals[name]
            compiled = make is compiled_stepper
            for way, keywords in (WAYS | DRAWN).items():
                if compiled and way != "one at a time":
                    continue
                if compiled:
                    draw(rival, requests, compiled=True)
                drawn[name, way] = draw(rival, requests, compiled=compiled, **keywords)
        today = drawn.get((f"{options.dtype} packed", "one at a time"))
        for (name, way), run in drawn.items():
            tokens = rows * model.config.image_target_length / run.seconds
            times = f"{run.seconds / rows:.1f}", f"{run.cpu_seconds / rows:.1f}"
            ratio = f"{today.seconds / run.seconds:.1f}" if today else ""
            table.add_row(str(rows), name, way, str(run.calls), *times, f"{tokens:.0f}", ratio)
    console.print(table)
    if options.painter is None:
        console.print(
            "× is against packed weights, one at a time. Random weights say nothing of how many guesses come "
            "true: greedy, they repeat a token; drawn, the noise decides. For that and for what locality "
            "costs: python -m benchmarks.painter FOLDER, then --painter FOLDER"
        )
    else:
        measure_painter(options.painter, options.pictures, console)


def _alternate(
    runs: dict[str, Callable], options: argparse.Namespace, repeats: int | None = None
) -> dict[str, list[float]]:
    """Time each call several times, taking turns; the first round is dropped."""
    times: dict[str, list[float]] = {name: [] for name in runs}
    for repeat in range((repeats or options.repeats) + 1):
        for name, run in runs.items():
            took = seconds(run, options.device)
            if repeat:
                times[name].append(took)
    return times


def _function(spec: str) -> Callable[[dict[str, torch.Tensor], int], float]:
    module, _, name = spec.partition(":")
    return getattr(importlib.import_module(module), name)


def main() -> None:
    """Run the command."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.model", description=__doc__.splitlines()[0])
    parser.add_argument("--part", choices=PARTS, action="append", help="only this; may be given again")
    parser.add_argument("--size", default="bench", help="bench, or a preset: base, large, xl, xxl")
    parser.add_argument("--batches", type=lambda text: [int(n) for n in text.split(",")], default=[1, 4])
    parser.add_argument("--tokens", type=int, default=64, help="tokens decoded")
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--device", default="cpu", choices=["cpu", "cuda"])
    parser.add_argument("--dtype", default="float32", choices=["float32", "bfloat16"])
    parser.add_argument("--threads", type=int, default=0, help="0: torch's default")
    parser.add_argument("--compiled", action="store_true", help="measure torch.compile (CUDA graphs) too")
    parser.add_argument("--weights", action="append", help="image: only these, as 'float32 packed'")
    parser.add_argument(
        "--painter", type=Path, help="image: folder of a model that draws (benchmarks.painter)"
    )
    parser.add_argument("--pictures", type=int, default=48, help="image: drawn by the painter in each way")
    parser.add_argument("--against", help="another implementation, MODULE:FUNCTION")
    options = parser.parse_args()
    if options.threads:
        torch.set_num_threads(options.threads)
    console = Console(width=110)
    console.print(
        f"{platform.machine()}, torch {torch.__version__}, {torch.get_num_threads()} threads, "
        f"{torch.cuda.get_device_name() if options.device == 'cuda' else 'CPU'}; size {options.size}"
    )
    torch.manual_seed(0)
    parts = options.part or PARTS
    with torch.inference_mode():
        model = None
        if set(parts) - {"decision"}:
            model = UnifiedIO2(config_of(options.size)).eval().to(options.device)
            model = model.transformer_to(torch.bfloat16) if options.dtype == "bfloat16" else model
        if "decode" in parts:
            measure_decode(options, console, model)
        if "encode" in parts:
            measure_encode(options, console, model)
        if "decision" in parts:
            measure_decision(options, console)
        if "image" in parts:
            measure_image(options, console, model)


if __name__ == "__main__":
    main()
