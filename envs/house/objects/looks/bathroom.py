"""Bathrooms and laundry."""

from envs.house.objects.looks.palette import BRASS, CHROME, DARK, FABRICS, STEEL, WATER, WHITE, WOODS
from envs.house.objects.looks.shape import Shape, lights, middle, shade
from envs.house.scene import Part

_CHINA = ((0.97, 0.97, 0.97), (0.95, 0.93, 0.87), (0.90, 0.95, 0.97))
_TAPS = (CHROME, BRASS, (0.25, 0.26, 0.28))


def toilet(shape: Shape) -> list[Part]:
    """A tank at the rear with a button, a bowl in front, a seat and a lid that opens."""
    w, d, h = shape.size
    china = shape.choice(_CHINA)
    seat, tank = 0.5 * h, 0.3 * d
    bowl = ((0, 0), (0.62, 0), (0.55, 0.3), (0.9, 0.85), (1, 1), (0.7, 1), (0.4, 0.55), (0, 0.5))
    x, y = middle(w / 2, 0.78 * w), (tank * 0.85, d)
    hinge = shape.hinge(w / 2, tank * 1.02, seat + 0.02, 0, 85)
    return [
        shape.cushion((0.02, w - 0.02), (0, tank), (seat - 0.02, h - 0.03), china),
        shape.box((0, w), (0, tank + 0.01), (h - 0.045, h - 0.008), china),
        shape.cylinder(middle(w / 2, 0.07), middle(tank / 2, 0.07), (h - 0.02, h), CHROME),
        shape.lathe(bowl, china, x, y, (0, seat)),
        shape.box(middle(w / 2, 0.42 * w), (0.02, 0.55 * d), (0, seat - 0.04), china),
        shape.lathe(
            ((0.62, 0), (1, 0), (1, 1), (0.62, 1), (0.62, 0)), (0.90, 0.90, 0.91), x, y, (seat, seat + 0.018)
        ),
        shape.ellipsoid(
            middle(w / 2, 0.42 * w), middle(0.62 * d, 0.36 * d), (seat - 0.05, seat - 0.03), WATER
        ),
        shape.cylinder(x, y, (seat + 0.02, seat + 0.04), (0.93, 0.93, 0.94), hinge=hinge),
    ]


def bathtub(shape: Shape) -> list[Part]:
    """A white tub with water, taps at one end of its longer side."""
    long = shape.lengthwise()
    w, d, h = long.size
    china = shape.choice(_CHINA)
    wall, rim = 0.07, h - 0.05
    return [
        long.box((0.02, w - 0.02), (0.02, d - 0.02), (0, 0.25 * h), china),
        long.box((0, wall), (0, d), (0.0, h - 0.03), china),
        long.box((w - wall, w), (0, d), (0.0, h - 0.03), china),
        long.box((0, w), (0, wall), (0.0, h - 0.03), china),
        long.box((0, w), (d - wall, d), (0.0, h - 0.03), china),
        long.box((wall, w - wall), (wall, d - wall), (0.25 * h, 0.6 * rim), WATER),
        long.cylinder((0.02, 0.06), middle(d / 2, 0.04), (rim, h), CHROME),
        long.cylinder((0.02, 0.18), middle(d / 2, 0.03), (h - 0.03, h), CHROME, axis=0),
        long.cylinder((0.015, 0.065), middle(d / 2 - 0.12, 0.05), (rim, h - 0.005), CHROME),
        long.cylinder((0.015, 0.065), middle(d / 2 + 0.12, 0.05), (rim, h - 0.005), CHROME),
    ]


def sink(shape: Shape) -> list[Part]:
    """A basin with a drain: on a pedestal or a cupboard where it is tall, else the basin alone."""
    w, d, h = shape.size
    rim = min(h, 0.20)
    low = h - rim
    basin = ((0, 0), (0.55, 0), (0.95, 0.7), (1, 0.9), (1, 1), (0.86, 1), (0.8, 0.85), (0.45, 0.3), (0, 0.25))
    steel = h <= 0.3 and shape.choice((True, False))
    china = STEEL if steel else shape.choice(_CHINA, 3)
    parts = [
        shape.lathe(basin, china, middle(w / 2, min(0.96 * w, 1.5 * d)), (0.08 * d, d), (low, h)),
        shape.box((0, 0.1 * w), (0, d), (h - 0.03, h), china),
        shape.box((0.9 * w, w), (0, d), (h - 0.03, h), china),
        shape.box((0, w), (0, 0.14 * d), (h - 0.05, h), china),
        shape.cylinder(middle(w / 2, 0.05), middle(0.54 * d, 0.05), (h - rim * 0.75, h - rim * 0.68), CHROME),
        shape.ellipsoid(
            middle(w / 2, 0.62 * w),
            middle(0.54 * d, 0.55 * d),
            (h - 0.62 * rim, h - 0.5 * rim),
            shade(china, 0.88),
        ),
    ]
    if h > 0.5:
        if shape.choice((True, False), 1):
            parts.append(
                shape.lathe(
                    ((0, 0), (1, 0), (0.7, 0.1), (0.6, 0.7), (1, 1), (0, 1)),
                    china,
                    middle(w / 2, 0.36 * w),
                    middle(0.45 * d, 0.36 * w),
                    (0, low + 0.05),
                )
            )
        else:
            body = shape.choice((*WOODS[:3], WHITE), 2)
            parts.append(shape.box((0.03, w - 0.03), (0.01, d - 0.05), (0, h - 0.04), body))
            for x, knob in (((0.05, w / 2 - 0.006), w / 2 - 0.05), ((w / 2 + 0.006, w - 0.05), w / 2 + 0.05)):
                parts.append(shape.box(x, (d - 0.05, d - 0.035), (0.06, h - 0.24), shade(body, 1.12)))
                parts.append(
                    shape.box(middle(knob, 0.02), (d - 0.036, d - 0.01), middle(0.55 * h, 0.1), STEEL)
                )
    return parts


def faucet(shape: Shape) -> list[Part]:
    """A neck that bends forward over the basin, a lever on each side."""
    w, d, h = shape.size
    metal = shape.choice(_TAPS)
    pipe = max(min(0.16 * w, 0.035), 0.012)
    rear = 0.14 * d + pipe
    parts = [
        shape.cylinder(middle(w / 2, 1.8 * pipe), middle(rear, 1.8 * pipe), (0, 0.08 * h), metal),
        shape.cylinder(middle(w / 2, pipe), middle(rear, pipe), (0, 0.94 * h), metal),
        shape.cylinder(middle(w / 2, pipe), (rear - pipe / 2, d), (h - pipe, h), metal, axis=1),
        shape.cylinder(middle(w / 2, pipe), (d - pipe, d), (0.66 * h, h), metal),
        shape.box((0, w), (0, 0.28 * d), (0, 0.05 * h), metal),
    ]
    for x in (0.12 * w, 0.88 * w):
        parts.append(shape.cylinder(middle(x, 1.3 * pipe), middle(rear, 1.3 * pipe), (0, 0.3 * h), metal))
        parts.append(shape.box(middle(x, 0.22 * w), middle(rear, 0.7 * pipe), (0.28 * h, 0.34 * h), metal))
    return parts


def shower(shape: Shape) -> list[Part]:
    """A pipe along the wall with a round head at its top."""
    w, d, h = shape.size
    return [
        shape.cylinder(middle(w / 2, 0.025), (0, 0.025), (0, 0.99 * h), CHROME),
        shape.cylinder(middle(w / 2, 0.025), (0, 0.7 * d), (h - 0.03, h), CHROME, axis=1),
        shape.lathe(((1, 0), (1, 0.3), (0.2, 1), (0, 1)), CHROME, y=(0.25 * d, d), z=(h - 0.1, h - 0.01)),
        shape.box(middle(w / 2, 0.5 * w), (0, 0.06), (0.02, 0.07), CHROME),
    ]


def curtain(shape: Shape) -> list[Part]:
    """Folds of cloth under a rail."""
    long = shape.lengthwise()
    w, d, h = long.size
    cloth = shape.choice(((0.80, 0.88, 0.92), (0.92, 0.88, 0.78), (0.62, 0.74, 0.70), (0.86, 0.70, 0.66)))
    count = max(round(w / 0.09), 2)
    each = w / count
    rail = min(0.03, 0.1 * h)
    parts = [long.cylinder((0, w), middle(d / 2, min(0.03, d)), (h - rail, h), STEEL, axis=0)]
    for k in range(count):
        fold = (0, 0.62 * d) if k % 2 else (0.38 * d, d)
        parts.append(
            long.cylinder(
                (k * each, (k + 1) * each), fold, (0, h - rail), cloth if k % 2 else shade(cloth, 0.9)
            )
        )
    return parts


def blinds(shape: Shape) -> list[Part]:
    """Slats on two cords."""
    w, d, h = shape.size
    count = max(round(h / 0.07), 3)
    parts = [shape.box((0, w), (0, d), (h - 0.05, h), WHITE)]
    for k in range(count):
        z = h * k / count
        parts.append(shape.box((0.01, w - 0.01), (0, 0.8 * d), (z, z + 0.6 * h / count), (0.90, 0.89, 0.86)))
    for x in (0.2 * w, 0.8 * w):
        parts.append(shape.box(middle(x, 0.01), middle(0.8 * d, 0.006), (0, h), WHITE))
    return parts


def washer(shape: Shape) -> list[Part]:
    """A white cube with a round window in a door that opens, and a panel with a dial."""
    w, d, h = shape.size
    body = shape.choice((WHITE, (0.90, 0.91, 0.92), (0.66, 0.68, 0.70)))
    front, face, high = d - 0.06, d - 0.03, 0.82 * h
    ring = min(0.7 * w, 0.62 * h)
    at = (w / 2, 0.46 * h)
    drum = ring * 0.7
    hinge = shape.hinge(at[0] - ring / 2, front, 0, 2, 110)
    return [
        shape.box((0, w), (0, front - 0.2), (0, h), body),
        shape.box((0, w), (0, front), (0, at[1] - drum / 2), body),
        shape.box((0, w), (0, front), (at[1] + drum / 2, h), body),
        shape.box((0, at[0] - drum / 2), (0, front), (0, h), body),
        shape.box((at[0] + drum / 2, w), (0, front), (0, h), body),
        shape.cylinder(middle(at[0], drum), (front - 0.21, front - 0.195), middle(at[1], drum), DARK, axis=1),
        shape.cushion(
            middle(at[0], 0.7 * drum), (front - 0.2, front - 0.08), (at[1] - drum / 2, at[1]), FABRICS[0]
        ),
        shape.box((0, w), (front, face), (high, h), shade(body, 0.9)),
        shape.box((0.05 * w, 0.35 * w), (face, face + 0.008), (high + 0.03, h - 0.03), shade(body, 0.75)),
        shape.cylinder(
            middle(0.52 * w, 0.09 * w), (face, d), middle((high + h) / 2, 0.09 * w), STEEL, axis=1
        ),
        shape.box(
            (0.66 * w, 0.92 * w),
            (face, face + 0.008),
            (high + 0.04, h - 0.04),
            lights((0.4, 0.85, 1.0), (0.12, 0.16, 0.2)),
        ),
        shape.cylinder(middle(at[0], ring), (front, face), middle(at[1], ring), STEEL, axis=1, hinge=hinge),
        shape.cylinder(
            middle(at[0], 0.74 * ring),
            (face - 0.01, d - 0.008),
            middle(at[1], 0.74 * ring),
            (0.16, 0.2, 0.26),
            axis=1,
            hinge=hinge,
        ),
    ]


def towel(shape: Shape) -> list[Part]:
    """A hanging cloth folded over, with stripes; its thin side to the front."""
    w, d, h = shape.size
    cloth = shape.choice(((0.88, 0.92, 0.94), (0.55, 0.72, 0.76), (0.90, 0.72, 0.62), (0.70, 0.76, 0.62)))
    parts = [
        shape.cushion((0, w), (0, 0.6 * d), (0.12 * h, h), shade(cloth, 0.9)),
        shape.cushion((0, w), (0.4 * d, d), (0, h), cloth),
    ]
    for z in (0.12, 0.18):
        parts.append(
            shape.box((0.01 * w, 0.99 * w), (0.42 * d, d), (z * h, (z + 0.03) * h), shade(cloth, 0.65))
        )
    return parts


def rail(shape: Shape) -> list[Part]:
    """A bar on two brackets."""
    w, d, h = shape.size
    bar = min(0.25 * h, 0.02)
    parts = [shape.cylinder((0, w), (d - bar, d), middle(h / 2, bar), CHROME, axis=0)]
    for x in (0.0, w - 0.02):
        parts.append(shape.box((x, x + 0.02), (0, d), middle(h / 2, bar), CHROME))
        parts.append(shape.box((x, x + 0.02), (0, 0.012), (0, h), CHROME))
    return parts


def roll(shape: Shape) -> list[Part]:
    """A standing roll of paper around a cardboard tube."""
    w, d, h = shape.size
    paper = ((0.35, 0), (1, 0), (1, 1), (0.35, 1), (0.35, 0))
    return [
        shape.lathe(paper, (0.97, 0.96, 0.94)),
        shape.lathe(
            ((0.9, 0), (1, 0), (1, 1), (0.9, 1), (0.9, 0)),
            (0.66, 0.50, 0.34),
            middle(w / 2, 0.36 * w),
            middle(d / 2, 0.36 * d),
        ),
        shape.box(middle(w / 2, 0.3 * w), (d - 0.004, d), (0.02 * h, 0.98 * h), (0.92, 0.91, 0.88)),
    ]


def plunger(shape: Shape) -> list[Part]:
    """A rubber cup at the end of a stick."""
    long = shape.upright()
    w, d, h = long.size
    rubber = shape.choice(((0.72, 0.26, 0.18), (0.18, 0.18, 0.19)))
    cup = ((0.8, 0), (1, 0.05), (0.95, 0.45), (0.4, 0.85), (0.25, 1), (0, 1))
    return [
        long.lathe(cup, rubber, z=(0, 0.3 * h)),
        long.cylinder(middle(w / 2, 0.16 * w), middle(d / 2, 0.16 * d), (0.25 * h, h), WOODS[1]),
    ]


def brush(shape: Shape) -> list[Part]:
    """A toilet brush in its holder."""
    long = shape.upright()
    w, d, h = long.size
    return [
        long.lathe(((0, 0), (1, 0), (0.85, 0.9), (0.9, 1), (0.5, 1), (0, 0.9)), WHITE, z=(0, 0.4 * h)),
        long.cylinder(middle(w / 2, 0.18 * w), middle(d / 2, 0.18 * d), (0.3 * h, 0.95 * h), WHITE),
        long.ellipsoid(middle(w / 2, 0.28 * w), middle(d / 2, 0.28 * d), (0.88 * h, h), (0.35, 0.55, 0.75)),
    ]
