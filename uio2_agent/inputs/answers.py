"""Decoder inputs of text targets: answers shifted right, each for itself where one row holds several."""

import numpy as np


def shift_right(targets: np.ndarray, answer: np.ndarray, start: int = 0) -> np.ndarray:
    """Return targets [..., T] one place later; `start` stands first, and wherever another answer begins.

    Arguments
        answer: the number of the answer that each token belongs to, [..., T].
    """
    before = np.full_like(targets, start)
    goes_on = answer[..., 1:] == answer[..., :-1]
    before[..., 1:] = np.where(goes_on, targets[..., :-1], start)
    return before
