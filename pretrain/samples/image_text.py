"""An image and its text, both ways: write the text, or draw the image.

Without a prompt these are the denoisers of pre-training: the text is written from the image (S) or mended
(R), the image drawn from the text (S) or completed (R). With a prompt they are the families "caption" and
"image from text", whose prompt says nothing of the image in a share of the samples, for guidance. Source:
Unified-IO 2 (arXiv 2312.17172), sections 3.3, 5 and appendix; rates without a source are ours.
"""

from dataclasses import dataclass, field
from typing import Annotated

import numpy as np

from pretrain.denoisers.objectives import TextMixture
from pretrain.denoisers.patches import IMAGE, PatchMasking
from pretrain.samples.context import Context, UnusableRecord, clean, cut, joined, label, pick
from pretrain.samples.denoised import corrupted, ids_of
from pretrain.samples.sample import Hidden, Sample
from pretrain.sources.records import ImageTextRecord
from uio2_agent.fields import Range, check_fields
from uio2_agent.request import Request, Target

Rate = Annotated[float, Range(0, 1)]


@dataclass(frozen=True, kw_only=True)
class ImageTextOptions:
    """What is asked of an image and its text."""

    image_share: Rate = 0.5
    """Share of samples whose answer is the image; the others answer with the text. A set of the paper's table
    that gives only images has 1 here, one that gives only texts 0."""
    generate: Rate = 0.5
    """Share made from the other part alone (S); of the others a part is hidden (R)."""
    hidden: PatchMasking = IMAGE
    """Which of the image's patches are hidden in R."""
    text_kept: Rate = 0.9
    """How often the text stays where an image is completed."""
    image_kept: Rate = 0.5
    """How often the image stays where a text is mended."""
    prompted: bool = False
    """Ask in words, and only for whole answers."""
    unconditional: Rate = 0.1
    """Share of prompted images that are asked for without their text, for guidance."""
    spans: TextMixture = field(default_factory=TextMixture)
    """Spans that are cut out of a text."""

    def __post_init__(self) -> None:
        check_fields(self)


def build(
    record: ImageTextRecord, rng: np.random.Generator, options: ImageTextOptions, context: Context
) -> Sample:
    """Ask for the text or for the image."""
    draws = rng.random() < options.image_share
    if not clean(record.text):
        raise UnusableRecord("the text of the image is empty")
    if options.prompted:
        return _prompted(record, draws, rng, options, context)
    text = cut(clean(record.text), min(context.text_room, context.answer_room), context.tokenizer)
    generate = rng.random() < options.generate
    if draws:
        if generate:
            return Sample(Request(text), Target(image=record.image))
        kept = text if rng.random() < options.text_kept else ""
        hidden = Hidden(image=options.hidden.draw(context.config.image_grid, rng))
        request = Request(joined(kept, "<image_input>"), image=record.image)
        return Sample(request, Target(image=record.image), "R", hidden)
    kept = rng.random() < options.image_kept
    before = ids_of("<image_input>" * kept, context)
    ids, mended = np.concatenate([before, ids_of(text, context)]), None
    if not generate:
        mended = corrupted(ids, rng, options.spans.draw(rng, ("R",)), context, len(before))
    if mended is None:
        return Sample(Request("<image_input>", image=record.image), Target(text=text))
    request = Request(mended.text, image=record.image if kept else None)
    return Sample(request, Target(text=mended.target), mended.paradigm)


def _prompted(
    record: ImageTextRecord,
    draws: bool,
    rng: np.random.Generator,
    options: ImageTextOptions,
    context: Context,
) -> Sample:
    caption, prompts = label(record.text), context.prompts
    if not draws:
        return Sample(Request(prompts.draw("caption", rng), image=record.image), Target(text=caption))
    family = pick({"unconditional": options.unconditional, "image_from_text": 1 - options.unconditional}, rng)
    slots = {"caption": caption} if family == "image_from_text" else {}
    return Sample(Request(prompts.draw(family, rng, **slots)), Target(image=record.image))
