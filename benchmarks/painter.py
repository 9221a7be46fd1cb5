"""A small model that draws: `python -m benchmarks.painter FOLDER [--steps N]`.

Random weights say how fast a way to draw is, and nothing of what it draws. This teaches a model of 2 M
parameters pictures of 32 x 32 tokens: captioned shapes of `pretrain.generated` on a grainy ground. Unusual: a
token is a colour of a palette of 125, not a code of a VQGAN, so that no tokenizer has to be trained first and
tokens can be read back as pixels.
"""

import argparse
import dataclasses
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from pretrain.generated.shapes import background, described, drawn_shapes, pasted
from uio2_agent import Processor, Request, TextTokenizer, UnifiedIO2, UnifiedIO2Config
from uio2_agent.config import FIRST_CODE
from uio2_agent.inputs.batch import TokenTarget

SIDE = 32
LEVELS = 5
"""Of each of the three colours."""
GRAIN = 10.0
"""Standard deviation of what is added to each pixel, 0 to 255: it keeps tokens from being certain."""
BATCH = 2


def painter_config() -> UnifiedIO2Config:
    """Return the shape of the model: `nano_all` without sounds, 1,024 image tokens."""
    preset = UnifiedIO2Config.preset("nano_all")
    tokenizer = dataclasses.replace(
        preset.image_tokenizer,
        multipliers=(1, 1),
        resolution=64,
        attention_resolutions=(),
        codes=LEVELS**3,
        patch_size=(2, 2),
    )
    return dataclasses.replace(
        preset,
        encoder_layers=2,
        decoder_layers=2,
        image_rows=LEVELS**3 + 3,
        input_modalities=("text", "image"),
        target_modalities=("image",),
        audio_encoder=None,
        audio_history=None,
        audio_tokenizer=None,
        image_target_length=SIDE * SIDE,
        image_tokenizer=tokenizer,
    )


def picture(seed: int) -> tuple[str, np.ndarray]:
    """Return a caption and its picture, tokens int64 [1024]."""
    rng = np.random.default_rng([seed, 32])
    shapes = drawn_shapes(rng, (SIDE, SIDE), int(rng.integers(1, 4)), largest=0.3)
    image, _, _ = pasted(background(rng, (SIDE, SIDE)), shapes)
    noisy = (image + rng.normal(0, GRAIN, image.shape)).clip(0, 255)
    return described(shapes), tokens_of(noisy)


def tokens_of(image: np.ndarray) -> np.ndarray:
    """Return the tokens int64 [1024] of colours [32, 32, 3] from 0 to 255."""
    levels = np.minimum(image.reshape(-1, 3).astype(np.int64) * LEVELS // 256, LEVELS - 1)
    return levels @ (LEVELS ** np.arange(3)) + FIRST_CODE


def colours_of(tokens: np.ndarray) -> np.ndarray:
    """Return colours float [32, 32, 3] from 0 to 255 of tokens [1024]."""
    codes = np.maximum(tokens - FIRST_CODE, 0)
    levels = codes[:, None] // LEVELS ** np.arange(3) % LEVELS
    return ((levels + 0.5) * 256 / LEVELS).reshape(SIDE, SIDE, 3)


def target_of(tokens: Tensor) -> TokenTarget:
    """Return pictures [B, 1024] as what the model is to write."""
    positions = torch.arange(tokens.shape[1]).expand_as(tokens)
    inputs = torch.nn.functional.pad(tokens[:, :-1], (1, 0))
    return TokenTarget(inputs, tokens, torch.ones_like(tokens, dtype=torch.bool), positions)


def losses(model: UnifiedIO2, captions: list[str], tokens: Tensor) -> Tensor:
    """Return the loss [B] of each picture [B, 1024] under its caption, nats a token."""
    encoded = model.encode(model.processor([Request(caption) for caption in captions], target="image"))
    logits = model.score(target_of(tokens), encoded, modality="image").logits["image"]
    return torch.nn.functional.cross_entropy(logits.transpose(1, 2), tokens, reduction="none").mean(1)


def train(steps: int, learning_rate: float = 3e-3, seed: int = 0) -> Iterator[tuple[int, float, UnifiedIO2]]:
    """Teach a new model; yield step, loss and model after each step."""
    torch.manual_seed(seed)
    model = UnifiedIO2(painter_config())
    model.processor = Processor(model.config, TextTokenizer.packaged())
    weights = [p for p in model.parameters() if p.requires_grad]
    optimizer = torch.optim.AdamW(weights, lr=learning_rate, betas=(0.9, 0.95), weight_decay=0.01)
    shape = [min((step + 1) / 40, 1.0) * (1 - step / steps) for step in range(steps)]
    schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: shape[min(step, steps - 1)])
    for step in range(steps):
        captions, tokens = zip(*(picture(step * BATCH + row) for row in range(BATCH)), strict=True)
        loss = losses(model, list(captions), torch.from_numpy(np.stack(tokens))).mean()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(weights, 1.0)
        optimizer.step()
        schedule.step()
        optimizer.zero_grad()
        yield step, loss.item(), model


def main() -> None:
    """Run the command."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.painter", description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--steps", type=int, default=300)
    options = parser.parse_args()
    seen: list[float] = []
    for step, loss, model in train(options.steps):
        seen.append(loss)
        if (step + 1) % 20 == 0 or step + 1 == options.steps:
            print(f"step {step + 1}: {np.mean(seen[-20:]):.3f} nats a token", flush=True)
            model.save_pretrained(options.folder)


if __name__ == "__main__":
    main()
