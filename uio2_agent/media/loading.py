"""Files, pictures and arrays of any usual kind to a request.

Unusual: nothing is guessed where inputs compete for one place, as a video's last frame and an image do; the
error says which argument settles it. Knows no model: how much it takes is the processor's concern.
"""

import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image

from uio2_agent.errors import RequestError
from uio2_agent.media.audio import RATE, SEGMENT_SECONDS, SLACK_SECONDS, read_audio, segment_count, segments
from uio2_agent.media.pixels import picture_to_rgb, to_rgb
from uio2_agent.media.video import FRAMES, read_frames, read_sound, remove_black_bars, stack_frames
from uio2_agent.request import Request
from uio2_agent.text.vocabulary import HISTORY_MARKERS

_UNREADABLE = (OSError, SyntaxError, ValueError, Image.DecompressionBombError)
"""What PIL raises on a file that is no picture, or a broken one."""


def load_request(
    text: str,
    *,
    image: Any = None,
    image_history: Sequence[Any] = (),
    audio: Any = None,
    audio_history: Sequence[Any] = (),
    video: Any = None,
    history_frames: int = FRAMES - 1,
    last_frame_is_image: bool = True,
    sound: bool = True,
    segment_seconds: float = SEGMENT_SECONDS,
) -> Request:
    """Build a request from what people have at hand.

    Arguments:
        text: the question, without the tag of the target.
        image: a file, a PIL picture or an array; see `load_image`.
        image_history: the same kinds.
        audio: a file, (samples, rate in Hz), or linear mel spectrograms [256, 128] or [segments, 256, 128].
            The last segment becomes the audio, those before it the audio history.
        audio_history: the same kinds, each of one segment.
        video: a file, an array [frames, height, width, 3], or a list of frames. Black bars are cut off.
        history_frames: frames of a video that become image history, at most.
        last_frame_is_image: the last frame of a video becomes the image, on top of those.
        sound: read the sound track of a video file, if it has one, as audio and audio history.
        segment_seconds: length of the segments a sound is cut into; the middle 4.08 s of each are heard.

    Raises RequestError if something cannot be read, or two arguments claim the same place.
    """
    image = None if image is None else load_image(image)
    history = tuple(load_image(item, f"history image {j + 1}") for j, item in enumerate(image_history))
    heard = [] if audio is None else load_audio(audio, segment_seconds)
    if video is not None:
        if history:
            raise RequestError("a video and image_history both make the image history: hand in one of them")
        if last_frame_is_image and image is not None:
            raise RequestError(
                "an image and a video whose last frame is the image: pass last_frame_is_image=False, or no "
                "image"
            )
        count = history_frames + last_frame_is_image
        frames = _frames(video, count)
        if last_frame_is_image:
            *frames, image = frames
        history = tuple(frames)
        track = read_sound(video, count) if sound and isinstance(video, str | Path) else None
        if track is not None:
            if heard or audio_history:
                raise RequestError("audio and a video with a sound track: pass sound=False, or no audio")
            heard = list(track)
    *earlier, last = heard or [None]
    if earlier and audio_history:
        raise RequestError(
            f"audio of {len(heard)} segments makes the audio history itself: pass no audio_history, or cut "
            f"the sound to {segment_seconds:g} s"
        )
    for j, item in enumerate(audio_history):
        earlier.append(_one_segment(item, segment_seconds, f"audio_history {j + 1}"))
    return Request(text, image, history, last, tuple(earlier))


def load_image(source: Any, what: str = "image") -> np.ndarray:
    """Return uint8 [height, width, 3] of a file, a PIL picture, or an array.

    Files and pictures are turned upright as their EXIF orientation says; what is transparent becomes white.
    Arrays (tensors too) are [height, width], with 1, 3 or 4 channels behind or in front. The numbers of all
    three follow one rule (`uio2_agent.media.pixels`): bytes, 16-bit, booleans, or floats in [0, 1].

    Raises RequestError if the file cannot be read, or the rule has no place for the numbers. A file of
    several pictures gives the first, with a warning.
    """
    if isinstance(source, Image.Image):
        return _of_picture(source, what, "it")
    if not isinstance(source, str | Path):
        return to_rgb(_as_array(source, what), what)
    if not Path(source).is_file():
        raise RequestError(f"{what}: there is no file {source}")
    try:
        picture = Image.open(source)
    except _UNREADABLE as error:
        raise RequestError(f"{what}: cannot read a picture from {source}: {error}") from error
    with picture:
        if (count := getattr(picture, "n_frames", 1)) > 1 and picture.format != "MPO":
            warnings.warn(
                f"{what}: {source} holds {count} pictures and only the first is taken: hand in frames as a "
                "video, or as image_history",
                stacklevel=2,
            )
        return _of_picture(picture, what, str(source))


def load_audio(
    source: Any, segment_seconds: float = SEGMENT_SECONDS, what: str = "audio"
) -> list[np.ndarray]:
    """Return the spectrograms float32 [256, 128] of a sound's segments, in order; see `load_request`."""
    if isinstance(source, str | Path):
        wave = read_audio(source, what=what)
    elif isinstance(source, tuple) and len(source) == 2 and np.ndim(source[1]) == 0:
        wave = read_audio(*source, what=what)
    elif isinstance(source, tuple) and len(source) == 2 and np.ndim(source[0]) == 0:
        raise RequestError(f"{what} is (a number, samples): hand in (samples, rate in Hz)")
    elif (power := _as_array(source, what)).ndim in (2, 3):
        power = power.astype(np.float32)
        return [power] if power.ndim == 2 else list(power)
    else:
        raise RequestError(f"{what} is neither a file, nor (samples, rate in Hz), nor a mel spectrogram")
    if (count := segment_count(len(wave) / RATE, segment_seconds)) > HISTORY_MARKERS + 1:
        raise RequestError(
            f"{what} lasts {len(wave) / RATE:.1f} s, {count} segments of {segment_seconds:g} s; a request "
            f"holds at most {HISTORY_MARKERS + 1}: cut it, or pass longer segments with segment_seconds="
        )
    if (rest := len(wave) / RATE - count * segment_seconds) > SLACK_SECONDS:
        warnings.warn(
            f"{what} lasts {len(wave) / RATE:.2f} s and its last {rest:.2f} s are not heard, less than half "
            f"a segment of {segment_seconds:g} s: pass segment_seconds=, or cut or fill the sound",
            stacklevel=2,
        )
    return list(segments(wave, segment_seconds))


def _frames(video: Any, count: int) -> list[np.ndarray]:
    """Return the frames of a video, bars cut off, at most `count`."""
    if isinstance(video, str | Path):
        return list(remove_black_bars(read_frames(video, count)))
    if isinstance(video, np.ndarray) and video.ndim != 4:
        raise RequestError(f"video must be [frames, height, width, channels]; it is {list(video.shape)}")
    frames = stack_frames([load_image(frame, f"frame {j + 1} of the video") for j, frame in enumerate(video)])
    if len(frames) > count:
        raise RequestError(f"a video of {len(frames)} frames: hand in at most {count}, or the file itself")
    return list(remove_black_bars(frames))


def _one_segment(source: Any, segment_seconds: float, what: str) -> np.ndarray:
    heard = load_audio(source, segment_seconds, what)
    if len(heard) != 1:
        raise RequestError(
            f"{what} holds {len(heard)} segments: hand in one by one, or the whole sound as audio"
        )
    return heard[0]


def _of_picture(picture: Image.Image, what: str, where: str) -> np.ndarray:
    try:
        return picture_to_rgb(picture, what)
    except _UNREADABLE as error:
        raise RequestError(f"{what}: cannot read a picture from {where}: {error}") from error


def _as_array(source: Any, what: str) -> np.ndarray:
    """Return what a person takes for an array as one; tensors may be on any device and of any float."""
    if isinstance(source, torch.Tensor):
        source = source.detach().cpu()
        source = source.float() if source.dtype == torch.bfloat16 else source
    try:
        return np.asarray(source)
    except (TypeError, ValueError) as error:
        raise RequestError(f"{what} is no file and no array: {error}") from error
