"""A sound and its text: caption the sound, or make it.

Of a long sound a random run of segments is taken, the last as the input, those before as history; one that is
made is a single segment. Source: Unified-IO 2 (arXiv 2312.17172), sections 3.3 and 5; rates without a source
are ours.
"""

from dataclasses import dataclass
from typing import Annotated

import numpy as np

from pretrain.denoisers.patches import AUDIO, PatchMasking
from pretrain.samples.context import Context, UnusableRecord, joined, label
from pretrain.samples.sample import Hidden, Sample
from pretrain.samples.shown import show_sounds, wave_segments
from pretrain.sources.records import SoundTextRecord
from uio2_agent.fields import Range, check_fields
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
    parts = wave_segments(record.wave, 1 if make else context.config.history_frames + 1, rng)
    prompts, last = context.prompts, parts[-1]
    if not make:
        shown = show_sounds(parts)
        text = prompts.draw("sound_caption", rng, sounds=shown.markers) if options.prompted else shown.markers
        return Sample(Request(text, **shown.inputs), Target(text=caption))
    if not last.any():
        raise UnusableRecord("the part of the sound that was drawn is silent")
    text = prompts.draw("sound_from_text", rng, caption=caption) if options.prompted else caption
    if rng.random() < options.generate:
        return Sample(Request(text), Target(audio=last))
    hidden = Hidden(audio=options.hidden.draw(context.config.audio_grid, rng))
    return Sample(Request(joined(text, "<audio_input>"), audio=last), Target(audio=last), "R", hidden)
