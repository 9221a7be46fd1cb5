"""Short texts with a little grammar and facts that follow from each other: shapes on a table, moved about.

What can be learnt: the words and their order, that a thing keeps its colour, where each one is at the end,
and counting. A text is a function of the generator alone.
"""

import numpy as np

from pretrain.generated.shapes import COLOURS, NUMBERS, SHAPES

_NAMES = ("ada", "ben", "cleo", "dan", "eva", "finn")
_PLACES = ("table", "floor", "shelf", "chair", "box")


def story(rng: np.random.Generator, moves: int = 4) -> str:
    """Return a story of so many moves, and what is where in the end."""
    things = _things(rng, 3)
    places = {thing: _one(rng, _PLACES) for thing in things}
    lines = [f"there is a {thing} on the {place}." for thing, place in places.items()]
    for _ in range(moves):
        thing, person = things[rng.integers(len(things))], _one(rng, _NAMES)
        place = _one(rng, [place for place in _PLACES if place != places[thing]])
        lines.append(f"{person} takes the {thing} from the {places[thing]} and puts it on the {place}.")
        places[thing] = place
    lines += [f"now the {thing} is on the {place}." for thing, place in places.items()]
    return " ".join(lines)


def counting(rng: np.random.Generator) -> str:
    """Return a text that adds small numbers of things."""
    colour, form = _one(rng, list(COLOURS)), _one(rng, SHAPES)
    first, second = (int(number) for number in rng.integers(1, 6, 2))
    had, got = _one(rng, _NAMES), _one(rng, _NAMES)
    plural = form + ("es" if form == "cross" else "s")
    return (
        f"{had} has {_many(first, colour, form)}. {got} brings {_many(second, colour, form)}. together there "
        f"are {NUMBERS[first + second]} {colour} {plural}."
    )


def _many(number: int, colour: str, form: str) -> str:
    ending = "" if number == 1 else "es" if form == "cross" else "s"
    return f"{NUMBERS[number]} {colour} {form}{ending}"


def _things(rng: np.random.Generator, count: int) -> list[str]:
    colours = rng.permutation(list(COLOURS))[:count]
    return [f"{colour} {_one(rng, SHAPES)}" for colour in colours]


def _one(rng: np.random.Generator, items: list[str] | tuple[str, ...]) -> str:
    return items[int(rng.integers(len(items)))]
