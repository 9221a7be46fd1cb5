"""Several renders of one thing: draw it after a move of the camera, or tell the move between two of them.

A move is four location tokens: change of the polar angle, sine and cosine of the change of azimuth, change of
the radius (`uio2_agent.labels.cameras`). In context: a move between two example views stands first. Source:
Unified-IO 2 (arXiv 2312.17172), section 3.3 and figure 20; the shares are ours.
"""

from dataclasses import dataclass
from typing import Annotated

import numpy as np

from pretrain.samples.context import Context, UnusableRecord, pick
from pretrain.samples.sample import Sample
from pretrain.sources.records import ViewsRecord
from uio2_agent.fields import Range, check_fields
from uio2_agent.labels.cameras import write_camera_poses
from uio2_agent.request import Request, Target

Rate = Annotated[float, Range(0, 1)]


@dataclass(frozen=True, kw_only=True)
class CameraPoseOptions:
    """Weights of what is asked."""

    draw: Rate = 0.5
    tell: Rate = 0.25
    in_context: Rate = 0.25
    """Either, behind an example; of a thing with four views or more."""

    def __post_init__(self) -> None:
        check_fields(self)


def build(
    record: ViewsRecord, rng: np.random.Generator, options: CameraPoseOptions, context: Context
) -> Sample:
    """Draw two views (four in context) and ask for the second, or for the move to it."""
    count = len(record.images)
    if count < 2 or record.poses is None:
        raise UnusableRecord(f"two views and their poses are needed, the record has {count}")
    weights = {"draw": options.draw, "tell": options.tell, "in_context": options.in_context * (count >= 4)}
    task = pick(weights, rng)
    order = rng.permutation(count)[:4]
    before, after = int(order[0]), int(order[1])
    images, example = record.images, {}
    history: tuple[np.ndarray, ...] = ()
    if task == "in_context":
        first, second = int(order[2]), int(order[3])
        told = f"<image_history_1> <image_history_2> {_move(record, first, second)} ."
        history, example = (images[first], images[second]), {"examples": told}
        task = "draw" if rng.random() < 0.5 else "tell"
    move = _move(record, before, after)
    if task == "draw":
        family = "new_view_by_example" if example else "new_view"
        text = context.prompts.draw(family, rng, pose=move, **example)
        return Sample(Request(text, image=images[before], image_history=history), Target(image=images[after]))
    if example:
        text = context.prompts.draw("camera_change_by_example", rng, first="<image_history_3>", **example)
    else:
        text = context.prompts.draw("camera_change", rng)
    request = Request(text, image=images[after], image_history=(*history, images[before]))
    return Sample(request, Target(text=move))


def _move(record: ViewsRecord, before: int, after: int) -> str:
    """The move of the camera between two views, the azimuth the short way round."""
    return write_camera_poses(record.poses[after] - record.poses[before])
