"""Mel power spectrograms: from a wave, to model values and patches, and back to a wave.

Unusual: the Hann window is symmetric, and bins that hold exactly zero are left out of the logarithm, so
they become the mean of the input statistics. Everywhere in the package a spectrogram is *linear power*,
float32 [time, mel]; logarithms and normalisation belong to the batch. Knows no files and no sampling rate
but 16 kHz.
"""

from functools import cache

import numpy as np

from uio2_agent.errors import RequestError
from uio2_agent.media.images import PatchList, patchify, resize_nearest

RATE = 16_000
"""Samples per second of every wave."""
WINDOW = 1024
HOP = 256
MELS = 128
LOWEST, HIGHEST = np.float32(1e-5), np.float32(1e5)
"""Power outside this range is cut to it before the logarithm."""
INPUT_MEAN, INPUT_STD = np.float32(-4.26), np.float32(9.14)
TARGET_MEAN, TARGET_STD = np.float32(-5.0945), np.float32(3.8312)


def mel_power(wave: np.ndarray) -> np.ndarray:
    """Return the spectrogram float32 [1 + samples // 256, 128] of a wave [samples] at 16 kHz.

    Windows are centred on every 256th sample; the wave is reflected at its ends.
    """
    padded = np.pad(np.asarray(wave, np.float64), WINDOW // 2, mode="reflect")
    return (np.abs(_analyse(padded)) ** 2 @ mel_filters().T).astype(np.float32)


@cache
def mel_filters() -> np.ndarray:
    """Return the Slaney filter bank from 0 to 8000 Hz, float64 [128, 513]: triangles of equal area."""
    corners = _from_mel(np.linspace(0, _to_mel(RATE / 2), MELS + 2))
    bins = np.linspace(0, RATE / 2, WINDOW // 2 + 1)
    low, centre, high = corners[:-2, None], corners[1:-1, None], corners[2:, None]
    rising, falling = (bins - low) / (centre - low), (high - bins) / (high - centre)
    filters = np.minimum(rising, falling).clip(0) * 2 / (high - low)
    filters.setflags(write=False)
    return filters


_LINEAR = 200 / 3  # Hz per mel up to 1000 Hz, which is mel 15
_LOG_STEP = np.log(6.4) / 27  # of a mel above


def _to_mel(hertz: float) -> float:
    return 15 + np.log(hertz / 1000) / _LOG_STEP if hertz > 1000 else hertz / _LINEAR


def _from_mel(mels: np.ndarray) -> np.ndarray:
    return np.where(mels > 15, 1000 * np.exp(_LOG_STEP * (mels - 15)), mels * _LINEAR)


def check_spectrogram(power: np.ndarray, size: tuple[int, int], what: str) -> np.ndarray:
    """Return the spectrogram if it is linear power float32 of size (time, mel); otherwise say what it is."""
    power = np.asarray(power)
    if power.dtype != np.float32 or power.shape != size:
        raise RequestError(
            f"{what} must be a linear mel spectrogram float32 [time, mel] = {list(size)}; it is "
            f"{power.dtype} {list(power.shape)}: cut or pad the sound to one segment (audio.segments)"
        )
    if not np.isfinite(power).all():
        raise RequestError(f"{what} holds NaN or infinity: look at the sound it was made from")
    if power.min() < 0:
        raise RequestError(f"{what} holds negative numbers: hand in linear power, not its logarithm")
    return power


def log_power(power: np.ndarray) -> np.ndarray:
    """Return the natural logarithm of the power, 0 where the power is exactly 0."""
    return np.log(power.clip(LOWEST, HIGHEST)) * (power != 0)


def target_values(power: np.ndarray) -> np.ndarray:
    """Return what the audio tokenizer reads, float32 [..., time, mel], of linear power."""
    return (log_power(power) - TARGET_MEAN) / TARGET_STD


def log_of_target(values: np.ndarray) -> np.ndarray:
    """Return the natural logarithm of the power, as the vocoder reads it, of what the tokenizer writes."""
    return values * TARGET_STD + TARGET_MEAN


def power_of_target(values: np.ndarray) -> np.ndarray:
    """Return linear power of what the tokenizer writes."""
    return np.exp(log_of_target(values))


def audio_patches(power: np.ndarray, size: tuple[int, int], patch: int, what: str = "audio") -> PatchList:
    """Cut a spectrogram [time, mel] of the given size into normalised patches; a patch is valid where its
    centre is not exactly zero.
    """
    power = check_spectrogram(power, size, what)
    values = (log_power(power) - INPUT_MEAN) / INPUT_STD
    patches = patchify(values[None], patch).reshape(-1, patch * patch)
    mask = resize_nearest(power != 0, (size[0] // patch, size[1] // patch)).reshape(-1)
    return PatchList(patches, np.arange(len(patches)), mask)


def griffin_lim(power: np.ndarray, iterations: int = 32) -> np.ndarray:
    """Find a wave float32 [256 * (time - 1)] at 16 kHz whose spectrogram resembles linear power [time, mel].

    For where there is no vocoder: phases start random, with a fixed seed, and are made consistent step by
    step, with the usual momentum.
    """
    magnitude = np.sqrt(_from_mel_power(np.asarray(power, np.float64)))  # [time, bins]
    angles = np.random.default_rng(0).uniform(0, 2 * np.pi, magnitude.shape)
    phases, before = np.exp(1j * angles), 0.0
    for _ in range(iterations):
        rebuilt = _analyse(_synthesise(magnitude * phases))
        phases = rebuilt - _MOMENTUM / (1 + _MOMENTUM) * before
        phases /= np.abs(phases) + np.finfo(np.float64).tiny
        before = rebuilt
    return _synthesise(magnitude * phases)[WINDOW // 2 : -WINDOW // 2].astype(np.float32)


_MOMENTUM = 0.99
_MEL_STEPS = 100


def _from_mel_power(power: np.ndarray) -> np.ndarray:
    """Return power per frequency bin [time, bins], nowhere negative, whose mel power [time, mel] fits best
    (multiplicative least squares).
    """
    filters = mel_filters()
    wanted = power @ filters
    found = wanted.copy()
    for _ in range(_MEL_STEPS):
        found *= wanted / (found @ filters.T @ filters + np.finfo(np.float64).tiny)
    return found


def _analyse(padded: np.ndarray) -> np.ndarray:
    """Return the spectrum complex [time, bins] under a window at every 256th sample."""
    frames = np.lib.stride_tricks.sliding_window_view(padded, WINDOW)[::HOP]  # [time, window]
    return np.fft.rfft(frames * np.hanning(WINDOW))


def _synthesise(spectrum: np.ndarray) -> np.ndarray:
    """Return the samples [256 * (time + 3)] whose spectrum is nearest: windows overlap and are averaged."""
    window = np.hanning(WINDOW)
    hops = WINDOW // HOP
    frames = (np.fft.irfft(spectrum) * window).reshape(-1, hops, HOP)
    weights = (window**2).reshape(hops, HOP)
    total = np.zeros((len(frames) + hops - 1, HOP))
    weight = np.full_like(total, 1e-8)  # the outermost samples have no weight at all
    for hop in range(hops):
        total[hop : hop + len(frames)] += frames[:, hop]
        weight[hop : hop + len(frames)] += weights[hop]
    return (total / weight).reshape(-1)
