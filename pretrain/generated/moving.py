"""Sounds and little videos: shapes that move, and a tone for each that says what it is and where.

The form decides the timbre (how many harmonics), the colour the pitch, so that what is heard can be told from
what is seen and the other way round.
"""

import numpy as np

from pretrain.generated.shapes import COLOURS, SHAPES, Shape, background, draw
from uio2_agent.media.spectrogram import RATE

_LOWEST = 220.0  # Hz
SECONDS, FPS = 20.4, 2.5
"""Of a video: five segments of 4.08 s."""
WAYS = {"right": (0, 1), "left": (0, -1), "down": (1, 0), "up": (-1, 0)}
_RAMP = 0.02  # seconds


def tone(form: str, colour: str, seconds: float) -> np.ndarray:
    """Return the sound of a shape, float32 [samples] at 16 kHz: one note with its form's harmonics."""
    times = np.arange(round(seconds * RATE)) / RATE
    pitch = _LOWEST * 2 ** (2 * list(COLOURS).index(colour) / 12)
    harmonics = 1 + SHAPES.index(form)
    wave = sum(np.sin(2 * np.pi * pitch * n * times) / n for n in range(1, harmonics + 1))
    ramp = np.minimum(1, np.minimum(times, seconds - times) / _RAMP).clip(0, 1)
    return (0.3 / np.sqrt(harmonics) * wave * ramp).astype(np.float32)


def melody(rng: np.random.Generator, seconds: float) -> tuple[np.ndarray, str]:
    """Return two or three notes one after the other, and what they are, in words."""
    count = int(rng.integers(2, 4))
    notes = [
        (SHAPES[rng.integers(len(SHAPES))], list(COLOURS)[rng.integers(len(COLOURS))]) for _ in range(count)
    ]
    wave = np.concatenate([tone(form, colour, seconds / count) for form, colour in notes])
    return wave, "the sound of " + ", then ".join(f"a {colour} {form}" for form, colour in notes)


def moving_shapes(
    rng: np.random.Generator, size: tuple[int, int], seconds: float, fps: float
) -> tuple[np.ndarray, np.ndarray, list[tuple[float, str]]]:
    """Return a video of scenes of about four seconds, in each a shape that moves and sounds.

    Returns frames uint8 [n, h, w, 3], the wave float32 [samples] at 16 kHz, and what is said when: seconds
    with words that tell each scene.
    """
    scenes = max(1, round(seconds / 4.08))
    each = seconds / scenes
    frames, waves, said = [], [], []
    still = background(rng, size)
    for number in range(scenes):
        form, colour = SHAPES[rng.integers(len(SHAPES))], list(COLOURS)[rng.integers(len(COLOURS))]
        way = list(WAYS)[rng.integers(len(WAYS))]
        first, last = round(number * each * fps), round((number + 1) * each * fps)
        for place in np.linspace(-0.25, 0.25, max(1, last - first)):
            centre = tuple((0.5 + place * step) * side for step, side in zip(WAYS[way], size, strict=True))
            frames.append(draw(still, Shape(form, colour, centre, 0.18 * min(size)))[0])
        waves.append(tone(form, colour, each))
        said.append((number * each, f"a {colour} {form} moves {way}"))
    return np.stack(frames), np.concatenate(waves), said
