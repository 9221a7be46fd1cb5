"""What a training step must hold in memory, by size of the model: everything trained, and adapters only.

Usage: python benchmarks/training_memory.py [large xl xxl] [--batch 8] [--rank 16] [--targets query,value]

Weights, gradients and optimizer moments are counted on the meta device. What the backward pass keeps of the
forward pass is measured on the CPU, at the model's own width and in bfloat16, with one and with two layers of
encoder and decoder; the rest of the layers cost as much as the second. Left out are what lives within one
operation and the allocator's slack.
"""

import argparse
import dataclasses

import numpy as np
import torch

from pretrain.lora import TARGETS, Lora
from uio2_agent import Processor, Request, TextTokenizer, UnifiedIO2, UnifiedIO2Config
from uio2_agent.formats.checkpoint import model_weights, precision

GIB = 2**30
MOMENTS = 2  # AdamW keeps two numbers per weight


def counts(config: UnifiedIO2Config, rank: int, targets: list[str]) -> tuple[int, int, int]:
    """Numbers in the model, bytes it takes when it is loaded in bfloat16, numbers in its adapters."""
    with torch.device("meta"):
        model = UnifiedIO2(config)
        lora = Lora(model, rank, targets=targets)
    weights = model_weights(model)
    loaded = sum(
        value.numel() * precision(name, value.dtype, torch.bfloat16).itemsize
        for name, value in weights.items()
    )
    numbers = sum(value.numel() for value in weights.values())
    return numbers, loaded, sum(parameter.numel() for parameter in lora.parameters())


def kept_bytes(config: UnifiedIO2Config, layers: int, rank: int, targets: list[str], words: int) -> int:
    """Bytes that backward keeps of one request with an image, without its history."""
    slim = dataclasses.replace(
        config,
        encoder_layers=layers,
        decoder_layers=layers,
        input_modalities=("text", "image"),
        target_modalities=("text",),
        image_encoder=dataclasses.replace(config.image_encoder, layers=2),  # frozen: keeps nothing
    )
    model = UnifiedIO2(slim).to(torch.bfloat16)
    lora = Lora(model, rank, targets=targets)
    image = np.random.default_rng(0).integers(0, 255, (*config.image_size, 3), np.uint8)
    processor = Processor(slim, TextTokenizer.packaged())
    batch = processor([Request(" block" * words, image=image)], [" block" * words])
    weights = {p.untyped_storage().data_ptr() for module in (model, lora) for p in module.parameters()}
    kept: dict[int, torch.UntypedStorage] = {}

    def keep(tensor: torch.Tensor) -> torch.Tensor:
        storage = tensor.untyped_storage()
        if storage.data_ptr() not in weights:
            kept[storage.data_ptr()] = storage  # holding it keeps the address from being used again
        return tensor

    with (
        torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor),
        torch.autocast("cpu", torch.bfloat16),
    ):
        model(batch)
    return sum(storage.nbytes() for storage in kept.values())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("sizes", nargs="*", default=["large", "xl", "xxl"])
    parser.add_argument("--batch", type=int, default=8, help="requests in a step")
    parser.add_argument("--words", type=int, default=96, help="words of a request and of its target, about")
    parser.add_argument("--rank", type=int, default=16)
    parser.add_argument("--targets", default=",".join(TARGETS))
    arguments = parser.parse_args()
    targets = arguments.targets.split(",")
    print(
        f"one image and {arguments.words} words in, {arguments.words} words out, rank {arguments.rank} on "
        f"{arguments.targets}; GiB"
    )
    print(
        "size | parameters | adapters | all: weights, gradients, moments | adapters: weights | "
        f"+ gradients, moments | + kept by backward, batch {arguments.batch} | = in all"
    )
    for size in arguments.sizes:
        config = UnifiedIO2Config.preset(size)
        model, loaded, adapters = counts(config, arguments.rank, targets)
        one, two = (kept_bytes(config, n, arguments.rank, targets, arguments.words) for n in (1, 2))
        kept = arguments.batch * (one + (config.encoder_layers - 1) * (two - one))
        weights, learner = loaded + 4 * adapters, 4 * (1 + MOMENTS) * adapters
        cells = [4 * (2 + MOMENTS) * model, weights, learner, kept, weights + learner + kept]
        print(
            " | ".join(
                [size, f"{model / 1e6:,.0f} M", f"{adapters / 1e6:.1f} M"]
                + [f"{cell / GIB:.2f}" for cell in cells]
            ),
            flush=True,
        )


if __name__ == "__main__":
    main()
