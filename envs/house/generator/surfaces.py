"""Small things: what stands on furniture and what hangs on walls."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from envs.house.generator.contents import Piece, contents, often, piece
from envs.house.generator.furniture import Placed, turned
from envs.house.objects.types import object_types

_MARGIN = 0.02
_TRIES = 8
_OVER = 4
"""Most things of one type on all surfaces of a house's room."""
_QUIET = {"Television", "Laptop", "AlarmClock", "Desktop", "Microwave", "CoffeeMachine", "Toaster", "Faucet"}
"""What looks the way its furniture looks."""


@dataclass(frozen=True)
class Top:
    """Something on a piece of furniture: metres to the right and ahead of its middle, and its turn."""

    piece: Piece
    right: float
    ahead: float
    yaw: int


def fill_tops(placed: Sequence[Placed], rng: np.random.Generator) -> None:
    """Put small things on the furniture."""
    counts: dict[tuple[int, str], int] = {}
    for main in placed:
        table = contents()["tops"].get(main.piece.type)
        if not table:
            continue
        for type, entry in table.items():
            chance, most = often(entry)
            for _ in range(most):
                key = (main.room, type)
                if rng.random() < chance and counts.get(key, 0) < _OVER:
                    found = _fit(main, piece(type, rng), rng)
                    if found:
                        main.tops.append(found)
                        counts[key] = counts.get(key, 0) + 1


def _fit(main: Placed, what: Piece, rng: np.random.Generator) -> Top | None:
    """Find a free place on the top of a piece; None where there is none."""
    wide, deep = main.piece.size[0], main.piece.size[2]
    back, front = contents()["zones"].get(main.piece.type, (0.0, 1.0))
    for _ in range(_TRIES):
        yaw = 0 if what.type in _QUIET else int(rng.integers(4)) * 90
        w, d = turned(what.size, yaw)
        room_x, low, high = (
            wide / 2 - w / 2 - _MARGIN,
            deep * (back - 0.5) + d / 2 + _MARGIN,
            deep * (front - 0.5) - d / 2 - _MARGIN,
        )
        if room_x < 0 or high < low:
            continue
        right = 0.0 if what.type == "Faucet" else float(rng.uniform(-room_x, room_x))
        ahead = (
            low
            if what.type in ("Faucet", "Pillow") and main.piece.type in ("Sink", "Bed")
            else float(rng.uniform(low, high))
        )
        if all(_apart(right, ahead, (w, d), other) for other in main.tops):
            return Top(what, round(right, 3), round(ahead, 3), yaw)
    return None


def _apart(right: float, ahead: float, size: tuple[float, float], other: Top) -> bool:
    w, d = turned(other.piece.size, other.yaw)
    return (
        abs(right - other.right) >= (size[0] + w) / 2 + _MARGIN
        or abs(ahead - other.ahead) >= (size[1] + d) / 2 + _MARGIN
    )


def top_height(main: Placed) -> float:
    """The height that things stand at on a piece."""
    return main.piece.size[1] * object_types()[main.piece.type].surface
