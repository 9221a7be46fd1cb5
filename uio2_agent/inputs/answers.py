"""Text targets: decoder inputs and places, each answer for itself where one request has several.

Unusual: several answers stand in one row and see nothing of each other; a request that has several right
answers, such as the captions of a picture, is then encoded once.
"""

from collections.abc import Sequence

import numpy as np
import torch

from uio2_agent.inputs.batch import TokenTarget
from uio2_agent.inputs.padding import pad_ids


def text_target(rows: Sequence[Sequence[list[int]]], limit: int, length: int | None) -> TokenTarget:
    """Return the target of answers that end with their end id, any number a row, at most `limit` tokens.

    It is padded to the length, or to the longest row.
    """
    lengths = [[len(answer) for answer in row] for row in rows]
    tokens = [np.concatenate([[], *row]).astype(np.int64)[:limit] for row in rows]
    numbers = [np.repeat(np.arange(1, len(row) + 1), row)[:limit] for row in lengths]
    targets, answer = pad_ids(tokens, length), pad_ids(numbers, length)
    inputs = torch.from_numpy(shift_right(targets.numpy(), answer.numpy()))
    place = torch.arange(targets.shape[1]).expand_as(targets)
    if max(map(len, rows)) < 2:
        return TokenTarget(inputs, targets, targets > 0, place)
    first = torch.ones_like(answer, dtype=torch.bool)
    first[:, 1:] = answer[:, 1:] != answer[:, :-1]
    place = place - torch.where(first, place, 0).cummax(1).values
    return TokenTarget(inputs, targets, targets > 0, place, answer=answer)


def shift_right(targets: np.ndarray, answer: np.ndarray, start: int = 0) -> np.ndarray:
    """Return targets [..., T] one place later; `start` stands first, and wherever another answer begins.

    Arguments:
        answer: the number of the answer that each token belongs to, [..., T].
    """
    before = np.full_like(targets, start)
    goes_on = answer[..., 1:] == answer[..., :-1]
    before[..., 1:] = np.where(goes_on, targets[..., :-1], start)
    return before
