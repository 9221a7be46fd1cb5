"""A video asked about in words: its caption, the frame that comes next, or its sound.

The caption is written from one frame of each part, with the sounds around them in a share of the samples; the
next frame is drawn from those before it at one spacing; the sound is that of 4.08 s of which a frame of each
part is shown. Source: Unified-IO 2 (arXiv 2312.17172), section 5, video captioning, next frame generation,
audio from video; spacing, weights and the sounds of captions are ours. Without words: `video`.
"""

from dataclasses import dataclass
from typing import Annotated

import numpy as np

from pretrain.samples.context import Context, UnusableRecord, label, pick
from pretrain.samples.sample import Sample
from pretrain.samples.shown import part_times, show_frames
from pretrain.sources.records import Film, VideoRecord
from uio2_agent.fields import Range, check_fields
from uio2_agent.media.audio import SEGMENT_SECONDS
from uio2_agent.request import Request, Target

Rate = Annotated[float, Range(0, 1)]


@dataclass(frozen=True, kw_only=True)
class PromptedVideoOptions:
    """Weights of what is asked; of what a video has and the model answers with, one is drawn."""

    caption: Rate = 1.0
    next_frame: Rate = 1.0
    sound: Rate = 1.0
    heard: Rate = 0.5
    """Share of captions that are written from the sounds too, of videos that have some."""
    spacing: Annotated[float, Range(0.01, 60)] = 1.0
    """Seconds between frames of which the next is asked for."""

    def __post_init__(self) -> None:
        check_fields(self)


def build(
    record: VideoRecord, rng: np.random.Generator, options: PromptedVideoOptions, context: Context
) -> Sample:
    """Draw what is asked for, and ask."""
    film, caption, answers = record.film, label(record.caption), context.config.target_modalities
    weights = {
        "caption": options.caption * bool(caption),
        "next_frame": options.next_frame * ("image" in answers and film.seconds >= options.spacing),
        "sound": options.sound * (film.has_sound and "audio" in answers),
    }
    asked = pick(weights, rng)
    if asked == "next_frame":
        return _next_frame(film, rng, options, context)
    if asked == "sound":
        return _sound(film, rng, context)
    hears = film.has_sound and "audio" in context.config.input_modalities and rng.random() < options.heard
    times = part_times(film.seconds, context, rng)
    shown = show_frames(film.frames(times), film.sounds(times) if hears else ())
    text = context.prompts.draw("video_caption", rng, frames=shown.markers)
    return Sample(Request(text, **shown.inputs), Target(text=caption))


def _next_frame(
    film: Film, rng: np.random.Generator, options: PromptedVideoOptions, context: Context
) -> Sample:
    count = min(context.config.history_frames + 1, int(film.seconds / options.spacing))
    start = float(rng.uniform(0, max(0.0, film.seconds - count * options.spacing)))
    *before, wanted = film.frames((start + options.spacing * np.arange(count + 1)).tolist())
    if any(np.array_equal(frame, wanted) for frame in before):
        raise UnusableRecord("the frame that comes next is one of those before it")
    shown = show_frames(before)
    text = context.prompts.draw("next_frame", rng, frames=shown.markers)
    return Sample(Request(text, **shown.inputs), Target(image=wanted))


def _sound(film: Film, rng: np.random.Generator, context: Context) -> Sample:
    lasting = min(film.seconds, SEGMENT_SECONDS)
    start = float(rng.uniform(0, film.seconds - lasting))
    (wanted,) = film.sounds([start + lasting / 2])
    if not wanted.any():
        raise UnusableRecord("the part of the video that was drawn is silent")
    shown = show_frames(film.frames(part_times(lasting, context, rng, start)))
    text = context.prompts.draw("sound_from_video", rng, frames=shown.markers)
    return Sample(Request(text, **shown.inputs), Target(audio=wanted))
