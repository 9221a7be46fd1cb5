"""Files, pictures and arrays of any usual kind to a request.

Unusual: nothing is guessed where inputs compete for one place, as a video's last frame and an image do; the
error says which argument settles it. Knows no model: how much it takes is the processor's concern.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image, ImageOps

from uio2_agent.errors import RequestError
from uio2_agent.media.audio import RATE, SEGMENT_SECONDS, read_audio, segment_count, segments
from uio2_agent.media.video import FRAMES, read_frames, read_sound, remove_black_bars, stack_frames
from uio2_agent.request import Request
from uio2_agent.text.vocabulary import HISTORY_MARKERS


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

    Arguments
        text: the question, without the tag of the target.
        image, image_history: each a file, a PIL picture or an array; see `load_image`.
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
    Arrays (tensors too) are [height, width], with 1, 3 or 4 channels behind or in front: bytes, 16-bit,
    booleans, or floats in [0, 1].
    """
    if isinstance(source, Image.Image):
        return _rgb(source)
    if not isinstance(source, str | Path):
        return _pixels(np.asarray(source), what)
    if not Path(source).is_file():
        raise RequestError(f"{what}: there is no file {source}")
    try:
        with Image.open(source) as picture:
            return _rgb(picture)
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
        raise RequestError(f"{what}: cannot read a picture from {source}: {error}") from error


def load_audio(
    source: Any, segment_seconds: float = SEGMENT_SECONDS, what: str = "audio"
) -> list[np.ndarray]:
    """Return the spectrograms float32 [256, 128] of a sound's segments, in order; see `load_request`."""
    if isinstance(source, str | Path):
        wave = read_audio(source, what=what)
    elif isinstance(source, tuple) and len(source) == 2 and np.ndim(source[1]) == 0:
        wave = read_audio(*source, what=what)
    elif np.ndim(source) in (2, 3):
        power = np.asarray(source, np.float32)
        return [power] if power.ndim == 2 else list(power)
    else:
        raise RequestError(f"{what} is neither a file, nor (samples, rate in Hz), nor a mel spectrogram")
    if (count := segment_count(len(wave) / RATE, segment_seconds)) > HISTORY_MARKERS + 1:
        raise RequestError(
            f"{what} lasts {len(wave) / RATE:.1f} s, {count} segments of {segment_seconds:g} s; a request "
            f"holds at most {HISTORY_MARKERS + 1}: cut it, or pass longer segments with segment_seconds="
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


def _rgb(picture: Image.Image) -> np.ndarray:
    picture = ImageOps.exif_transpose(picture)
    if picture.mode.startswith("I"):  # 16-bit grey, which PIL would cut at 255
        return _pixels(np.asarray(picture).astype(np.uint16), "image")
    if picture.has_transparency_data:
        white = Image.new("RGBA", picture.size, "white")
        picture = Image.alpha_composite(white, picture.convert("RGBA"))
    return np.asarray(picture.convert("RGB"))


def _pixels(array: np.ndarray, what: str) -> np.ndarray:
    if array.ndim == 3 and array.shape[2] not in (1, 3, 4) and array.shape[0] in (1, 3, 4):
        array = array.transpose(1, 2, 0)
    if array.ndim == 2:
        array = array[..., None]
    if array.ndim != 3 or array.shape[2] not in (1, 3, 4) or 0 in array.shape:
        raise RequestError(
            f"{what} must be [height, width] or have 1, 3 or 4 channels; it is {list(array.shape)}"
        )
    levels = _levels(array, what)
    if levels.shape[2] == 4:
        return _rgb(Image.fromarray(levels))
    return np.ascontiguousarray(np.broadcast_to(levels, (*levels.shape[:2], 3)))


def _levels(array: np.ndarray, what: str) -> np.ndarray:
    """Return the numbers of a picture as bytes."""
    if array.dtype == np.bool_:
        return array.astype(np.uint8) * 255
    if array.dtype == np.uint16:
        return np.rint(array / 257).astype(np.uint8)
    most = 1 if array.dtype.kind == "f" else 255
    if array.dtype.kind not in "fiu" or not (array.min() >= 0 and array.max() <= most):
        raise RequestError(
            f"{what} holds {array.dtype} outside of 0..{most}: hand in bytes, or floats between 0 and 1"
        )
    return np.rint(array * 255).astype(np.uint8) if most == 1 else array.astype(np.uint8)
