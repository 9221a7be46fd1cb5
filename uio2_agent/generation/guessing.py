"""What the next tokens of a picture or a sound are likely to be, before anything was computed of them.

Unusual: the guess of a token is the one above it in the raster, of the first row the last one: neighbours
look alike. How far to guess follows from how much of the guesses came true, so that a picture that cannot be
guessed costs little more than without.
"""

import math
from collections.abc import Sequence

WIDEST = 32
"""Most tokens guessed at once."""
_REACH = 4
"""Guesses for each token that came true in a call: those far ahead are mended while they wait."""
_MEMORY = 0.8
"""Weight of what came true before against the last call."""


class Window:
    """The guesses of one answer.

    Arguments:
        columns: tokens in a row of the raster.
    """

    def __init__(self, columns: int):
        self._columns, self._seen, self._pace = columns, 0, 1.0

    def filled(self, tokens: Sequence[int], guess: Sequence[int]) -> list[int]:
        """Return the guess of what follows `tokens`, cut or gone on with to the width of the window."""
        if len(tokens) > self._seen:
            self._pace = _MEMORY * self._pace + (1 - _MEMORY) * (len(tokens) - self._seen)
            self._seen = len(tokens)
        width = min(WIDEST, math.ceil(_REACH * self._pace))
        line = [*tokens, *guess[:width]]
        while line and len(line) < len(tokens) + width:
            line.append(line[-self._columns] if len(line) >= self._columns else line[-1])
        return line[len(tokens) :]
