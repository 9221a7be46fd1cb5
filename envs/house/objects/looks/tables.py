"""What things stand on: tables, desks, counters, shelves."""

import re

from envs.house.objects.looks.palette import BRASS, DARK, STEEL, WHITE, WOODS, wood
from envs.house.objects.looks.shape import Rgb, Shape, Span, middle, shade
from envs.house.scene import Part, Surface


def table(shape: Shape) -> list[Part]:
    """A top on four legs with an apron; a round one on a foot where the top is nearly square."""
    w, d, h = shape.size
    surface = wood(shape.choice(WOODS))
    top = min(0.05, 0.12 * h)
    if abs(w - d) < 0.12 * w and shape.choice((True, False), 1):
        foot = ((0, 0), (0.5, 0), (0.5, 0.03), (0.09, 0.12), (0.07, 0.6), (0.14, 0.95), (0.14, 1), (0, 1))
        return [
            shape.cylinder((0, w), (0, d), (h - top, h), surface),
            shape.lathe(foot, surface, z=(0, h - top)),
        ]
    leg = min(max(0.05, 0.06 * min(w, d)), 0.09)
    parts = [shape.box((0, w), (0, d), (h - top, h), surface), *shape.legs(leg, h - top, surface, 0.03)]
    low, high = h - top - min(0.09, 0.15 * h), h - top
    for y in (0.045, d - 0.065):
        parts.append(shape.box((0.05, w - 0.05), (y, y + 0.02), (low, high), surface))
    for x in (0.045, w - 0.065):
        parts.append(shape.box((x, x + 0.02), (0.05, d - 0.05), (low, high), surface))
    if h < 0.6 and shape.choice((True, False), 2):
        parts.append(shape.box((0.05, w - 0.05), (0.05, d - 0.05), (0.28 * h, 0.34 * h), surface))
    return parts


def desk(shape: Shape) -> list[Part]:
    """A top, drawers on one side, a panel or legs on the other."""
    w, d, h = shape.size
    colour = shape.choice((*WOODS, WHITE))
    surface = wood(colour)
    left = shape.choice((True, False), 1)
    top, chest = min(0.04, 0.1 * h), min(0.32 * w, 0.42)
    x0, x1 = (0.02, chest) if left else (w - chest, w - 0.02)
    parts = [
        shape.box((0, w), (0, d), (h - top, h), surface),
        shape.box((x0, x1), (0.03, d - 0.03), (0.05, h - top), surface),
        shape.box((w - 0.06, w - 0.02) if left else (0.02, 0.06), (0.03, d - 0.03), (0, h - top), surface),
        shape.box((0.05, w - 0.05), (0.03, 0.05), (0.35 * h, h - top), surface),
        shape.box((x0 + 0.02, x1 - 0.02), (0.05, d - 0.06), (0, 0.05), DARK),
    ]
    high = (h - top - 0.07) / 3
    for k in range(3):
        z = (0.06 + k * high + 0.008, 0.06 + (k + 1) * high - 0.008)
        parts.append(shape.box((x0 + 0.015, x1 - 0.015), (d - 0.03, d - 0.015), z, shade(colour, 1.1)))
        at = (x0 + x1) / 2
        parts.append(shape.box(middle(at, 0.12), (d - 0.02, d), middle(sum(z) / 2, 0.02), STEEL))
    return parts


def night_table(shape: Shape) -> list[Part]:
    """A small table: drawers with knobs above an open shelf, or a column of drawers where it is tall."""
    w, d, h = shape.size
    colour = shape.choice((*WOODS, WHITE))
    surface = wood(colour)
    if shape.choice((True, False, False), 1):  # without drawers: a plain table with a shelf
        return [
            shape.box((0, w), (0, d), (h - 0.03, h), surface),
            shape.box((0.02, w - 0.02), (0.02, d - 0.02), (0.25 * h, 0.25 * h + 0.02), surface),
            *shape.legs(0.035, h - 0.03, surface, 0.015),
        ]
    bottom = 0.38 * h if h < 0.75 else 0.2 * h
    count = max(round((h - 0.03 - bottom) / 0.2), 1)
    columns = max(round(w / 0.8), 1)
    parts = [
        shape.box((0, w), (0, d), (h - 0.025, h), surface),
        shape.box((0.01, w - 0.01), (0.01, d - 0.025), (bottom, h - 0.02), surface),
        shape.box((0.03, w - 0.03), (0.03, d - 0.04), (0.12 * h, 0.12 * h + 0.02), surface),
        *shape.legs(0.035, bottom + 0.01, surface, 0.012),
    ]
    high, wide = (h - 0.03 - bottom) / count, (w - 0.02) / columns
    for k in range(count * columns):
        x0, z0 = 0.01 + k % columns * wide, bottom + k // columns * high
        face = ((x0 + 0.012, x0 + wide - 0.012), (d - 0.03, d - 0.012), (z0 + 0.01, z0 + high - 0.01))
        parts.append(shape.box(*face, shade(colour, 1.12)))
        knob = middle(x0 + wide / 2, 0.03), (d - 0.015, d), middle(z0 + high / 2, 0.03)
        parts.append(shape.ellipsoid(*knob, BRASS))
    return parts


def counter(shape: Shape) -> list[Part]:
    """Kitchen cupboards under a stone slab: straight, or round a corner (an L: at the rear and the right, as
    seen from it) or two (a C), as AI2-THOR names its counters.
    """
    body = shape.choice((WHITE, (0.40, 0.50, 0.52), (0.80, 0.74, 0.64), (0.32, 0.38, 0.46), WOODS[0]))
    stone = shape.choice(((0.80, 0.78, 0.75), (0.36, 0.36, 0.38), (0.90, 0.89, 0.87), (0.62, 0.48, 0.34)), 1)
    slab = Surface((*stone, 1.0), "marble", 1.4)
    rear, *sides = counter_runs(shape)
    parts = _run(shape, rear[0], rear[1], 1, rear[1][1], body, slab)
    for across, along in sides:
        front = across[0] if across[0] > 0 else across[1]
        parts += _run(shape, along, across, 0, front, body, slab)
    return parts


def counter_runs(shape: Shape) -> list[tuple[Span, Span]]:
    """Return where a counter's runs of cupboards stand, along x and y: the rear one, the right, the left."""
    w, d, _ = shape.size
    form = _FORM.match(shape.asset)
    corners = {"l": 1, "c": 2}.get(form[1].lower(), 0) if form and min(w, d) > _RUN + 0.3 else 0
    if not corners or (corners == 2 and w < 2 * _RUN + 0.3):
        return [((0.0, w), (0.0, d))]
    sides = [((w - _RUN, w), (_RUN, d)), ((0.0, _RUN), (_RUN, d))]
    return [((0.0, w), (0.0, _RUN)), *sides[:corners]]


_FORM = re.compile(r"countertop_([a-z]+)_", re.IGNORECASE)
_RUN = 0.62
"""Depth of a run of cupboards where a counter has corners."""


def _run(
    shape: Shape, along: Span, across: Span, facing: int, front: float, body: Rgb, slab: Surface
) -> list[Part]:
    """A run of cupboards: `facing` is the axis that its doors look along, `front` where they are on it."""
    h = shape.height
    outward = 1 if front == across[1] else -1
    count = max(round((along[1] - along[0]) / 0.5), 1)
    each = (along[1] - along[0]) / count

    def box(at: Span, inset: Span, z: Span, paint) -> Part:
        """`inset` is measured from the front inwards."""
        deep = (front - outward * inset[0], front - outward * inset[1])
        deep = (min(deep), max(deep))
        return shape.box(at, deep, z, paint) if facing == 1 else shape.box(deep, at, z, paint)

    wide = across[1] - across[0]
    parts = [
        box(along, (0, wide), (h - 0.045, h), slab),
        box((along[0] + 0.01, along[1] - 0.01), (0.05, wide), (0.09, h - 0.045), body),
        box((along[0] + 0.02, along[1] - 0.02), (0.10, wide), (0, 0.09), DARK),
    ]
    for k in range(count):
        at = (along[0] + k * each + 0.012, along[0] + (k + 1) * each - 0.012)
        parts.append(box(at, (0.032, 0.05), (0.11, h - 0.23), shade(body, 0.95)))
        parts.append(box(at, (0.032, 0.05), (h - 0.21, h - 0.06), shade(body, 0.95)))
        grip = at[1] - 0.05 if k % 2 == 0 else at[0] + 0.05
        parts.append(box(middle(grip, 0.015), (0.01, 0.034), (h - 0.42, h - 0.27), STEEL))
        parts.append(box(middle(sum(at) / 2, 0.14), (0.01, 0.034), middle(h - 0.135, 0.015), STEEL))
    return parts


def shelf(shape: Shape) -> list[Part]:
    """A board on two brackets."""
    w, d, h = shape.size
    board = wood(shape.choice(WOODS))
    parts = [shape.box((0, w), (0, d), (min(0.5 * h, h - 0.01), h), board)]
    for x in (0.12 * w, 0.88 * w):
        parts.append(shape.box(middle(x, 0.03), (0, 0.8 * d), (0, 0.5 * h), DARK))
    return parts


def cart(shape: Shape) -> list[Part]:
    """Three trays between four posts, on wheels."""
    w, d, h = shape.size
    frame = shape.choice((STEEL, DARK, WHITE))
    tray = shape.choice((*WOODS[:3], STEEL), 1)
    wheel = 0.07 * h
    parts = []
    for k in range(3):
        z = wheel + (0.86 * h - wheel) * k / 2
        parts.append(shape.box((0, w), (0.0, d), (z, z + 0.03), tray))
        for y in (0.0, d - 0.012):
            parts.append(shape.box((0, w), (y, y + 0.012), (z + 0.03, z + 0.06), frame))
    for x in (0.0, w - 0.025):
        for y in (0.0, d - 0.025):
            parts.append(shape.box((x, x + 0.025), (y, y + 0.025), (wheel, 0.92 * h), frame))
            parts.append(
                shape.cylinder((x, x + 0.025), (y - 0.02, y + 0.045), (0, wheel), DARK, axis=0),
            )
    for x in (0.0, w - 0.025):
        parts.append(shape.box((x, x + 0.025), (0, d), (0.97 * h, h), frame))
        for y in (0.0, d - 0.025):
            parts.append(shape.box((x, x + 0.025), (y, y + 0.025), (0.9 * h, h), frame))
    return parts
