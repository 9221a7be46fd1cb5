"""What a request loses on its way to the model is said once, with figures, or refused."""

import warnings

import numpy as np
import pytest
import scipy.io.wavfile

from tests.uio2_agent.test_processor import AUDIO_TARGET, power, small
from tests.uio2_agent.tiny import picture
from uio2_agent.errors import RequestError
from uio2_agent.labels import write_boxes, write_keypoints, write_points
from uio2_agent.media.audio import read_audio
from uio2_agent.media.geometry import Placement
from uio2_agent.media.loading import load_audio
from uio2_agent.request import Request, Target

SILENCE = np.zeros((16, 8), np.float32)
SILENT_TARGET, LOUD_TARGET = np.zeros(AUDIO_TARGET, np.float32), np.full(AUDIO_TARGET, 9e6, np.float32)
THIN = np.full((1, 300, 3), 200, np.uint8)


def words(count: int) -> str:
    """A text of so many tokens of the packaged tokenizer."""
    return " ".join(["block"] * count)


LONG = "has {} tokens, the model takes 47 before the end: the last {} are cut, '{}"


@pytest.mark.parametrize(
    ("request_", "target", "said"),
    [
        (Request(words(60)), None, "the text of request 0 " + LONG.format(61, 14, "block block")),
        (
            Request("x"),
            words(90) + " end",
            "the text target of request 0 " + LONG.format(91, 44, "block block"),
        ),
        (Request("x", THIN), None, "image of request 0 is 1 x 300 pixels: at 1 x 48 it .* no patch of 8 x 8"),
        (Request("x", None, (picture(0), THIN)), None, "history image 2 of request 0 is 1 x 300 pixels"),
        (Request("x", audio=SILENCE), None, "audio segment of request 0 is exactly zero"),
        (Request("x", audio_history=(power(0), SILENCE)), None, "segment 2 of request 0 is exactly zero"),
        (
            Request("x", audio=power(0) * 1e6),
            None,
            r"segment of request 0 has power up to 8\.98e\+06, cut to 1e",
        ),
        (Request("x"), Target(image=THIN), "image target of request 0 is 1 x 300 pixels: at 32 x 32"),
        (Request("x"), Target(audio=SILENT_TARGET), "audio target of request 0 is exactly zero"),
        (Request("x"), Target(audio=LOUD_TARGET), r"audio target of request 0 has power up to 9e\+06"),
    ],
)
def test_a_loss_is_said_once(request_, target, said):
    process = small(text_input_length=48, text_target_length=48)
    targets = None if target is None else [target] * 2
    with pytest.warns(UserWarning, match=said) as found:
        process([request_] * 2, targets)
    assert len(found) == 1 and "\n" not in str(found[0].message)
    process([request_], targets and targets[:1])  # the second time goes without a word
    with pytest.warns(UserWarning, match=said):
        small(text_input_length=48, text_target_length=48)([request_], targets and targets[:1])


def test_what_just_fits_goes_without_a_word():
    process = small(text_input_length=48, text_target_length=48)
    batch = process([Request(words(46), picture(0, 20, 60), audio=power(0))], [words(47)])
    assert batch.text.mask.sum() == 48  # the tag, the words, the end
    assert batch.text_target.mask.sum() == 48


@pytest.mark.parametrize(
    ("request_", "target", "said"),
    [
        (Request(None), None, "the text of request 0 is of the type NoneType: hand in a str"),
        (Request(b"what?"), None, "of the type bytes"),
        (Request("half \ud83e"), None, r"text of request 0 holds '\\ud83e', half of a character"),
        (Request("x"), Target(text=5), "the text target of request 0 is of the type int"),
    ],
)
def test_what_is_no_text_is_refused(request_, target, said):
    with pytest.raises(RequestError, match=said):
        small()([request_], None if target is None else [target])


@pytest.mark.parametrize(
    ("samples", "said"),
    [
        (np.array([0.0, 1.25, -3.0]), r"floats from -3 to 1\.25, outside of \[-1, 1\].* divide by 3"),
        (
            np.array([[0.0, 2.0], [0.0, 0.0]]),
            "floats from 0 to 2",
        ),  # though the mean of the channels is inside
        (np.array([0.0, 32_000.0], np.float32), "hand in 16-bit levels as int16"),
        (np.array([0, 12_000], np.int32), "int32 from 0 to 12000, all but silent at 32 bit"),
    ],
)
def test_samples_of_another_scale_are_said(samples, said):
    with pytest.warns(UserWarning, match=said):
        read_audio(samples, 16_000)


@pytest.mark.parametrize(
    ("samples", "rate", "said"),
    [
        (np.zeros(8, np.int64), 16_000, "holds int64: .* int16"),
        (np.zeros(8, bool), 16_000, "holds bool"),
        (np.zeros(8, complex), 16_000, "holds complex128"),
        (np.zeros(8), 16, "a sampling rate of 16 Hz: give the number of samples per second, 1,000 to"),
        (np.zeros(8), float("nan"), "sampling rate of nan"),
        (np.zeros(8), "16000", "sampling rate of 16000 Hz: give the number"),
        (np.zeros(8), -16_000, "sampling rate of -16000"),
        (np.zeros((256, 128)), 16_000, r"must be \[samples\] or \[samples, channels\]"),
        (np.zeros(0), 16_000, r"must be \[samples\]"),
        (np.zeros((2, 0)), 16_000, r"must be \[samples\]"),
        (np.zeros((2, 2, 2)), 16_000, r"must be \[samples\]"),
        (np.float64(1), 16_000, r"must be \[samples\]"),
        (np.array([0.0, np.inf]), 16_000, "NaN or infinity"),
    ],
)
def test_what_is_no_sound_is_refused(samples, rate, said):
    with pytest.raises(RequestError, match=said):
        read_audio(samples, rate)


def test_a_file_of_floats_says_that_it_is_cut(tmp_path):
    scipy.io.wavfile.write(tmp_path / "a.wav", 16_000, np.array([0, 0.5, 2.5, -1.5], np.float32))
    with pytest.warns(UserWarning, match=r"a\.wav holds floats up to 2\.5, which are cut"):
        assert np.allclose(read_audio(tmp_path / "a.wav"), [0, 0.5, 1, -1], atol=1e-4)
    scipy.io.wavfile.write(tmp_path / "b.wav", 16_000, np.array([0, 0.5, 1, -1], np.float32))
    assert np.allclose(read_audio(tmp_path / "b.wav"), [0, 0.5, 1, -1], atol=1e-4)


def test_a_rest_that_is_not_heard_is_said():
    wave = np.random.default_rng(0).normal(size=16_000 * 6) * 0.1
    with pytest.warns(UserWarning, match=r"audio lasts 6\.00 s and its last 1\.92 s are not heard"):
        assert len(load_audio((wave, 16_000))) == 1
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert len(load_audio((wave, 16_000), segment_seconds=3)) == 2
        assert len(load_audio((wave[: 16_000 * 4], 16_000))) == 1
        assert len(load_audio((np.append(wave, wave[:5000]), 16_000))) == 2


def test_places_outside_the_picture_are_said():
    placement = Placement.fit((100, 200), (384, 384))
    inside = np.array([[0, 0, 200, 100], [3, 5, 20, 30]])
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        write_boxes(inside, placement)
        write_points(inside[:, 2:], placement)
    with pytest.warns(
        UserWarning, match=r"1 of 2 boxes reach outside the picture of 100 x 200 .*: box 1 is "
    ):
        found = write_boxes(np.array([[0, 0, 200, 100], [150, 50, 230, 90]]), placement)
    assert found.count("<") == 8
    with pytest.warns(UserWarning, match=r"1 of 1 points lie outside the picture of 100 x 200"):
        write_points([[-20, 4]], placement)
    joints = np.zeros((17, 3))
    joints[3] = 300, 20, 2
    joints[5] = 900, 20, 0  # not visible: nowhere
    with pytest.warns(UserWarning, match="1 of 1 points"):
        write_keypoints(joints, placement)
