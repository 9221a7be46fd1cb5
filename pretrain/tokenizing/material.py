"""What a tokenizer learns from: a picture or a spectrogram out of a record of any kind, as a model's target.

Unusual: an episode of our own bodies gives the picture that its body's requests show, so that a tokenizer
learns what a model will be asked to draw.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from policies import embodiments
from policies.embodiments.base import Embodiment
from policies.prompts import scene
from policies.style import PromptStyle
from pretrain.sources.episode import StoredEpisode
from pretrain.sources.source import BadRecord
from uio2_agent.media.audio import segments
from uio2_agent.media.images import resize_and_pad
from uio2_agent.media.spectrogram import target_values
from uio2_agent.tokenizers.config import ViTVQGANConfig, VQGANConfig

Styles = Callable[[Embodiment], PromptStyle]
Values = tuple[np.ndarray, np.ndarray]
"""float32 [channels, height, width] as a tokenizer takes them, and bool [height, width], what is not padding.
"""


_SOUNDING = ("sound_text", "sound_tags", "video", "video_question", "video_tags", "events", "sound_source")
_UNSEEN = ("text", "sound_text", "sound_tags")
"""Kinds of records that may hold sounds, and those without pictures."""


def is_material(target: str, entry: Mapping[str, Any]) -> bool:
    """Whether the source of a mixture's entry may hold what a tokenizer of that target learns from."""
    kind = entry.get("kind")
    return kind in _SOUNDING if target == "audio" else kind not in _UNSEEN


def image_values(record: Any, rng: np.random.Generator, config: VQGANConfig, styles: Styles) -> Values:
    """Return a drawn picture of a record, mirrored half of the time; `styles`: how a body's requests look.

    Raises BadRecord where it has none.
    """
    planes, placement = resize_and_pad(_picture(record, rng, styles), config.image_size)
    inside = np.zeros(config.image_size, bool)
    inside[placement.inside] = True
    values = planes * 2 - 1
    return (values[..., ::-1].copy(), inside[:, ::-1].copy()) if rng.random() < 0.5 else (values, inside)


def audio_values(record: Any, rng: np.random.Generator, config: ViTVQGANConfig) -> Values:
    """Return a drawn segment of a record's sound on its side, [1, mel, time]. Raises BadRecord where it has
    none.
    """
    power = _spectrogram(record, rng)
    mels, time = config.spectrogram_size
    if power.shape != (time, mels):
        raise BadRecord(f"a segment of sound is {list(power.shape)}, the tokenizer takes {[time, mels]}")
    return target_values(power).T[None].copy(), (power != 0).T


def _picture(record: Any, rng: np.random.Generator, styles: Styles) -> np.ndarray:
    if hasattr(record, "embodiment"):
        return _scene(record, rng, styles)
    if hasattr(record, "film"):
        return record.film.frames([rng.uniform(0, record.film.seconds)])[0]
    pictures: Sequence[np.ndarray] = ()
    if hasattr(record, "frames"):  # of a robot
        pictures = record.frames[_any(list(record.frames), rng)]
    elif hasattr(record, "image"):
        pictures = (record.image,)
    elif hasattr(record, "images"):
        pictures = record.images
    elif hasattr(record, "before"):
        pictures = record.before, record.after
    elif hasattr(record, "pairs"):
        pictures = [pair.image for pair in record.pairs]
    elif hasattr(record, "parts"):
        pictures = [part for part in record.parts if not isinstance(part, str)]
    if not len(pictures):
        raise BadRecord(f"a {type(record).__name__} holds no picture: leave its source out")
    return _any(pictures, rng)


def _scene(record: StoredEpisode, rng: np.random.Generator, styles: Styles) -> np.ndarray:
    """What the body of an episode sees at a drawn step, as answers to its requests show it."""
    body = embodiments.get(record.embodiment)
    style = styles(body).fitted(body.cameras).drawn
    step = int(rng.integers(record.length + 1))
    views = {
        camera: record.final[camera] if step == record.length else record.frames[camera][step]
        for camera in style.views
    }
    return scene(body, views, style)


def _spectrogram(record: Any, rng: np.random.Generator) -> np.ndarray:
    if hasattr(record, "wave"):
        return _any(segments(record.wave), rng)
    if hasattr(record, "film") and record.film.has_sound:
        return record.film.sounds([rng.uniform(0, record.film.seconds)])[0]
    raise BadRecord(f"a {type(record).__name__} holds no sound: leave its source out")


def _any(held: Sequence[Any], rng: np.random.Generator) -> Any:
    return held[int(rng.integers(len(held)))]
