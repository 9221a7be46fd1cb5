"""Sounds: spectrograms against scipy, segments in closed form, files against other readers and writers."""

import av
import numpy as np
import pytest
import scipy.io.wavfile
import scipy.signal

from tests.parity.compare import Case
from tests.parity.preparation import check_audio
from uio2_agent.errors import RequestError
from uio2_agent.media.audio import read_audio, segment_count, segments, write_wav
from uio2_agent.media.spectrogram import (
    audio_patches,
    griffin_lim,
    log_of_target,
    mel_filters,
    mel_power,
    power_of_target,
    target_values,
)


def tone(hertz: float, seconds: float, rate: int = 16_000) -> np.ndarray:
    return 0.5 * np.sin(2 * np.pi * hertz * np.arange(round(seconds * rate)) / rate)


def pitch(wave: np.ndarray, rate: int = 16_000) -> float:
    """Return the strongest frequency in Hz."""
    return np.abs(np.fft.rfft(wave)).argmax() * rate / len(wave)


def test_recorded_spectrograms(shared):
    errors = check_audio(Case(shared / "fixtures/uio2/cases/prep__audio"))
    assert max(errors.values()) < 1e-5, errors


def test_power_is_that_of_scipy():
    wave = np.random.default_rng(0).normal(size=16_000)
    window = np.hanning(1024)
    _, _, spectrum = scipy.signal.stft(  # "even" reflects the wave about its ends
        wave, window=window, nperseg=1024, noverlap=768, boundary="even", padded=False
    )
    power = np.abs(spectrum * window.sum()) ** 2  # scipy divides by the sum of the window
    assert np.allclose(mel_power(wave), (mel_filters() @ power).T, rtol=1e-4)


def test_filters_are_triangles_of_area_one_on_the_slaney_scale():
    filters = mel_filters()
    assert filters.shape == (128, 513)
    assert np.allclose(filters[90:].sum(1) * 8000 / 512, 1, atol=0.02)
    step = (15 + 27 * np.log(8) / np.log(6.4)) / 129  # mel between neighbours; 1000 Hz is mel 15
    peaks = filters.argmax(1) * 8000 / 512
    assert np.allclose(peaks[:40], step * np.arange(1, 41) * 200 / 3, atol=8)  # even steps, then even ratios
    assert np.allclose(peaks[100:] / peaks[90:-10], 6.4 ** (10 * step / 27), atol=0.006)


def test_a_tone_lands_in_the_band_around_it():
    spectrogram = mel_power(tone(3000, 2))
    bins = np.abs(np.linspace(0, 8000, 513) - 3000).argmin()
    assert spectrogram[60].argmax() == mel_filters()[:, bins].argmax()


@pytest.mark.parametrize(
    ("seconds", "count"), [(0.1, 1), (6.2, 1), (6.3, 2), (8.16, 2), (10.2, 2), (10.4, 3), (40.8, 10)]
)
def test_a_rest_counts_when_it_is_well_over_half_a_segment(seconds, count):
    assert segment_count(seconds) == count


def test_a_short_segment_stands_between_zeros_and_of_a_long_one_the_middle_remains():
    wave = np.random.default_rng(1).normal(size=16_000)
    (short,) = segments(wave)  # 1 s of 4.08 s, filled behind
    assert short[:60].all() and not short[70:].any()
    first, second = segments(wave, 0.5)
    assert not first[:100].any() and first[120:130].all() and not first[160:].any()
    assert not np.array_equal(first, second)
    long = np.random.default_rng(2).normal(size=160_000)
    (middle,) = segments(long, 10)
    assert np.array_equal(middle, mel_power(long.astype(np.float32)[47_360 : 47_360 + 65_280]))
    assert segments(long, 4.08).shape == (2, 256, 128)
    assert segments(long, 4.08, count=4).shape == (4, 256, 128)


@pytest.mark.parametrize("container", ["wav", "flac", "mp3"])
def test_files_of_any_kind_become_16_khz_mono(tmp_path, container):
    path = tmp_path / f"sound.{container}"
    left = tone(1000, 1.5, 44_100).astype(np.float32)
    levels = np.rint(np.stack([left, np.zeros_like(left)]).T * 32767).astype(np.int16)
    with av.open(str(path), "w") as file:
        codec = {"wav": "pcm_s16le", "flac": "flac", "mp3": "libmp3lame"}[container]
        stream = file.add_stream(codec, rate=44_100, layout="stereo")
        sample_format = {"wav": "s16", "flac": "s16", "mp3": "s16p"}[container]
        data = levels.T if sample_format == "s16p" else levels.reshape(1, -1)
        frame = av.AudioFrame.from_ndarray(np.ascontiguousarray(data), sample_format, "stereo")
        frame.rate, frame.pts = 44_100, 0
        file.mux(stream.encode(frame))
        file.mux(stream.encode())
    wave = read_audio(path)
    assert wave.dtype == np.float32
    assert abs(len(wave) - 24_000) < 1200  # mp3 pads
    assert abs(pitch(wave) - 1000) < 2
    assert abs(np.abs(wave[4000:20_000]).max() - 0.25) < 0.02  # half of the left channel


def test_arrays_of_any_type_rate_and_order():
    left = tone(500, 1, 48_000)
    expected = read_audio(tone(500, 1), 16_000)
    for samples in (
        left,
        left.astype(np.float32),
        np.stack([left, left]),
        np.stack([left, left], 1),
        np.rint(left * 32_768).astype(np.int16),
        np.rint(left * 2**31).astype(np.int64).clip(max=2**31 - 1).astype(np.int32),
        np.rint(left * 128 + 128).astype(np.uint8),
    ):
        wave = read_audio(samples, 48_000)
        assert wave.shape == (16_000,)
        assert np.abs(wave - expected)[100:-100].max() < 0.01


def test_wav_files_are_read_by_others(tmp_path):
    wave = np.array([0.0, 0.25, -1.0, 1.5, -2.0], np.float32)
    rate, levels = scipy.io.wavfile.read(write_wav(tmp_path / "a.wav", wave))
    assert rate == 16_000
    assert levels.tolist() == [0, 8192, -32_768, 32_767, -32_768]
    assert np.allclose(read_audio(tmp_path / "a.wav"), wave.clip(-1, 1), atol=1e-4)


def test_a_wave_is_found_for_a_spectrogram():
    generator = np.random.default_rng(3)
    wave = tone(440, 2) * np.linspace(0, 1, 32_000) + generator.normal(size=32_000) * 0.01
    power = mel_power(wave)
    found = griffin_lim(power)
    assert found.shape == (256 * (len(power) - 1),)
    assert abs(pitch(found) - 440) < 2
    again = mel_power(found)
    assert np.linalg.norm(again - power) < 0.15 * np.linalg.norm(power)
    assert np.array_equal(found, griffin_lim(power))
    assert not griffin_lim(np.zeros((20, 128), np.float32)).any()


def test_targets_are_turned_back():
    power = np.random.default_rng(4).uniform(0.001, 20, (256, 128)).astype(np.float32)
    power[3] = 0
    values = target_values(power)
    assert np.allclose(values[3], 5.0945 / 3.8312)  # what is not there counts as a logarithm of 0
    held = power > 0
    assert np.allclose(log_of_target(values)[held], np.log(power[held]), atol=1e-5)
    assert np.allclose(power_of_target(values)[held], power[held], rtol=1e-4)


def test_patches_are_cut_in_raster_order():
    power = np.random.default_rng(5).uniform(0.1, 9, (32, 48)).astype(np.float32)
    power[8 + 16, 8 + 32] = 0  # the centre of the last patch
    patches = audio_patches(power, (32, 48), 16)
    assert patches.positions.tolist() == list(range(6))
    assert patches.mask.tolist() == [True] * 5 + [False]
    expected = (np.log(power[16:32, 16:32]) + 4.26) / 9.14  # row 1, column 1
    assert np.allclose(patches.values[4], expected.reshape(-1), atol=1e-6)
    assert np.isclose(patches.values[5, 8 * 16 + 8], 0.466, atol=1e-3)


@pytest.mark.parametrize(
    ("power", "message"),
    [
        (np.zeros((255, 128), np.float32), "cut or pad"),
        (np.zeros((256, 128), np.float64), "float64"),
        (np.full((256, 128), np.nan, np.float32), "NaN"),
        (np.full((256, 128), -5, np.float32), "not its logarithm"),
    ],
)
def test_other_spectrograms_are_refused(power, message):
    with pytest.raises(RequestError, match=message):
        audio_patches(power, (256, 128), 16)


def test_sounds_that_cannot_be_read_are_refused(tmp_path):
    (tmp_path / "broken.wav").write_bytes(b"RIFF, but not really")
    write_wav(tmp_path / "empty.wav", np.zeros(0))
    for name, message in (("broken", "cannot read"), ("empty", "no sound"), ("absent", "there is no file")):
        with pytest.raises(RequestError, match=message):
            read_audio(tmp_path / f"{name}.wav")
    with pytest.raises(RequestError, match="without a sampling rate"):
        read_audio(np.zeros(10))
    with pytest.raises(RequestError, match="NaN"):
        read_audio(np.array([np.nan]), 16_000)
    with pytest.raises(RequestError, match="hand in floats"):
        read_audio(np.zeros(4, np.uint16), 16_000)
    with pytest.raises(RequestError, match="cannot cut 0 samples"):
        segments(np.zeros(0, np.float32))
