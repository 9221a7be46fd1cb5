"""Generated texts in pictures, events, sources of sounds, classes and instructions: their labels, with the
pixels and the spectra.
"""

from functools import cache

import numpy as np
from scipy import ndimage

from pretrain.generated import lettering, moving
from pretrain.generated.shapes import COLOURS, NUMBERS, SHAPES
from pretrain.generated.source import GeneratedSource
from pretrain.samples import builder
from tests.pretrain.test_samples import context
from uio2_agent.media.spectrogram import RATE


def made(kind: str, count: int = 20) -> list:
    source = GeneratedSource("made", kind, count)
    return [source[number] for number in range(count)]


def test_generated_texts_are_what_is_drawn_in_their_boxes():
    """Of all words, in all sizes, the one told is the one whose letters fill the box."""
    drawn = cache(lettering.letters)
    for record in made("scene_text", 12):
        for box, text in zip(record.boxes.astype(int), record.texts, strict=True):
            part = record.image[box[0] : box[2], box[1] : box[3]]
            inked = [(part == COLOURS[colour]).all(-1) for colour in ("white", "black")]
            ink = max(inked, key=np.sum)
            fitting = {
                word
                for word in {*lettering.WORDS, text}
                for height in range(10, 15)
                if np.array_equal(drawn(word, height), ink)
            }
            assert fitting == {text}


def test_generated_actions_are_seen_when_they_are_told():
    for record in made("events", 6):
        assert [event[0] for event in record.events[1:]] == [event[1] for event in record.events[:-1]]
        for start, end, words in record.events:
            colour, way = words.split()[1], words.split()[-1]
            early, late = record.film.frames([start + 0.3, end - 0.5])
            places = [np.argwhere((frame == COLOURS[colour]).all(2)).mean(0) for frame in (early, late)]
            assert np.dot(places[1] - places[0], moving.WAYS[way]) > 10


def test_generated_sounds_are_heard_when_they_are_told_and_at_no_other_time():
    for record in made("sound_events", 8):
        wave = np.abs(record.film.wave)
        told = np.zeros(len(wave), bool)
        for start, end, phrase in record.events:
            inside = wave[round((start + 0.1) * RATE) : round((end - 0.1) * RATE)]
            hundredths = inside[: len(inside) // 160 * 160].reshape(-1, 160)
            assert (hundredths.max(1) > 0.01).all()
            told[round(start * RATE) : round(end * RATE) + 2] = True
            assert heard_as(record.film.wave[round(start * RATE) : round(end * RATE)]) == phrase
        assert not wave[~told].any() and (~told).mean() > 0.2
        pictures = record.film.pictures
        assert (pictures == pictures[0]).all(), "the picture tells nothing"


def heard_as(wave: np.ndarray) -> str:
    """The shape whose tone this is, by its spectrum: the pitch tells the colour, its multiples the form."""
    power = np.abs(np.fft.rfft(wave * np.hanning(len(wave))))

    def at(pitch: float) -> float:
        place = round(pitch * len(wave) / RATE)
        return power[max(0, place - 2) : place + 3].max(initial=0)

    pitches = {colour: 220 * 2 ** (2 * number / 12) for number, colour in enumerate(COLOURS)}
    lowest = np.flatnonzero(power > 0.2 * power.max())[0] * RATE / len(wave)
    colour = min(pitches, key=lambda each: abs(pitches[each] - lowest))
    heard = [at(number * pitches[colour]) > 0.1 * at(pitches[colour]) for number in range(1, 6)]
    return f"the sound of a {colour} {SHAPES[sum(heard) - 1]}"


def test_generated_sources_are_where_the_shape_is_whose_tone_is_heard():
    for record in made("sound_source"):
        name = heard_as(record.film.wave).removeprefix("the sound of a ")
        (image,) = record.film.frames([record.second])
        for top, left, bottom, right in record.boxes.astype(int):
            inside = (image[top:bottom, left:right] == COLOURS[name.split()[0]]).all(-1)
            assert inside.any(0).all() and inside.any(1).all(), "the box is tight around that colour"


def test_generated_classes_are_seen_and_heard():
    for record in made("video_tags", 10):
        frames = record.film.pictures
        (colour,) = (
            colour
            for colour in COLOURS.values()
            if all((frame == colour).all(-1).sum() > 20 for frame in frames)
        )
        first, last = (np.argwhere((frame == colour).all(-1)).mean(0) for frame in frames[[0, -1]])
        assert np.dot(last - first, moving.WAYS[record.tag.removeprefix("moves ")]) > 10
        assert record.tag in record.classes and len(record.classes) == 4
    for record in made("sound_tags"):
        assert heard_as(record.wave).split()[-1] == record.tag


def seen_in(image: np.ndarray) -> list[tuple[str, np.ndarray]]:
    """Colour and mask of each shape of a picture, cut to its box, from left to right."""
    found = []
    for colour, value in COLOURS.items():
        pieces, count = ndimage.label((image == value).all(-1))
        for number, box in enumerate(ndimage.find_objects(pieces, count), 1):
            mask = pieces[box] == number
            if mask.sum() > 40:
                found.append((box[1].start + box[1].stop, colour, mask))
    return [(colour, mask) for _, colour, mask in sorted(found, key=lambda each: each[0])]


def test_generated_questions_on_two_pictures_are_answered_right():
    told = []
    for record in made("image_pair", 80):
        seen = [seen_in(image) for image in record.images]
        squares = [any(mask.mean() > 0.97 for _, mask in shapes) for shapes in seen]
        if record.question.startswith("how many"):
            assert NUMBERS.index(record.answer) == sum(map(len, seen))
        elif "square" in record.question:
            assert (record.answer == "yes") == all(squares)
            told.append(record.answer)
    assert len(record.images) == 2 and set(told) == {"yes", "no"}


def test_generated_instructions_are_followed():
    for record in made("image_instruction"):
        colours = [word for word in record.answer.split() if word in COLOURS]
        assert colours == [colour for colour, _ in seen_in(record.images[0])]
        assert record.answer[0].isupper() and record.answer.endswith(".")
    for record in made("instruction", 40):
        asked, _, story = record.question.partition(": ")
        thing = asked.split(" where the ")[1].removesuffix(" is at last")
        last = [line for line in story.rstrip(".").split(". ") if thing in line][-1]
        assert record.answer == f"The {thing} is on the {last.split()[-1]}."
    for kind in ("instruction", "image_instruction"):
        sample = builder("question", {"lower": False})(
            made(kind, 1)[0], np.random.default_rng(0), context("question", 0)
        )
        assert sample.target.text == made(kind, 1)[0].answer not in sample.request.text
