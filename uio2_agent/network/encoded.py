"""What the encoder hands to decoders, of requests each in a row of its own or several in one."""

from dataclasses import dataclass

import torch
from torch import Tensor

from uio2_agent.embedders.tokens import Tokens
from uio2_agent.network.layers import Rotary
from uio2_agent.network.packing import Layout, Rows


@dataclass(frozen=True)
class PackedInputs:
    """Where the examples of packed rows stand: rows as handed in, layout of the encoder's tokens, [B, N] of
    each modality."""

    rows: Rows
    layout: Layout
    shapes: list[tuple[int, int]]
    decoder_multiple: int
    """Decoder rows are rounded up to this."""


@dataclass
class Encoded:
    """What decoding reads: hidden [B, S, D], mask bool [B, S], rotary pair; maybe the tokens it came from.

    Of packed rows, B is their number, and packed says where the tokens of each example stand.
    """

    hidden: Tensor
    mask: Tensor
    rotary: Rotary
    inputs: Tokens | None = None
    packed: PackedInputs | None = None

    def rows(self, index: Tensor) -> "Encoded":
        """Return the rows at `index`, any number of times each."""
        index = index.to(self.mask.device)
        rotary = tuple(factor.expand(len(self.mask), -1, -1, -1)[index] for factor in self.rotary)
        return Encoded(self.hidden[index], self.mask[index], rotary)

    def spread(self) -> Tensor:
        """Return hidden states [B, L, D] where their tokens stood in the batch, zeros for padding.

        The batch's layout is text, image, image history, audio, audio history, each with its padding.
        """
        if self.packed is not None:
            layout, shapes = self.packed.layout, self.packed.shapes
            return torch.cat([layout.unfold(i, self.hidden, shape) for i, shape in enumerate(shapes)], 1)
        order = None if self.inputs is None else self.inputs.order
        if order is None:
            return self.hidden
        hidden = self.hidden * self.mask[..., None]
        wide = hidden.new_zeros(len(hidden), self.inputs.original_length, hidden.shape[-1])
        return wide.scatter(1, order[..., None].expand_as(hidden), hidden)
