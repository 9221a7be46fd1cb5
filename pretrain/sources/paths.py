"""Names of data sets to the files they mean: a folder, a pattern, a count of shards, or the files."""

import re
from collections.abc import Sequence
from itertools import product
from pathlib import Path

from pretrain.sources.schema import DatasetError


def expanded(paths: str | Path | Sequence[str | Path], pattern: str, what: str) -> list[Path]:
    """Return the files of a folder that match a pattern, of a pattern, or as given, sorted; each exists.

    `{000..127}` counts, with as many digits as written; a folder is searched with all below it.
    Raises DatasetError where there is none.
    """
    found: list[Path] = []
    for path in [paths] if isinstance(paths, str | Path) else paths:
        for text in _counted(str(path)):
            place = Path(text)
            if place.is_dir():
                found += sorted(item for item in place.rglob(pattern) if item.is_file())
            elif any(sign in text for sign in "*?["):
                root = Path(place.anchor or ".")
                found += sorted(root.glob(str(place.relative_to(place.anchor) if place.anchor else place)))
            else:
                found.append(place)
    if not found:
        raise DatasetError(
            f"no {what} in {paths}: name the folder, a pattern such as {pattern}, or the files"
        )
    if missing := [path for path in found if not path.is_file()]:
        raise DatasetError(f"there is no file {missing[0]} ({len(missing)} of {len(found)} {what} missing)")
    return found


def _counted(text: str) -> list[str]:
    parts = re.split(r"\{(\d+)\.\.(\d+)\}", text)
    counts = [
        [f"{number:0{len(low)}d}" for number in range(int(low), int(high) + 1)]
        for low, high in zip(parts[1::3], parts[2::3], strict=True)
    ]
    between = parts[::3]
    return [
        "".join(piece for pair in zip(between, (*chosen, ""), strict=True) for piece in pair)
        for chosen in product(*counts)
    ]
