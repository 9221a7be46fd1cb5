"""What has a plug or a battery. Screens and shades are surfaces of their own that light up."""

import math

from envs.house.objects.looks.palette import BLACK, BRIGHT, CHROME, CREAM, DARK, GREY, STEEL, WHITE, WOODS
from envs.house.objects.looks.shape import Shape, lights, middle, shade
from envs.house.scene import Hinge, Part

_SCREEN = lights((0.34, 0.60, 0.86), (0.07, 0.08, 0.10))
_SHADE = lights((1.0, 0.93, 0.74), (0.93, 0.88, 0.76))


def television(shape: Shape) -> list[Part]:
    """A wide dark panel with a thin frame, on a foot; the screen to the front."""
    w, d, h = shape.size
    frame = shape.choice((BLACK, (0.14, 0.14, 0.15), (0.30, 0.31, 0.33)))
    thick = min(0.06, d)
    rear = d / 2 - thick / 2 if d > 0.1 else 0.0
    low = 0.1 * h if d > 0.1 else 0.0
    parts = [
        shape.box((0, w), (rear, rear + thick), (low, h), frame),
        shape.box((0.02, w - 0.02), (rear, rear + thick + 0.004), (low + 0.035, h - 0.02), _SCREEN),
        shape.box(
            middle(w / 2, 0.03), (rear + thick, rear + thick + 0.005), middle(low + 0.018, 0.012), STEEL
        ),
    ]
    if low:
        parts += [
            shape.box(middle(w / 2, 0.12 * w), middle(d / 2, 0.6 * thick), (0, low + 0.05), frame),
            shape.box(middle(w / 2, 0.42 * w), (0, d), (0, min(0.018, 0.05 * h)), shade(frame, 1.1)),
        ]
    return parts


def desktop(shape: Shape) -> list[Part]:
    """A monitor on a foot, with a keyboard and a mouse in front of it."""
    w, d, h = shape.size
    rear = 0.3 * d
    parts = [
        shape.box((0, w), (rear, rear + 0.04), (0.26 * h, h), shape.choice((BLACK, STEEL, WHITE))),
        shape.box((0.02, w - 0.02), (rear, rear + 0.043), (0.26 * h + 0.03, h - 0.02), _SCREEN),
        shape.box(middle(w / 2, 0.08 * w), (rear - 0.03, rear + 0.005), (0, 0.6 * h), GREY),
        shape.box(middle(w / 2, 0.4 * w), (0, 0.5 * d), (0, 0.02), GREY),
        shape.box((0.15 * w, 0.7 * w), (0.7 * d, d), (0, 0.02), DARK),
        shape.ellipsoid((0.78 * w, 0.86 * w), (0.76 * d, d), (0, 0.035), DARK),
    ]
    for k in range(4):
        y = (0.72 + 0.065 * k) * d
        parts.append(shape.box((0.17 * w, 0.68 * w), (y, y + 0.045 * d), (0.018, 0.026), (0.62, 0.63, 0.66)))
    return parts


def laptop(shape: Shape) -> list[Part]:
    """A keyboard and, hinged at its rear, a screen; the box is that of the open laptop."""
    w, d, h = shape.size
    metal = shape.choice((STEEL, (0.30, 0.31, 0.33), (0.86, 0.86, 0.87), (0.72, 0.62, 0.56)))
    base, lid = min(0.022, 0.12 * h), 0.012
    tilt = math.radians(14)
    long = min((h - base - lid * math.sin(tilt)) / math.cos(tilt), 1.05 * d)
    lean = long * math.sin(tilt) + lid * math.cos(tilt)
    rear = min(lean, 0.4 * d)  # where the hinge is
    parts = [
        shape.box((0, w), (rear, d), (0, base), metal),
        shape.box((0.05 * w, 0.95 * w), (rear + 0.03, rear + 0.58 * (d - rear)), (base, base + 0.004), BLACK),
        shape.box(
            middle(w / 2, 0.3 * w),
            (rear + 0.66 * (d - rear), d - 0.02),
            (base, base + 0.003),
            shade(metal, 0.8),
        ),
    ]
    for k in range(4):
        y = rear + 0.04 + 0.125 * k * (d - rear)
        for x in range(10):
            at = (0.075 + 0.0855 * x) * w
            if k == 3 and 2 < x < 7:
                continue
            parts.append(
                shape.box(
                    (at, at + 0.065 * w), (y, y + 0.09 * (d - rear)), (base + 0.003, base + 0.007), DARK
                )
            )
    # the lid leans back: from the hinge up its own z, its face along +y
    hinge = Hinge((0.0, rear - d / 2, base - h / 2), 0, math.radians(104), 1.0)
    up, out = (-math.sin(tilt), math.cos(tilt)), (math.cos(tilt), math.sin(tilt))

    def leaning(width: float, low: float, high: float, front: float, thick: float, paint) -> Part:
        along, off = (low + high) / 2, front - thick / 2
        at = (
            0.0,
            hinge.point[1] + up[0] * along + out[0] * off,
            hinge.point[2] + up[1] * along + out[1] * off,
        )
        flat = shape.box((0, width), (0, thick), (0, high - low), paint)
        return Part("box", (width, thick, high - low), at, (tilt, 0.0, 0.0), flat.surface, (), hinge)

    parts += [
        leaning(w, 0, long, 0.0, lid, metal),
        leaning(w - 0.02, 0.014, long - 0.01, 0.001, 0.004, BLACK),
        leaning(w - 0.04, 0.03, long - 0.02, 0.002, 0.004, _SCREEN),
    ]
    return parts


def lamp(shape: Shape) -> list[Part]:
    """A shade over a stem on a foot: slender where it is tall, a table lamp where it is not."""
    w, d, h = shape.size
    metal = shape.choice((DARK, (0.72, 0.58, 0.32), STEEL, WHITE, WOODS[0]))
    small = min(w, d)
    if h > 1.0:
        top = 0.80 * h
        return [
            shape.cylinder(middle(w / 2, 0.6 * small), middle(d / 2, 0.6 * small), (0, 0.025), metal),
            shape.cylinder(middle(w / 2, 0.03), middle(d / 2, 0.03), (0.02, h - 0.05), metal),
            shape.lathe(((1, 0), (0.68, 1), (0.62, 1), (0.94, 0), (1, 0)), _SHADE, z=(top, h)),
        ]
    base = shape.choice((*BRIGHT[1:4], CREAM, metal), 1)
    vase = ((0, 0), (0.8, 0), (0.9, 0.06), (0.5, 0.2), (1, 0.5), (0.4, 0.85), (0.2, 1), (0, 1))
    return [
        shape.lathe(vase, base, middle(w / 2, 0.55 * small), middle(d / 2, 0.55 * small), (0, 0.5 * h)),
        shape.cylinder(middle(w / 2, 0.1 * small), middle(d / 2, 0.1 * small), (0.48 * h, 0.95 * h), metal),
        shape.lathe(((1, 0), (0.6, 1), (0.54, 1), (0.94, 0), (1, 0)), _SHADE, z=(0.52 * h, h)),
    ]


def phone(shape: Shape) -> list[Part]:
    """A flat phone with its screen up."""
    flat = shape.lying()
    w, d, h = flat.size
    case = shape.choice((BLACK, (0.75, 0.76, 0.78), (0.75, 0.30, 0.35), (0.30, 0.40, 0.55)))
    return [
        flat.box((0, w), (0, d), (0, h - 0.002), case),
        flat.box((0.05 * w, 0.95 * w), (0.06 * d, 0.94 * d), (0.5 * h, h), _SCREEN),
        flat.cylinder(middle(w / 2, 0.14 * w), middle(0.03 * d, 0.03 * d), (0.5 * h, h), STEEL),
    ]


def remote(shape: Shape) -> list[Part]:
    """A dark stick with rows of buttons, the topmost red."""
    flat = shape.lying()
    w, d, h = flat.size
    parts = [flat.box((0, w), (0, d), (0, 0.75 * h), shape.choice((BLACK, (0.28, 0.29, 0.31))))]
    for k in range(5):
        y = middle((0.18 + 0.15 * k) * d, 0.07 * d)
        for x in (0.27, 0.5, 0.73):
            colour = BRIGHT[0] if (k, x) == (4, 0.27) else (0.82, 0.82, 0.84)
            parts.append(flat.box(middle(x * w, 0.15 * w), y, (0.7 * h, h), colour))
    return parts


def clock(shape: Shape) -> list[Part]:
    """A round face with two hands, two bells above, on two feet."""
    w, d, h = shape.size
    body = shape.choice((*BRIGHT[:4], DARK))
    low, high = 0.06 * h, 0.82 * h
    face = (low + high) / 2
    size = min(w, high - low)
    x = middle(w / 2, size)
    parts = [
        shape.cylinder((0, w), (0, 0.86 * d), (low, high), body, axis=1),
        shape.cylinder(
            middle(w / 2, 0.84 * w), (0.8 * d, 0.9 * d), middle(face, 0.84 * (high - low)), WHITE, axis=1
        ),
        shape.box(middle(w / 2, 0.05 * size), (0.88 * d, 0.96 * d), (face, face + 0.33 * size), BLACK),
        shape.box((w / 2, w / 2 + 0.25 * size), (0.88 * d, d), middle(face, 0.06 * size), BLACK),
        shape.ellipsoid(middle(w / 2, 0.09 * size), (0.9 * d, d), middle(face, 0.09 * size), BRIGHT[0]),
    ]
    for k in range(12):
        a = k * math.pi / 6
        at = w / 2 + 0.36 * w * math.sin(a), face + 0.36 * (high - low) * math.cos(a)
        parts.append(
            shape.box(middle(at[0], 0.04 * size), (0.88 * d, 0.93 * d), middle(at[1], 0.04 * size), DARK)
        )
    for side in (0.26, 0.74):
        at = x[0] + side * size
        parts.append(
            shape.ellipsoid(middle(at, 0.34 * size), middle(0.45 * d, 0.6 * d), (0.78 * h, 0.97 * h), CHROME)
        )
        parts.append(shape.box(middle(at, 0.08 * size), middle(0.45 * d, 0.3 * d), (0, 0.2 * h), CHROME))
    parts.append(shape.box(middle(w / 2, 0.07 * size), middle(0.45 * d, 0.3 * d), (0.8 * h, h), CHROME))
    return parts


def switch(shape: Shape) -> list[Part]:
    w, d, h = shape.size
    return [
        shape.box((0, w), (0, 0.5 * d), (0, h), WHITE),
        shape.box(middle(w / 2, 0.36 * w), (0.4 * d, 0.7 * d), middle(h / 2, 0.56 * h), (0.86, 0.86, 0.85)),
        shape.box(middle(w / 2, 0.3 * w), (0.6 * d, d), (h / 2, 0.74 * h), WHITE),
    ]


def disc(shape: Shape) -> list[Part]:
    """A CD, its hole in the middle."""
    flat = shape.lying()
    w, d, h = flat.size
    ring = ((0.14, 0), (1, 0), (1, 1), (0.14, 1), (0.14, 0))
    return [
        flat.lathe(ring, (0.80, 0.82, 0.88), z=(0, 0.8 * h)),
        flat.lathe(ring, shape.choice(BRIGHT), middle(w / 2, 0.7 * w), middle(d / 2, 0.7 * d), (0, h)),
        flat.lathe(
            ((0.3, 0), (1, 0), (1, 1), (0.3, 1)),
            WHITE,
            middle(w / 2, 0.3 * w),
            middle(d / 2, 0.3 * d),
            (0, h),
        ),
    ]


def vacuum(shape: Shape) -> list[Part]:
    """An upright cleaner: a head on the floor, a canister and a handle above."""
    w, d, h = shape.size
    body = shape.choice(BRIGHT[:2] + (GREY,))
    return [
        shape.cushion((0, w), (0.3 * d, d), (0, 0.10 * h), DARK),
        shape.cylinder(middle(w / 2, 0.46 * w), middle(0.4 * d, 0.46 * d), (0.06 * h, 0.6 * h), body),
        shape.cylinder(
            middle(w / 2, 0.36 * w), middle(0.52 * d, 0.4 * d), (0.18 * h, 0.5 * h), (0.75, 0.80, 0.84)
        ),
        shape.cylinder(middle(w / 2, 0.09 * w), middle(0.25 * d, 0.1 * d), (0.5 * h, 0.98 * h), DARK),
        shape.cylinder(middle(w / 2, 0.14 * w), (0, 0.55 * d), (0.94 * h, h), DARK, axis=1),
        shape.cylinder((0, 0.1 * w), (0.05 * d, 0.45 * d), (0, 0.11 * h), BLACK, axis=0),
        shape.cylinder((0.9 * w, w), (0.05 * d, 0.45 * d), (0, 0.11 * h), BLACK, axis=0),
        shape.box((0.05 * w, 0.95 * w), (0.2 * d, 0.3 * d), (0.02 * h, 0.08 * h), DARK),
    ]
