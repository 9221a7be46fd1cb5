"""Videos and sounds of which it is known what they are, when something happens, and where it comes from.

Shapes move and sound as in `moving`: the form decides the timbre, the colour the pitch. Every label follows
from how the film was made, never from its pictures or its wave.
"""

import numpy as np

from pretrain.generated import moving, shapes
from pretrain.sources.films import ArrayFilm
from pretrain.sources.records import EventsRecord, SoundSourceRecord, SoundTagsRecord, VideoTagsRecord
from uio2_agent.media.audio import SEGMENT_SECONDS
from uio2_agent.media.spectrogram import RATE

_SCENE = 4.0
"""Seconds of a film of one scene."""


def video_tags(rng: np.random.Generator, size: int) -> VideoTagsRecord:
    """One scene, in which a shape moves; the classes are all ways."""
    frames, wave, ((_, said),) = moving.moving_shapes(rng, (size, size), _SCENE, moving.FPS)
    way = said.rpartition(" ")[2]
    classes = tuple(f"moves {each}" for each in moving.WAYS)
    return VideoTagsRecord(ArrayFilm(frames, moving.FPS, wave), f"moves {way}", classes)


def sound_tags(rng: np.random.Generator) -> SoundTagsRecord:
    """One tone of any pitch; the classes are all forms."""
    form, colour = _named(rng)
    return SoundTagsRecord(moving.tone(form, colour, SEGMENT_SECONDS), form, shapes.SHAPES)


def actions(rng: np.random.Generator, size: int) -> EventsRecord:
    """Scenes one after the other, in each a shape that moves."""
    frames, wave, said = moving.moving_shapes(rng, (size, size), moving.SECONDS, moving.FPS)
    ends = [*(second for second, _ in said[1:]), moving.SECONDS]
    events = tuple((start, end, words) for (start, words), end in zip(said, ends, strict=True))
    return EventsRecord(ArrayFilm(frames, moving.FPS, wave), events)


def sounds(rng: np.random.Generator, size: int) -> EventsRecord:
    """Two or three tones with silence between them; the picture is still and tells nothing."""
    count = int(rng.integers(2, 4))
    each = moving.SECONDS / count
    wave, events = np.zeros(round(moving.SECONDS * RATE), np.float32), []
    for number in range(count):
        form, colour = _named(rng)
        start, end = (each * (number + part) for part in rng.uniform((0.05, 0.65), (0.35, 0.95)).tolist())
        first, note = round(start * RATE), moving.tone(form, colour, end - start)
        wave[first : first + len(note)] = note
        events.append((start, end, f"the sound of a {colour} {form}"))
    return EventsRecord(_still(shapes.background(rng, (size, size)), wave), tuple(events))


def sound_source(rng: np.random.Generator, size: int) -> SoundSourceRecord:
    """Two to four shapes, and the tone of one: its box, and those of others that look alike."""
    things = shapes.drawn_shapes(rng, (size, size), int(rng.integers(2, 5)))
    image, _, boxes = shapes.pasted(shapes.background(rng, (size, size)), things)
    heard = things[int(rng.integers(len(things)))]
    wave = moving.tone(heard.form, heard.colour, _SCENE)
    alike = [number for number, thing in enumerate(things) if thing.name == heard.name]
    return SoundSourceRecord(_still(image, wave), _SCENE / 2, boxes[alike])


def _named(rng: np.random.Generator) -> tuple[str, str]:
    """A form and a colour."""
    return str(rng.choice(shapes.SHAPES)), str(rng.choice(list(shapes.COLOURS)))


def _still(image: np.ndarray, wave: np.ndarray) -> ArrayFilm:
    """A film of one picture for as long as a wave lasts."""
    count = round(len(wave) / RATE * moving.FPS)
    return ArrayFilm(np.repeat(image[None], count, axis=0), moving.FPS, wave)
