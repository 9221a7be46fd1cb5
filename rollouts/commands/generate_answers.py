"""Answers of the model as files: text, a picture, a sound with its spectrogram, and a record of them.

Unusual: files of an earlier answer in the same directory are removed, so that what lies there belongs
together. Knows no model.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from rollouts.output import write_json
from uio2_agent.files import new_path, replace_file
from uio2_agent.media.audio import write_wav
from uio2_agent.media.spectrogram import LOWEST

TEXT, PICTURE, SOUND, RECORD = "answer.txt", "answer.png", "answer.wav", "answer.json"
_SHOWN_DECIBELS = 80.0
"""What is this much weaker than the loudest point of a spectrogram is drawn black."""
_PIXEL = 3
"""Side of the square that shows one number of a spectrogram."""
_COLOURS = np.array([(8, 8, 20), (64, 30, 110), (170, 50, 100), (240, 130, 50), (255, 245, 190)])
"""From silent to loud."""


@dataclass(frozen=True)
class AnswerFiles:
    """What there is to write of an answer."""

    record: Mapping[str, Any]
    """Plain JSON values."""
    text: str | None = None
    picture: np.ndarray | None = None
    """uint8 [height, width, 3]."""
    sound: np.ndarray | None = None
    """16 kHz wave [samples] in [-1, 1]."""


def write_answer(directory: Path, answer: AnswerFiles) -> None:
    """Write the files of an answer, each whole or not at all, in place of those of an earlier one."""
    for name in (TEXT, PICTURE, SOUND, RECORD):
        (directory / name).unlink(missing_ok=True)
    if answer.text is not None:
        replace_file(directory / TEXT, answer.text + "\n")
    if answer.picture is not None:
        with new_path(directory / PICTURE) as partial:
            Image.fromarray(answer.picture).save(partial, format="PNG")
    if answer.sound is not None:
        with new_path(directory / SOUND) as partial:
            write_wav(partial, answer.sound)
    write_json(directory / RECORD, answer.record)


def spectrogram_picture(power: np.ndarray) -> np.ndarray:
    """Draw linear mel power [time, mel]: time to the right, low tones below; uint8 [3 mel, 3 time, 3]."""
    decibels = 10 * np.log10(power.clip(LOWEST)).T[::-1]  # [mel, time]
    shade = (1 + (decibels - decibels.max()) / _SHOWN_DECIBELS).clip(0)
    stops = np.linspace(0, 1, len(_COLOURS))
    colours = np.stack([np.interp(shade, stops, channel) for channel in _COLOURS.T], -1)
    return np.rint(colours).astype(np.uint8).repeat(_PIXEL, 0).repeat(_PIXEL, 1)
