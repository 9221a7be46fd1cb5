"""A question about a video, from one frame of each of its parts.

The video is cut into as many parts as a request holds images, five for the released models; of each a frame
is drawn. Source: Unified-IO 2 (arXiv 2312.17172), appendix on video understanding: the middle frame is the
image input, the others are history, in order of time.
"""

from dataclasses import dataclass

import numpy as np

from pretrain.samples.context import Context, UnusableRecord, clean, cut, history_marker, joined, label
from pretrain.samples.sample import Sample
from pretrain.sources.records import VideoQuestionRecord
from uio2_agent.request import Request, Target


@dataclass(frozen=True, kw_only=True)
class VideoQuestionOptions:
    """How answers are written."""

    lower: bool = True
    """In lower case, as labels are."""


def build(
    record: VideoQuestionRecord, rng: np.random.Generator, options: VideoQuestionOptions, context: Context
) -> Sample:
    """Draw the frames and ask the question."""
    answer = label(record.answer) if options.lower else clean(record.answer)
    answer, question = cut(answer, context.answer_room, context.tokenizer), clean(record.question)
    if not answer or not question:
        raise UnusableRecord("a question and an answer are needed, and one is empty")
    count = context.config.history_frames + 1
    times = (np.arange(count) + rng.random(count)) * record.film.seconds / count
    frames, middle = list(record.film.frames(times.tolist())), count // 2
    markers = [history_marker(number) for number in range(1, count)]
    markers.insert(middle, "<image_input>")
    text = context.prompts.draw("video_question", rng, frames=joined(*markers), question=question)
    image = frames.pop(middle)
    return Sample(Request(text, image=image, image_history=tuple(frames)), Target(text=answer))
