"""What packing gains: fill of rows, examples left alone, and examples per second of real training steps.

Usage: python -m benchmarks.packing [--examples 20000] [--steps 2] [--batch 24] [--device cpu]

Lengths are drawn as the paper's pre-training mixture has them (arXiv 2312.17172; rates of its groups in
GROUPS, denoisers of UL2, half of the patches, captions and transcripts of made-up lengths). OLMo-core's and
torchtitan's packers look at one length: they run as they are, where they are installed, on the encoder's
alone, and restated on both sides (`benchmarks.other_packers`).

A step is forward, backward and AdamW of a model of nano's width and depth that reads and writes every
modality; codes of pictures and sounds are given. It is run with rows padded to 1,152 and 2,048 as the
official code does (masks and logits everywhere), with each example by itself without padding, and packed.
"""

import argparse
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from importlib.metadata import version

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from benchmarks.other_packers import BestFitDecreasing, OlmoCore, ScanAndPick, Torchtitan
from pretrain.packing import BestFitPacker, Lengths, Limits, Packer, PairPacker, least_rows, token_lengths
from uio2_agent.config import UnifiedIO2Config
from uio2_agent.embedders.tokens import compact
from uio2_agent.inputs.batch import Batch, Patches, TextInput, TokenTarget
from uio2_agent.model import Network, token_loss
from uio2_agent.network.layers import attention_bias
from uio2_agent.network.positions import rotary_pair
from uio2_agent.presets import PRESETS

PADDED = Limits(1152, 2048)
PACKAGES = {"torchtitan": "torchtitan", "OLMo-core": "ai2-olmo-core"}
MOST = {"text": 512, "image": 1024, "audio": 512}
"""Target tokens of a padded row, by modality."""
GROUPS = {"text": 33.0, "image-text": 31.3, "video": 25.0, "interleaved": 8.7, "views and agents": 2.0}
"""Rates in %."""


@dataclass
class Shape:
    """What an example holds: text tokens, patches, history frames of pictures and sounds; its target."""

    text: int = 0
    image: int = 0
    frames: int = 0
    audio: int = 0
    sounds: int = 0
    target: str = "text"
    length: int = 0

    @property
    def lengths(self) -> Lengths:
        """Tokens in the encoder (32 and 16 latents a frame of history) and in the decoder."""
        return self.text + self.image + 32 * self.frames + self.audio + 16 * self.sounds, self.length


def draw(rng: np.random.Generator) -> Shape:
    """Draw one example of the mixture."""
    group = rng.choice(list(GROUPS), p=np.array(list(GROUPS.values())) / sum(GROUPS.values()))
    words = int(np.clip(rng.lognormal(2.9, 0.5), 6, 120))  # of a caption
    picture = int(rng.integers(216, 289))  # patches that are kept, of at most half; a thin picture has fewer
    if group == "text":
        return _denoised(rng)
    if group == "image-text":
        if rng.random() < 0.62:
            kept = picture if rng.random() < 0.5 else 0
            return Shape(text=words, image=kept, target="image", length=_of_picture(rng))
        return Shape(text=3 + words // 2 * int(rng.random() < 0.5), image=picture, length=words)
    if group == "video":
        transcript = int(np.clip(rng.lognormal(4.5, 0.6), 10, 380))
        earlier = int(rng.integers(1, 5))
        has = rng.random(4) < 0.5
        shape = Shape(8 + transcript, *(int(n) for n in has * (picture, earlier, 64, earlier)), "text", 0)
        shape.target = str(rng.choice(["text", "image", "audio"]))
        shape.length = {"image": _of_picture(rng), "audio": 512, "text": transcript // 2 + 2}[shape.target]
        if shape.target == "text":
            shape.text -= transcript // 2
        return shape
    if group == "interleaved":
        shape = Shape(int(rng.integers(60, 440)), picture, int(rng.integers(1, 5)))
    else:
        shape = Shape(int(rng.integers(20, 80)), picture, int(rng.integers(1, 5)))
    shape.target = "image" if rng.random() < 0.5 else "text"
    shape.length = _of_picture(rng) if shape.target == "image" else int(rng.integers(5, 200))
    return shape


def _of_picture(rng: np.random.Generator) -> int:
    """Tokens of a picture's target: all of a square one, fewer of one that is padded."""
    return 1024 if rng.random() < 0.5 else 32 * int(rng.integers(18, 32))


def _denoised(rng: np.random.Generator) -> Shape:
    """Draw a text and one of UL2's denoisers: a third each of R, S, X (specs, 1.2)."""
    kind = rng.choice(["R", "S", "X"])
    if kind == "S":
        cut = int(rng.integers(1, 1022))
        return Shape(text=min(512, cut + 1), length=min(512, 1022 - cut + 1))
    lengths = {"R": [114, 100], "X": [512, 512, 92, 512]}[kind]
    return Shape(text=513, length=int(rng.choice(lengths)))


def table_of_packers(lengths: list[Lengths]) -> None:
    """Print what each packer makes of the lengths, under the paper's limits and under longer rows."""
    print(f"{len(lengths)} examples; mean {np.mean(lengths, 0).round(1)} tokens in encoder and decoder")
    print(
        f"{'rows of':>12} {'packer':28} {'encoder':>8} {'decoder':>8} {'alone':>6} {'a row':>6} "
        f"{'refused':>7} {'ms/row':>6}"
    )
    for limits in (Limits(864, 1280), Limits(1728, 3072), Limits(3456, 6144)):
        packers = {
            "official pairs, pool 10": PairPacker(limits),
            "scan and pick, both sides": ScanAndPick(limits),
            "best fit decreasing, 2,048": BestFitDecreasing(limits),
            "ours, window 128": BestFitPacker(limits, window=128),
            "ours, window 256": BestFitPacker(limits),
        }
        rows_of_packers(packers, lengths, limits)
    print("\nthe encoder's side alone (OLMo-core's rows are powers of two)")
    alone = [(encoder, 0) for encoder, _ in lengths]
    for limits in (Limits(1024, 1), Limits(2048, 1)):
        others = {
            "torchtitan": (Torchtitan, "torchtitan's rule, restated", ScanAndPick),
            "OLMo-core": (
                OlmoCore,
                "OLMo-core's rule, restated",
                partial(BestFitDecreasing, window=len(alone)),
            ),
        }
        packers = {}
        for name, (real, rule, restated) in others.items():
            try:
                packers[f"{name} {version(PACKAGES[name])}"] = real(limits)
            except ImportError as error:
                print(f"{name} cannot be had: {error}")
            packers[rule] = restated(limits)
        rows_of_packers(packers | {"ours, window 256": BestFitPacker(limits)}, alone, limits)


def rows_of_packers(packers: Mapping[str, Packer], lengths: list[Lengths], limits: Limits) -> None:
    """Print what no packer can be above, and what each makes of the lengths."""
    fitting = [length for length in lengths if limits.fits(length)]
    room = least_rows(fitting, limits) * np.array([limits.encoder, limits.decoder])
    encoder, decoder = np.sum(fitting, 0) / room
    print(f"{limits.encoder:>6}/{limits.decoder:<5} {'no packer is above':28} {encoder:8.1%} {decoder:8.1%}")
    for name, packer in packers.items():
        begin = time.process_time()
        packing = packer.pack(lengths)
        spent = time.process_time() - begin
        encoder, decoder = packing.fill(lengths, limits)
        packed = len(lengths) - len(packing.refused)
        print(
            f"{limits.encoder:>6}/{limits.decoder:<5} {name:28} {encoder:8.1%} {decoder:8.1%} "
            f"{packing.alone / packed:6.1%} {packed / len(packing.rows):6.2f} "
            f"{len(packing.refused) / len(lengths):7.2%} {spent / len(packing.rows) * 1e3:6.2f}",
            flush=True,
        )


def network_of_nano() -> Network:
    """A model of nano's width and depth, with the inputs and targets of the full one."""
    resampler = dict(width=192, heads=6, head_dim=32, mlp_dim=768, layers=2)
    nano = PRESETS["nano"]
    audio = dict(width=192, heads=6, head_dim=32, mlp_dim=768, layers=4, patch_size=16, channels=1)
    values = nano | dict(
        input_modalities=("text", "image", "image_history", "audio", "audio_history"),
        target_modalities=("text", "image", "audio"),
        text_input_length=1024,
        text_target_length=512,
        image_rows=1152,
        audio_rows=1152,
        image_tokenizer=dict(codes=1024, width=32, blocks=1),
        audio_tokenizer=dict(codes=1024, width=32, heads=1, head_dim=32, mlp_dim=32),
        audio_encoder=audio | dict(positions=(12, 101), lineage="ast"),
        image_history=resampler | dict(latents=32),
        audio_history=resampler | dict(latents=16),
        image_size=(384, 384),
        history_size=(256, 256),
        image_tokens=288,
        history_tokens=128,
        history_frames=4,
    )
    return Network(UnifiedIO2Config.from_dict(values))


def batch_of(shapes: list[Shape], seed: int) -> tuple[Batch, dict[str, TokenTarget]]:
    """Make random inputs and targets of these shapes."""
    generator = torch.Generator().manual_seed(seed)

    def ids(counts: list[int], most: int) -> tuple[Tensor, Tensor]:
        mask = torch.arange(max(1, *counts)) < torch.tensor(counts)[:, None]
        return torch.randint(2, most, mask.shape, generator=generator) * mask, mask

    def patches(counts: list[list[int]], cells: int, dim: int) -> Patches:
        mask = torch.arange(max(1, *(c for row in counts for c in row))) < torch.tensor(counts)[..., None]
        order = torch.rand(*mask.shape[:-1], cells, generator=generator).argsort(-1)
        values = torch.randn(*mask.shape, dim, generator=generator)
        return Patches(values, mask, order[..., : mask.shape[-1]])

    def frames(counts: list[int], patches_of_one: int) -> list[list[int]]:
        return [[patches_of_one * (frame < count) for frame in range(4)] for count in counts]

    tokens, mask = ids([shape.text for shape in shapes], 768)
    image, audio = (
        patches([[getattr(shape, name)] for shape in shapes], cells, dim)
        for name, cells, dim in (("image", 576, 768), ("audio", 128, 256))
    )
    batch = Batch(
        TextInput(tokens, mask, torch.arange(mask.shape[1]).expand_as(mask)),
        Patches(image.values[:, 0], image.mask[:, 0], image.positions[:, 0]),
        patches(frames([shape.frames for shape in shapes], 128), 256, 768),
        Patches(audio.values[:, 0], audio.mask[:, 0], audio.positions[:, 0]),
        patches(frames([shape.sounds for shape in shapes], 64), 128, 256),
    )
    targets = {}
    for name in MOST:
        wanted, counts = ids([shape.length if shape.target == name else 0 for shape in shapes], 700)
        if counts.any():
            place = torch.arange(counts.shape[1]).expand_as(counts)
            targets[name] = TokenTarget(F.pad(wanted[:, :-1], (1, 0)), wanted, counts, place, counts)
    return batch, targets


def padded(network: Network, batch: Batch, targets: dict[str, TokenTarget]) -> Tensor:
    """The loss over rows padded to `PADDED`, one example a row."""
    tokens = compact(network.embed(batch))
    behind = PADDED.encoder - tokens.mask.shape[1]
    embed, turns = (F.pad(x, (0, 0, 0, behind)) for x in (tokens.embed, tokens.rotary))
    hide = attention_bias(F.pad(tokens.mask, (0, behind))[:, None, None], embed.dtype)
    rotary = rotary_pair(turns)
    hidden = network.encoder(embed, hide, rotary)
    embeds, turns, kinds = [], [], []
    for number, (name, most) in enumerate(MOST.items()):
        target = targets.get(name)
        shape = (batch.rows, most)
        ids = torch.zeros(shape, dtype=torch.long, device=embed.device)
        if target is not None:
            ids[:, : target.inputs.shape[1]] = target.inputs
        positions = torch.arange(most, device=embed.device).expand(shape)
        made = network.targets[name].embed(ids, positions, network.table(name))
        embeds.append(made[0])
        turns.append(made[1])
        kinds.append(torch.full(shape, number, device=embed.device))
    kind = torch.cat(kinds, 1)
    causal = torch.ones(PADDED.decoder, PADDED.decoder, dtype=torch.bool, device=embed.device).tril()
    bias = attention_bias((causal & (kind[:, None] == kind[:, :, None]))[:, None], embed.dtype)
    decoded = network.decoder(
        torch.cat(embeds, 1),
        [bias] * len(network.decoder.layers),
        rotary_pair(torch.cat(turns, 1)),
        network.decoder.cross(hidden, rotary),
        hide,
    )
    total = 0.0
    for name, part in zip(MOST, decoded.split(list(MOST.values()), 1), strict=True):
        if (target := targets.get(name)) is not None:
            wanted, mask = (
                F.pad(x, (0, MOST[name] - target.mask.shape[1])) for x in (target.targets, target.mask)
            )
            total = total + token_loss(network.logits(part, name), wanted, mask)
    return total


def table_of_steps(shapes: list[Shape], batch_size: int, steps: int, device: str) -> None:
    """Print examples per second of training steps, and of which part the transformer's tokens are real."""
    torch.manual_seed(0)
    network = network_of_nano().to(device)
    optimizer = torch.optim.AdamW(network.parameters(), 0.0, foreach=True)  # the weights stay
    batches = []
    for i in range(steps):
        batch, targets = batch_of(shapes[i * batch_size : (i + 1) * batch_size], i)
        batches.append((batch.to(device), {name: target.to(device) for name, target in targets.items()}))

    def packed(packer: Callable[[Limits], object], limits: Limits) -> Callable[..., Tensor]:
        def loss(batch: Batch, targets: dict[str, TokenTarget]) -> Tensor:
            asked = [shape.lengths for shape in shapes_of[id(batch)]]
            return network.score_all(targets, network.encode(batch, packer(limits).pack(asked).rows)).loss

        return loss

    shapes_of = {
        id(batch): shapes[i * batch_size : (i + 1) * batch_size] for i, (batch, _) in enumerate(batches)
    }
    for batch, _ in batches:
        counted = [encoder for encoder, _ in token_lengths(batch, network.config)]
        assert counted == [shape.lengths[0] for shape in shapes_of[id(batch)]]
    ways = {
        "padded to 1,152 / 2,048": lambda batch, targets: padded(network, batch, targets),
        "unpacked, without padding": lambda batch, targets: (
            network.score_all(targets, network.encode(batch)).loss
        ),
        "official pairs in 864 / 1,280": packed(PairPacker, Limits()),
        "ours in 1,728 / 3,072": packed(BestFitPacker, Limits(1728, 3072)),
    }
    first = None
    for name, loss_of in ways.items():
        loss_of(*batches[0]).backward()  # warm-up
        begin, losses = _seconds(device), []
        for batch, targets in batches:
            optimizer.zero_grad(set_to_none=True)
            loss = loss_of(batch, targets)
            loss.backward()
            optimizer.step()
            losses.append(loss.item())
        rate = steps * batch_size / (_seconds(device) - begin)
        first = first or rate
        print(
            f"{name:32} {rate:7.2f} examples/s  {rate / first:5.2f} x  loss {np.mean(losses):.4f}", flush=True
        )


def _seconds(device: str) -> float:
    """A clock: of this process alone on a CPU, which others may use; of the wall on a GPU."""
    if device == "cpu":
        return time.process_time()
    torch.cuda.synchronize()
    return time.perf_counter()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--examples", type=int, default=20_000)
    parser.add_argument("--batch", type=int, default=24)
    parser.add_argument("--steps", type=int, default=2)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    rng = np.random.default_rng(options.seed)
    torch.set_num_threads(1)
    shapes = [draw(rng) for _ in range(max(options.examples, options.batch * options.steps))]
    if options.examples:
        table_of_packers([shape.lengths for shape in shapes[: options.examples]])
    if options.steps:
        table_of_steps(shapes, options.batch, options.steps, options.device)


if __name__ == "__main__":
    main()
