"""One code for patches of one colour, wherever they lie.

A patch of plain table tells nothing, yet a tokenizer that is free to gives it many codes: they carry a little
of what lies beside it, and a model that draws has to guess each. So while a tokenizer learns, all plain
patches of a colour in a batch get the code that most of them chose; vectors and decoder follow.
"""

import torch
from torch import Tensor

_EVEN = 0.1
"""Most that a plain patch's values, which span 2, differ within a channel."""
_SHADES = 8
"""Of a channel, by which colours are told apart."""


def plain_patches(values: Tensor, patch: int) -> Tensor:
    """Return bool [B, N]: which patches of pictures [B, channels, H, W] in [-1, 1] have one colour."""
    return _plain(_cut(values, patch))


def tied(codes: Tensor, values: Tensor, patch: int) -> Tensor:
    """Return codes int64 [B, N] of pictures [B, channels, H, W], those of plain patches by the majority of
    their colour.
    """
    cut = _cut(values, patch)
    plain = _plain(cut)
    shades = ((cut.mean(-1) + 1) * (_SHADES / 2)).round().long().flatten(2)  # [B, C, N]
    scale = (_SHADES + 1) ** torch.arange(values.shape[1], device=values.device)
    colours = (shades * scale[:, None]).sum(1)[plain]  # [plain patches]
    found, which = colours.unique(return_inverse=True)
    most = int(codes.max()) + 1
    votes = torch.bincount(which * most + codes[plain], minlength=len(found) * most).unflatten(0, (-1, most))
    result = codes.clone()
    result[plain] = votes.argmax(1)[which]
    return result


def _cut(values: Tensor, patch: int) -> Tensor:
    """Patches [B, channels, rows, columns, patch²] of pictures [B, channels, H, W]."""
    return values.unfold(2, patch, patch).unfold(3, patch, patch).flatten(4)


def _plain(cut: Tensor) -> Tensor:
    return ((cut.amax(-1) - cut.amin(-1)).amax(1) <= _EVEN).flatten(1)
