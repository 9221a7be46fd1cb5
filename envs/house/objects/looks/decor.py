"""Plants, vases, pictures and what else is only there to be pleasant."""

import math

from envs.house.objects.looks.palette import BLACK, BRASS, BRIGHT, CERAMIC, CREAM, DARK, LEAF, WHITE, WOODS
from envs.house.objects.looks.shape import Shape, lights, middle, shade
from envs.house.scene import Part

_POT = ((0, 0), (0.72, 0), (0.95, 0.8), (1, 0.8), (1, 1), (0.88, 1), (0.84, 0.86), (0, 0.86))


def plant(shape: Shape) -> list[Part]:
    """A pot with earth and a bush, a fan of long leaves, or a small tree."""
    w, d, h = shape.size
    pot = shape.choice(((0.72, 0.40, 0.26), WHITE, (0.35, 0.38, 0.42), (0.80, 0.68, 0.50)))
    leaf = shape.choice((LEAF, (0.32, 0.58, 0.28), (0.18, 0.42, 0.24)), 1)
    kind = shape.choice(("bush", "fan", "tree"), 2)
    top, small = 0.32 * h, min(w, d)
    base = 0.6 * small
    x, y = middle(w / 2, base), middle(d / 2, base)
    earth = middle(w / 2, 0.86 * base), middle(d / 2, 0.86 * base)
    parts = [
        shape.lathe(_POT, pot, x, y, (0, top)),
        shape.cylinder(*earth, (0.85 * top, 0.92 * top), (0.26, 0.18, 0.12)),
    ]
    if kind == "fan":
        for k in range(6):
            a = math.pi * k / 3 + 0.3
            reach = 0.40 if k % 2 else 0.28
            at = w / 2 + reach * w * math.cos(a), d / 2 + reach * d * math.sin(a)
            low = (w / 2 + 0.1 * w * math.cos(a), d / 2 + 0.1 * d * math.sin(a))
            tall = 1.0 if not k % 2 else 0.86
            green = shade(leaf, 1.15 if k % 2 else 0.95)
            if k % 2 == 0:
                stem = middle(low[0], 0.12 * w), middle(low[1], 0.12 * d), (0.8 * top, 0.78 * h)
                parts.append(shape.ellipsoid(*stem, green))
            parts.append(
                shape.ellipsoid(middle(at[0], 0.2 * w), middle(at[1], 0.2 * d), (0.45 * h, tall * h), green)
            )
        for low in (0.0, 0.58):
            across, along = (low * w, (low + 0.42) * w), (low * d, (low + 0.42) * d)
            parts.append(shape.ellipsoid(across, middle(d / 2, 0.1 * d), (0.5 * h, 0.62 * h), leaf))
            parts.append(shape.ellipsoid(middle(w / 2, 0.1 * w), along, (0.52 * h, 0.64 * h), leaf))
        return parts
    low = top * 0.85
    if kind == "tree":
        parts.append(
            shape.cylinder(
                middle(w / 2, 0.06 * w), middle(d / 2, 0.06 * d), (low, 0.8 * h), (0.42, 0.30, 0.20)
            )
        )
        low = 0.5 * h
    middle_z = (low + h) / 2
    parts.append(
        shape.ellipsoid(middle(w / 2, 0.66 * w), middle(d / 2, 0.66 * d), (low, h), shade(leaf, 0.9))
    )
    for k in range(8):
        a = 2 * math.pi * k / 8
        at = w / 2 + 0.28 * w * math.cos(a), d / 2 + 0.28 * d * math.sin(a)
        z = middle_z + (0.16 if k % 2 else -0.16) * (h - low)
        green = shade(leaf, 1.18 if k % 2 else 1.0)
        parts.append(
            shape.ellipsoid(
                middle(at[0], 0.44 * w), middle(at[1], 0.44 * d), middle(z, 0.5 * (h - low)), green
            )
        )
    return parts


def vase(shape: Shape) -> list[Part]:
    """A curved vase with an open mouth; flowers in some."""
    w, d, h = shape.size
    glaze = shape.choice((*CERAMIC, (0.25, 0.42, 0.62), (0.62, 0.30, 0.24)))
    flowers = h > 0.9 or shape.choice((True, False, False), 1)
    profile = shape.choice(
        (
            (
                (0, 0),
                (0.5, 0),
                (0.95, 0.35),
                (1, 0.5),
                (0.75, 0.75),
                (0.35, 0.9),
                (0.5, 1),
                (0.4, 1),
                (0.25, 0.88),
                (0, 0.8),
            ),
            ((0, 0), (0.55, 0), (0.7, 0.4), (1, 0.8), (0.9, 0.95), (0.6, 1), (0.5, 1), (0.5, 0.9), (0, 0.85)),
            (
                (0, 0),
                (0.6, 0),
                (1, 0.2),
                (0.9, 0.4),
                (0.4, 0.65),
                (0.4, 0.85),
                (0.65, 1),
                (0.55, 1),
                (0.3, 0.85),
                (0, 0.8),
            ),
        ),
        2,
    )
    if not flowers:
        band = shade(glaze, 0.7) if glaze == WHITE else CREAM
        return [
            shape.lathe(profile, glaze),
            shape.lathe(
                ((0.97, 0), (1, 0.5), (0.97, 1)),
                band,
                middle(w / 2, 0.9 * w),
                middle(d / 2, 0.9 * d),
                (0.44 * h, 0.48 * h),
            ),
        ]
    parts = [shape.lathe(profile, glaze, middle(w / 2, 0.7 * w), middle(d / 2, 0.7 * d), (0, 0.6 * h))]
    bloom = shape.choice(((0.92, 0.45, 0.55), (0.96, 0.80, 0.30), (0.90, 0.35, 0.28), (0.72, 0.55, 0.85)), 3)
    for k in range(5):
        a = math.pi * k / 2
        reach = 0.3 if k else 0.0
        at = w / 2 + reach * w * math.cos(a), d / 2 + reach * d * math.sin(a)
        z = 0.9 * h if k % 2 == 0 else 0.8 * h
        parts.append(
            shape.box(
                middle((at[0] + w / 2) / 2, 0.03 * w),
                middle((at[1] + d / 2) / 2, 0.03 * d),
                (0.5 * h, z),
                LEAF,
            )
        )
        parts.append(
            shape.ellipsoid(middle(at[0], 0.4 * w), middle(at[1], 0.4 * d), middle(z, 0.2 * h), bloom)
        )
        parts.append(
            shape.ellipsoid(
                middle(at[0], 0.16 * w), middle(at[1], 0.16 * d), middle(z + 0.06 * h, 0.1 * h), BRASS
            )
        )
    return parts


def statue(shape: Shape) -> list[Part]:
    """A bust, or a horse, on a plinth."""
    w, d, h = shape.size
    stone = shape.choice(((0.88, 0.87, 0.84), (0.62, 0.50, 0.30), (0.35, 0.36, 0.38)))
    plinth = [
        shape.box((0, w), (0, d), (0, 0.08 * h), shade(stone, 0.6)),
        shape.box((0.08 * w, 0.92 * w), (0.08 * d, 0.92 * d), (0.08 * h, 0.14 * h), shade(stone, 0.7)),
    ]
    if h > 0.9 * w and shape.choice((True, True, False), 1):
        return [
            *plinth,
            shape.lathe(
                ((0, 0), (0.35, 0), (0.4, 0.3), (1, 0.75), (0.9, 0.95), (0.3, 1), (0, 1)),
                stone,
                (0.04 * w, 0.96 * w),
                (0.1 * d, 0.9 * d),
                (0.14 * h, 0.58 * h),
            ),
            shape.cylinder(middle(w / 2, 0.26 * w), middle(d / 2, 0.36 * d), (0.5 * h, 0.68 * h), stone),
            shape.ellipsoid(middle(w / 2, 0.5 * w), middle(0.52 * d, 0.66 * d), (0.62 * h, 0.98 * h), stone),
            shape.ellipsoid(
                middle(w / 2, 0.54 * w), middle(0.46 * d, 0.7 * d), (0.80 * h, h), shade(stone, 0.8)
            ),
            shape.ellipsoid(middle(w / 2, 0.1 * w), (0.78 * d, 0.94 * d), (0.74 * h, 0.84 * h), stone),
        ]
    parts = [
        *plinth,
        shape.ellipsoid((0.14 * w, 0.82 * w), middle(d / 2, 0.6 * d), (0.40 * h, 0.68 * h), stone),
        shape.ellipsoid((0.64 * w, 0.88 * w), middle(d / 2, 0.4 * d), (0.50 * h, 0.95 * h), stone),
        shape.ellipsoid((0.70 * w, w), middle(d / 2, 0.34 * d), (0.80 * h, 0.97 * h), stone),
        shape.box((0.72 * w, 0.76 * w), middle(0.4 * d, 0.08 * d), (0.92 * h, h), stone),
        shape.box((0.72 * w, 0.76 * w), middle(0.6 * d, 0.08 * d), (0.92 * h, h), stone),
        shape.ellipsoid((0.06 * w, 0.2 * w), middle(d / 2, 0.16 * d), (0.3 * h, 0.62 * h), shade(stone, 0.8)),
    ]
    for x in (0.24 * w, 0.70 * w):
        for y in (0.32 * d, 0.68 * d):
            parts.append(
                shape.cylinder(middle(x, 0.09 * w), middle(y, 0.14 * d), (0.13 * h, 0.52 * h), stone)
            )
    return parts


def painting(shape: Shape) -> list[Part]:
    """A framed picture on a wall: a landscape, the sea, a still life, a portrait, or shapes."""
    w, d, h = shape.size
    frame = shape.choice((*WOODS[:3], BLACK, BRASS, WHITE))
    rim = 0.07 * min(w, h)
    back, face = 0.55 * d, 0.6 * d
    parts = [
        shape.box((0, w), (0, d), (0, rim), frame),
        shape.box((0, w), (0, d), (h - rim, h), frame),
        shape.box((0, rim), (0, d), (rim, h - rim), frame),
        shape.box((w - rim, w), (0, d), (rim, h - rim), frame),
        shape.box((rim, w - rim), (0, back), (rim, h - rim), (0.95, 0.94, 0.90)),
    ]
    mat = rim + (0.09 * min(w, h) if shape.choice((True, False), 1) else 0.0)
    x0, z0, pw, ph = mat, mat, w - 2 * mat, h - 2 * mat
    layer = 0

    def paint(kind: str, a: float, b: float, low: float, high: float, colour) -> None:
        nonlocal layer
        layer += 1
        front = min(face + 0.03 * d * layer, 0.99 * d)
        a, b, low, high = (min(max(value, 0.0), 1.0) for value in (a, b, low, high))
        spans = (x0 + a * pw, x0 + b * pw), (0.3 * d, front), (z0 + low * ph, z0 + high * ph)
        parts.append(shape.part(kind, *spans, colour, axis=1))

    _PICTURES[shape.choice(range(len(_PICTURES)), 2)](paint, shape)
    return parts


def _landscape(paint, shape: Shape) -> None:
    paint("box", 0, 1, 0, 1, shape.choice(((0.62, 0.80, 0.93), (0.96, 0.76, 0.52), (0.75, 0.86, 0.92)), 3))
    paint("cylinder", 0.68, 0.68 + 0.14, 0.66, 0.86, (1.0, 0.90, 0.55))
    paint("cylinder", 0.02, 0.62, 0.10, 0.66, (0.48, 0.56, 0.66))
    paint("cylinder", 0.40, 0.98, 0.12, 0.54, (0.40, 0.55, 0.48))
    paint("box", 0, 1, 0, 0.36, (0.46, 0.64, 0.32))
    paint("box", 0.18, 0.22, 0.22, 0.42, (0.36, 0.25, 0.16))
    paint("cylinder", 0.10, 0.30, 0.34, 0.64, (0.20, 0.42, 0.22))


def _sea(paint, shape: Shape) -> None:
    paint("box", 0, 1, 0, 1, shape.choice(((0.70, 0.85, 0.95), (0.98, 0.80, 0.62), (0.36, 0.42, 0.60)), 3))
    paint("cylinder", 0.42, 0.58, 0.44, 0.68, (1.0, 0.94, 0.75))
    paint("box", 0, 1, 0, 0.5, (0.16, 0.42, 0.58))
    paint("box", 0, 1, 0, 0.16, (0.88, 0.78, 0.56))
    paint("box", 0.62, 0.82, 0.40, 0.46, (0.55, 0.28, 0.20))
    paint("box", 0.71, 0.725, 0.44, 0.80, (0.30, 0.22, 0.18))
    paint("box", 0.735, 0.82, 0.50, 0.72, WHITE)


def _still_life(paint, shape: Shape) -> None:
    paint("box", 0, 1, 0, 1, shape.choice(((0.86, 0.80, 0.70), (0.40, 0.46, 0.42), (0.76, 0.64, 0.60)), 3))
    paint("box", 0, 1, 0, 0.28, (0.50, 0.34, 0.22))
    for x, z, colour in ((0.36, 0.68, 0), (0.5, 0.8, 2), (0.62, 0.68, 4), (0.5, 0.62, 5)):
        paint("cylinder", x - 0.10, x + 0.10, z - 0.12, z + 0.12, BRIGHT[colour])
    paint("box", 0.42, 0.58, 0.22, 0.54, (0.30, 0.46, 0.64))
    paint("cylinder", 0.38, 0.62, 0.18, 0.46, (0.30, 0.46, 0.64))
    paint("cylinder", 0.70, 0.86, 0.18, 0.38, BRIGHT[0])


def _portrait(paint, shape: Shape) -> None:
    paint("box", 0, 1, 0, 1, shape.choice(((0.36, 0.42, 0.40), (0.70, 0.78, 0.80), (0.62, 0.36, 0.32)), 3))
    paint("cylinder", 0.12, 0.88, -0.3, 0.46, shape.choice(BRIGHT[1:], 4))
    paint(
        "cylinder",
        0.30,
        0.70,
        0.44,
        0.96,
        shape.choice(((0.25, 0.16, 0.10), (0.65, 0.45, 0.22), (0.12, 0.1, 0.1)), 5),
    )
    paint("box", 0.43, 0.57, 0.34, 0.50, (0.84, 0.64, 0.52))
    paint("cylinder", 0.34, 0.66, 0.42, 0.86, (0.92, 0.74, 0.62))
    paint("cylinder", 0.41, 0.46, 0.64, 0.69, BLACK)
    paint("cylinder", 0.54, 0.59, 0.64, 0.69, BLACK)
    paint("box", 0.44, 0.56, 0.52, 0.545, (0.70, 0.30, 0.30))


def _shapes(paint, shape: Shape) -> None:
    paint("box", 0, 1, 0, 1, (0.93, 0.90, 0.82))
    start = shape.choice(range(len(BRIGHT)), 3)
    spots = (
        (0.05, 0.50, 0.50, 0.95),
        (0.55, 0.95, 0.30, 0.95),
        (0.10, 0.62, 0.06, 0.40),
        (0.36, 0.70, 0.34, 0.74),
    )
    for k, spot in enumerate(spots):
        paint("box" if k % 2 else "cylinder", *spot, BRIGHT[(start + k) % len(BRIGHT)])
    paint("box", 0.0, 1.0, 0.44, 0.465, DARK)
    paint("box", 0.52, 0.535, 0.0, 1.0, DARK)


_PICTURES = (_landscape, _sea, _still_life, _portrait, _shapes)


def candle(shape: Shape) -> list[Part]:
    """Wax in a holder, a wick and a flame that shows when it burns."""
    w, d, h = shape.size
    wax = shape.choice((CREAM, (0.80, 0.28, 0.26), (0.60, 0.72, 0.62), (0.90, 0.75, 0.62)))
    thick = 0.62
    return [
        shape.lathe(((0, 0), (0.9, 0), (1, 0.6), (1, 1), (0.7, 0.4), (0, 0.4)), BRASS, z=(0, 0.14 * h)),
        shape.cylinder(middle(w / 2, thick * w), middle(d / 2, thick * d), (0.05 * h, 0.84 * h), wax),
        shape.cylinder(middle(w / 2, 0.06 * w), middle(d / 2, 0.06 * d), (0.82 * h, 0.92 * h), BLACK),
        shape.ellipsoid(
            middle(w / 2, 0.2 * w),
            middle(d / 2, 0.2 * d),
            (0.86 * h, h),
            lights((1.0, 0.75, 0.25), (0.25, 0.22, 0.2)),
        ),
    ]


def teddy(shape: Shape) -> list[Part]:
    """A sitting bear that looks to the front."""
    w, d, h = shape.size
    fur = shape.choice(((0.62, 0.42, 0.24), (0.76, 0.58, 0.38), (0.45, 0.30, 0.20), (0.85, 0.76, 0.62)))
    light = shade(fur, 1.45)
    parts = [
        shape.ellipsoid((0.2 * w, 0.8 * w), (0, 0.7 * d), (0.0, 0.62 * h), fur),
        shape.ellipsoid((0.3 * w, 0.7 * w), (0.2 * d, 0.74 * d), (0.08 * h, 0.5 * h), light),
        shape.ellipsoid((0.22 * w, 0.78 * w), (0.04 * d, 0.7 * d), (0.5 * h, 0.96 * h), fur),
        shape.ellipsoid((0.36 * w, 0.64 * w), (0.5 * d, 0.82 * d), (0.56 * h, 0.76 * h), light),
        shape.ellipsoid((0.45 * w, 0.55 * w), (0.74 * d, 0.85 * d), (0.68 * h, 0.75 * h), BLACK),
    ]
    for side in (-1, 1):
        at = w / 2
        parts += [
            shape.ellipsoid(
                middle(at + side * 0.24 * w, 0.22 * w), middle(0.32 * d, 0.2 * d), (0.82 * h, h), fur
            ),
            shape.ellipsoid(
                middle(at + side * 0.24 * w, 0.12 * w),
                middle(0.38 * d, 0.16 * d),
                (0.86 * h, 0.96 * h),
                light,
            ),
            shape.ellipsoid(
                middle(at + side * 0.38 * w, 0.24 * w), (0.16 * d, 0.66 * d), (0.24 * h, 0.56 * h), fur
            ),
            shape.ellipsoid(middle(at + side * 0.28 * w, 0.28 * w), (0.4 * d, d), (0, 0.26 * h), fur),
            shape.ellipsoid(
                middle(at + side * 0.28 * w, 0.16 * w), (0.9 * d, d), (0.05 * h, 0.21 * h), light
            ),
            shape.ellipsoid(
                middle(at + side * 0.12 * w, 0.06 * w), (0.6 * d, 0.7 * d), (0.76 * h, 0.82 * h), BLACK
            ),
        ]
    return parts
