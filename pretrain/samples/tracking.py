"""Where a thing is in the last of some frames, from where it was in those before.

Each earlier frame is told as `<image_history_j>`, its box and its name (`uio2_agent.labels.tracks`), or that
it is not seen. Source: Unified-IO 2 (arXiv 2312.17172), appendix and figure 16; how many frames are shown,
and the words for a frame without it, are ours.
"""

from dataclasses import dataclass

import numpy as np

from pretrain.samples.context import Context, UnusableRecord, history_marker, label
from pretrain.samples.places import box_text
from pretrain.samples.sample import Sample
from pretrain.sources.records import TrackRecord
from uio2_agent.labels.tracks import TrackedBox, write_track
from uio2_agent.request import Request, Target


@dataclass(frozen=True, kw_only=True)
class TrackingOptions:
    """None so far."""


def build(
    record: TrackRecord, rng: np.random.Generator, options: TrackingOptions, context: Context
) -> Sample:
    """Draw the last frame among those in which it is seen, and show those before it."""
    name, most = label(record.name), context.config.history_frames
    seen = (record.boxes >= 0).all(axis=1)
    possible = [last for last in np.flatnonzero(seen) if seen[max(0, last - most) : last].any()]
    if not name or not possible:
        raise UnusableRecord("a name is needed, and two frames near each other in which it is seen")
    last = int(possible[int(rng.integers(len(possible)))])
    first = max(0, last - most)
    placement = context.placement(record.images[last])
    told = []
    for number, index in enumerate(range(first, last), 1):
        box = record.boxes[index, [1, 0, 3, 2]].astype(float)
        tracked = write_track([TrackedBox(number, box, name)], placement) if seen[index] else ""
        told.append(tracked or f"{history_marker(number)} not seen")
    text = context.prompts.draw("track", rng, track=" ".join(told))
    request = Request(text, image=record.images[last], image_history=record.images[first:last])
    return Sample(request, Target(text=box_text(record.boxes[last], record.images[last], context)))
