"""Videos written by PyAV and read back: which frames, upright, which sound, and what cannot be read."""

from pathlib import Path

import av
import numpy as np
import pytest

from uio2_agent.errors import RequestError
from uio2_agent.media.audio import write_wav
from uio2_agent.media.video import read_frames, read_sound, remove_black_bars, stack_frames


def write_video(
    path: Path, frames: list[np.ndarray], fps: int = 10, wave: np.ndarray | None = None, rotation: int = 0
) -> Path:
    """Write frames and a sound at 16 kHz, with a key frame only every eighth frame."""
    with av.open(str(path), "w") as file:
        stream = file.add_stream("libx264", rate=fps, options={"crf": "10"})
        stream.height, stream.width, stream.pix_fmt = *frames[0].shape[:2], "yuv420p"
        stream.gop_size = 8
        if rotation:
            stream.set_display_rotation(rotation)
        sound = None if wave is None else file.add_stream("aac", rate=16_000, layout="mono")
        for frame in frames:
            file.mux(stream.encode(av.VideoFrame.from_ndarray(frame, "rgb24")))
        file.mux(stream.encode())
        if sound is not None:
            samples = av.AudioFrame.from_ndarray(wave.astype(np.float32)[None], "fltp", "mono")
            samples.rate, samples.pts = 16_000, 0
            file.mux(sound.encode(samples))
            file.mux(sound.encode())
    return path


def greys(count: int) -> list[np.ndarray]:
    """Return frames whose brightness tells their number: 20 + 6 * number."""
    return [np.full((48, 64, 3), 20 + 6 * number, np.uint8) for number in range(count)]


def numbers(frames: np.ndarray) -> list[int]:
    return [round((frame.mean() - 20) / 6) for frame in frames]


@pytest.mark.parametrize("container", ["mp4", "mkv", "ts"])
def test_frames_in_the_middle_of_equal_segments(tmp_path, container):
    path = write_video(tmp_path / f"video.{container}", greys(30))
    frames = read_frames(path)
    assert frames.shape == (5, 48, 64, 3) and frames.dtype == np.uint8
    assert numbers(frames) == [3, 9, 15, 21, 27]
    assert numbers(read_frames(path, 3)) == [5, 15, 25]


def test_fewer_frames_than_segments_are_shown_again(tmp_path):
    path = write_video(tmp_path / "short.mp4", greys(2))
    assert numbers(read_frames(path)) == [0, 0, 1, 1, 1]


def test_frames_are_turned_upright(tmp_path):
    frame = np.zeros((48, 64, 3), np.uint8)
    frame[:, :32] = 200  # bright on the left; turned counter-clockwise it is bright below
    path = write_video(tmp_path / "turned.mp4", [frame] * 3, rotation=90)
    (upright,) = read_frames(path, 1)
    assert upright.shape == (64, 48, 3)
    assert upright[40:].mean() > 190 and upright[:24].mean() < 10


def test_the_sound_of_each_segment(tmp_path):
    seconds = np.arange(3 * 16_000) / 16_000
    wave = 0.3 * np.sin(2 * np.pi * np.where(seconds < 1.5, 500, 3000) * seconds)
    sound = read_sound(write_video(tmp_path / "video.mp4", greys(30), wave=wave), 2)
    assert sound.shape == (2, 256, 128)
    bands = sound.sum(1).argmax(-1)
    assert bands[0] < 25 and bands[1] > 55
    heard = sound.sum(-1) > 1e-3
    assert abs(heard.sum() - 2 * 1.5 * 62.5) < 12  # 1.5 s of each 4.08 s, 62.5 columns a second
    assert not sound[:, :60].any() and not sound[:, 200:].any()


def test_a_silent_video_has_no_sound(tmp_path):
    assert read_sound(write_video(tmp_path / "video.mp4", greys(3))) is None


def test_files_that_are_no_videos_are_refused(tmp_path):
    whole = write_video(tmp_path / "whole.mp4", greys(10)).read_bytes()
    (tmp_path / "cut.mp4").write_bytes(whole[: len(whole) // 2])
    (tmp_path / "empty.mp4").write_bytes(b"")
    write_wav(tmp_path / "sound.wav", np.zeros(1600))
    for name, message in (
        ("cut.mp4", "cannot read .*cut off"),
        ("empty.mp4", "cannot read"),
        ("sound.wav", "hand in a sound as audio"),
        ("absent.mp4", "there is no file"),
    ):
        with pytest.raises(RequestError, match=message):
            read_frames(tmp_path / name)


def test_black_bars_are_cut_off_but_not_more_than_three_tenths():
    frames = np.zeros((2, 40, 60, 3), np.uint8)
    frames[0, 10:30, 3:50, 1] = 16
    frames[1, 12:35, 3:40, 2] = 200
    frames[:, 39, 59] = 15  # too dark to count
    assert np.array_equal(remove_black_bars(frames), frames[:, 10:35, 3:50])
    frames = np.zeros((1, 40, 60, 3), np.uint8)
    frames[0, 20, 30] = 255
    assert np.array_equal(remove_black_bars(frames), frames[:, 12:28, 18:42])
    night = np.zeros((3, 8, 8, 3), np.uint8)
    assert remove_black_bars(night).shape == night.shape


def test_frames_of_a_video_have_one_size():
    with pytest.raises(RequestError, match="hand in pictures of different sizes as image_history"):
        stack_frames([np.zeros((8, 8, 3), np.uint8), np.zeros((8, 9, 3), np.uint8)])
    with pytest.raises(RequestError, match="at least one"):
        stack_frames([])
