"""What a processor is handed, checked: each wrong input gets one error that says what to do."""

import re
from collections.abc import Sequence
from typing import Any

import numpy as np

from uio2_agent.config import TARGET_MODALITIES
from uio2_agent.errors import RequestError
from uio2_agent.request import Request, Target
from uio2_agent.text.tokenizer import TextTokenizer

_MARKER = re.compile(r"<(image|audio)_(?:input|(history)_([1-8]))>")
"""What a text calls its other inputs; histories have up to `vocabulary.HISTORY_MARKERS` parts."""


def one_each(what: str, given: Sequence[Any] | None, requests: int, default: Any) -> list[Any]:
    """Return what is given for each request, or as many defaults."""
    if given is None:
        return [default] * requests
    if len(given) != requests:
        raise RequestError(f"{requests} requests but {len(given)} {what}: hand in one per request")
    return list(given)


def check_request(request: Request, row: int, tokenizer: TextTokenizer) -> None:
    """Raise RequestError for a request without anything, and for markers of inputs that are not there."""
    check_text(request.text, f"the text of request {row}", tokenizer)
    there = {
        ("image", "input"): int(request.image is not None),
        ("audio", "input"): int(request.audio is not None),
        ("image", "history"): len(request.image_history),
        ("audio", "history"): len(request.audio_history),
    }
    text = request.text if isinstance(request.text, str) else tokenizer.decode(request.text)
    if not text.strip() and not any(there.values()):
        raise RequestError(f"request {row} is empty: hand in a text, a picture or a sound")
    for marker in _MARKER.finditer(text):
        modality, history, number = marker.groups()
        held = there[modality, "history" if history else "input"]
        if int(number or 1) > held:
            part = "image" if modality == "image" else "sound"
            what = f"history {part}s" if history else f"{part}s"
            raise RequestError(
                f"the text of request {row} names {marker[0]}, and {held} {what} are handed in: hand in what "
                "it names, or leave the marker out"
            )


def check_text(text: object, what: str, tokenizer: TextTokenizer) -> None:
    """Raise RequestError unless a text is one that can be written in Unicode, or ids of the tokenizer."""
    if isinstance(text, np.ndarray):
        size = tokenizer.vocabulary.size
        if text.ndim != 1 or text.dtype.kind not in "iu":
            raise RequestError(
                f"{what} is {text.dtype} {list(text.shape)}: hand in a str, or token ids int [T]"
            )
        if len(text) and not 0 < int(text.min()) <= int(text.max()) < size:
            raise RequestError(f"{what} holds ids that are no tokens: they are 1..{size - 1}")
        return
    if not isinstance(text, str):
        raise RequestError(f"{what} is of the type {type(text).__name__}: hand in a str")
    if (bad := next((sign for sign in text if "\ud800" <= sign <= "\udfff"), None)) is not None:
        raise RequestError(f"{what} holds {bad!a}, half of a character: decode it from its bytes again")


def asked_modalities(
    requests: Sequence[Request], targets: Sequence[Target] | None, target: str | Sequence[str] | None
) -> list[str]:
    """Return the modality each request asks for: what is said, or the only one of its target."""
    if target is None:
        return ["text"] * len(requests) if targets is None else _answered(targets)
    asked = [target] * len(requests) if isinstance(target, str) else list(target)
    if len(asked) != len(requests):
        raise RequestError(f"{len(requests)} requests ask for {len(asked)} modalities: name one per request")
    for modality in asked:
        if modality not in TARGET_MODALITIES:
            raise RequestError(f"there is no target {modality!r}; there are {', '.join(TARGET_MODALITIES)}")
    return asked


def _answered(targets: Sequence[Target]) -> list[str]:
    asked = []
    for row, target in enumerate(targets):
        held = [name for name in TARGET_MODALITIES if getattr(target, name) is not None]
        if len(held) != 1:
            raise RequestError(
                f"the target of request {row} holds {' and '.join(held) or 'nothing'}: name the modality "
                "that is asked for with target="
            )
        asked += held
    return asked
