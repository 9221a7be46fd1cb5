"""How requests look: stored beside a checkpoint, because a model answers only what it was trained on.

A checkpoint holds one style for each embodiment it learned. Unusual: names of cameras may be left out, and
then mean all cameras of whatever body the style is used for.

Knows no body: `fitted` is told the cameras.
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, Literal

from uio2_agent.errors import UIO2Error
from uio2_agent.fields import Range, build, check_fields, shown
from uio2_agent.files import replace_file
from uio2_agent.formats.json_file import read_object
from uio2_agent.text.vocabulary import HISTORY_MARKERS

Name = Annotated[str, Range(1, 64)]
STYLE_FILE = "policy.json"
_ALL, _ONE_UNNAMED = "styles", "prompt"
STACKED = "views"
"""As `object_view`: object placeholders show all views, stacked as those of the observation are."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class PromptStyle:
    """How the requests for one embodiment look."""

    views: Annotated[tuple[Name, ...], Range(0, 16)] = ()
    """Cameras of the observation and of scene placeholders, stacked from top to bottom; empty for all."""
    crop_to_mat: bool = False
    """Keep only the region of a picture that matters (`Embodiment.region`): of a table, the work mat."""
    object_view: Annotated[str, Range(0, 64)] = ""
    """Camera of object placeholders; empty for the first of `views`; "views" for all of these, stacked."""
    object_crop: Annotated[int, Range(8, 128)] = 128
    """Side of the square around the picture's centre that is kept of an object placeholder, in 128ths of the
    picture's height."""
    drawn_views: Annotated[tuple[Name, ...], Range(0, 16)] = ()
    """Cameras of pictures that are drawn, and of a goal that is shown, stacked; empty for `views`."""
    object_names: bool = False
    """Write "texture object" instead of showing an object placeholder ("pure text"); scenes stay images."""
    object_boxes: bool = False
    """Tell boxes and names of the objects in sight, in the form of `boxes_target` ("boxes as input")."""
    memory: bool = True
    """After the first step, carry the first view and the executed steps."""
    told_steps: Annotated[int, Range(1, 1_000)] = 8
    """Most executed steps that are told, the latest ones; keeps long episodes within the text length."""
    told_spacing: Literal["each", "doubling"] = "each"
    """Which executed steps are told: each of the latest, or those 1, 2, 4, 8, … steps ago, which reach far
    back; of these only the last is told with its action, of the others where they were."""
    told_views: Annotated[int, Range(0, HISTORY_MARKERS)] = 0
    """Most steps done that are told with what was seen before them, the latest ones; for bodies that tell
    steps so."""
    answer: Literal["action", "state_action"] = "action"
    """What an answer is: the action, or `( X Z Y ) action`, where it takes the body and then the action, of
    bodies that have words for where they are."""
    goal: bool = False
    """Show how it looks when the task is done, where that is known or imagined and a marker is left."""
    wording: Name = "paper"
    """Key of the body's wordings in `templates.yaml`: paper or short."""
    max_history: Annotated[int, Range(0, HISTORY_MARKERS)] = 8
    """Most images beside the observation."""

    def __post_init__(self) -> None:
        check_fields(self)
        for name in ("views", "drawn_views"):
            views = getattr(self, name)
            if len(set(views)) < len(views):
                raise UIO2Error(f"{name}={shown(views)} is not possible: it names a camera more than once")

    def fitted(self, cameras: Sequence[str]) -> PromptStyle:
        """Return the style with all its cameras named; UIO2Error for one that the body does not have."""
        views = self.views or tuple(cameras)
        object_view = self.object_view or views[0]
        asked = (*views, *self.drawn_views, *(() if object_view == STACKED else (object_view,)))
        if unknown := [view for view in asked if view not in cameras]:
            raise UIO2Error(f"prompt style: no camera {unknown[0]!r}; choose from {', '.join(cameras)}")
        if (views, object_view) == (self.views, self.object_view):
            return self
        return dataclasses.replace(self, views=views, object_view=object_view)

    @property
    def drawn(self) -> PromptStyle:
        """How drawn pictures look, as the `views` of a style that has all its cameras named."""
        return dataclasses.replace(self, views=self.drawn_views or self.views)

    @property
    def object_views(self) -> tuple[str, ...]:
        """Cameras of object placeholders, of a style that has all its cameras named."""
        return self.views if self.object_view == STACKED else (self.object_view,)

    def to_dict(self) -> dict[str, Any]:
        """Return plain JSON values."""
        return {
            **dataclasses.asdict(self),
            "views": list(self.views),
            "drawn_views": list(self.drawn_views),
        }

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> PromptStyle:
        """Inverse of `to_dict`; UIO2Error for an unknown field or a value that is not possible."""
        return build(cls, values, "style")


def save_styles(directory: str | Path, styles: Mapping[str, PromptStyle]) -> None:
    """Write the styles of a checkpoint directory, by embodiment."""
    values = {_ALL: {name: style.to_dict() for name, style in styles.items()}}
    replace_file(Path(directory, STYLE_FILE), json.dumps(values, indent=2) + "\n")


def load_styles(directory: str | Path, unnamed: str) -> dict[str, PromptStyle]:
    """Read the styles of a checkpoint directory, by embodiment; none where there is no file (official ones).

    Checkpoints older than the names of embodiments hold one style, which is that of `unnamed`.
    Raises UIO2Error naming the file for one that describes no styles.
    """
    path = Path(directory, STYLE_FILE)
    if not path.is_file():
        return {}
    try:
        values = read_object(path)
        if set(values) == {_ALL}:
            stored = values[_ALL]
        elif set(values) == {_ONE_UNNAMED}:
            stored = {unnamed: values[_ONE_UNNAMED]}
        else:
            raise UIO2Error(f"its fields are {shown(list(values))} and not {_ALL!r} alone")
        if not isinstance(stored, dict) or not stored:
            raise UIO2Error(f"{_ALL}={shown(stored)} is not possible: it takes a style for each embodiment")
        return {name: PromptStyle.from_dict(style) for name, style in stored.items()}
    except UIO2Error as error:
        raise UIO2Error(
            f"{path} does not describe prompt styles ({error}); write it with policies.style.save_styles"
        ) from None
