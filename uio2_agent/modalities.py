"""What a configuration says of each input modality, in one table: its encoder, sizes, limits and names.

Unusual: text is no row of the table, because it is not cut into patches; it appears in lengths only. The last
picture or sound of a request and those before it ("history") are different modalities: a history is read by a
resampler, which makes a few latents of each piece.
"""

import math
from dataclasses import dataclass

from uio2_agent.config import ResamplerConfig, UnifiedIO2Config, ViTConfig
from uio2_agent.text.vocabulary import HISTORY_MARKERS


@dataclass(frozen=True, kw_only=True)
class PatchModality:
    """An input modality whose pieces are cut into patches."""

    sense: str
    """"image" or "audio": whose ViT reads it, and how pieces are cut."""
    piece: str
    """What a person calls one piece."""
    encoder: ViTConfig | None
    """None in a model without audio."""
    resampler: ResamplerConfig | None = None
    """Of a history; None where a request holds one piece at most."""
    size: tuple[int, int]
    """Height and width of a picture in pixels, time and mel bins of a spectrogram."""
    grid: tuple[int, int]
    """Rows and columns of patches."""
    most_patches: int
    """Of one piece."""
    drawn_over: int = 0
    """Of a picture that the answer is drawn over, which keeps its background; 0 where nothing is left out
    anyway."""
    usual_pieces: int = 1
    """Pieces of a request with fixed shapes, if it does not hold more."""
    is_history: bool = False

    @property
    def most_pieces(self) -> int:
        """The most pieces of a request."""
        return min(HISTORY_MARKERS, self.resampler.max_frames) if self.is_history else 1

    @property
    def most_positions(self) -> int:
        """The most positions of a request in the encoder."""
        if not self.is_history:
            return max(self.most_patches, self.drawn_over)
        return HISTORY_MARKERS * self.resampler.latents if self.resampler else 0


def patch_modalities(config: UnifiedIO2Config) -> dict[str, PatchModality]:
    """Return the modalities of pictures and sounds by name, whether or not the model takes them."""
    image, audio = config.image_encoder, config.audio_encoder
    draws_over_less = config.drop_background and "image" in config.target_modalities
    return {
        "image": PatchModality(
            sense="image",
            piece="image",
            encoder=image,
            size=config.image_size,
            grid=config.image_grid,
            most_patches=config.image_tokens,
            drawn_over=math.prod(config.image_grid) if draws_over_less else 0,
        ),
        "image_history": PatchModality(
            sense="image",
            piece="history image",
            encoder=image,
            resampler=config.image_history,
            size=config.history_size,
            grid=config.history_grid,
            most_patches=config.history_tokens,
            usual_pieces=config.history_frames,
            is_history=True,
        ),
        "audio": PatchModality(
            sense="audio",
            piece="audio segment",
            encoder=audio,
            size=config.audio_size,
            grid=config.audio_grid,
            most_patches=config.audio_tokens,
        ),
        "audio_history": PatchModality(
            sense="audio",
            piece="audio history segment",
            encoder=audio,
            resampler=config.audio_history,
            size=config.audio_history_size or config.audio_size,
            grid=config.audio_history_grid,
            most_patches=config.audio_history_tokens or config.audio_tokens,
            usual_pieces=config.history_frames,
            is_history=True,
        ),
    }


def patch_modality(config: UnifiedIO2Config, name: str) -> PatchModality:
    """Return one modality that a model takes."""
    return patch_modalities(config)[name]


def source_length(config: UnifiedIO2Config) -> int:
    """Return the most positions a request can have in the encoder."""
    most = {name: modality.most_positions for name, modality in patch_modalities(config).items()}
    most["text"] = config.text_input_length
    return sum(most[name] for name in config.input_modalities)
