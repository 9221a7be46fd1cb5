"""Look → builder of parts.

A builder fills its box and never leaves it. What it may ask of whoever shows it:

* A part with a `hinge` turns about it when the object opens, and is built at the openness `hinge.rest`: a
  laptop's box is that of the open laptop, all others' that of the closed thing.
* A part whose surface has an `off` colour lights up: with its colour and emission when the object is on.
"""

import functools
from collections.abc import Callable

from envs.house.objects.looks import (
    bathroom,
    decor,
    electronics,
    food,
    kitchen,
    seating,
    small,
    storage,
    tables,
    tableware,
)
from envs.house.objects.looks.shape import Shape
from envs.house.scene import Part, Vector

Builder = Callable[[Shape], list[Part]]

_THEMES = {
    seating: "sofa chair stool pouf bed pillow dog_bed",
    tables: "table desk night_table counter shelf cart",
    storage: "shelves drawers tv_stand safe carton bin hamper bag",
    kitchen: "fridge microwave stove toaster coffee_machine kettle watering_can pan pot",
    bathroom: "toilet bathtub sink faucet shower curtain blinds washer towel rail roll plunger brush",
    electronics: "television desktop laptop lamp phone remote clock switch disc vacuum",
    decor: "plant vase statue painting candle teddy",
    food: "apple tomato potato egg loaf lettuce",
    tableware: "mug cup bowl plate bottle knife fork spoon spatula ladle salt pepper",
    small: "book newspaper tissue_box foil card keys pen pencil watch sponge soap cloth basketball bat racket"
    " dumbbell boots spray dispenser block",
}
LOOKS: dict[str, Builder] = {
    name: getattr(theme, name) for theme, names in _THEMES.items() for name in names.split()
}


def pieces_of(look: str, asset: str, size: tuple[float, float, float]) -> tuple[tuple[Vector, Vector], ...]:
    """Return the boxes (size, position in its frame) that an object takes up where they are less than its
    box, as of a counter round a corner; () for all others. Arguments as `look_of`'s.
    """
    if look != "counter":
        return ()
    runs = tables.counter_runs(Shape(asset, size))
    if len(runs) == 1:
        return ()
    return tuple(
        (
            (x[1] - x[0], y[1] - y[0], size[2]),
            ((x[0] + x[1] - size[0]) / 2, (y[0] + y[1] - size[1]) / 2, 0.0),
        )
        for x, y in runs
    )


@functools.lru_cache(maxsize=2048)
def look_of(look: str, asset: str, size: tuple[float, float, float]) -> tuple[Part, ...]:
    """Return the parts of an object, the same for the same arguments.

    Arguments:
        look: a key of `LOOKS`.
        asset: its asset id, which chooses among variants.
        size: its box (x, y, z) in the scene's frame: width, depth (front at +y), height.
    """
    return tuple(LOOKS[look](Shape(asset, size)))
