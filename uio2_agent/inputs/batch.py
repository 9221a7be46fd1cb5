"""The tensors of several requests, side by side: what the processor makes and the model reads.

Padding is always at the end and marked by a mask; nothing in a row depends on how long its padding is.
"""

import dataclasses
from dataclasses import dataclass
from typing import Any, Self

import torch
from torch import Tensor


class _Movable:
    def to(self, device: torch.device | str) -> Self:
        """Return a copy with every tensor on the device."""
        moved: dict[str, Any] = {}
        for field in dataclasses.fields(self):
            value = getattr(self, field.name)
            moved[field.name] = value if value is None else value.to(device)
        return dataclasses.replace(self, **moved)


@dataclass(frozen=True)
class TextInput(_Movable):
    """Input text: tokens int64 [B, L], mask bool [B, L], positions int64 [B, L]."""

    tokens: Tensor
    mask: Tensor
    positions: Tensor


@dataclass(frozen=True)
class Patches(_Movable):
    """Patches of one picture per row ([B, N, patch dim]) or of several frames ([B, F, N, patch dim]).

    mask is bool and positions int64 raster indices, both without the last axis of values.
    """

    values: Tensor
    mask: Tensor
    positions: Tensor
    first: Tensor | None = None
    """int64 [B, F]: the first frame, counted through [B * F], whose patches a frame has. Prompts of many
    requests show the same pictures, which are encoded once. None stands for each its own."""

    def frames(self) -> tuple[Tensor, Tensor | None]:
        """Return the numbers int64 [n] of the frames that hold a patch, each picture once; and which of these
        each frame that holds a patch shows, int64 [present], or None where all differ.
        """
        present = self.mask.any(-1)
        own = present.flatten().nonzero()[:, 0]
        if self.first is None:
            return own, None
        found, which = self.first[present].unique(return_inverse=True)
        return (own, None) if len(found) == len(own) else (found, which)

    def distinct(self) -> Self:
        """Return the pictures of the frames that hold a patch, each once: values [n, N, patch dim]."""
        own, _ = self.frames()
        parts = (x.flatten(0, 1).index_select(0, own) for x in (self.values, self.mask, self.positions))
        return type(self)(*parts)


@dataclass(frozen=True)
class TokenTarget(_Movable):
    """Target tokens of one modality, all [B, T]: inputs (shifted right, 0 first), targets, positions int64.

    mask is True where the loss counts. valid is True where there is a token to attend to; None stands for
    all, up to padding at the end.
    """

    inputs: Tensor
    targets: Tensor
    mask: Tensor
    positions: Tensor
    valid: Tensor | None = None
    hidden: Tensor | None = None
    """True for tokens that the encoder did not see (dynamic masking); None stands for none."""
    answer: Tensor | None = None
    """int64 [B, T]: which of a request's several answers a token belongs to, counted from 1, 0 for padding.
    Answers do not see each other. None stands for one answer a row."""


@dataclass(frozen=True)
class CodeTarget(_Movable):
    """Target pictures, before they are tokenised: images [B, H, W, 3] in [-1, 1], or normalised log-mel
    spectrograms [B, time, mel, 1].

    On the raster of tokens, all bool [B, N]: mask is True where the picture is not padding, loss_mask where
    the loss counts, task_mask where the input was hidden from the encoder (None: nowhere).
    """

    values: Tensor
    mask: Tensor
    loss_mask: Tensor
    task_mask: Tensor | None = None


@dataclass(frozen=True)
class Batch(_Movable):
    """Inputs and targets; a modality that no row has is None."""

    text: TextInput
    image: Patches | None = None
    image_history: Patches | None = None
    audio: Patches | None = None
    audio_history: Patches | None = None
    text_target: TokenTarget | None = None
    image_target: CodeTarget | None = None
    audio_target: CodeTarget | None = None

    @property
    def rows(self) -> int:
        """Number of requests."""
        return len(self.text.tokens)
