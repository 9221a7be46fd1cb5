"""Several examples in one row of the transformer: where each token goes, and the way back.

Unusual: a row holds its examples one behind the other, each with its modalities in their order, where the
official code puts all of one modality first. Only segments say who may look at whom, so the results are the
same, and what may look at each other stands together, which block masks need. Nothing is ever cut: a row is
as long as what it holds.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import chain

import torch
from torch import Tensor

from uio2_agent.errors import RequestError
from uio2_agent.inputs.batch import TokenTarget

Rows = Sequence[Sequence[int]]
"""Of each row, the numbers of its examples in the batch."""


@dataclass(frozen=True)
class Layout:
    """Where the tokens of parts, each [B, N of the part], stand in rows [R, L].

    tokens: of each part, the tokens that exist, int64 [n], counted through [B * N]. places: where each of
    them went, counted through [R * L]. segment: int32 [R, L], which of the row's examples, -1 where empty.
    """

    tokens: list[Tensor]
    places: list[Tensor]
    segment: Tensor

    @classmethod
    def of(cls, masks: Sequence[Tensor], rows: Rows, multiple: int = 1) -> "Layout":
        """Lay out the True tokens of masks bool [B, N]; each example goes into one row.

        `multiple`: rows are as long as the longest, rounded up to a multiple of this.
        """
        whole = torch.cat(list(masks), 1)
        check_rows(rows, len(whole))
        device, counts = whole.device, whole.sum(1).tolist()
        base, ordinal, longest = [0] * len(whole), [0] * len(whole), 1
        starts = []
        for row in rows:
            taken = 0
            for number, example in enumerate(row):
                base[example], ordinal[example] = taken, number
                taken += counts[example]
            longest = max(longest, taken)
        length = -(-longest // multiple) * multiple
        for index, row in enumerate(rows):
            for example in row:
                base[example] += index * length
        starts = torch.tensor(base, device=device)
        stand = (starts[:, None] + whole.cumsum(1) - 1).split([mask.shape[1] for mask in masks], 1)
        tokens = [mask.flatten().nonzero()[:, 0] for mask in masks]
        places = [part.flatten()[index] for part, index in zip(stand, tokens, strict=True)]
        segment = torch.full((len(rows) * length,), -1, dtype=torch.int32, device=device)
        numbers = torch.tensor(ordinal, dtype=torch.int32, device=device)
        for mask, index, place in zip(masks, tokens, places, strict=True):
            segment[place] = numbers[index // mask.shape[1]]
        return cls(tokens, places, segment.view(len(rows), length))

    @property
    def mask(self) -> Tensor:
        """True [R, L] where a token stands."""
        return self.segment >= 0

    def present(self, part: int, values: Tensor) -> Tensor:
        """Return those of a part's values [B, N, ...] that exist: [n, ...]."""
        return values.flatten(0, 1).index_select(0, self.tokens[part])

    def fold(self, values: Sequence[Tensor], empty: float = 0) -> Tensor:
        """Put the existing values of all parts, each [n, ...], into rows [R, L, ...]."""
        joined = torch.cat(list(values))
        rows = joined.new_full((self.segment.numel(), *joined.shape[1:]), empty)
        return rows.index_copy(0, torch.cat(self.places), joined).view(*self.segment.shape, *joined.shape[1:])

    def unfold(self, part: int, rows: Tensor, shape: tuple[int, int]) -> Tensor:
        """Return a part's values where they stood, [B, N, ...] with zeros where nothing existed, of rows
        [R, L, ...].
        """
        flat = rows.flatten(0, 1)
        wide = flat.new_zeros(shape[0] * shape[1], *flat.shape[1:])
        wide = wide.index_copy(0, self.tokens[part], flat.index_select(0, self.places[part]))
        return wide.view(*shape, *flat.shape[1:])


def check_rows(rows: Rows, examples: int) -> None:
    """Raise RequestError unless rows hold every example once."""
    held = list(chain.from_iterable(rows))
    if sorted(held) != list(range(examples)):
        raise RequestError(
            f"the rows hold {len(held)} examples, {len(set(held))} of them different, and the batch has "
            f"{examples}: put each of 0 … {examples - 1} into one row (pretrain.packing)"
        )


def present(target: TokenTarget) -> Tensor:
    """Return bool [B, T], True where a target has a token: as it says, or up to the last that counts."""
    if target.valid is not None:
        return target.valid
    return target.mask.flip(1).cummax(1).values.flip(1)
