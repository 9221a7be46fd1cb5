"""Several images, each with its caption: mend one caption, caption the image that a marker names, or list
markers and captions of all.

The last image is the image input, the others are history. Source: Unified-IO 2 (arXiv 2312.17172), section
3.3 on interleaved data made from pairs; thirds are ours.
"""

from dataclasses import dataclass, field
from typing import Annotated

import numpy as np

from pretrain.denoisers.objectives import TextMixture
from pretrain.samples.context import Context, UnusableRecord, clean, cut, frame_markers, joined, pick
from pretrain.samples.denoised import corrupted, ids_of
from pretrain.samples.sample import Sample
from pretrain.sources.records import PairsRecord
from uio2_agent.fields import Range, check_fields
from uio2_agent.request import Request, Target

Rate = Annotated[float, Range(0, 1)]


@dataclass(frozen=True, kw_only=True)
class PairsOptions:
    """Weights of the three tasks."""

    mend: Rate = 1 / 3
    one: Rate = 1 / 3
    every: Rate = 1 / 3
    spans: TextMixture = field(default_factory=TextMixture)
    """Spans that are cut out of a caption."""

    def __post_init__(self) -> None:
        check_fields(self)


def build(record: PairsRecord, rng: np.random.Generator, options: PairsOptions, context: Context) -> Sample:
    """Ask for one caption or all; as many pairs as a request holds images, in any order."""
    order = rng.permutation(len(record.pairs))[: context.config.history_frames + 1]
    pairs = [record.pairs[int(index)] for index in order]
    if len(pairs) < 2:
        raise UnusableRecord("two pairs are needed at least")
    images = [pair.image for pair in pairs]
    markers = frame_markers(len(pairs))
    room = min(context.text_room, context.answer_room) // len(pairs) - 3
    captions = [cut(clean(pair.text), room, context.tokenizer) for pair in pairs]
    if not all(captions):
        raise UnusableRecord("a caption is empty, or one endless word")
    chosen = int(rng.integers(len(pairs)))
    inputs = {"image": images[-1], "image_history": tuple(images[:-1])}
    task = pick({"mend": options.mend, "one": options.one, "every": options.every}, rng)
    if task == "mend":
        mended = _mended(captions, markers, chosen, rng, options, context)
        if mended is not None:
            return Sample(Request(mended[0], **inputs), Target(text=mended[1]), "R")
    if task == "every":
        text = context.prompts.draw("captions_of_all", rng, markers=joined(*markers))
        answer = joined(*(f"{marker} {caption}" for marker, caption in zip(markers, captions, strict=True)))
        return Sample(Request(text, **inputs), Target(text=answer))
    others = joined(*(marker for index, marker in enumerate(markers) if index != chosen))
    text = context.prompts.draw("caption_of_marked", rng, marker=markers[chosen])
    return Sample(Request(joined(others, text), **inputs), Target(text=captions[chosen]))


def _mended(
    captions: list[str],
    markers: list[str],
    chosen: int,
    rng: np.random.Generator,
    options: PairsOptions,
    context: Context,
) -> tuple[np.ndarray, np.ndarray] | None:
    """All captions behind their markers, the chosen one with spans cut out; and these."""
    told = [ids_of(f"{marker} {caption}", context) for marker, caption in zip(markers, captions, strict=True)]
    mended = corrupted(told[chosen], rng, options.spans.draw(rng, ("R",)), context)
    if mended is None:
        return None
    told[chosen] = mended.text
    return np.concatenate(told), mended.target
