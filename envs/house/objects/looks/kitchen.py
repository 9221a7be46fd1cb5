"""Kitchen appliances and what one cooks with."""

from envs.house.objects.looks.palette import BLACK, BRIGHT, CHROME, DARK, STEEL, WHITE, WOODS
from envs.house.objects.looks.shape import Shape, lights, middle, shade
from envs.house.scene import Hinge, Part

_INSIDE = (0.92, 0.95, 0.97)


def cabinet(shape: Shape, wall: float, front: float, body, inside) -> list[Part]:
    """A box without a front: five walls `wall` thick, up to `front` along the depth."""
    w, _, h = shape.size
    return [
        shape.box((0, wall), (0, front), (0, h), body),
        shape.box((w - wall, w), (0, front), (0, h), body),
        shape.box((wall, w - wall), (0, front), (0, wall), body),
        shape.box((wall, w - wall), (0, front), (h - wall, h), body),
        shape.box((wall, w - wall), (0, wall), (wall, h - wall), inside),
        shape.box((wall, wall + 0.004), (wall, front), (wall, h - wall), inside),
        shape.box((w - wall - 0.004, w - wall), (wall, front), (wall, h - wall), inside),
    ]


def fridge(shape: Shape) -> list[Part]:
    """A freezer door above or below, or two doors side by side where it is wide; shelves and food inside."""
    w, d, h = shape.size
    body = shape.choice((STEEL, WHITE, (0.62, 0.64, 0.67), (0.86, 0.88, 0.88)))
    front, face = d - 0.09, d - 0.035
    parts = cabinet(shape, 0.05, front, shade(body, 0.8), _INSIDE)
    parts += [
        shape.box((0.05, w - 0.05), (0.05, front - 0.04), middle(z * h, 0.015), (0.80, 0.86, 0.90))
        for z in (0.24, 0.42, 0.60, 0.78)
    ]
    for k, (x, z, colour) in enumerate(((0.3, 0.42, 1), (0.6, 0.6, 0), (0.45, 0.24, 3), (0.7, 0.42, 4))):
        parts.append(
            shape.cylinder(
                middle(x * w, 0.1), middle(0.5 * d, 0.1), (z * h, z * h + 0.12 + 0.02 * k), BRIGHT[colour]
            )
        )
    if w > 0.88 and shape.choice((True, False), 1):
        split = (((0.004, w / 2 - 0.004), (0.02, h)), ((w / 2 + 0.004, w - 0.004), (0.02, h)))
        doors = [
            (*split[0], shape.hinge(0, front, 0, 2, 110)),
            (*split[1], shape.hinge(w, front, 0, 2, -110)),
        ]
        handles = (w / 2 - 0.06, w / 2 + 0.06)
        spans = ((0.45 * h, 0.8 * h),) * 2
    else:
        cut = shape.choice((0.68, 0.36), 2) * h
        hinge = shape.hinge(w, front, 0, 2, -110)
        doors = [
            ((0.004, w - 0.004), (0.02, cut - 0.006), hinge),
            ((0.004, w - 0.004), (cut + 0.006, h), hinge),
        ]
        handles = (0.06, 0.06)
        spans = ((cut - 0.32 * h, cut - 0.05 * h), (cut + 0.04 * h, min(cut + 0.26 * h, 0.97 * h)))
    for (x, z, hinge), at, span in zip(doors, handles, spans, strict=True):
        parts.append(shape.box(x, (front + 0.004, face), z, body, hinge=hinge))
        parts.append(shape.box(middle(at, 0.03), (face, d), span, shade(body, 0.55), hinge=hinge))
    parts.append(shape.box((0.02, w - 0.02), (front, front + 0.02), (0, 0.05), DARK))
    return parts


def microwave(shape: Shape) -> list[Part]:
    """A dark window in a door that opens to the left, buttons and a clock on the right."""
    w, d, h = shape.size
    body = shape.choice((WHITE, STEEL, (0.25, 0.25, 0.27)))
    front, face, split = d - 0.05, d - 0.02, 0.74 * w
    hinge = shape.hinge(0, front, 0, 2, 100)
    parts = cabinet(shape, 0.02, front, body, (0.90, 0.90, 0.86))
    parts += [
        shape.box((split, w), (0, face), (0, h), body),
        shape.box((split + 0.01, w - 0.01), (face, face + 0.006), (0.04 * h, 0.96 * h), BLACK),
        shape.box(
            (split + 0.02, w - 0.02),
            (face + 0.004, face + 0.01),
            (0.8 * h, 0.91 * h),
            lights((0.35, 0.95, 0.65), (0.10, 0.28, 0.20)),
        ),
        shape.cylinder(middle(0.37 * w, 0.5 * w), middle(0.5 * d, 0.6 * d), (0.03, 0.04), (0.75, 0.85, 0.88)),
        shape.box((0.004, split - 0.004), (front, face), (0.004, h - 0.004), body, hinge=hinge),
        shape.box((0.09 * w, 0.62 * w), (face, face + 0.004), (0.16 * h, 0.84 * h), BLACK, hinge=hinge),
        shape.box(middle(0.68 * w, 0.02), (face, d), (0.12 * h, 0.88 * h), STEEL, hinge=hinge),
    ]
    step = (w - split) / 4
    for k in range(9):
        x, z = split + step * (1 + k % 3), 0.2 * h + 0.16 * h * (k // 3)
        parts.append(
            shape.box(
                middle(x, 0.6 * step), (face + 0.004, face + 0.01), middle(z, 0.08 * h), (0.72, 0.72, 0.75)
            )
        )
    return parts


def stove(shape: Shape) -> list[Part]:
    """Four burners on top, knobs, and an oven with a window below."""
    w, d, h = shape.size
    body = shape.choice((WHITE, STEEL, DARK))
    front = d - 0.04
    parts = [
        shape.box((0, w), (0, front), (0.03, h - 0.02), body),
        shape.box((0.02, w - 0.02), (0.02, front - 0.02), (0, 0.03), DARK),
        shape.box((0, w), (0, d), (h - 0.035, h - 0.012), BLACK),
        shape.box((0.03 * w, 0.97 * w), (front, front + 0.012), (0.12 * h, 0.76 * h), shade(body, 0.92)),
        shape.box((0.15 * w, 0.85 * w), (front + 0.01, front + 0.018), (0.28 * h, 0.62 * h), BLACK),
        shape.box((0.1 * w, 0.9 * w), (front + 0.015, d), (0.69 * h, 0.72 * h), CHROME),
    ]
    for k in range(4):
        x, y = (0.28 + 0.44 * (k % 2)) * w, (0.26 + 0.46 * (k // 2)) * d
        ring = middle(x, 0.3 * w), middle(y, 0.3 * d), (h - 0.013, h - 0.004)
        parts.append(shape.cylinder(*ring, lights((0.95, 0.35, 0.12), (0.34, 0.34, 0.36))))
        parts.append(
            shape.cylinder(middle(x, 0.12 * w), middle(y, 0.12 * d), (h - 0.008, h), (0.18, 0.18, 0.19))
        )
        knob = middle((0.2 + 0.2 * k) * w, 0.045), (front, d - 0.005), middle(0.86 * h, 0.045)
        parts.append(shape.cylinder(*knob, DARK if body != DARK else STEEL, axis=1))
    return parts


def toaster(shape: Shape) -> list[Part]:
    """Two slots with bread in them, a lever at one end."""
    long = shape.lengthwise()
    w, d, h = long.size
    body = shape.choice((STEEL, (0.80, 0.22, 0.20), WHITE, (0.45, 0.66, 0.68), DARK))
    toast = (0.80, 0.56, 0.30)
    parts = [
        long.cushion((0.02, w - 0.04), (0, d), (0.04 * h, 0.92 * h), body),
        long.box((0.03, w - 0.05), (0.05 * d, 0.95 * d), (0, 0.1 * h), DARK),
        long.box((w - 0.05, w - 0.03), middle(d / 2, 0.06 * d), (0.2 * h, 0.8 * h), BLACK),
        long.box((w - 0.04, w), middle(d / 2, 0.3 * d), (0.58 * h, 0.68 * h), BLACK),
        long.cylinder((w - 0.045, w - 0.02), middle(0.5 * d, 0.2 * d), (0.16 * h, 0.3 * h), CHROME, axis=0),
        long.box((0, 0.03), (0.2 * d, 0.8 * d), (0.2 * h, 0.7 * h), shade(body, 0.8)),
    ]
    for y in (0.33 * d, 0.67 * d):
        parts.append(long.box((0.13 * w, 0.78 * w), middle(y, 0.16 * d), (0.86 * h, 0.935 * h), BLACK))
        parts.append(long.cushion((0.18 * w, 0.72 * w), middle(y, 0.09 * d), (0.6 * h, h), toast))
    return parts


def coffee_machine(shape: Shape) -> list[Part]:
    """A back with a tank, a head above, and a glass pot on its plate."""
    w, d, h = shape.size
    body = shape.choice((DARK, (0.72, 0.20, 0.20), STEEL, (0.88, 0.88, 0.86)))
    coffee = (0.24, 0.13, 0.08)
    pot = ((0, 0), (0.85, 0), (1, 0.25), (0.9, 0.7), (0.65, 0.95), (0.7, 1), (0, 1))
    px, py = middle(0.46 * w, 0.6 * w), (0.4 * d, 0.94 * d)
    return [
        shape.cushion((0.04 * w, 0.96 * w), (0, 0.42 * d), (0, h), body),
        shape.box((0.02 * w, 0.98 * w), (0, d), (0, 0.09 * h), shade(body, 0.8)),
        shape.box((0.0, w), (0, 0.92 * d), (0.68 * h, 0.96 * h), body),
        shape.box((0.08 * w, 0.92 * w), (0.9 * d, 0.94 * d), (0.72 * h, 0.92 * h), CHROME),
        shape.box(
            middle(0.72 * w, 0.1 * w),
            (0.93 * d, 0.97 * d),
            middle(0.82 * h, 0.06 * h),
            lights((1.0, 0.35, 0.15), (0.35, 0.12, 0.1)),
        ),
        shape.cylinder(middle(0.34 * w, 0.2 * w), (0.93 * d, d), middle(0.82 * h, 0.12 * h), BLACK, axis=1),
        shape.lathe(pot, coffee, px, py, (0.1 * h, 0.46 * h)),
        shape.lathe(
            ((0.7, 0), (1, 0.5), (0.9, 1), (0, 1)),
            BLACK,
            middle(0.46 * w, 0.46 * w),
            middle(0.67 * d, 0.42 * d),
            (0.45 * h, 0.53 * h),
        ),
        shape.box((0.76 * w, 0.9 * w), middle(0.67 * d, 0.08 * d), (0.4 * h, 0.46 * h), BLACK),
        shape.box((0.86 * w, 0.92 * w), middle(0.67 * d, 0.08 * d), (0.18 * h, 0.46 * h), BLACK),
    ]


def kettle(shape: Shape) -> list[Part]:
    """A round body with a spout, a handle above and a lid that opens."""
    w, d, h = shape.size
    body = shape.choice((STEEL, (0.75, 0.2, 0.18), WHITE, (0.3, 0.45, 0.5)))
    belly = ((0, 0), (0.85, 0), (1, 0.12), (0.92, 0.5), (0.55, 1), (0, 1))
    x, y = (0.02 * w, 0.8 * w), middle(d / 2, min(0.95 * d, 0.85 * w))
    at = 0.41 * w
    return [
        shape.lathe(belly, body, x, y, (0, 0.66 * h)),
        shape.lathe(
            ((1, 0), (0.8, 0.5), (0.25, 0.7), (0.25, 1), (0, 1)),
            BLACK,
            middle(at, 0.44 * w),
            middle(d / 2, 0.44 * w),
            (0.65 * h, 0.76 * h),
            hinge=Hinge((at - w / 2, -0.2 * w, 0.15 * h), 0, 1.2),
        ),
        shape.cylinder((0.7 * w, w), middle(d / 2, 0.14 * d), (0.42 * h, 0.54 * h), body, axis=0),
        shape.box((0.92 * w, w), middle(d / 2, 0.14 * d), (0.5 * h, 0.66 * h), body),
        shape.box((0.08 * w, 0.12 * w), middle(d / 2, 0.1 * d), (0.5 * h, h), BLACK),
        shape.box((0.66 * w, 0.7 * w), middle(d / 2, 0.1 * d), (0.5 * h, h), BLACK),
        shape.cylinder((0.06 * w, 0.72 * w), middle(d / 2, 0.16 * d), (0.9 * h, h), BLACK, axis=0),
    ]


def watering_can(shape: Shape) -> list[Part]:
    """A can with a long spout ending in a rose, and a handle."""
    long = shape.lengthwise()
    w, d, h = long.size
    tin = shape.choice(((0.30, 0.55, 0.40), (0.35, 0.52, 0.70), STEEL))
    parts = [
        long.lathe(
            ((0, 0), (1, 0), (0.88, 0.96), (0.88, 1), (0, 0.9)), tin, (0.14 * w, 0.62 * w), z=(0, 0.72 * h)
        ),
        long.box((0, 0.04 * w), middle(d / 2, 0.12 * d), (0.25 * h, 0.98 * h), shade(tin, 0.8)),
        long.box((0, 0.4 * w), middle(d / 2, 0.12 * d), (0.92 * h, h), shade(tin, 0.8)),
        long.box((0.36 * w, 0.4 * w), middle(d / 2, 0.12 * d), (0.6 * h, h), shade(tin, 0.8)),
        long.box((0, 0.2 * w), middle(d / 2, 0.12 * d), (0.22 * h, 0.3 * h), shade(tin, 0.8)),
        long.cylinder((0.92 * w, w), middle(d / 2, 0.42 * d), (0.66 * h, 0.96 * h), shade(tin, 1.1), axis=0),
    ]
    for k in range(6):  # the spout climbs in steps
        x = (0.56 + 0.066 * k) * w
        parts.append(
            long.box(
                (x, x + 0.08 * w), middle(d / 2, 0.12 * d), ((0.2 + 0.1 * k) * h, (0.32 + 0.1 * k) * h), tin
            )
        )
    return parts


def pan(shape: Shape) -> list[Part]:
    """A flat round pan whose handle points along its longer side."""
    long = shape.lengthwise()
    w, d, h = long.size
    metal = shape.choice((DARK, (0.30, 0.30, 0.32), STEEL))
    bowl = min(d, 0.62 * w)
    dish = ((0, 0), (0.8, 0), (1, 0.96), (1, 1), (0.95, 1), (0.76, 0.14), (0, 0.14))
    return [
        long.lathe(dish, metal, (0, bowl), middle(d / 2, d), (0, 0.85 * h)),
        long.cylinder(
            (0.11 * bowl, 0.89 * bowl), middle(d / 2, 0.76 * d), (0.1 * h, 0.2 * h), shade(metal, 0.7)
        ),
        long.box(
            (0.97 * bowl, w), middle(d / 2, 0.09 * d), (0.62 * h, h), shape.choice((BLACK, WOODS[0]), 1)
        ),
    ]


def pot(shape: Shape) -> list[Part]:
    """A deep pot with two handles and a lid."""
    long = shape.lengthwise()
    w, d, h = long.size
    metal = shape.choice((STEEL, (0.75, 0.22, 0.2), (0.25, 0.4, 0.5), (0.3, 0.3, 0.32)))
    body = ((0, 0), (0.92, 0), (1, 0.08), (1, 1), (0.94, 1), (0.92, 0.1), (0, 0.1))
    return [
        long.lathe(body, metal, (0.08 * w, 0.92 * w), (0.0, d), (0, 0.82 * h)),
        long.lathe(
            ((1, 0), (1, 0.2), (0.5, 0.5), (0, 0.55)),
            shade(metal, 1.12),
            (0.07 * w, 0.93 * w),
            (0, d),
            (0.8 * h, 0.98 * h),
        ),
        long.lathe(
            ((0.5, 0), (1, 0.6), (1, 1), (0, 1)),
            BLACK,
            middle(w / 2, 0.14 * w),
            middle(d / 2, 0.14 * w),
            (0.86 * h, h),
        ),
        long.box((0, w), middle(d / 2, 0.28 * d), (0.6 * h, 0.68 * h), BLACK),
    ]
