"""Questions asked in other colours: the channels of all their pictures change places, and colour words too.

Where demonstrations move what is red and put it into what is blue, nobody says that it must be so, but a
model that saw nothing else learns it. Red, green and blue can take each other's places in five ways; each
makes blue things of red ones in every picture of a question alike, and in its words.
"""

import dataclasses
import itertools
import re
from collections.abc import Iterable

import numpy as np

from uio2_agent.request import Request, Target

Channels = tuple[int, int, int]
"""Which channel of a picture as it is stored is shown as red, as green, as blue."""
AS_STORED: Channels = (0, 1, 2)
_ORDERS = [order for order in itertools.permutations(AS_STORED) if order != AS_STORED]
_LIGHTS = {
    "red": (1, 0, 0),
    "green": (0, 1, 0),
    "blue": (0, 0, 1),
    "yellow": (1, 1, 0),
    "cyan": (0, 1, 1),
    "purple": (1, 0, 1),
}
_WORDS = {lights: word for word, lights in _LIGHTS.items()}
_COLOUR = re.compile(rf"\b({'|'.join(_LIGHTS)})\b")


def draw_channels(rng: np.random.Generator) -> Channels:
    """Draw one of the five orders that change something."""
    return _ORDERS[int(rng.integers(len(_ORDERS)))]


def in_words(text: str, channels: Channels) -> str:
    """Return the text with each of red, green, blue, yellow, cyan and purple as it is shown.

    >>> in_words("Put the red and yellow thing into it.", (2, 0, 1))
    'Put the green and cyan thing into it.'
    """

    def shown(match: re.Match) -> str:
        lights = _LIGHTS[match[1]]
        return _WORDS[tuple(lights[channel] for channel in channels)]

    return _COLOUR.sub(shown, text)


def texture_name(texture: str, channels: Channels) -> str:
    """Return what a texture is called when shown so; of one without a colour's name ("tiger"), a name that
    no set knows.
    """
    if channels == AS_STORED:
        return texture
    if not _COLOUR.search(texture):
        return f"{texture} {channels}"
    return in_words(texture, channels)


def nameable(text: str, textures: Iterable[str]) -> bool:
    """Say whether what a text names of these textures can be named in other colours."""
    return not any(texture and texture in text for texture in textures if not _COLOUR.search(texture))


def recoloured(request: Request, target: str | Target, channels: Channels) -> tuple[Request, str | Target]:
    """Return a question and its answer, a plan or a picture, with the channels of their pictures in another
    order.
    """
    order = list(channels)
    request = dataclasses.replace(
        request,
        text=in_words(request.text, channels),
        image=request.image[..., order],
        image_history=tuple(picture[..., order] for picture in request.image_history),
    )
    if isinstance(target, Target):
        target = dataclasses.replace(target, image=target.image[..., order])
    return request, target
