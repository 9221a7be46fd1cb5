"""Files and arrays of any usual kind to requests, and which arguments exclude each other."""

import numpy as np
import pytest
import torch
from PIL import Image

from tests.uio2_agent.test_video import greys, numbers, write_video
from tests.uio2_agent.tiny import picture
from uio2_agent.errors import RequestError
from uio2_agent.media.audio import write_wav
from uio2_agent.media.loading import load_image, load_request
from uio2_agent.media.spectrogram import mel_power


def noise(seconds: float, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=round(seconds * 16_000)) * 0.1


def test_arrays_of_every_usual_kind_show_the_same():
    image = picture(0)
    grey = image[..., 0]
    for same in (
        image,
        image.astype(np.int64),
        image.astype(np.uint16) * 257,
        image / 255,
        (image / 255).astype(np.float32),
        image.transpose(2, 0, 1),
        torch.from_numpy(image).permute(2, 0, 1),
        Image.fromarray(image),
        np.dstack([image, np.full(image.shape[:2], 255, np.uint8)]),
    ):
        found = load_image(same)
        assert found.dtype == np.uint8 and np.array_equal(found, image)
    for same in (grey, grey[..., None], Image.fromarray(grey), grey.astype(np.uint16) * 257):
        assert np.array_equal(load_image(same), np.dstack([grey] * 3))
    assert load_image(grey > 100).max() == 255


def test_files_are_turned_upright_and_made_rgb(tmp_path):
    image = picture(1)
    Image.fromarray(image).save(tmp_path / "plain.png")
    assert np.array_equal(load_image(tmp_path / "plain.png"), image)
    assert np.array_equal(load_image(str(tmp_path / "plain.png")), image)

    exif = Image.Exif()
    exif[0x0112] = 6  # to be turned a quarter clockwise
    Image.fromarray(image).save(tmp_path / "turned.png", exif=exif)
    assert np.array_equal(load_image(tmp_path / "turned.png"), np.rot90(image, -1))

    palette = Image.fromarray(image).quantize(8)
    palette.save(tmp_path / "palette.png")
    assert np.array_equal(load_image(tmp_path / "palette.png"), np.asarray(palette.convert("RGB")))

    deep = np.arange(48 * 64, dtype=np.uint16).reshape(48, 64) * 21
    Image.fromarray(deep).save(tmp_path / "deep.png")
    assert np.array_equal(load_image(tmp_path / "deep.png")[..., 1], np.rint(deep / 257).astype(np.uint8))


def test_what_is_transparent_becomes_white():
    image = picture(2)
    alpha = np.full(image.shape[:2], 255, np.uint8)
    alpha[:10] = 0
    found = load_image(np.dstack([image, alpha]))
    assert (found[:10] == 255).all() and np.array_equal(found[10:], image[10:])


@pytest.mark.parametrize(
    ("image", "message"),
    [
        (np.zeros((6, 5, 7), np.uint8), "1, 3 or 4 channels"),
        (np.zeros((0, 5, 3), np.uint8), "1, 3 or 4 channels"),
        (np.full((4, 5, 3), 200.0), "floats between 0 and 1"),
        (np.full((4, 5, 3), np.nan), "floats between 0 and 1"),
        (np.full((4, 5, 3), -1), "floats between 0 and 1"),
        ("absent.png", "no file absent.png"),
        (__file__, "cannot read a picture"),
    ],
)
def test_other_pictures_are_refused(image, message):
    with pytest.raises(RequestError, match=message):
        load_image(image)


def test_a_video_file_fills_image_history_and_sound(tmp_path):
    path = write_video(tmp_path / "video.mp4", greys(30), wave=noise(3))
    request = load_request("What happens?", video=path)
    assert numbers([*request.image_history, request.image]) == [3, 9, 15, 21, 27]
    assert request.audio.shape == (256, 128) and len(request.audio_history) == 4
    request = load_request(
        "What happens?",
        video=path,
        sound=False,
        history_frames=2,
        image=picture(0),
        last_frame_is_image=False,
    )
    assert numbers(request.image_history) == [7, 22]
    assert np.array_equal(request.image, picture(0))
    assert request.audio is None and request.audio_history == ()


def test_frames_lose_their_black_bars_together():
    frames = np.zeros((3, 40, 60, 3), np.uint8)
    frames[1, 4:30, 5:60] = 200
    for video in (frames, list(frames), [Image.fromarray(frame) for frame in frames]):
        request = load_request("x", video=video)
        assert len(request.image_history) == 2
        assert request.image.shape == (26, 55, 3)


def test_a_sound_becomes_segments_the_last_of_which_is_the_audio(tmp_path):
    wave = noise(8.16)
    path = write_wav(tmp_path / "sound.wav", wave)
    for sound in (path, str(path), (wave, 16_000)):
        request = load_request("x", audio=sound)
        assert len(request.audio_history) == 1
        assert np.allclose(request.audio, mel_power(wave[65_280:130_560]), rtol=0.02, atol=0.01)
        assert np.allclose(request.audio_history[0], mel_power(wave[:65_280]), rtol=0.02, atol=0.01)
    assert load_request("x", audio=path, segment_seconds=10).audio_history == ()
    spectrograms = np.stack([mel_power(noise(4.08, seed)[:65_280]) for seed in range(3)])
    request = load_request("x", audio=spectrograms.astype(np.float64), audio_history=())
    assert np.array_equal(np.stack([*request.audio_history, request.audio]), spectrograms)
    request = load_request("x", audio=spectrograms[0], audio_history=[(noise(2), 16_000), spectrograms[1]])
    assert np.array_equal(request.audio_history[1], spectrograms[1])


def test_competing_arguments_are_refused(tmp_path):
    path = write_video(tmp_path / "video.mp4", greys(4), wave=noise(0.4))
    image, sound, frames = picture(0), (noise(1), 16_000), np.zeros((6, 8, 8, 3), np.uint8)
    for arguments, message in (
        (dict(video=path, image_history=[image]), "hand in one of them"),
        (dict(video=path, image=image), "last_frame_is_image=False"),
        (dict(video=path, audio=sound), "sound=False"),
        (dict(video=path, audio_history=[sound]), "sound=False"),
        (dict(video=frames), "at most 5"),
        (dict(video=frames[:5], last_frame_is_image=False), "at most 4"),
        (dict(video=frames[0]), r"must be \[frames"),
        (dict(audio=(noise(8), 16_000), audio_history=[sound]), "pass no audio_history"),
        (dict(audio_history=[(noise(8), 16_000)]), "holds 2 segments"),
        (dict(audio=(noise(60), 16_000)), "15 segments .* segment_seconds"),
        (dict(audio=noise(1)), "neither a file"),
        (dict(audio=(16_000, noise(1))), r"hand in \(samples, rate in Hz\)"),
        (dict(audio=[noise(1), noise(2)]), "no file and no array"),
    ):
        with pytest.raises(RequestError, match=message):
            load_request("x", **arguments)
