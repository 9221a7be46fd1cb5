"""What the player sends after each action: metadata and pictures, as both transports carry them."""

import json
import sys
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from envs.gl import GraphicsError
from envs.house.thor.metadata import state
from envs.house.thor.pictures import Painter, Picture
from envs.house.thor.session import Session


@dataclass(frozen=True)
class Kind:
    """One kind of picture on the wire."""

    fifo: int
    """The number of its field in a pipe."""
    form: str
    """The name of its field in a form."""


_AGENT = (
    ("rgb", Kind(4, "image")),
    ("depth", Kind(5, "image_depth")),
    ("instances", Kind(9, "image_ids")),
    ("classes", Kind(8, "image_classes")),
)
_THIRD_PARTY = (
    ("rgb", Kind(10, "image-thirdParty-camera")),
    ("depth", Kind(12, "image_thirdParty_depth")),
    ("instances", Kind(14, "image_thirdParty_image_ids")),
    ("classes", Kind(15, "image_thirdParty_classes")),
)


@dataclass(frozen=True)
class Message:
    """One state: `metadata` is plain data, `pictures` hold each picture's bytes, the lowest row first."""

    metadata: dict[str, Any]
    pictures: list[tuple[Kind, bytes]]


def message(session: Session, painter: Painter) -> Message:
    """Return the state after the last action. Where nothing can be drawn, that action has failed."""
    pictures: list[tuple[Kind, bytes]] = []
    if session.drawing:
        try:
            pictures = _drawn(session, painter)
        except GraphicsError as error:
            print(error, file=sys.stderr, flush=True)
            session.outcome = replace(session.outcome, success=False, message=str(error))
    return Message(state(session, painter.table), pictures)


def decoded(body: bytes) -> dict[str, Any]:
    """Return the action that a Controller sends; what is none is an action without a name."""
    try:
        action = json.loads(body)
    except (ValueError, RecursionError):
        action = None
    return action if isinstance(action, dict) else {"action": None}


def _drawn(session: Session, painter: Painter) -> list[tuple[Kind, bytes]]:
    found = _packed(painter.agent(), _AGENT)
    for camera in session.cameras:
        found += _packed(painter.third_party(camera), _THIRD_PARTY)
    return found


def _packed(picture: Picture, kinds: tuple[tuple[str, Kind], ...]) -> list[tuple[Kind, bytes]]:
    return [(kind, _bytes(pixels)) for name, kind in kinds if (pixels := getattr(picture, name)) is not None]


def _bytes(pixels: np.ndarray) -> bytes:
    """A picture as Unity sends it: from the lowest row up, colours of objects with a fourth byte."""
    return np.ascontiguousarray(pixels[::-1]).tobytes()
