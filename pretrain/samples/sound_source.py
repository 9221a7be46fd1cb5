"""Where in a frame of a video the thing is that is heard: its box, or the boxes of several in any order.

Shown are the frame and the 4.08 s of sound around it. Source: Unified-IO 2 (arXiv 2312.17172), section 5,
sound localisation.
"""

from dataclasses import dataclass

import numpy as np

from pretrain.samples.context import Context, UnusableRecord
from pretrain.samples.places import boxes_text
from pretrain.samples.sample import Sample
from pretrain.samples.shown import show_frames
from pretrain.sources.records import SoundSourceRecord
from uio2_agent.request import Request, Target


@dataclass(frozen=True, kw_only=True)
class SoundSourceOptions:
    """None so far."""


def build(
    record: SoundSourceRecord, rng: np.random.Generator, options: SoundSourceOptions, context: Context
) -> Sample:
    """Show the frame with its sound and ask for the boxes."""
    if not len(record.boxes) or not record.film.has_sound:
        raise UnusableRecord("a sound and the box of what makes it are needed")
    frames, sounds = (take([record.second]) for take in (record.film.frames, record.film.sounds))
    if not sounds[0].any():
        raise UnusableRecord("nothing is heard at the time of the frame")
    boxes = record.boxes[rng.permutation(len(record.boxes))]
    text = context.prompts.draw("sound_place", rng)
    request = Request(text, **show_frames(frames, sounds).inputs)
    return Sample(request, Target(text=boxes_text(boxes, frames[0], context)))
