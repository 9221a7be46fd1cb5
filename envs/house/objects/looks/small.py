"""Small things that lie about: paper, clothes, toys, tools."""

import math

from envs.house.objects.looks.palette import (
    BLACK,
    BRASS,
    BRIGHT,
    CHROME,
    CREAM,
    DARK,
    FABRICS,
    GREY,
    STEEL,
    WHITE,
    WOODS,
)
from envs.house.objects.looks.shape import Shape, middle, shade
from envs.house.scene import Part


def book(shape: Shape) -> list[Part]:
    """A cover around pages, its spine on the left; it opens about the spine."""
    flat = shape.lying()
    w, d, h = flat.size
    cover = shape.choice((*BRIGHT, (0.25, 0.22, 0.30), (0.45, 0.30, 0.22)))
    board = max(0.12 * h, 0.003)
    parts = [
        flat.box((0, w), (0, d), (0, board), cover),
        flat.box((0, 0.05 * w), (0, d), (0, h - board), shade(cover, 0.85)),
        flat.box((0.03 * w, 0.96 * w), (0.03 * d, 0.97 * d), (board, h - board), (0.95, 0.92, 0.84)),
    ]
    hinge = flat.hinge(0, 0, h - board, 1, -165) if flat.size == shape.size else None
    parts += [
        flat.box((0, w), (0, d), (h - board, h - 0.001), cover, hinge=hinge),
        flat.box((0.2 * w, 0.8 * w), (0.66 * d, 0.82 * d), (h - 0.002, h), CREAM, hinge=hinge),
        flat.box((0.3 * w, 0.7 * w), (0.2 * d, 0.5 * d), (h - 0.002, h), shade(cover, 1.4), hinge=hinge),
    ]
    return parts


def newspaper(shape: Shape) -> list[Part]:
    """A folded paper: a headline, a photograph, columns."""
    flat = shape.lying()
    w, d, h = flat.size
    page, ink = shape.choice(((0.88, 0.87, 0.83), (0.92, 0.84, 0.76))), (0.30, 0.30, 0.31)
    parts = [
        flat.box((0, w), (0, d), (0, 0.5 * h), shade(page, 0.9)),
        flat.box((0, w), (0.01 * d, 0.99 * d), (0.4 * h, 0.9 * h), page),
        flat.box((0.08 * w, 0.92 * w), (0.86 * d, 0.94 * d), (0.8 * h, h), ink),
        flat.box((0.08 * w, 0.48 * w), (0.56 * d, 0.8 * d), (0.8 * h, h), GREY),
    ]
    for k in range(6):
        y = (0.08 + 0.075 * k) * d
        parts.append(flat.box((0.08 * w, 0.48 * w), (y, y + 0.03 * d), (0.8 * h, h), ink))
    for k in range(9):
        y = (0.08 + 0.08 * k) * d
        parts.append(flat.box((0.54 * w, 0.92 * w), (y, y + 0.03 * d), (0.8 * h, h), ink))
    return parts


def tissue_box(shape: Shape) -> list[Part]:
    """A box with a tissue that sticks out of its top."""
    w, d, h = shape.size
    box = shape.choice(((0.45, 0.66, 0.76), (0.86, 0.62, 0.62), (0.62, 0.72, 0.52)))
    top = 0.72 * h
    return [
        shape.box((0.02 * w, 0.98 * w), (0.02 * d, 0.98 * d), (0, top), box),
        shape.box((0, w), (0, d), (0.2 * h, 0.32 * h), WHITE),
        shape.cylinder(
            middle(w / 2, 0.6 * w), middle(d / 2, 0.5 * d), (0.7 * h, top + 0.003), shade(box, 0.5)
        ),
        shape.lathe(
            ((0.5, 0), (0.35, 0.4), (1, 1), (0.5, 0.8), (0, 0.7)),
            WHITE,
            middle(w / 2, 0.4 * w),
            middle(d / 2, 0.36 * d),
            (top, h),
        ),
    ]


def foil(shape: Shape) -> list[Part]:
    """A long box with a roll of foil that looks out of it."""
    long = shape.lying()
    w, d, h = long.size
    return [
        long.box((0, 0.9 * w), (0, d), (0, h), (0.25, 0.45, 0.72)),
        long.box((0, 0.91 * w), (0.3 * d, 0.7 * d), (0.2 * h, h), WHITE),
        long.box((0.85 * w, w), (0.02 * d, 0.98 * d), (0.3 * h, 0.7 * h), CHROME),
    ]


def card(shape: Shape) -> list[Part]:
    """A bank card: a stripe, a chip."""
    flat = shape.lying()
    w, d, h = flat.size
    plastic = shape.choice(((0.20, 0.36, 0.62), (0.75, 0.62, 0.30), (0.25, 0.25, 0.28), (0.62, 0.22, 0.28)))
    return [
        flat.box((0, w), (0, d), (0, 0.7 * h), plastic),
        flat.box((0.7 * w, 0.9 * w), (0, d), (0.5 * h, 0.9 * h), BLACK),
        flat.box((0.3 * w, 0.52 * w), (0.12 * d, 0.28 * d), (0.5 * h, h), BRASS),
    ]


def keys(shape: Shape) -> list[Part]:
    """A ring with two keys and a tag."""
    flat = shape.lying()
    w, d, h = flat.size
    ring = ((0.7, 0), (1, 0), (1, 1), (0.7, 1), (0.7, 0))
    return [
        flat.lathe(ring, CHROME, middle(0.5 * w, 0.6 * w), (0, min(0.6 * w, 0.4 * d))),
        flat.cylinder((0, 0.45 * w), (0.34 * d, 0.56 * d), (0, h), BRASS),
        flat.box((0.15 * w, 0.3 * w), (0.52 * d, d), (0.1 * h, 0.9 * h), BRASS),
        flat.box((0.28 * w, 0.42 * w), (0.84 * d, 0.92 * d), (0.1 * h, 0.9 * h), BRASS),
        flat.cylinder((0.55 * w, w), (0.34 * d, 0.52 * d), (0, h), STEEL),
        flat.box((0.7 * w, 0.85 * w), (0.48 * d, 0.9 * d), (0.1 * h, 0.9 * h), STEEL),
        flat.box((0.4 * w, 0.64 * w), (0.3 * d, 0.6 * d), (0, 0.6 * h), shape.choice(BRIGHT)),
    ]


def pen(shape: Shape) -> list[Part]:
    long = shape.upright()
    ink = shape.choice(BRIGHT[:4] + (BLACK,))
    w, d, h = long.size
    return [
        long.cylinder((0.08 * w, 0.92 * w), (0.08 * d, 0.92 * d), (0.1 * h, 0.62 * h), WHITE),
        long.lathe(((0, 0), (0.2, 0.1), (0.92, 1)), STEEL, z=(0, 0.1 * h)),
        long.cylinder((0, w), (0, d), (0.6 * h, h), ink),
    ]


def pencil(shape: Shape) -> list[Part]:
    long = shape.upright()
    w, d, h = long.size
    lead = (0.25, 0.25, 0.26)
    return [
        long.lathe(((0, 0), (1, 1)), lead, middle(w / 2, 0.35 * w), middle(d / 2, 0.35 * d), (0, 0.04 * h)),
        long.lathe(((0.3, 0), (1, 1)), (0.90, 0.76, 0.54), z=(0.04 * h, 0.12 * h)),
        long.cylinder(
            (0, w), (0, d), (0.12 * h, 0.9 * h), shape.choice(((0.96, 0.74, 0.16), BRIGHT[0], BRIGHT[3]))
        ),
        long.cylinder((0, w), (0, d), (0.9 * h, 0.94 * h), STEEL),
        long.cylinder((0, w), (0, d), (0.94 * h, h), (0.92, 0.55, 0.58)),
    ]


def watch(shape: Shape) -> list[Part]:
    """A round face on a strap that closes to a loop."""
    w, d, h = shape.size
    strap = shape.choice((BLACK, (0.48, 0.30, 0.18), STEEL))
    loop = ((0.8, 0), (1, 0), (1, 1), (0.8, 1), (0.8, 0))
    return [
        shape.lathe(loop, strap, y=(0, 0.9 * d), z=(0.2 * h, 0.8 * h)),
        shape.cylinder(middle(w / 2, min(0.6 * w, h)), (0.78 * d, 0.96 * d), (0, h), BRASS, axis=1),
        shape.cylinder(
            middle(w / 2, 0.8 * min(0.6 * w, h)), (0.9 * d, 0.98 * d), (0.1 * h, 0.9 * h), WHITE, axis=1
        ),
        shape.box(middle(w / 2, 0.05 * w), (0.95 * d, d), (0.5 * h, 0.82 * h), BLACK),
    ]


def sponge(shape: Shape) -> list[Part]:
    flat = shape.lying()
    w, d, h = flat.size
    return [
        flat.cushion((0, w), (0, d), (0, 0.75 * h), shape.choice(((0.97, 0.82, 0.28), (0.95, 0.70, 0.30)))),
        flat.box((0.01 * w, 0.99 * w), (0.01 * d, 0.99 * d), (0.7 * h, h), (0.22, 0.50, 0.30)),
    ]


def soap(shape: Shape) -> list[Part]:
    flat = shape.lying()
    w, d, h = flat.size
    bar = shape.choice(((0.94, 0.90, 0.80), (0.80, 0.90, 0.84), (0.94, 0.80, 0.82)))
    return [
        flat.cushion((0, w), (0, d), (0, h), bar),
        flat.ellipsoid(middle(w / 2, 0.5 * w), middle(d / 2, 0.5 * d), (0.8 * h, h), shade(bar, 0.85)),
    ]


def cloth(shape: Shape) -> list[Part]:
    """A folded cloth with a checked edge."""
    flat = shape.lying()
    w, d, h = flat.size
    weave = shape.choice(((0.86, 0.88, 0.92), (0.92, 0.86, 0.72), (0.62, 0.74, 0.80)))
    stripe = shape.choice(BRIGHT[:4], 1)
    parts = [
        flat.cushion((0, w), (0, d), (0, 0.6 * h), shade(weave, 0.92)),
        flat.cushion((0.03 * w, w), (0, 0.9 * d), (0.4 * h, h), weave),
    ]
    for y in (0.14, 0.24):
        parts.append(flat.box((0.05 * w, 0.98 * w), middle(y * d, 0.04 * d), (0.5 * h, h), stripe))
    return parts


def basketball(shape: Shape) -> list[Part]:
    """An orange ball with dark seams."""
    w, d, h = shape.size
    ball, seam = (0.88, 0.44, 0.16), (0.16, 0.11, 0.09)
    inset = (0.006 * w, 0.994 * w), (0.006 * d, 0.994 * d), (0.006 * h, 0.994 * h)
    parts = [shape.ellipsoid(*inset, ball)]
    for axis in range(3):
        spans = [(0, w), (0, d), (0, h)]
        spans[axis] = middle(shape.size[axis] / 2, 0.035 * shape.size[axis])
        parts.append(shape.part("cylinder", *spans, seam, axis=axis))
    return parts


def bat(shape: Shape) -> list[Part]:
    """A baseball bat, the knob at its low end."""
    long = shape.upright()
    w, d, h = long.size
    ash = shape.choice(((0.82, 0.64, 0.40), (0.62, 0.40, 0.22), (0.20, 0.22, 0.26)))
    profile = (
        (0, 0),
        (0.5, 0),
        (0.5, 0.02),
        (0.34, 0.04),
        (0.36, 0.3),
        (0.9, 0.65),
        (1, 0.9),
        (0.9, 0.98),
        (0, 1),
    )
    return [
        long.lathe(profile, ash),
        long.lathe(
            ((0.95, 0), (1, 1)), DARK, middle(w / 2, 0.42 * w), middle(d / 2, 0.42 * d), (0.05 * h, 0.28 * h)
        ),
    ]


def racket(shape: Shape) -> list[Part]:
    """A tennis racket: an oval with strings, a throat and a grip, flat."""
    flat = shape.lying()
    w, d, h = flat.size
    frame = shape.choice((BRIGHT[0], BRIGHT[1], DARK, BRIGHT[3]))
    head = 0.48 * d
    hoop = ((0.88, 0), (1, 0), (1, 1), (0.88, 1), (0.88, 0))
    low, high = d - head, d
    parts = [
        flat.lathe(hoop, frame, (0, w), (low, high)),
        flat.box(middle(0.42 * w, 0.05 * w), (0.36 * d, low + 0.06 * d), middle(h / 2, 0.6 * h), frame),
        flat.box(middle(0.58 * w, 0.05 * w), (0.36 * d, low + 0.06 * d), middle(h / 2, 0.6 * h), frame),
        flat.cylinder(middle(w / 2, 0.14 * w), (0, 0.4 * d), (0, h), BLACK, axis=1),
    ]
    for k in range(1, 8):
        share = 2 * k / 8 - 1
        reach = 0.92 * math.sqrt(1 - share * share) / 2
        strings = middle(h / 2, 0.12 * h)
        parts.append(
            flat.box(middle(k / 8 * w, 0.006), middle((low + high) / 2, 2 * reach * head), strings, WHITE)
        )
        parts.append(
            flat.box(middle(w / 2, 2 * reach * w), middle(low + k / 8 * head, 0.006), strings, WHITE)
        )
    return parts


def dumbbell(shape: Shape) -> list[Part]:
    long = shape.lengthwise()
    w, d, h = long.size
    iron = shape.choice((DARK, (0.30, 0.34, 0.44), (0.55, 0.20, 0.22)))
    parts = [
        long.cylinder((0.1 * w, 0.9 * w), middle(d / 2, 0.26 * d), middle(h / 2, 0.26 * h), CHROME, axis=0)
    ]
    for x in ((0, 0.14), (0.14, 0.28), (0.72, 0.86), (0.86, 1)):
        size = 0.84 if x[0] == 0 or x[1] == 1 else 1.0
        parts.append(
            long.cylinder(
                (x[0] * w, x[1] * w), middle(d / 2, size * d), middle(h / 2, size * h), iron, axis=0
            )
        )
    return parts


def boots(shape: Shape) -> list[Part]:
    """A pair: soles, toes to the front, shafts."""
    w, d, h = shape.size
    leather = shape.choice(((0.45, 0.28, 0.16), BLACK, (0.70, 0.55, 0.25)))
    parts = []
    for x in ((0, 0.46 * w), (0.54 * w, w)):
        parts += [
            shape.box(x, (0, d), (0, 0.06 * h), shade(leather, 0.5)),
            shape.cushion(x, (0.05 * d, d), (0.04 * h, 0.34 * h), leather),
            shape.cylinder((x[0] + 0.02 * w, x[1] - 0.02 * w), (0, 0.56 * d), (0.2 * h, h), leather),
            shape.cylinder(
                (x[0] + 0.06 * w, x[1] - 0.06 * w), (0.06 * d, 0.5 * d), (0.9 * h, h + 1), shade(leather, 0.4)
            ),
        ]
    return parts


def spray(shape: Shape) -> list[Part]:
    """A spray bottle: a trigger head that points along the longer side."""
    long = shape.lengthwise()
    w, d, h = long.size
    liquid = shape.choice(((0.35, 0.65, 0.85), (0.45, 0.75, 0.45), (0.92, 0.62, 0.25), (0.85, 0.86, 0.88)))
    head = shape.choice((WHITE, BRIGHT[0], DARK), 1)
    body = ((0, 0), (0.88, 0), (0.94, 0.05), (0.94, 0.55), (0.4, 0.9), (0.36, 1), (0, 1))
    x = (0, 0.74 * w)
    return [
        long.lathe(body, liquid, x, (0, d), (0, 0.74 * h)),
        long.lathe(((1, 0), (1, 1)), WHITE, x, (0, d), (0.14 * h, 0.36 * h)),
        long.box((0.2 * w, 0.94 * w), middle(d / 2, 0.5 * d), (0.86 * h, h), head),
        long.cylinder((0.22 * w, 0.52 * w), middle(d / 2, 0.45 * d), (0.72 * h, 0.9 * h), head),
        long.box((0.62 * w, 0.72 * w), middle(d / 2, 0.3 * d), (0.68 * h, 0.88 * h), head),
        long.cylinder((0.9 * w, w), middle(d / 2, 0.4 * d), (0.88 * h, 0.98 * h), DARK, axis=0),
    ]


def dispenser(shape: Shape) -> list[Part]:
    """A soap bottle with a pump."""
    w, d, h = shape.size
    liquid = shape.choice(((0.88, 0.66, 0.72), (0.60, 0.80, 0.72), WHITE, (0.70, 0.62, 0.80)))
    body = ((0, 0), (0.88, 0), (0.95, 0.06), (0.95, 0.8), (0.78, 0.95), (0.4, 1), (0, 1))
    small = min(w, d)
    pump = middle(w / 2, 0.14 * small), middle(d / 2, 0.14 * small)
    return [
        shape.lathe(body, liquid, z=(0, 0.7 * h)),
        shape.lathe(((1, 0), (1, 1)), WHITE if liquid != WHITE else BRIGHT[1], z=(0.2 * h, 0.44 * h)),
        shape.cylinder(middle(w / 2, 0.44 * small), middle(d / 2, 0.44 * small), (0.66 * h, 0.78 * h), GREY),
        shape.cylinder(*pump, (0.76 * h, 0.96 * h), GREY),
        shape.box(middle(w / 2, 0.26 * small), (0.36 * d, d), (0.92 * h, h), GREY),
    ]


def block(shape: Shape) -> list[Part]:
    """What no name tells: a plain box with a lighter lid."""
    w, d, h = shape.size
    colour = shape.choice(FABRICS + WOODS[:2])
    return [
        shape.box((0, w), (0, d), (0, 0.85 * h), colour),
        shape.box((0, w), (0, d), (0.85 * h, h), shade(colour, 1.2)),
    ]
