"""A question about an image, about several, or about nothing but itself, answered in a few words.

The last image is the image input, those before are history. Source: Unified-IO 2 (arXiv 2312.17172),
section 5.
"""

from dataclasses import dataclass

import numpy as np

from pretrain.samples.context import Context, UnusableRecord, clean, cut, frame_markers, joined, label
from pretrain.samples.sample import Sample
from pretrain.sources.records import QuestionRecord
from uio2_agent.request import Request, Target


@dataclass(frozen=True, kw_only=True)
class QuestionOptions:
    """How answers are written."""

    lower: bool = True
    """In lower case, as labels are; not for free text such as instructions to follow."""


def build(
    record: QuestionRecord, rng: np.random.Generator, options: QuestionOptions, context: Context
) -> Sample:
    """Ask the question."""
    answer = label(record.answer) if options.lower else clean(record.answer)
    answer = cut(answer, context.answer_room, context.tokenizer)
    question = clean(record.question)
    if not answer or not question:
        raise UnusableRecord("a question and an answer are needed, and one is empty")
    images = record.images
    if len(images) > context.config.history_frames + 1:
        raise UnusableRecord(f"{len(images)} images are more than a request holds")
    if not images:
        return Sample(Request(question), Target(text=answer))
    if len(images) == 1:
        text = context.prompts.draw("question", rng, question=question)
    else:
        markers = joined(*frame_markers(len(images)))
        text = context.prompts.draw("question_of_several", rng, markers=markers, question=question)
    return Sample(Request(text, image=images[-1], image_history=images[:-1]), Target(text=answer))
