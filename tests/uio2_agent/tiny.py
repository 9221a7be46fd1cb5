"""Models built in milliseconds, with weights spread so that outputs depend on everything; their requests."""

import numpy as np
import pytest
import torch

from uio2_agent.config import ResamplerConfig, UnifiedIO2Config, ViTConfig
from uio2_agent.inputs.processor import Processor
from uio2_agent.request import Request
from uio2_agent.text.tokenizer import TextTokenizer
from uio2_agent.tokenizers.config import ViTVQGANConfig, VQGANConfig
from uio2_agent.unified_io2 import UnifiedIO2

RANDOM_ENDS = pytest.mark.filterwarnings("ignore:the (image|audio) of request")
"""For tests that draw pictures and sounds from random weights, which end anywhere."""


def tiny_config(**changes) -> UnifiedIO2Config:
    """Return a configuration with every kind of part and a width of 32."""
    tower = dict(width=32, heads=2, head_dim=16, mlp_dim=48, layers=3, patch_size=8)
    fields = dict(
        width=32,
        heads=2,
        head_dim=16,
        mlp_dim=48,
        encoder_layers=2,
        decoder_layers=3,
        text_rows=2048,
        text_input_length=48,
        text_target_length=40,
        input_modalities=("text", "image", "image_history"),
        target_modalities=("text",),
        image_encoder=ViTConfig(**tower, channels=3, positions=(3, 5)),
        image_history=ResamplerConfig(width=16, heads=2, head_dim=8, mlp_dim=24, layers=2, latents=3),
        freeze_vit=False,
        image_size=(32, 64),
        history_size=(16, 32),
        image_tokens=20,
        history_tokens=8,
        history_frames=4,
        grid_scale=1.0,
        drop_background=True,
        position_init=0.5,
    )
    return UnifiedIO2Config(**(fields | changes))


def tiny_model(seed: int = 0, **changes) -> UnifiedIO2:
    """Return a model in evaluation mode, with its processor. Its greedy answers vary from token to token."""
    torch.manual_seed(seed)
    model = UnifiedIO2(tiny_config(**changes)).eval()
    with torch.no_grad():
        for layer in model.decoder.layers:  # otherwise the tied head repeats its input
            layer.mlp.down.weight *= 20
            layer.self_attention.out.weight *= 4
    model.processor = Processor(model.config, TextTokenizer.packaged())
    return model


def full_config(**changes) -> UnifiedIO2Config:
    """Return a tiny configuration of all five inputs and all three targets.

    Images are 8 x 6 tokens, sounds 6 x 4, so that rows taken for columns do not go unseen. Both tables have
    rows that stand for nothing.
    """
    fields = dict(
        input_modalities=("text", "image", "image_history", "audio", "audio_history"),
        target_modalities=("text", "image", "audio"),
        image_rows=128,
        audio_rows=128,
        image_target_length=48,
        audio_target_length=24,
        audio_encoder=ViTConfig(
            width=32,
            heads=2,
            head_dim=16,
            mlp_dim=48,
            layers=3,
            patch_size=4,
            channels=1,
            positions=(8, 4),
            lineage="ast",
        ),
        audio_history=ResamplerConfig(width=16, heads=2, head_dim=8, mlp_dim=24, layers=2, latents=2),
        image_tokenizer=VQGANConfig(
            width=32, multipliers=(1, 1, 1), blocks=1, codes=40, image_size=(32, 24), patch_size=(4, 4)
        ),
        audio_tokenizer=ViTVQGANConfig(
            width=32,
            heads=2,
            head_dim=16,
            mlp_dim=48,
            encoder_layers=1,
            decoder_layers=1,
            code_dim=8,
            codes=24,
            spectrogram_size=(16, 24),
            patch_size=(4, 4),
        ),
        audio_size=(16, 8),
        audio_tokens=8,
        decoder_layers=4,
    )
    return tiny_config(**(fields | changes))


def full_model(seed: int = 0, **changes) -> UnifiedIO2:
    """Return a tiny model of every modality; see `tiny_model`."""
    return tiny_model(seed, **full_config(**changes).__dict__)


def sound(seed: int, size: tuple[int, int] = (16, 8)) -> np.ndarray:
    """Return a linear mel power spectrogram without a silent spot."""
    return np.random.default_rng(seed).uniform(0.1, 9, size).astype(np.float32)


def full_requests() -> list[Request]:
    """Return requests that hold every modality, each alone, and none."""
    return [
        Request(
            "All of <image_input> and <image_history_1>.",
            picture(0),
            (picture(1), picture(2)),
            sound(0),
            (sound(1), sound(2)),
        ),
        Request("Nothing but text"),
        Request("A sound", audio=sound(3)),
        Request("What was heard", audio_history=(sound(4),)),
        Request("What was seen in <image_history_1>", image_history=(picture(3),)),
        Request("A picture", picture(4, 30, 90)),
    ]


def picture(seed: int, height: int = 40, width: int = 60) -> np.ndarray:
    """Return a grey picture with a few coloured rectangles."""
    random = np.random.default_rng(seed)
    image = np.full((height, width, 3), 120, np.uint8)
    for _ in range(4):
        row, column = random.integers(0, height - 12), random.integers(0, width - 12)
        image[row : row + 12, column : column + 12] = random.integers(0, 256, (12, 12, 3))
    return image


def requests() -> list[Request]:
    """Return requests of different kinds and lengths."""
    return [
        Request(
            "Put the <image_history_1> into the <image_history_2>.", picture(0), (picture(1), picture(2))
        ),
        Request("List all objects.", picture(3)),
        Request("Rotate it"),
        Request(
            "From <image_history_1> to <image_history_2> then <image_history_3>", None, (picture(4),) * 3
        ),
    ]
