"""A sound and its text: caption the sound, or make it.

Of a long sound a random run of segments is taken, the last as the input, those before as history; one that is
made is a single segment. Source: Unified-IO 2 (arXiv 2312.17172), sections 3.3 and 5; rates without a source
are ours.
"""

from dataclasses import dataclass
from typing import Annotated

import numpy as np

from pretrain.denoisers.patches import AUDIO, PatchMasking
from pretrain.samples.context import Context, UnusableRecord, frame_markers, joined, label
from pretrain.samples.sample import Hidden, Sample
from pretrain.sources.records import SoundTextRecord
from uio2_agent.fields import Range, check_fields
from uio2_agent.media.audio import SEGMENT_SAMPLES, segment_count, segments
from uio2_agent.request import Request, Target

Rate = Annotated[float, Range(0, 1)]


@dataclass(frozen=True, kw_only=True)
class SoundOptions:
    """What is asked of a sound."""

    sound_share: Rate = 0.5
    """Share of samples whose answer is the sound; the others answer with the text."""
    generate: Rate = 1.0
    """Of those, the share made from the text alone; for the others most of the sound is hidden."""
    hidden: PatchMasking = AUDIO
    """Which of its patches are hidden then."""
    prompted: bool = True
    """Ask in words; otherwise the text, or nothing, stands beside the sound."""

    def __post_init__(self) -> None:
        check_fields(self)


def build(
    record: SoundTextRecord, rng: np.random.Generator, options: SoundOptions, context: Context
) -> Sample:
    """Ask for the caption or for the sound."""
    caption = label(record.text)
    if not caption or not len(record.wave):
        raise UnusableRecord("a sound and a text are needed, and one is empty")
    make = rng.random() < options.sound_share
    parts = _run(record.wave, 1 if make else context.config.history_frames + 1, rng)
    *before, last = parts
    prompts = context.prompts
    if not make:
        markers = frame_markers(len(parts), "audio")
        text = prompts.draw("sound_caption", rng) if options.prompted else ""
        request = Request(joined(*markers[:-1], text or markers[-1]), audio=last, audio_history=before)
        return Sample(request, Target(text=caption))
    if not last.any():
        raise UnusableRecord("the part of the sound that was drawn is silent")
    text = prompts.draw("sound_from_text", rng, caption=caption) if options.prompted else caption
    if rng.random() < options.generate:
        return Sample(Request(text), Target(audio=last))
    hidden = Hidden(audio=options.hidden.draw(context.config.audio_grid, rng))
    return Sample(Request(joined(text, "<audio_input>"), audio=last), Target(audio=last), "R", hidden)


def _run(wave: np.ndarray, most: int, rng: np.random.Generator) -> tuple[np.ndarray, ...]:
    """The spectrograms of up to `most` segments in a row, from a place drawn among whole segments."""
    count = segment_count(len(wave) / 16_000)
    taken = min(count, most)
    first = int(rng.integers(0, count - taken + 1))
    part = wave[first * SEGMENT_SAMPLES : (first + taken) * SEGMENT_SAMPLES]
    return tuple(segments(part, count=taken))
