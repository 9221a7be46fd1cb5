"""When something is done or heard in a video: start and end of each time it is, as location tokens.

The tokens are parts of what is shown: all of the video, by the middle frame of each part; or, where sounds
are asked for, a run of segments of 4.08 s, each with its frame and its sound. Source: Unified-IO 2 (arXiv
2312.17172), section 5, action and sound localisation; how times are written is ours
(`uio2_agent.labels.times`).
"""

from dataclasses import dataclass

import numpy as np

from pretrain.samples.context import Context, UnusableRecord, label
from pretrain.samples.sample import Sample
from pretrain.samples.shown import part_times, segment_times, show_frames
from pretrain.sources.records import EventsRecord
from uio2_agent.labels.times import write_times
from uio2_agent.media.audio import SEGMENT_SECONDS
from uio2_agent.request import Request, Target


@dataclass(frozen=True, kw_only=True)
class EventTimesOptions:
    """What events are."""

    heard: bool = False
    """Sounds; otherwise what is done and can be seen."""


def build(
    record: EventsRecord, rng: np.random.Generator, options: EventTimesOptions, context: Context
) -> Sample:
    """Draw one of the things that happen in what is shown, and ask when it does."""
    film, sounds = record.film, []
    start, end, times = 0.0, film.seconds, part_times(film.seconds, context)
    if options.heard:
        if not film.has_sound:
            raise UnusableRecord("sounds are asked for, and the video has none")
        times = segment_times(film.seconds, context, rng)
        start = max(0.0, times[0] - SEGMENT_SECONDS / 2)
        end = min(film.seconds, times[-1] + SEGMENT_SECONDS / 2)
        sounds = film.sounds(times)
    happened: dict[str, list[tuple[float, float]]] = {}
    for begins, ends, phrase in record.events:
        if begins < end and ends > start and label(phrase):
            inside = (max(begins, start) - start, min(ends, end) - start)
            happened.setdefault(label(phrase), []).append(inside)
    if not happened:
        raise UnusableRecord("nothing that has a name happens in what is shown")
    phrase = sorted(happened)[int(rng.integers(len(happened)))]
    shown = show_frames(film.frames(times), sounds)
    family = "sound_times" if options.heard else "action_times"
    text = context.prompts.draw(family, rng, frames=shown.markers, phrase=phrase)
    answer = write_times(np.array(sorted(happened[phrase])), end - start)
    return Sample(Request(text, **shown.inputs), Target(text=answer))
