"""What a person typed → the value of an option, by the option's type; no letter of a text is changed.

A *text* is the word itself, whatever it looks like. *Several texts* stand in brackets, `[a,b]`, with commas
between; spaces around an item do not count, and an item that begins and ends with the same quotation mark is
what stands between the two (a doubled mark inside is one), so commas and spaces can be part of it. Without
brackets the word is one text.

A *free* value, whose type nobody declared, is a number, a truth value or nothing only where the word is how
Python or JSON writes that value: `12`, `-3`, `0.5`, `1e-05`, `true`, `True`, `null`, `None`. All else is
text: `12_34`, `007`, `2.50`, `1e3`, `nan`, `yes`. In quotation marks it is text in any case: `"12"`. `[a,12]`
is a list of free values, and a mapping, or a list within a list, is written in JSON.
"""

import json
import math
import re
from collections.abc import Sequence
from decimal import Decimal, InvalidOperation
from typing import Any

_WHOLE = re.compile(r"[+-]?[0-9_]+")
_NUMBER = re.compile(r"[+-]?([0-9]+(_[0-9]+)*(\.[0-9]*)?|\.[0-9]+)([eE][+-]?[0-9]+)?")
_QUOTED = re.compile(r""""(?:[^"]|"")*"|'(?:[^']|'')*'""")
_ITEM = re.compile(rf"(?:\A|,) *(?:({_QUOTED.pattern}) *|([^,]*))(?=,|\Z)")
_LARGEST = 2**63 - 1
_LONGEST_NUMBER = 40
_NAMED = {"true": True, "True": True, "false": False, "False": False, "null": None, "None": None}


def whole_number(word: str) -> int:
    """Return `12`, `1_000` or `1e6` as int; ValueError for anything else, and beyond 64 bits."""
    if abs(number(word)) > 2 * _LARGEST:  # a power of ten that is not to be written out
        raise ValueError(word)
    try:
        exact = Decimal(word)
    except InvalidOperation as error:  # an exponent beyond all measure
        raise ValueError(word) from error
    if exact != int(exact) or abs(exact) > _LARGEST:
        raise ValueError(word)
    return int(exact)


def number(word: str) -> float:
    """Return a finite number as float; ValueError for anything else, `nan` and `inf` among it."""
    if not _NUMBER.fullmatch(word) or not math.isfinite(value := float(word)):
        raise ValueError(word)
    return value


def truth_value(word: str) -> bool:
    """Return `true` or `false`, in capitals or not, as bool; ValueError for anything else."""
    if word.lower() not in ("true", "false"):
        raise ValueError(word)
    return word.lower() == "true"


def texts(word: str) -> str | list[str]:
    """Return the items of `[a,b]`, and any other word as it stands.

    >>> texts("[größer, it's,'a, b']"), texts("a,b")
    (['größer', "it's", 'a, b'], 'a,b')
    """
    return [_unquoted(item) for item in _items(word)] if _in_brackets(word) else word


def free_value(word: str) -> Any:
    """Return what a word without a declared type stands for.

    >>> free_value("12"), free_value("12_34"), free_value("'12'"), free_value("[a,0.5,true]")
    (12, '12_34', '12', ['a', 0.5, True])
    """
    if word in _NAMED:
        return _NAMED[word]
    if _NUMBER.fullmatch(word) and len(word) <= _LONGEST_NUMBER:
        written = (kind(word) for kind in (int, float) if kind is float or _WHOLE.fullmatch(word))
        return next((value for value in written if str(value) == word), word)
    if word[:1] in ("[", "{"):
        try:
            return json.loads(word, parse_int=free_value, parse_float=free_value, parse_constant=str)
        except (ValueError, RecursionError):
            pass
    if _in_brackets(word):
        items = _items(word)
        plain = all(_QUOTED.fullmatch(item) or not re.search(r"[][{}]", item) for item in items)
        return [free_value(item) for item in items] if plain else word
    return _unquoted(word)


def undashed(words: Sequence[str]) -> list[str]:
    """Return words in which `--key value` and `--key=value` stand as `key=value`.

    >>> undashed(["7", "--to", "glb", "--from=habitat", "index=2"])
    ['7', 'to=glb', 'from=habitat', 'index=2']
    """
    found, left = [], iter(words)
    for word in left:
        name, equals, value = word[2:].partition("=")
        dashed = word.startswith("--") and name
        found.append(f"{name}={value if equals else next(left, '')}" if dashed else word)
    return found


def _in_brackets(word: str) -> bool:
    return len(word) > 1 and word[0] == "[" and word[-1] == "]"


def _items(word: str) -> list[str]:
    """The items of a word in brackets, without the spaces around them, quotation marks and all."""
    inside = word[1:-1]
    if not inside.strip(" "):
        return []
    return [quoted or plain.rstrip(" ") for quoted, plain in _ITEM.findall(inside)]


def _unquoted(item: str) -> str:
    mark = item[:1]
    return item[1:-1].replace(mark * 2, mark) if _QUOTED.fullmatch(item) else item
