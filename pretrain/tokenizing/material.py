"""What a tokenizer learns from: a picture or a spectrogram out of a record of any kind, as a model's target.

Unusual: an episode of our own bodies gives the picture that its body's requests show, so that a tokenizer
learns what a model will be asked to draw.
"""

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from policies import embodiments
from policies.prompts import scene
from pretrain.sources import records
from pretrain.sources.source import BadRecord
from uio2_agent.media.audio import segments
from uio2_agent.media.images import resize_and_pad
from uio2_agent.media.spectrogram import target_values
from uio2_agent.tokenizers.config import ViTVQGANConfig, VQGANConfig

Values = tuple[np.ndarray, np.ndarray]
"""float32 [channels, height, width] as a tokenizer takes them, and bool [height, width], what is not padding.
"""


_SOUNDING = ("sound_text", "video", "video_question")


def is_material(target: str, entry: Mapping[str, Any]) -> bool:
    """Whether the source of a mixture's entry may hold what a tokenizer of that target learns from."""
    kind = entry.get("kind")
    return kind in _SOUNDING if target == "audio" else kind not in ("text", "sound_text")


def image_values(record: Any, rng: np.random.Generator, config: VQGANConfig, small: bool) -> Values:
    """Return a drawn picture of a record, mirrored half of the time; `small`: bodies ask as of small models.

    Raises BadRecord where it has none.
    """
    planes, placement = resize_and_pad(_picture(record, rng, small), config.image_size)
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


def _picture(record: Any, rng: np.random.Generator, small: bool) -> np.ndarray:
    if (found := _PICTURES.get(type(record))) is not None:
        return found(record, rng)
    if not hasattr(record, "embodiment"):
        raise BadRecord(f"a {type(record).__name__} holds no picture: leave its source out")
    body = embodiments.get(record.embodiment)
    style = body.style(small).fitted(body.cameras)
    step = int(rng.integers(record.length + 1))
    views = {
        camera: record.final[camera] if step == record.length else record.frames[camera][step]
        for camera in style.views
    }
    return scene(body, views, style)


def _spectrogram(record: Any, rng: np.random.Generator) -> np.ndarray:
    if isinstance(record, records.SoundTextRecord):
        cut = segments(record.wave)
        return cut[int(rng.integers(len(cut)))]
    if isinstance(record, records.VideoRecord | records.VideoQuestionRecord) and record.film.has_sound:
        return record.film.sounds([rng.uniform(0, record.film.seconds)])[0]
    raise BadRecord(f"a {type(record).__name__} holds no sound: leave its source out")


def _any(pictures: Any, rng: np.random.Generator) -> np.ndarray:
    return pictures[int(rng.integers(len(pictures)))]


def _in_document(record: records.DocumentRecord, rng: np.random.Generator) -> np.ndarray:
    pictures = [part for part in record.parts if not isinstance(part, str)]
    if not pictures:
        raise BadRecord("a document without pictures")
    return _any(pictures, rng)


def _of_question(record: records.QuestionRecord, rng: np.random.Generator) -> np.ndarray:
    if not record.images:
        raise BadRecord("a question without pictures")
    return _any(record.images, rng)


def _in_film(
    record: records.VideoRecord | records.VideoQuestionRecord, rng: np.random.Generator
) -> np.ndarray:
    return record.film.frames([rng.uniform(0, record.film.seconds)])[0]


def _on_the_way(record: records.TrajectoryRecord, rng: np.random.Generator) -> np.ndarray:
    camera = list(record.frames)[int(rng.integers(len(record.frames)))]
    return record.frames[camera][int(rng.integers(len(record.frames[camera])))]


_PICTURES: Mapping[type, Callable[[Any, np.random.Generator], np.ndarray]] = {
    **dict.fromkeys(
        (
            records.ImageTextRecord,
            records.RegionsRecord,
            records.DenseRecord,
            records.PeopleRecord,
            records.TagsRecord,
            records.RelationsRecord,
            records.CuboidsRecord,
        ),
        lambda record, rng: record.image,
    ),
    **dict.fromkeys((records.ViewsRecord, records.TrackRecord), lambda record, rng: _any(record.images, rng)),
    **dict.fromkeys(
        (records.FlowRecord, records.EditRecord), lambda record, rng: _any((record.before, record.after), rng)
    ),
    records.PairsRecord: lambda record, rng: _any(record.pairs, rng).image,
    records.DocumentRecord: _in_document,
    records.QuestionRecord: _of_question,
    records.VideoRecord: _in_film,
    records.VideoQuestionRecord: _in_film,
    records.TrajectoryRecord: _on_the_way,
}
