"""The class of an image, a video or a sound, one of a list that is told.

Long lists are cut to some of their classes, the right one among them. Of a video one frame is drawn of each
part, of a long sound a run of segments. Source: Unified-IO 2 (arXiv 2312.17172), section 5, image, video and
audio tagging; how many classes are told is ours.
"""

from dataclasses import dataclass
from typing import Annotated

import numpy as np

from pretrain.samples.context import Context, UnusableRecord, label
from pretrain.samples.sample import Sample
from pretrain.samples.shown import part_times, show_frames, show_sounds, wave_segments
from pretrain.sources.records import SoundTagsRecord, TagsRecord, VideoTagsRecord
from uio2_agent.fields import Range, check_fields
from uio2_agent.request import Request, Target


@dataclass(frozen=True, kw_only=True)
class TagsOptions:
    """How many classes are told."""

    most: Annotated[int, Range(2, 1000)] = 20

    def __post_init__(self) -> None:
        check_fields(self)


def build(
    record: TagsRecord | VideoTagsRecord | SoundTagsRecord,
    rng: np.random.Generator,
    options: TagsOptions,
    context: Context,
) -> Sample:
    """Tell classes in any order and ask which it is."""
    tag = label(record.tag)
    others = sorted({label(each) for each in record.classes} - {tag, ""})
    if not tag or not others:
        raise UnusableRecord("a class and at least one other are needed")
    told = [tag, *rng.permutation(others)[: options.most - 1].tolist()]
    classes = ", ".join(told[index] for index in rng.permutation(len(told)))
    if isinstance(record, TagsRecord):
        text, inputs = context.prompts.draw("tags", rng, classes=classes), {"image": record.image}
    elif isinstance(record, VideoTagsRecord):
        shown = show_frames(record.film.frames(part_times(record.film.seconds, context, rng)))
        text = context.prompts.draw("video_tags", rng, frames=shown.markers, classes=classes)
        inputs = shown.inputs
    else:
        shown = show_sounds(wave_segments(record.wave, context.config.history_frames + 1, rng))
        text = context.prompts.draw("sound_tags", rng, sounds=shown.markers, classes=classes)
        inputs = shown.inputs
    return Sample(Request(text, **inputs), Target(text=tag))
