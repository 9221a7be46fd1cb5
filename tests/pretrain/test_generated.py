"""Generated data are what they say they are: captions, boxes, masks, poses and sounds fit the pictures."""

import numpy as np
import pytest

from pretrain.generated import rooms, shapes, texts
from pretrain.generated.moving import tone
from pretrain.generated.source import MAKERS, SIZE, GeneratedSource
from pretrain.sources.schema import DatasetError
from uio2_agent.media.spectrogram import RATE


def flat(value):
    if hasattr(value, "__dataclass_fields__"):
        return [item for part in vars(value).values() for item in flat(part)]
    return [item for part in value for item in flat(part)] if isinstance(value, tuple) else [value]


@pytest.mark.parametrize("kind", MAKERS)
def test_an_example_is_a_function_of_seed_and_index(kind):
    one, other = GeneratedSource("a", kind, 10, 1), GeneratedSource("b", kind, 10, 2)
    again = GeneratedSource("c", kind, 20, 1)
    equal = [np.array_equal(a, b) for a, b in zip(flat(one[7]), flat(again[7]), strict=True)]
    assert all(equal)
    assert one.key(7) == again.key(7) != other.key(7)
    assert one.identity != other.identity != again.identity
    differ = [np.array_equal(a, b) for a, b in zip(flat(one[7]), flat(other[7]), strict=False)]
    assert not all(differ)


def test_captions_name_what_is_seen_from_left_to_right():
    source = GeneratedSource("a", "image_text", 30)
    for index in range(30):
        record = source[index]
        middles = []
        for name in record.text.split(" to the left of "):
            colour = shapes.COLOURS[name.split()[1]]
            _, columns = np.nonzero((record.image == colour).all(2))
            assert len(columns) > 20, f"{record.text}: no pixels of {colour}"
            middles.append(columns.mean())
        if len({name for name in record.text.split() if name in shapes.COLOURS}) == len(middles):
            assert middles == sorted(middles)


@pytest.mark.parametrize("kind", ["regions", "patches"])
def test_boxes_and_masks_hold_the_pixels_of_what_they_name(kind):
    source = GeneratedSource("a", kind, 20)
    for record in (source[index] for index in range(20)):
        assert 1 <= len(record.boxes) == len(record.names) <= 10
        for number, (name, (top, left, bottom, right)) in enumerate(
            zip(record.names, record.boxes.astype(int), strict=True)
        ):
            part = (record.image[top:bottom, left:right] == shapes.COLOURS[name.split()[0]]).all(2)
            assert part.any(0).all() and part.any(1).all()  # the box is tight
            if record.masks is not None:
                assert record.masks[number].sum() == record.masks[number][top:bottom, left:right].sum()
                assert (record.image[record.masks[number]] == shapes.COLOURS[name.split()[0]]).all()


def test_views_follow_the_geometry_of_their_poses():
    ball = [(np.array([0.4, 0.0, 0.0]), 0.15, "red")]
    for azimuth, side in ((0.0, 0), (np.pi / 2, 1), (-np.pi / 2, -1), (np.pi, 0)):
        image = rooms.view(ball, np.array([np.pi / 2, azimuth, 2.0]), 96).astype(int)
        red = (image[..., 0] > 2 * image[..., 1]) & (image[..., 0] > 60)
        rows, columns = np.nonzero(red)
        # a pinhole by hand: looked at from +y, the ball at +x is on the left… of a viewer whose right is −x
        depth = 2.0 - 0.4 * np.cos(azimuth)
        wanted = 48 + 96 * 1.1 * (-0.4 * np.sin(azimuth)) / depth
        assert abs(columns.mean() + 0.5 - wanted) < 1.5
        assert abs(rows.mean() + 0.5 - 48) < 1.5
        assert np.sign(round((48 - columns.mean()) / 10)) == side
        width = 2 * 1.1 * 0.15 / depth * 96
        assert abs(np.ptp(columns) + 1 - width) < 0.35 * width
    above = rooms.view([(np.array([0, 0, 0.4]), 0.15, "red")], np.array([1.0, 0.3, 2.0]), 96).astype(int)
    assert np.nonzero(above[..., 0] > 2 * above[..., 1])[0].mean() < 40


def test_a_tone_has_its_colours_pitch_and_its_forms_harmonics():
    for form, colour in (("circle", "red"), ("triangle", "blue"), ("cross", "black")):
        wave = tone(form, colour, 1.0)
        power = np.abs(np.fft.rfft(wave * np.hanning(len(wave))))
        pitch = 220 * 2 ** (2 * list(shapes.COLOURS).index(colour) / 12)
        assert abs(np.argmax(power) * RATE / len(wave) - pitch) < 2
        peaks = [power[round(n * pitch * len(wave) / RATE) + k] for n in range(1, 7) for k in (0,)]
        assert sum(peak > 0.05 * max(peaks) for peak in peaks) == 1 + shapes.SHAPES.index(form)
        assert np.abs(wave).max() < 1


def test_a_story_ends_as_it_was_told_and_sums_are_right():
    for seed in range(50):
        rng = np.random.default_rng(seed)
        lines = texts.story(rng).rstrip(".").split(". ")
        where = {}
        for line in lines:
            words = line.split()
            if line.startswith("there is"):
                where[" ".join(words[3:5])] = words[-1]
            elif "takes" in words:
                thing = " ".join(words[3:5])
                assert words[7] == where[thing]
                where[thing] = words[-1]
            else:
                assert words[-1] == where[" ".join(words[2:4])]
        text = texts.counting(rng)
        found = [shapes.NUMBERS.index(word.strip(".")) for word in text.split() if word in shapes.NUMBERS]
        assert found[0] + found[1] == found[2]


def test_a_video_shows_and_sounds_what_is_said():
    record = next(r for r in map(GeneratedSource("a", "video", 20).__getitem__, range(20)) if r.transcript)
    assert record.film.seconds == pytest.approx(20.4)
    assert len(record.transcript) == 5
    for second, words in record.transcript:
        colour = words.split()[1]
        early, late = record.film.frames([second + 0.3, second + 3.7])
        assert early.shape == (SIZE, SIZE, 3)
        places = [np.argwhere((frame == shapes.COLOURS[colour]).all(2)).mean(0) for frame in (early, late)]
        way = dict(right=(0, 1), left=(0, -1), down=(1, 0), up=(-1, 0))[words.split()[-1]]
        assert np.dot(places[1] - places[0], way) > 10
        (power,) = record.film.sounds([second + 2.04])
        assert power.shape == (256, 128) and power.mean() > 1e-3
    (late,) = record.film.sounds([40.0])
    assert (late == 0).all()


def test_answers_depths_and_joints_fit_the_pictures():
    for index in range(12):
        record = GeneratedSource("a", "question", 12)[index]
        (image,) = record.images
        seen = [name for name, colour in shapes.COLOURS.items() if (image == colour).all(2).sum() > 20]
        if record.question.startswith("what colour"):
            assert record.answer in seen
        else:
            assert shapes.NUMBERS.index(record.answer) >= len(seen)
        dense = GeneratedSource("a", "dense", 12)[index]
        drawn = (dense.image[:, :, None] == np.array(list(shapes.COLOURS.values()))).all(3).any(2)
        assert (dense.normals[drawn] == (0, 0, 1)).all() and (dense.normals[~drawn] == (0, 1, 0)).all()
        assert (np.diff(np.where(drawn, np.nan, dense.depth), axis=0) >= 0).sum() == 0
        crowd = GeneratedSource("a", "people", 12)[index]
        for box, joints in zip(crowd.boxes, crowd.joints, strict=True):
            assert (joints[:, :2] >= box[[1, 0]]).all() and (joints[:, :2] <= box[[3, 2]]).all()
            ankle, nose = joints[-1], joints[0]
            assert ankle[1] - nose[1] > 40


def test_what_is_not_generated_is_told():
    with pytest.raises(DatasetError, match="nothing of kind 'trajectory' is generated"):
        GeneratedSource("a", "trajectory", 5)
    with pytest.raises(DatasetError, match="give at least one"):
        GeneratedSource("a", "text", 0)
