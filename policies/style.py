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
from typing import Any

from uio2_agent.errors import UIO2Error
from uio2_agent.files import replace_file

STYLE_FILE = "policy.json"
_ALL, _ONE_UNNAMED = "styles", "prompt"


@dataclasses.dataclass(frozen=True, kw_only=True)
class PromptStyle:
    """How the requests for one embodiment look."""

    views: tuple[str, ...] = ()
    """Cameras of the observation and of scene placeholders, stacked from top to bottom; empty for all."""
    crop_to_mat: bool = False
    """Keep only the region of a picture that matters (`Embodiment.region`): of a table, the work mat."""
    object_view: str = ""
    """Camera of object placeholders; empty for the first of `views`."""
    object_crop: int = 128
    """Side of the square around the picture's centre that is kept of an object placeholder, in 128ths of the
    picture's height."""
    object_names: bool = False
    """Write "texture object" instead of showing an object placeholder ("pure text"); scenes stay images."""
    object_boxes: bool = False
    """Tell boxes and names of the objects in sight, in the form of `boxes_target` ("boxes as input")."""
    memory: bool = True
    """After the first step, carry the first view and the executed steps."""
    told_steps: int = 8
    """Most executed steps that are told, the latest ones; keeps long episodes within the text length."""
    wording: str = "paper"
    """Key of the body's wordings in `templates.yaml`: paper or short."""
    max_history: int = 8
    """Most images beside the observation."""

    def __post_init__(self) -> None:
        if not 8 <= self.object_crop <= 128:
            raise UIO2Error(f"prompt style: object_crop={self.object_crop}; use 8 to 128 pixels")
        if self.told_steps < 1:
            raise UIO2Error(f"prompt style: told_steps={self.told_steps}; use at least 1, or memory=False")
        if not 0 <= self.max_history <= 8:
            raise UIO2Error(f"prompt style: max_history={self.max_history}; the model has 8 image markers")

    def fitted(self, cameras: Sequence[str]) -> PromptStyle:
        """Return the style with all its cameras named; UIO2Error for one that the body does not have."""
        views = self.views or tuple(cameras)
        object_view = self.object_view or views[0]
        if unknown := [view for view in (*views, object_view) if view not in cameras]:
            raise UIO2Error(f"prompt style: no camera {unknown[0]!r}; choose from {', '.join(cameras)}")
        if (views, object_view) == (self.views, self.object_view):
            return self
        return dataclasses.replace(self, views=views, object_view=object_view)

    def to_dict(self) -> dict[str, Any]:
        """Return plain JSON values."""
        return {**dataclasses.asdict(self), "views": list(self.views)}

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> PromptStyle:
        """Inverse of `to_dict`; an unknown key or a value of another kind is an error."""
        known = {field.name: field.default for field in dataclasses.fields(cls)}
        if unknown := sorted(set(values) - set(known)):
            raise UIO2Error(f"prompt style: unknown keys {unknown}; known are {sorted(known)}")
        values = {key: tuple(value) if isinstance(value, list) else value for key, value in values.items()}
        for key, value in values.items():
            if type(value) is not type(known[key]):
                raise UIO2Error(f"prompt style: {key} takes values like {known[key]!r}, found {value!r}")
        if not all(isinstance(view, str) for view in values.get("views", ())):
            raise UIO2Error(f"prompt style: views are names of cameras, found {values['views']!r}")
        return cls(**values)


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
        values = json.loads(path.read_text(encoding="utf-8"))
        stored = values[_ALL] if _ALL in values else {unnamed: values[_ONE_UNNAMED]}
        return {str(name): PromptStyle.from_dict(style) for name, style in stored.items()}
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError, UIO2Error) as error:
        reason = str(error) if isinstance(error, UIO2Error) else repr(error)
        raise UIO2Error(
            f"{path} does not describe prompt styles ({reason}); write it with policies.style.save_styles"
        ) from None
