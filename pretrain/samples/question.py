"""A question about images, about a video, or about nothing but itself, answered in a few words.

Of several images the last is the image input, those before are history. Of a video one frame is drawn of each
part, and the middle one is the image input. Source: Unified-IO 2 (arXiv 2312.17172), section 5 and appendix
on video understanding.
"""

from dataclasses import dataclass

import numpy as np

from pretrain.samples.context import Context, UnusableRecord, clean, cut, label
from pretrain.samples.sample import Sample
from pretrain.samples.shown import part_times, show_frames
from pretrain.sources.records import QuestionRecord, VideoQuestionRecord
from uio2_agent.request import Request, Target


@dataclass(frozen=True, kw_only=True)
class QuestionOptions:
    """How answers are written."""

    lower: bool = True
    """In lower case, as labels are; not for free text such as instructions to follow."""


def build(
    record: QuestionRecord | VideoQuestionRecord,
    rng: np.random.Generator,
    options: QuestionOptions,
    context: Context,
) -> Sample:
    """Ask the question."""
    answer = label(record.answer) if options.lower else clean(record.answer)
    answer, question = cut(answer, context.answer_room, context.tokenizer), clean(record.question)
    if not answer or not question:
        raise UnusableRecord("a question and an answer are needed, and one is empty")
    if isinstance(record, VideoQuestionRecord):
        frames = record.film.frames(part_times(record.film.seconds, context, rng))
        shown = show_frames(frames, image_at=len(frames) // 2)
        text = context.prompts.draw("video_question", rng, frames=shown.markers, question=question)
        return Sample(Request(text, **shown.inputs), Target(text=answer))
    if len(record.images) > context.config.history_frames + 1:
        raise UnusableRecord(f"{len(record.images)} images are more than a request holds")
    if not record.images:
        return Sample(Request(question), Target(text=answer))
    shown = show_frames(record.images)
    if len(record.images) == 1:
        text = context.prompts.draw("question", rng, question=question)
    else:
        text = context.prompts.draw("question_of_several", rng, markers=shown.markers, question=question)
    return Sample(Request(text, **shown.inputs), Target(text=answer))
