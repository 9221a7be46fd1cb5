"""Figures of sticks, with their joints in COCO's order."""

import numpy as np
from PIL import Image, ImageDraw

from pretrain.generated.shapes import COLOURS
from uio2_agent.labels.keypoints import JOINTS, VISIBLE

_BONES = (
    *(("nose", f"{side} {part}") for side in ("left", "right") for part in ("eye", "ear", "shoulder")),
    *(
        (f"{side} {one}", f"{side} {other}")
        for side in ("left", "right")
        for one, other in (
            ("shoulder", "elbow"),
            ("elbow", "wrist"),
            ("shoulder", "hip"),
            ("hip", "knee"),
            ("knee", "ankle"),
        )
    ),
)
_STANDING = {
    "nose": (0.0, 0.10),
    "eye": (0.05, 0.06),
    "ear": (0.10, 0.09),
    "shoulder": (0.18, 0.24),
    "elbow": (0.26, 0.40),
    "wrist": (0.28, 0.56),
    "hip": (0.11, 0.55),
    "knee": (0.12, 0.76),
    "ankle": (0.13, 0.97),
}
"""Of the left side, in parts of the height: to the right of the middle, as the person faces us, and down."""


def figures(
    rng: np.random.Generator, image: np.ndarray, count: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return the picture with so many figures side by side, their boxes float32 [n, 4] y1 x1 y2 x2 and joints
    float32 [n, 17, 3]: x, y, seen.
    """
    height, width = image.shape[:2]
    canvas = Image.fromarray(image)
    pen = ImageDraw.Draw(canvas)
    joints = np.zeros((count, len(JOINTS), 3), np.float32)
    for number in range(count):
        tall = height * rng.uniform(0.6, 0.9)
        middle = width * (number + 0.5) / count
        top = rng.uniform(2, height - tall - 2)
        places = {}
        for joint in JOINTS:
            across, down = _STANDING[joint.split()[-1]]
            across = -across if joint.startswith("right") else across
            sway = rng.normal(0, 0.012, 2) if joint != "nose" else (0, 0)
            places[joint] = (middle + tall * (across * 0.8 + sway[0]), top + tall * (down + sway[1]))
        colour = list(COLOURS.values())[rng.integers(len(COLOURS))]
        for one, other in _BONES:
            pen.line((*places[one], *places[other]), fill=colour, width=2)
        joints[number] = [(x, y, VISIBLE) for x, y in places.values()]
    low, high = joints[..., :2].min(1), joints[..., :2].max(1)
    boxes = np.stack([low[:, 1] - 1, low[:, 0] - 1, high[:, 1] + 2, high[:, 0] + 2], axis=1)
    return np.asarray(canvas), boxes.clip(0, [height, width, height, width]).astype(np.float32), joints
