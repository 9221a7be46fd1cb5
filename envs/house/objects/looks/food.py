"""What can be eaten."""

import math

from envs.house.objects.looks.palette import LEAF
from envs.house.objects.looks.shape import Shape, middle, shade
from envs.house.scene import Part

_FRUIT = ((0, 0.1), (0.35, 0.0), (0.8, 0.14), (1, 0.5), (0.9, 0.8), (0.5, 0.96), (0.2, 0.94), (0, 0.84))


def apple(shape: Shape) -> list[Part]:
    w, d, h = shape.size
    skin = shape.choice(((0.80, 0.13, 0.12), (0.55, 0.72, 0.20), (0.85, 0.30, 0.15), (0.90, 0.75, 0.25)))
    return [
        shape.lathe(_FRUIT, skin, z=(0, 0.88 * h)),
        shape.cylinder(middle(w / 2, 0.06 * w), middle(d / 2, 0.06 * d), (0.7 * h, h), (0.36, 0.24, 0.14)),
        shape.ellipsoid((0.5 * w, 0.82 * w), middle(d / 2, 0.16 * d), (0.86 * h, 0.93 * h), LEAF),
    ]


def tomato(shape: Shape) -> list[Part]:
    w, d, h = shape.size
    skin = shape.choice(((0.86, 0.16, 0.10), (0.90, 0.28, 0.12)))
    parts = [shape.lathe(_FRUIT, skin, z=(0, 0.94 * h))]
    for across, along in ((0.5, 0.1), (0.1, 0.5)):
        parts.append(
            shape.ellipsoid(middle(w / 2, across * w), middle(d / 2, along * d), (0.86 * h, 0.95 * h), LEAF)
        )
    parts.append(shape.cylinder(middle(w / 2, 0.07 * w), middle(d / 2, 0.07 * d), (0.85 * h, h), LEAF))
    return parts


def potato(shape: Shape) -> list[Part]:
    w, d, h = shape.size
    skin = shape.choice(((0.72, 0.55, 0.33), (0.64, 0.46, 0.27), (0.78, 0.63, 0.40)))
    parts = [
        shape.ellipsoid((0, w), (0, d), (0, h), skin),
        shape.cushion((0.12 * w, 0.82 * w), (0.16 * d, 0.9 * d), (0.04 * h, 0.9 * h), shade(skin, 1.08)),
    ]
    for x, y in ((0.4, 0.5), (0.6, 0.7), (0.55, 0.3)):
        parts.append(
            shape.ellipsoid(
                middle(x * w, 0.08 * w), middle(y * d, 0.06 * d), (0.9 * h, 0.97 * h), shade(skin, 0.6)
            )
        )
    return parts


def egg(shape: Shape) -> list[Part]:
    shell = shape.choice(((0.95, 0.90, 0.82), (0.86, 0.68, 0.52), (0.97, 0.96, 0.93)))
    profile = ((0, 0), (0.55, 0.06), (0.9, 0.22), (1, 0.4), (0.9, 0.62), (0.6, 0.86), (0.3, 0.97), (0, 1))
    return [shape.upright().lathe(profile, shell)]


def loaf(shape: Shape) -> list[Part]:
    """A loaf with a domed top and three cuts across it."""
    flat = shape if shape.depth >= shape.width else shape.lengthwise()
    long = flat.lengthwise()
    w, d, h = long.size
    crust = shape.choice(((0.72, 0.44, 0.20), (0.64, 0.36, 0.16), (0.80, 0.56, 0.30)))
    parts = [
        long.cushion((0, w), (0.04 * d, 0.96 * d), (0, 0.72 * h), crust),
        long.ellipsoid((0.01 * w, 0.99 * w), (0, d), (0.18 * h, 0.98 * h), shade(crust, 0.95)),
    ]
    for x in (0.28, 0.5, 0.72):
        parts.append(
            long.ellipsoid(middle(x * w, 0.08 * w), (0.16 * d, 0.84 * d), (0.7 * h, h), (0.93, 0.82, 0.60))
        )
    return parts


def lettuce(shape: Shape) -> list[Part]:
    """A head of ruffled leaves."""
    long = shape.lengthwise()
    w, d, h = long.size
    leaf = shape.choice(((0.45, 0.68, 0.22), (0.36, 0.60, 0.20), (0.56, 0.74, 0.30)))
    parts = [long.ellipsoid((0.1 * w, 0.9 * w), (0.1 * d, 0.9 * d), (0.06 * h, 0.96 * h), shade(leaf, 1.25))]
    for k in range(7):
        a = 2 * math.pi * k / 7
        at = 0.5 + 0.22 * math.cos(a), 0.5 + 0.22 * math.sin(a)
        low = 0.0 if k % 2 else 0.18
        parts.append(
            long.ellipsoid(
                middle(at[0] * w, 0.56 * w),
                middle(at[1] * d, 0.56 * d),
                (low * h, (0.82 + low) * h),
                shade(leaf, 0.85 if k % 2 else 1.08),
            )
        )
    parts.append(long.ellipsoid((0, 0.24 * w), (0.38 * d, 0.62 * d), (0.3 * h, 0.66 * h), (0.92, 0.94, 0.80)))
    return parts
