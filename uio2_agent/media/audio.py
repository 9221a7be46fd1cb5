"""Sounds in and out: files and arrays to a 16 kHz mono wave, a wave to the spectrograms of its segments, and
a WAV file.

Unusual: how a sound is cut is decided by its length alone: every segment becomes one spectrogram of 4.08 s,
a shorter one stands between zeros, of a longer one the middle remains. Knows nothing about requests.
"""

import io
import math
import warnings
import wave as wave_file
from fractions import Fraction
from numbers import Real
from pathlib import Path

import numpy as np

from uio2_agent.errors import RequestError
from uio2_agent.files import replace_file
from uio2_agent.media.spectrogram import HOP, RATE, mel_power

SEGMENT_SECONDS = 4.08
SEGMENT_SAMPLES = 65_280
SLACK_SECONDS = 0.1
"""A rest must be longer than half a segment by this to become a segment of its own."""
_RATES = (1_000, 1_000_000)
"""Sampling rates that a sound may have; 16 is meant in kHz."""
_MOST_CHANNELS = 32
_LEVELS_16 = 2**15


def read_audio(
    source: str | Path | bytes | np.ndarray, rate: int | None = None, what: str = "audio"
) -> np.ndarray:
    """Return a wave float32 [samples] in [-1, 1], mono, 16 kHz.

    `source` is a file or its content (any format, video files included) or an array with its `rate` in Hz:
    [samples] or with one more axis for the channels; whole numbers of up to 32 bits are scaled by their
    type's range. Floats outside [-1, 1] are taken as they are, with a warning; those of a file are cut, with
    another.

    Raises RequestError if the file is missing, broken or silent by lack of a sound track; the array is empty,
    has no rate or one that no sound has, or holds NaN or 64-bit whole numbers.
    """
    if isinstance(source, str | Path | bytes):
        return _read_file(source, what)
    if rate is None:
        raise RequestError(f"{what} is an array without a sampling rate: hand in (samples, rate in Hz)")
    samples = _as_float(np.asarray(source), what)
    is_mono = samples.ndim == 1
    if not samples.size or not (is_mono or (samples.ndim == 2 and min(samples.shape) <= _MOST_CHANNELS)):
        raise RequestError(f"{what} must be [samples] or [samples, channels]; it is {list(samples.shape)}")
    if not np.isfinite(samples).all():
        raise RequestError(f"{what} holds NaN or infinity: look at where it was recorded")
    if (peak := np.abs(samples).max()) > 1:
        warnings.warn(
            f"{what} holds floats from {samples.min():g} to {samples.max():g}, outside of [-1, 1], taken as "
            f"they are: divide by {peak:g}, or hand in 16-bit levels as int16",
            stacklevel=2,
        )
    if not is_mono:
        samples = samples.mean(np.argmin(samples.shape))
    return resample(samples, rate)


def resample(samples: np.ndarray, rate: int) -> np.ndarray:
    """Bring float [samples] from `rate` to 16 kHz with a polyphase low-pass filter, float32."""
    if not isinstance(rate, Real) or not _RATES[0] <= rate <= _RATES[1]:
        raise RequestError(
            f"a sampling rate of {rate} Hz: give the number of samples per second, "
            f"{_RATES[0]:,} to {_RATES[1]:,}"
        )
    if rate != RATE:
        from scipy.signal import resample_poly

        ratio = Fraction(RATE) / Fraction(float(rate)).limit_denominator(1000)
        samples = resample_poly(samples, ratio.numerator, ratio.denominator)
    return samples.astype(np.float32)


def segment_count(seconds: float, segment_seconds: float = SEGMENT_SECONDS) -> int:
    """Return how many segments a sound has, at least one: a rest counts when it is well over half of one."""
    whole = math.floor(seconds / segment_seconds)
    rest = seconds - whole * segment_seconds
    return max(1, whole + (rest - SLACK_SECONDS > segment_seconds / 2))


def segments(
    wave: np.ndarray, segment_seconds: float = SEGMENT_SECONDS, count: int | None = None
) -> np.ndarray:
    """Return the spectrograms float32 [segments, 256, 128] of a 16 kHz wave [samples].

    The wave is cut, or filled with zeros, at its end to whole segments, `segment_count` of them unless
    `count` says otherwise.
    """
    if not len(wave) or segment_seconds * RATE < HOP:
        raise RequestError(
            f"cannot cut {len(wave)} samples into segments of {segment_seconds:g} s: give a sound, and "
            f"segments of at least {HOP / RATE:g} s"
        )
    length = round(segment_seconds * RATE)
    count = segment_count(len(wave) / RATE, segment_seconds) if count is None else count
    whole = np.zeros(count * length, np.float32)
    whole[: len(wave)] = wave[: len(whole)]
    return np.stack([mel_power(_centred(part)) for part in whole.reshape(count, length)])


def write_wav(path: str | Path, wave: np.ndarray, rate: int = RATE) -> Path:
    """Write a wave [samples] in [-1, 1] as 16-bit mono; what lies outside is cut."""
    levels = np.rint(np.asarray(wave, np.float64) * 32768).clip(-32768, 32767).astype("<i2")
    content = io.BytesIO()
    with wave_file.open(content, "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(rate)
        file.writeframes(levels.tobytes())
    replace_file(path, content.getvalue())
    return Path(path)


def _centred(segment: np.ndarray) -> np.ndarray:
    """Return the middle 65,280 samples, or the segment in the middle of as many."""
    spare = SEGMENT_SAMPLES - len(segment)
    if spare < 0:
        return segment[-spare // 2 :][:SEGMENT_SAMPLES]
    return np.pad(segment, (spare // 2, spare - spare // 2))


def _as_float(samples: np.ndarray, what: str) -> np.ndarray:
    kind, size = samples.dtype.kind, samples.dtype.itemsize
    if kind == "f":
        return samples.astype(np.float64)
    if kind == "i" and size < 8:
        levels = samples.astype(np.float64)
        if size == 4 and levels.size and 0 < np.abs(levels).max() <= _LEVELS_16:
            warnings.warn(
                f"{what} holds {samples.dtype} from {samples.min()} to {samples.max()}, all but silent at "
                "32 bit: hand in 16-bit levels as int16",
                stacklevel=3,
            )
        return levels / 2 ** (8 * size - 1)
    if samples.dtype == np.uint8:
        return (samples.astype(np.float64) - 128) / 128
    raise RequestError(
        f"{what} holds {samples.dtype}: hand in floats in [-1, 1], or levels as uint8, int16 or int32"
    )


def _read_file(source: str | Path | bytes, what: str) -> np.ndarray:
    import av

    is_content = isinstance(source, bytes)
    path = f"{len(source):,} bytes" if is_content else str(source)
    if not (is_content or Path(source).is_file()):
        raise RequestError(f"{what}: there is no file {path}")
    # Whole numbers, as in a 16-bit file: only then is a mix of channels their mean.
    resampler = av.AudioResampler(format="s16", layout="mono", rate=RATE)
    parts: list[np.ndarray] = []
    peak = 0.0
    try:
        with av.open(io.BytesIO(source) if is_content else path) as container:
            if not container.streams.audio:
                raise RequestError(f"{what}: {path} has no sound track")
            holds_floats = container.streams.audio[0].codec_context.name.startswith("pcm_f")
            for frame in container.decode(audio=0):
                if holds_floats:
                    peak = max(peak, float(np.abs(frame.to_ndarray()).max(initial=0)))
                parts += [part.to_ndarray()[0] for part in resampler.resample(frame)]
            parts += [part.to_ndarray()[0] for part in resampler.resample(None)]
    except (av.FFmpegError, ValueError) as error:
        raise RequestError(f"{what}: cannot read sound from {path}: {error}") from error
    if not any(part.size for part in parts):
        raise RequestError(f"{what}: {path} holds no sound: it may be empty or cut off")
    if peak > 1:
        warnings.warn(
            f"{what}: {path} holds floats up to {peak:g}, which are cut to [-1, 1]: divide them by {peak:g}",
            stacklevel=3,
        )
    return np.concatenate(parts).astype(np.float32) / 32768
