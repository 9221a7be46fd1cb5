"""What one eats and drinks from, and the cutlery."""

from envs.house.objects.looks.palette import BLACK, BRIGHT, CERAMIC, CREAM, DARK, STEEL, WHITE, WOODS
from envs.house.objects.looks.shape import Shape, middle, shade
from envs.house.scene import Part

_CUP = ((0, 0), (0.9, 0), (1, 0.06), (1, 1), (0.9, 1), (0.88, 0.1), (0, 0.1))
_METALS = (STEEL, (0.70, 0.71, 0.74))


def mug(shape: Shape) -> list[Part]:
    """A straight cup with a handle at one end of its longer side, coffee inside."""
    long = shape.lengthwise()
    w, d, h = long.size
    glaze = shape.choice((*BRIGHT, WHITE, CERAMIC[1]))
    body = min(0.76 * w, w - 0.012)
    bar = 0.16 * d
    return [
        long.lathe(_CUP, glaze, (0, body)),
        long.cylinder(
            (0.06 * body, 0.94 * body), middle(d / 2, 0.86 * d), (0.7 * h, 0.8 * h), (0.30, 0.18, 0.10)
        ),
        long.box((0.95 * body, w), middle(d / 2, bar), (0.72 * h, 0.84 * h), glaze),
        long.box((0.95 * body, w), middle(d / 2, bar), (0.16 * h, 0.28 * h), glaze),
        long.box((w - 0.12 * w, w), middle(d / 2, bar), (0.18 * h, 0.82 * h), glaze),
    ]


def cup(shape: Shape) -> list[Part]:
    """A tumbler that widens upwards."""
    glaze = shape.choice(((0.72, 0.84, 0.90), (0.85, 0.90, 0.86), *CERAMIC[1:4]))
    w, d, h = shape.size
    wall = ((0, 0), (0.72, 0), (1, 1), (0.92, 1), (0.68, 0.08), (0, 0.08))
    return [
        shape.lathe(wall, glaze),
        shape.lathe(
            ((0.985, 0), (1, 1)), WHITE, middle(w / 2, 0.95 * w), middle(d / 2, 0.95 * d), (0.7 * h, 0.78 * h)
        ),
    ]


def bowl(shape: Shape) -> list[Part]:
    w, d, h = shape.size
    glaze = shape.choice(CERAMIC)
    wall = (
        (0, 0),
        (0.45, 0),
        (0.5, 0.08),
        (0.85, 0.5),
        (1, 1),
        (0.94, 1),
        (0.78, 0.55),
        (0.4, 0.18),
        (0, 0.16),
    )
    inner = middle(w / 2, 0.6 * w), middle(d / 2, 0.6 * d), (0.16 * h, 0.3 * h)
    return [shape.lathe(wall, glaze), shape.ellipsoid(*inner, shade(glaze, 0.82))]


def plate(shape: Shape) -> list[Part]:
    w, d, h = shape.size
    glaze = shape.choice((WHITE, CERAMIC[1], CREAM, CERAMIC[4]))
    dish = ((0, 0), (0.55, 0), (0.98, 0.85), (1, 1), (0.94, 1), (0.6, 0.3), (0, 0.3))
    ring = ((0.86, 0), (0.9, 0.0), (1, 1), (0.94, 1))
    flat = middle(w / 2, 0.62 * w), middle(d / 2, 0.62 * d)
    return [
        shape.lathe(dish, glaze),
        shape.lathe(ring, shape.choice(BRIGHT[1:4], 1), z=(0.5 * h, h)),
        shape.cylinder(*flat, (0.1 * h, 0.36 * h), shade(glaze, 0.9)),
    ]


def bottle(shape: Shape) -> list[Part]:
    """A shoulder, a neck, a cork or cap, and a label."""
    w, d, h = shape.size
    glass = shape.choice(((0.16, 0.32, 0.20), (0.34, 0.18, 0.12), (0.50, 0.70, 0.78), (0.20, 0.25, 0.22)))
    body = (
        (0, 0),
        (0.9, 0),
        (0.95, 0.03),
        (0.95, 0.58),
        (0.82, 0.68),
        (0.36, 0.78),
        (0.32, 0.96),
        (0.36, 0.96),
        (0, 0.96),
    )
    label = ((1, 0), (1, 1))
    return [
        shape.lathe(body, glass),
        shape.lathe(label, shape.choice((CREAM, WHITE, BRIGHT[0]), 1), z=(0.16 * h, 0.46 * h)),
        shape.cylinder(
            middle(w / 2, 0.36 * w),
            middle(d / 2, 0.36 * d),
            (0.9 * h, h),
            shape.choice((WOODS[1], BRIGHT[0], BLACK), 2),
        ),
    ]


def knife(shape: Shape) -> list[Part]:
    long = shape.lying()
    w, d, h = long.size
    return [
        long.box((0, w), (0.36 * d, 0.94 * d), middle(h / 2, 0.5 * h), shape.choice(_METALS)),
        long.box((0.4 * w, w), (0.9 * d, d), middle(h / 2, 0.5 * h), shape.choice(_METALS)),
        long.cushion((0.1 * w, 0.9 * w), (0, 0.38 * d), (0, h), shape.choice((BLACK, WOODS[2]), 1)),
    ]


def fork(shape: Shape) -> list[Part]:
    long = shape.lying()
    w, d, h = long.size
    metal = shape.choice(_METALS)
    parts = [
        long.box(middle(w / 2, 0.34 * w), (0, 0.72 * d), (0, 0.7 * h), metal),
        long.box((0, w), (0.66 * d, 0.76 * d), (0.2 * h, h), metal),
    ]
    for k in range(4):
        x = w * k * 0.85 / 3
        parts.append(long.box((x, x + 0.15 * w), (0.74 * d, d), (0.3 * h, h), metal))
    return parts


def spoon(shape: Shape) -> list[Part]:
    long = shape.lying()
    w, d, h = long.size
    metal = shape.choice(_METALS)
    return [
        long.box(middle(w / 2, 0.26 * w), (0, 0.74 * d), (0.3 * h, h), metal),
        long.ellipsoid((0, w), (0.68 * d, d), (0, 0.8 * h), metal),
        long.ellipsoid((0.16 * w, 0.84 * w), (0.72 * d, 0.96 * d), (0.4 * h, 0.88 * h), shade(metal, 0.8)),
    ]


def spatula(shape: Shape) -> list[Part]:
    long = shape.lying()
    w, d, h = long.size
    parts = [
        long.box(middle(w / 2, 0.22 * w), (0, 0.66 * d), (0.3 * h, h), shape.choice((BLACK, WOODS[0]))),
        long.box((0, w), (0.64 * d, d), (0, 0.5 * h), STEEL),
    ]
    for x in (0.27, 0.5, 0.73):
        parts.append(long.box(middle(x * w, 0.08 * w), (0.7 * d, 0.94 * d), (0.1 * h, 0.56 * h), DARK))
    return parts


def ladle(shape: Shape) -> list[Part]:
    long = shape.lying()
    w, d, h = long.size
    cup = min(0.34 * d, 1.2 * w)
    return [
        long.lathe(
            ((0, 0), (0.6, 0.1), (1, 0.8), (1, 1), (0.9, 1), (0.5, 0.3), (0, 0.25)),
            STEEL,
            (0, w),
            (d - cup, d),
        ),
        long.box(middle(w / 2, 0.16 * w), (0.02 * d, d - cup + 0.1 * cup), (0.8 * h, h), STEEL),
        long.box(middle(w / 2, 0.26 * w), (0, 0.3 * d), (0.75 * h, h), BLACK),
    ]


def _shaker(shape: Shape, body, inside) -> list[Part]:
    w, d, h = shape.size
    profile = ((0, 0), (1, 0), (0.82, 0.7), (0.7, 0.78), (0, 0.78))
    return [
        shape.lathe(profile, body),
        shape.lathe(
            ((0.98, 0), (1, 1)), inside, middle(w / 2, 0.96 * w), middle(d / 2, 0.96 * d), (0.05 * h, 0.4 * h)
        ),
        shape.lathe(
            ((1, 0), (1, 0.5), (0.6, 0.95), (0, 1)),
            STEEL,
            middle(w / 2, 0.76 * w),
            middle(d / 2, 0.76 * d),
            (0.72 * h, h),
        ),
    ]


def salt(shape: Shape) -> list[Part]:
    return _shaker(shape, (0.93, 0.94, 0.95), shape.choice((WHITE, (0.75, 0.85, 0.92))))


def pepper(shape: Shape) -> list[Part]:
    return _shaker(shape, shape.choice((DARK, (0.42, 0.28, 0.18))), (0.14, 0.12, 0.11))
