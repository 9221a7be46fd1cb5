"""The named sizes in one table: three official ones, one between, and the one that ships.

`nano` looks at the tabletop only: rectangular pictures, few patches, background left out, no audio towers,
a small text vocabulary. `nano_goal` draws too, in 128 tokens of half its picture's size. `nano_house` walks
through houses by the map it draws and is smaller still: 64 pixels a side. `nano_all` takes and answers with
every modality, to try training on. `base` is an official layout at a third of the width, for a single GPU.

Unusual: plain dictionaries, as `UnifiedIO2Config.from_dict` takes them, which checks them and fills in what
they leave out.
"""

from typing import Any

from uio2_agent.formats.official_fields import AST_POSITIONS
from uio2_agent.text.vocabulary import Vocabulary

LLAMA_PIECES = 32_000
NANO_PIECES = 768


def _official(
    *,
    width: int,
    heads: int,
    head_dim: int,
    mlp_dim: int,
    layers: int,
    resampler: dict,
    latents: tuple[int, int] = (32, 16),
) -> dict[str, Any]:
    tower = dict(width=768, heads=12, head_dim=64, mlp_dim=3072, layers=11, patch_size=16)
    return dict(
        width=width,
        heads=heads,
        head_dim=head_dim,
        mlp_dim=mlp_dim,
        encoder_layers=layers,
        decoder_layers=layers,
        text_rows=Vocabulary(LLAMA_PIECES).padded_size,
        image_rows=16_512,
        audio_rows=8_320,
        image_encoder=dict(**tower, channels=3, positions=(14, 14)),
        audio_encoder=dict(**tower, channels=1, positions=AST_POSITIONS, lineage="ast"),
        image_history=dict(layers=2, latents=latents[0], **resampler),
        audio_history=dict(layers=2, latents=latents[1], **resampler),
        image_tokenizer={},
        audio_tokenizer={},
    )


def _large() -> dict[str, Any]:
    resampler = dict(width=768, heads=12, head_dim=64, mlp_dim=2048)
    return _official(width=1024, heads=16, head_dim=64, mlp_dim=2816, layers=24, resampler=resampler)


def _xl() -> dict[str, Any]:
    resampler = dict(width=1024, heads=16, head_dim=64, mlp_dim=4096)
    return _official(width=2048, heads=16, head_dim=128, mlp_dim=5120, layers=24, resampler=resampler)


def _xxl() -> dict[str, Any]:
    resampler = dict(width=1024, heads=16, head_dim=64, mlp_dim=4096, qk_norm=False, scaled_cosine=True)
    return _official(width=3072, heads=24, head_dim=128, mlp_dim=8192, layers=24, resampler=resampler)


def _base() -> dict[str, Any]:
    resampler = dict(width=384, heads=6, head_dim=64, mlp_dim=1024)
    return _official(width=512, heads=8, head_dim=64, mlp_dim=1408, layers=8, resampler=resampler)


def _nano() -> dict[str, Any]:
    return dict(
        width=192,
        heads=6,
        head_dim=32,
        mlp_dim=512,
        encoder_layers=3,
        decoder_layers=2,
        text_rows=Vocabulary(NANO_PIECES).padded_size,
        text_input_length=192,
        text_target_length=192,
        input_modalities=("text", "image", "image_history"),
        target_modalities=("text",),
        image_encoder=dict(
            width=192,
            heads=6,
            head_dim=32,
            mlp_dim=768,
            layers=4,
            patch_size=16,
            channels=3,
            positions=(14, 16),
        ),
        image_history=dict(width=192, heads=6, head_dim=32, mlp_dim=768, layers=2, latents=16),
        freeze_vit=False,
        image_size=(224, 256),
        history_size=(224, 256),
        image_tokens=160,
        history_tokens=160,
        history_frames=8,
        grid_scale=1.0,
        drop_background=True,
        position_init=0.5,
    )


def _nano_goal() -> dict[str, Any]:
    return _nano() | dict(
        image_rows=1_152,
        image_target_length=128,
        target_modalities=("text", "image"),
        image_tokenizer=dict(
            width=32,
            multipliers=(1, 1, 2, 4),
            blocks=1,
            resolution=64,
            attention_resolutions=(),
            code_dim=8,
            codes=1_024,
            image_size=(64, 128),
        ),
    )


def _nano_house() -> dict[str, Any]:
    return dict(
        width=128,
        heads=4,
        head_dim=32,
        mlp_dim=384,
        encoder_layers=3,
        decoder_layers=2,
        text_rows=Vocabulary(NANO_PIECES).padded_size,
        text_input_length=80,
        text_target_length=16,
        input_modalities=("text", "image"),
        target_modalities=("text",),
        image_encoder=dict(
            width=128,
            heads=4,
            head_dim=32,
            mlp_dim=512,
            layers=4,
            patch_size=8,
            channels=3,
            positions=(8, 8),
        ),
        freeze_vit=False,
        image_size=(64, 64),
        image_tokens=64,
        grid_scale=1.0,
        position_init=0.5,
    )


def _nano_all() -> dict[str, Any]:
    small = dict(width=128, heads=4, head_dim=32, mlp_dim=384)
    tower = dict(small, layers=3, patch_size=16)
    return dict(
        **small,
        encoder_layers=3,
        decoder_layers=3,
        text_rows=Vocabulary(NANO_PIECES).padded_size,
        image_rows=640,
        audio_rows=640,
        text_input_length=192,
        text_target_length=128,
        image_target_length=64,
        audio_target_length=128,
        image_encoder=dict(**tower, channels=3, positions=(6, 6)),
        audio_encoder=dict(**tower, channels=1, positions=(8, 16), lineage="ast"),
        image_history=dict(**small, layers=1, latents=8),
        audio_history=dict(**small, layers=1, latents=4),
        image_tokenizer=dict(
            width=32,
            multipliers=(1, 1, 1, 1),
            blocks=1,
            resolution=64,
            attention_resolutions=(8,),
            codes=512,
            image_size=(64, 64),
        ),
        audio_tokenizer=dict(
            width=64,
            heads=2,
            head_dim=32,
            mlp_dim=192,
            encoder_layers=1,
            decoder_layers=1,
            code_dim=16,
            codes=512,
            patch_size=(16, 16),
        ),
        freeze_vit=False,
        image_size=(96, 96),
        history_size=(64, 64),
        image_tokens=36,
        history_tokens=16,
        position_init=0.5,
    )


PRESETS: dict[str, dict[str, Any]] = {
    "nano": _nano(),
    "nano_goal": _nano_goal(),
    "nano_house": _nano_house(),
    "nano_all": _nano_all(),
    "base": _base(),
    "large": _large(),
    "xl": _xl(),
    "xxl": _xxl(),
}
