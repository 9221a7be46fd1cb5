"""What people and pets sit and lie on."""

from envs.house.objects.looks.palette import CREAM, DARK, FABRICS, STEEL, WHITE, WOODS
from envs.house.objects.looks.shape import Shape, middle, shade
from envs.house.scene import Part


def sofa(shape: Shape) -> list[Part]:
    """Seat cushions, a back of as many, two arms, short legs; the back at the rear."""
    w, d, h = shape.size
    cloth = shape.choice(FABRICS)
    arm, back, seat, foot = min(0.16 * w, 0.22), 0.26 * d, 0.48 * h, 0.08 * h
    count = max(round((w - 2 * arm) / 0.68), 1)
    each = (w - 2 * arm) / count
    parts = [
        shape.box((0.02, w - 0.02), (0.02, d - 0.03), (foot, 0.34 * h), shade(cloth, 0.85)),
        shape.cushion((0, w), (0, back * 0.75), (foot, 0.94 * h), shade(cloth, 0.92)),
        shape.cushion((0, arm), (0, d), (foot, 0.66 * h), shade(cloth, 0.95)),
        shape.cushion((w - arm, w), (0, d), (foot, 0.66 * h), shade(cloth, 0.95)),
    ]
    for k in range(count):
        x = (arm + k * each + 0.005, arm + (k + 1) * each - 0.005)
        parts.append(shape.cushion(x, (back * 0.7, d - 0.01), (0.30 * h, seat), shade(cloth, 1.08)))
        parts.append(shape.cushion(x, (back * 0.35, back * 1.35), (seat - 0.03, h), shade(cloth, 1.04)))
    if shape.choice((True, False), 1) and w > 1.3:
        throw = shape.choice(FABRICS[::-1], 2)
        parts.append(
            shape.cushion((arm + 0.02, arm + 0.36), (back, back + 0.18), (seat - 0.02, seat + 0.30), throw)
        )
    return parts + shape.legs(0.05, foot, shape.choice(WOODS, 3), 0.05)


def chair(shape: Shape) -> list[Part]:
    """Four legs, a seat, a back at the rear: slats, a panel, or upholstered."""
    w, d, h = shape.size
    wood = shape.choice((*WOODS, WHITE, DARK))
    leg, seat = min(0.09 * w, 0.045), 0.5 * h
    kind = shape.choice(("slats", "panel", "soft"), 1)
    cloth = shape.choice(FABRICS, 2)
    parts = [
        shape.box((w - leg, w), (0, leg), (0, h), wood),
        shape.box((0, leg), (0, leg), (0, h), wood),
        shape.box((w - leg, w), (d - leg, d), (0, seat - 0.02), wood),
        shape.box((0, leg), (d - leg, d), (0, seat - 0.02), wood),
        shape.box((0, w), (0, d), (seat - 0.05, seat - 0.02), wood),
        shape.cushion((0.01, w - 0.01), (0.01, d), (seat - 0.04, seat + 0.03), cloth)
        if kind != "slats"
        else shape.box((0, w), (0, d), (seat - 0.02, seat), shade(wood, 1.1)),
    ]
    inner = (leg, w - leg)
    if kind == "slats":
        parts += [
            shape.box(inner, (0.005, leg - 0.01), (z * h, (z + 0.07) * h), shade(wood, 1.06))
            for z in (0.62, 0.75, 0.91)
        ]
    elif kind == "panel":
        parts += [shape.box(inner, (0.005, leg - 0.01), (0.66 * h, h), shade(wood, 1.06))]
    else:
        parts += [shape.cushion((0, w), (0, leg + 0.04), (0.56 * h, h), cloth)]
    return parts


def stool(shape: Shape) -> list[Part]:
    """A round or square seat on four legs with rails between them."""
    w, d, h = shape.size
    wood = shape.choice((*WOODS, STEEL, DARK))
    seat = shape.choice((shade(wood, 1.1), *FABRICS[:3]), 1)
    kind = shape.choice(("cylinder", "cushion"), 2)
    leg, rail = min(0.1 * w, 0.04), 0.3 * h
    inset = 0.12 * min(w, d)
    parts = [shape.part(kind, (0, w), (0, d), (h - max(0.1 * h, 0.05), h), seat)]
    parts += shape.legs(leg, 0.93 * h, wood, inset)
    for y in (inset, d - inset - leg):
        parts.append(shape.box((inset, w - inset), (y, y + leg * 0.7), (rail, rail + leg * 0.7), wood))
    for x in (inset, w - inset - leg):
        parts.append(shape.box((x, x + leg * 0.7), (inset, d - inset), (rail, rail + leg * 0.7), wood))
    return parts


def pouf(shape: Shape) -> list[Part]:
    """An upholstered bench without a back, on short legs."""
    w, d, h = shape.size
    cloth = shape.choice(FABRICS)
    return [
        shape.cushion((0, w), (0, d), (0.15 * h, 0.62 * h), shade(cloth, 0.85)),
        shape.cushion((0, w), (0, d), (0.56 * h, h), cloth),
        *shape.legs(0.05, 0.3 * h, shape.choice(WOODS, 1), 0.06),
    ]


def bed(shape: Shape) -> list[Part]:
    """A mattress under a blanket, pillows and a headboard at the rear."""
    w, d, h = shape.size
    frame = shape.choice((*WOODS, WHITE, DARK))
    blanket = shape.choice((*FABRICS, (0.86, 0.86, 0.90)), 1)
    top = 0.58 * h if h > 0.6 else 0.8 * h
    parts = [
        shape.box((0, w), (0, 0.06), (0, h), frame),
        shape.box((0.01, w - 0.01), (0.05, d - 0.02), (0.10, top * 0.55), frame),
        shape.box((0, w), (d - 0.05, d), (0, top * 0.8), frame),
        shape.cushion((0.02, w - 0.02), (0.05, d - 0.05), (top * 0.45, top * 0.97), WHITE),
        shape.cushion((0, w), (0.36 * d, d - 0.04), (top * 0.5, top), blanket),
        shape.box((0.03, w - 0.03), (0.34 * d, 0.42 * d), (top * 0.9, top * 1.005), shade(blanket, 1.35)),
        *shape.legs(0.06, top * 0.5, shade(frame, 0.8), 0.01),
    ]
    if h > top + 0.2:
        parts.append(
            shape.box((0.06, w - 0.06), (0.055, 0.075), (top, h - 0.06), shade(frame, 1.12)),
        )
    count = 2 if w > 1.2 else 1
    each = (w - 0.12) / count
    for k in range(count):
        x = (0.06 + k * each + 0.02, 0.06 + (k + 1) * each - 0.02)
        parts.append(shape.part("pillow", x, (0.08, 0.08 + 0.21 * d), (top * 0.9, top + 0.12), CREAM))
    return parts


def pillow(shape: Shape) -> list[Part]:
    cloth = shape.choice(FABRICS)
    w, d, h = shape.size
    stripe = shape.choice((WHITE, CREAM, FABRICS[3], FABRICS[0]), 1)
    parts = [shape.part("pillow", (0, w), (0, d), (0, h), cloth)]
    if shape.choice((True, False), 2):
        parts.append(shape.part("pillow", middle(w / 2, 0.3 * w), (0.004, d - 0.004), (0, h), stripe))
    return parts


def dog_bed(shape: Shape) -> list[Part]:
    """A padded ring around a soft floor."""
    cloth = shape.choice(((0.50, 0.36, 0.26), (0.42, 0.46, 0.55), (0.60, 0.52, 0.42)))
    w, d, h = shape.size
    ring = ((0, 0), (0.9, 0), (1, 0.25), (1, 0.7), (0.93, 1), (0.83, 1), (0.76, 0.5), (0, 0.4))
    bone = (0.94, 0.92, 0.86)
    parts = [
        shape.lathe(ring, cloth),
        shape.ellipsoid(middle(w / 2, 0.76 * w), middle(d / 2, 0.76 * d), (0.2 * h, 0.62 * h), CREAM),
        shape.box(middle(w / 2, 0.2 * w), middle(d / 2, 0.05 * d), (0.6 * h, 0.65 * h), bone),
    ]
    for x in (0.4 * w, 0.6 * w):
        for y in (0.46 * d, 0.54 * d):
            parts.append(
                shape.ellipsoid(middle(x, 0.08 * w), middle(y, 0.08 * d), (0.58 * h, 0.67 * h), bone)
            )
    return parts
