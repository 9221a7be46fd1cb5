"""What stands behind the player's name when a Controller starts it: Unity's words, and keys of ours."""

from collections.abc import Sequence

_KEYS = {"-screen-width": "width", "-screen-height": "height"}
_ALONE = {"-batchmode": "headless=true", "-nographics": ""}


def as_keys(words: Sequence[str]) -> list[str]:
    """Return Unity's words as key=value words, those of no use here left out, and all others as they are.

    >>> as_keys(["assets=a.json", "-screen-fullscreen", "0", "-screen-width", "224"])
    ['assets=a.json', 'width=224']
    """
    found, left = [], iter(words)
    for word in left:
        if word in _ALONE:
            found += [_ALONE[word]] if _ALONE[word] else []
        elif word.startswith("-"):
            value = next(left, "")
            found += [f"{_KEYS[word]}={value}"] if word in _KEYS else []
        else:
            found.append(word)
    return found
