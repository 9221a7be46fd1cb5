"""A page of paragraphs and images: one of them is asked for, with what stands before it as context.

Of what stands before, the latest parts are taken as far as the text and the images have room: up to 4 images
where an image is asked for, up to 5 where a paragraph is. The last of them is the image input, the others are
history, each at its marker's place in the text; an image that is completed is the input itself. Source:
Unified-IO 2 (arXiv 2312.17172), section 3.3 on OBELICS; rates are ours.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Annotated

import numpy as np

from pretrain.denoisers.objectives import TextMixture
from pretrain.denoisers.patches import IMAGE, PatchMasking
from pretrain.samples.context import Context, UnusableRecord, clean, cut, frame_markers, joined
from pretrain.samples.denoised import corrupted, ids_of
from pretrain.samples.sample import Hidden, Sample
from pretrain.sources.records import DocumentRecord
from uio2_agent.fields import Range, check_fields
from uio2_agent.request import Request, Target

Rate = Annotated[float, Range(0, 1)]
_PLACE = "<image_>"
"""Stands for an image until it has its marker; no clean text holds it."""


@dataclass(frozen=True, kw_only=True)
class DocumentOptions:
    """What is asked of a page."""

    image_share: Rate = 0.5
    """Share of samples that ask for an image, of pages that have both; otherwise for a paragraph."""
    generate: Rate = 0.5
    """Share made from the context alone (S); of the others a part is hidden (R)."""
    hidden: PatchMasking = IMAGE
    """Which of the image's patches are hidden in R."""
    spans: TextMixture = field(default_factory=TextMixture)
    """Spans that are cut out of a paragraph."""

    def __post_init__(self) -> None:
        check_fields(self)


def build(
    record: DocumentRecord, rng: np.random.Generator, options: DocumentOptions, context: Context
) -> Sample:
    """Draw an image or a paragraph and ask for it."""
    parts = [clean(part) if isinstance(part, str) else part for part in record.parts]
    parts = [part for part in parts if not isinstance(part, str) or part]
    images = [index for index, part in enumerate(parts) if not isinstance(part, str)]
    texts = [index for index, part in enumerate(parts) if isinstance(part, str)]
    wants_image = rng.random() < options.image_share
    generate = rng.random() < options.generate
    chosen = images if (wants_image and images) or not texts else texts
    if generate:  # the first part has nothing before it to be made from
        chosen = [index for index in chosen if index > 0] or [i for i in (*images, *texts) if i > 0]
    if not chosen:
        raise UnusableRecord(f"a page of {len(parts)} parts has none to ask for")
    index = chosen[int(rng.integers(len(chosen)))]
    if isinstance(parts[index], str):
        return _paragraph(parts[:index], parts[index], generate, rng, options, context)
    return _image(parts[:index], parts[index], generate, rng, options, context)


def _image(
    before: Sequence[str | np.ndarray],
    image: np.ndarray,
    generate: bool,
    rng: np.random.Generator,
    options: DocumentOptions,
    context: Context,
) -> Sample:
    most = context.config.history_frames
    if generate:
        return Sample(_request(*_context(before, most, context.text_room, context)), Target(image=image))
    text, images = _context(before, most, context.text_room - 1, context)
    hidden = Hidden(
        image=options.hidden.draw(context.config.image_grid, rng), image_history=(None,) * len(images)
    )
    request = _request(f"{text} {_PLACE}".strip(), (*images, image))
    return Sample(request, Target(image=image), "R", hidden)


def _paragraph(
    before: Sequence[str | np.ndarray],
    paragraph: str,
    generate: bool,
    rng: np.random.Generator,
    options: DocumentOptions,
    context: Context,
) -> Sample:
    most = context.config.history_frames + 1
    answer = cut(paragraph, context.answer_room, context.tokenizer)
    if not generate:
        own = min(len(ids_of(paragraph, context)), context.text_room // 2)
        request = _request(*_context(before, most, context.text_room - own, context))
        shown = ids_of(request.text, context)
        ids = np.concatenate([shown, ids_of(paragraph, context)])
        mended = corrupted(ids, rng, options.spans.draw(rng, ("R",)), context, len(shown))
        if mended is not None:
            mended_request = Request(mended.text, request.image, request.image_history)
            return Sample(mended_request, Target(text=mended.target), mended.paradigm)
    request = _request(*_context(before, most, context.text_room, context))
    if not answer or not request.text:
        raise UnusableRecord(
            "a paragraph with nothing before it, or of one endless word, cannot be asked for"
        )
    return Sample(request, Target(text=answer))


def _context(
    before: Sequence[str | np.ndarray], most: int, room: int, context: Context
) -> tuple[str, tuple[np.ndarray, ...]]:
    """The latest parts that have room: their text, with a place for each image, and at most `most` images.

    A paragraph that does not fit whole gives its last words, and nothing before it is taken.
    """
    texts: list[str] = []
    images: list[np.ndarray] = []
    for part in reversed(before):
        if not isinstance(part, str):
            if len(images) == most or room < 1:
                break
            images.append(part)
            texts.append(_PLACE)
            room -= 1
            continue
        ids = ids_of(part, context)
        if len(ids) > room:
            texts.append(_last_words(part, room, context))
            break
        texts.append(part)
        room -= len(ids)
    return joined(*reversed(texts)), tuple(reversed(images))


def _last_words(text: str, tokens: int, context: Context) -> str:
    """The last whole words of a text that are at most so many tokens."""
    words = text.split(" ")
    sizes = np.cumsum([len(ids_of(word, context)) for word in reversed(words)])
    kept = int(np.searchsorted(sizes, tokens, side="right"))
    return " ".join(words[len(words) - kept :])


def _request(text: str, images: Sequence[np.ndarray]) -> Request:
    """A request in which places are markers: the last image is the input, those before are history."""
    for marker in frame_markers(len(images)):
        text = text.replace(_PLACE, marker, 1)
    return Request(text, images[-1] if images else None, tuple(images[:-1]))
