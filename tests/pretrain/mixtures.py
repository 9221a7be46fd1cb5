"""A stream of samples of every target modality, made on the spot, and a tiny model that learns from them."""

from pathlib import Path

import numpy as np

from pretrain.mixture_batches import Drawn
from pretrain.pretrain_settings import PretrainConfig
from pretrain.samples.sample import Sample
from tests.uio2_agent.tiny import full_model, picture, sound
from uio2_agent.request import Request, Target
from uio2_agent.unified_io2 import UnifiedIO2

COLOURS = ("red", "green", "blue", "yellow")


class ToySamples:
    """Example n: a colour to name, a picture to name it of, a picture to make, or a sound to make."""

    def __init__(self, seed: int = 0):
        self._seed, self.embodiments, self.controls = seed, (), {}
        self.identities = {
            **{"seed": seed, "held_back": 0.0, "rates": {"toy": 1.0}, "limits": {}},
            "sources": {"toy": "1000 examples"},
        }

    def __getitem__(self, number: int) -> Drawn:
        return self.sample(number), ()

    def held(self, each: int) -> list[Sample]:
        """Return examples of numbers that no test reaches."""
        return [self.sample(10**6 + number) for number in range(each)]

    def sample(self, number: int) -> Sample:
        """Make an example."""
        rng = np.random.default_rng([self._seed, number])
        which = int(rng.integers(4))
        words = " ".join(["the"] * int(rng.integers(1, 6)))
        kind = number % 4 if number % 7 else 0
        if kind == 1:
            request = Request(f"what colour {words} <image_input>", picture(which))
            return Sample(request, Target(text=COLOURS[which]), source="toy")
        if kind == 2:
            return Sample(
                Request(f"show {words} {COLOURS[which]}"), Target(image=picture(which)), source="toy"
            )
        if kind == 3:
            power = sound(which, (24, 16))
            return Sample(Request(f"play {words} {COLOURS[which]}"), Target(audio=power), source="toy")
        return Sample(Request(f"say {words} {COLOURS[which]}"), Target(text=COLOURS[which]), source="toy")


def open_toys(config: PretrainConfig, model: UnifiedIO2, styles: object, controls: object) -> ToySamples:
    """Open the stream."""
    return ToySamples(config.seed)


def toy_model(folder: Path) -> str:
    """Write the tiny model; return its folder."""
    return str(
        full_model(drop_background=False, sparse_patterns=True, dynamic_masking=True).save_pretrained(folder)
    )


def toy_config(model: str, output: Path, **changes: object) -> PretrainConfig:
    """A run of a few seconds."""
    fields = dict(
        model=model,
        output=str(output),
        steps=6,
        batch_size=8,
        warmup=2,
        learning_rate=0.01,
        schedule="constant",
        workers=0,
        threads=1,
        device="cpu",
        log_every=1,
        save_every=100,
        tensorboard=False,
        validation_examples=0,
    )
    return PretrainConfig(**(fields | changes))
