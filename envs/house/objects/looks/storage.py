"""What things are kept in: shelves, drawers, boxes, bins."""

from envs.house.objects.looks.palette import BRASS, CHROME, DARK, GREY, STEEL, WHITE, WOODS, wood
from envs.house.objects.looks.shape import Shape, middle, shade
from envs.house.scene import Part


def shelves(shape: Shape) -> list[Part]:
    """Open boards between two sides, with a back or without."""
    w, d, h = shape.size
    colour = shape.choice((*WOODS, WHITE))
    board = wood(colour)
    count = max(round(h / 0.36), 2)
    thick = 0.025
    parts = [
        shape.box((0, thick), (0, d), (0, h), board),
        shape.box((w - thick, w), (0, d), (0, h), board),
    ]
    for k in range(count + 1):
        z = 0.05 + (h - thick - 0.05) * k / count
        parts.append(shape.box((thick, w - thick), (0, d - 0.005), (z, z + thick), board))
    if shape.choice((True, False), 1):
        parts.append(shape.box((thick, w - thick), (0, 0.01), (0.05, h), wood(shade(colour, 0.8))))
    else:
        parts.append(shape.box((thick, w - thick), (0, 0.012), (0.8 * h, 0.86 * h), board))
    return parts


def drawers(shape: Shape) -> list[Part]:
    """A chest: rows and columns of drawers with knobs, on short legs."""
    w, d, h = shape.size
    colour = shape.choice((*WOODS, WHITE, (0.45, 0.55, 0.58)))
    body = wood(colour)
    rows, columns = max(round((h - 0.1) / 0.24), 1), max(round(w / 0.62), 1)
    foot = min(0.12 * h, 0.12)
    parts = [
        shape.box((0, w), (0, d), (h - 0.03, h), body),
        shape.box((0.01, w - 0.01), (0.01, d - 0.03), (foot, h - 0.03), body),
        *shape.legs(0.05, foot, body, 0.02),
    ]
    high, wide = (h - 0.04 - foot) / rows, (w - 0.02) / columns
    knob = shape.choice((BRASS, STEEL, DARK), 1)
    for k in range(rows * columns):
        x0, z0 = 0.01 + k % columns * wide, foot + k // columns * high
        face = (x0 + 0.012, x0 + wide - 0.012), (d - 0.035, d - 0.014), (z0 + 0.01, z0 + high - 0.01)
        parts.append(shape.box(*face, shade(colour, 1.1)))
        for x in (x0 + 0.3 * wide, x0 + 0.7 * wide) if wide > 0.4 else (x0 + wide / 2,):
            parts.append(shape.box(middle(x, 0.05), (d - 0.016, d), middle(z0 + high / 2, 0.02), knob))
    return parts


def tv_stand(shape: Shape) -> list[Part]:
    """A low cabinet: a door on each side of an open shelf."""
    w, d, h = shape.size
    colour = shape.choice((*WOODS, WHITE, (0.28, 0.26, 0.26)))
    body = wood(colour)
    foot, side = min(0.15 * h, 0.1), 0.32 * w
    parts = [
        shape.box((0, w), (0, d), (h - 0.03, h), body),
        shape.box((0, w), (0, d - 0.01), (foot, foot + 0.03), body),
        shape.box((0, w), (0, 0.02), (foot, h), body),
        shape.box((side, w - side), (0.02, d - 0.03), middle((foot + h) / 2, 0.02), body),
        *shape.legs(0.05, foot, body, 0.03),
    ]
    for x in ((0, side), (w - side, w)):
        parts.append(shape.box(x, (0.01, d - 0.025), (foot, h - 0.03), body))
        face = (x[0] + 0.015, x[1] - 0.015)
        parts.append(shape.box(face, (d - 0.03, d - 0.014), (foot + 0.04, h - 0.045), shade(colour, 1.1)))
        at = face[1] - 0.04 if x[0] == 0 else face[0] + 0.04
        parts.append(shape.box(middle(at, 0.02), (d - 0.016, d), middle((foot + h) / 2, 0.1), STEEL))
    return parts


def safe(shape: Shape) -> list[Part]:
    """A steel box with a dial and a handle on its door."""
    w, d, h = shape.size
    steel = shape.choice(((0.32, 0.34, 0.37), (0.22, 0.30, 0.27), (0.42, 0.43, 0.45)))
    wall, front = 0.12 * w, d - 0.05
    inside = shade(steel, 0.6)
    hinge = shape.hinge(0.01, front, 0, 2, 100)
    door = d - 0.025
    return [
        shape.box((0, w), (0, wall), (0, h), inside),
        shape.box((0, wall), (0, front), (0, h), steel),
        shape.box((w - wall, w), (0, front), (0, h), steel),
        shape.box((0, w), (0, front), (0, wall), steel),
        shape.box((0, w), (0, front), (h - wall, h), steel),
        shape.box((0.01, w - 0.01), (front, door), (0.01, h - 0.01), shade(steel, 1.15), hinge=hinge),
        shape.cylinder(
            middle(0.5 * w, 0.26 * w),
            (door, d - 0.005),
            middle(0.62 * h, 0.26 * h),
            CHROME,
            axis=1,
            hinge=hinge,
        ),
        shape.cylinder(
            middle(0.5 * w, 0.16 * w), (door, d), middle(0.62 * h, 0.16 * h), DARK, axis=1, hinge=hinge
        ),
        shape.box(middle(0.5 * w, 0.34 * w), (door, d), middle(0.3 * h, 0.06 * h), CHROME, hinge=hinge),
        shape.box(
            middle(0.5 * w, 0.06 * w), (door, d - 0.005), middle(0.3 * h, 0.3 * h), CHROME, hinge=hinge
        ),
    ]


def carton(shape: Shape) -> list[Part]:
    """A cardboard box with a strip of tape and two flaps that open."""
    w, d, h = shape.size
    board = shape.choice(((0.76, 0.58, 0.38), (0.70, 0.52, 0.33), (0.82, 0.66, 0.46)))
    wall, lid = 0.008, h - 0.008
    tape = (0.90, 0.83, 0.66)
    left, right = shape.hinge(0, 0, h - 0.004, 1, -125), shape.hinge(w, 0, h - 0.004, 1, 125)
    return [
        shape.box((0, w), (0, d), (0, wall), shade(board, 0.8)),
        shape.box((0, w), (0, wall), (0, lid), board),
        shape.box((0, w), (d - wall, d), (0, lid), board),
        shape.box((0, wall), (0, d), (0, lid), shade(board, 0.95)),
        shape.box((w - wall, w), (0, d), (0, lid), shade(board, 0.95)),
        shape.box((0, w / 2 - 0.002), (0, d), (lid, h), shade(board, 1.08), hinge=left),
        shape.box((w / 2 - 0.03, w / 2 - 0.002), (0, d), (lid, h), tape, hinge=left),
        shape.box((w / 2 + 0.002, w), (0, d), (lid, h), shade(board, 1.08), hinge=right),
        shape.box((w / 2 + 0.002, w / 2 + 0.03), (0, d), (lid, h), tape, hinge=right),
    ]


def bin(shape: Shape) -> list[Part]:
    """A garbage can: open and tapered with a bag over its rim, or with a pedal and a dome."""
    w, d, h = shape.size
    body = shape.choice((GREY, STEEL, DARK, (0.35, 0.52, 0.42), (0.30, 0.42, 0.60)))
    if shape.choice((True, False), 1):
        open_top = ((0, 0), (0.78, 0), (0.98, 0.97), (1, 1), (0.93, 1), (0.74, 0.08), (0, 0.08))
        return [
            shape.lathe(open_top, body),
            shape.lathe(((0.97, 0), (1, 0.1), (1, 1), (0.94, 1), (0.9, 0)), WHITE, z=(0.86 * h, h)),
            shape.ellipsoid(
                middle(w / 2, 0.7 * w), middle(d / 2, 0.7 * d), (0.3 * h, 0.6 * h), (0.7, 0.7, 0.68)
            ),
        ]
    return [
        shape.lathe(((0, 0), (0.86, 0), (0.9, 0.04), (0.9, 1), (0, 1)), body, z=(0, 0.86 * h)),
        shape.lathe(((1, 0), (1, 0.2), (0.8, 0.6), (0.3, 0.95), (0, 1)), DARK, z=(0.84 * h, h)),
        shape.box(middle(w / 2, 0.3 * w), (0.8 * d, d), (0, 0.05 * h), DARK),
    ]


def hamper(shape: Shape) -> list[Part]:
    """A wicker basket with a lid that opens and laundry inside."""
    w, d, h = shape.size
    wicker = shape.choice(((0.70, 0.55, 0.36), (0.85, 0.80, 0.70), (0.55, 0.42, 0.30)))
    wall, lid = 0.02, 0.93 * h
    hinge = shape.hinge(0, 0.01, lid, 0, 80)
    parts = [
        shape.box((0.01, w - 0.01), (0.01, 0.01 + wall), (0, lid), wicker),
        shape.box((0.01, w - 0.01), (d - 0.01 - wall, d - 0.01), (0, lid), wicker),
        shape.box((0.01, 0.01 + wall), (0.01, d - 0.01), (0, lid), wicker),
        shape.box((w - 0.01 - wall, w - 0.01), (0.01, d - 0.01), (0, lid), wicker),
        shape.cushion((0.03, w - 0.03), (0.03, d - 0.03), (0, 0.6 * h), WHITE),
        shape.box((0, w), (0, d), (lid, h), shade(wicker, 0.9), hinge=hinge),
    ]
    for k in range(1, 6):
        z = middle(lid * k / 6, 0.012)
        parts.append(shape.box((0.004, w - 0.004), (0.004, d - 0.004), z, shade(wicker, 0.72)))
    return parts


def bag(shape: Shape) -> list[Part]:
    """A tied garbage bag."""
    w, d, h = shape.size
    film = shape.choice(((0.16, 0.16, 0.18), (0.85, 0.86, 0.88), (0.22, 0.26, 0.22)))
    sack = (
        (0, 0),
        (0.75, 0),
        (0.98, 0.18),
        (1, 0.38),
        (0.75, 0.66),
        (0.16, 0.8),
        (0.3, 0.95),
        (0.2, 1),
        (0, 0.9),
    )
    return [
        shape.lathe(sack, film),
        shape.lathe(
            ((0.9, 0), (1, 0.5), (0.9, 1), (0, 1)),
            (0.85, 0.25, 0.2),
            middle(w / 2, 0.2 * w),
            middle(d / 2, 0.2 * d),
            (0.77 * h, 0.83 * h),
        ),
        shape.cushion((0.06 * w, 0.6 * w), (0.05 * d, 0.6 * d), (0.02 * h, 0.5 * h), shade(film, 1.1)),
    ]
