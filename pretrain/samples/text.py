"""Documents as training examples of the text denoisers: mended (R, X) or continued (S).

Short documents are put together until the text fills what the model takes; of a long one a part is drawn.
Source: Unified-IO 2 (arXiv 2312.17172), section 3.3, after UL2 (arXiv 2205.05131).
"""

import numpy as np

from pretrain.denoisers.objectives import TextMixture
from pretrain.samples.context import Context, UnusableRecord, without_markers
from pretrain.samples.denoised import continued, corrupted, ids_of, longest
from pretrain.samples.sample import Sample
from pretrain.sources.records import TextRecord
from uio2_agent.request import Request, Target

_MOST_DOCUMENTS = 64


def build(record: TextRecord, rng: np.random.Generator, options: TextMixture, context: Context) -> Sample:
    """Draw an objective and ask for what it takes out."""
    objective = options.draw(rng)
    room, answer = context.text_room, context.answer_room
    wanted = room + answer if objective.paradigm == "S" else longest(objective, room, answer)
    ids = filled(record, wanted, rng, context)
    if objective.paradigm == "S":
        denoised = continued(ids, rng, context, options.late_cut)
    else:
        denoised = corrupted(ids, rng, objective, context)
    if denoised is None:
        raise UnusableRecord(f"a text of {len(ids)} tokens cannot be taken in two")
    return Sample(Request(denoised.text), Target(text=denoised.target), denoised.paradigm)


def filled(record: TextRecord, tokens: int, rng: np.random.Generator, context: Context) -> np.ndarray:
    """Return so many token ids from a document and others of its source, fewer only where 64 documents do not
    give them; of a document that is longer, a part from a place drawn.
    """
    found = ids_of(without_markers(record.text), context)
    if len(found) > tokens:
        first = int(rng.integers(0, len(found) - tokens + 1))
        return found[first : first + tokens]
    parts = [found]
    while sum(map(len, parts)) < tokens and len(parts) < _MOST_DOCUMENTS:
        parts.append(ids_of(without_markers(context.another().text), context))
    return np.concatenate(parts)[:tokens]
