"""Which check reads which file: the `CHECKS` of every module in `families`, by the file's stem.

A new family is a new module there; nothing else has to be told.
"""

import importlib
import pkgutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from tests.training_parity import families
from tests.training_parity.compare import Check, Errors, Values, read_cases


@dataclass(frozen=True)
class Outcome:
    """What came of one case: `file`, its number, the errors and the verdict "ok", "OFF" or "not yet"."""

    file: str
    case: int
    errors: Errors
    verdict: str
    where: str = ""


def checks() -> dict[str, Check]:
    """Return the checks of all families by the stem of the file they read."""
    found: dict[str, Check] = {}
    for module in pkgutil.iter_modules(families.__path__, f"{families.__name__}."):
        found |= importlib.import_module(module.name).CHECKS
    return found


def kind_of(path: Path) -> str:
    """Return what a file records: its stem, or what follows a `__` in it."""
    return path.stem.rpartition("__")[2]


def recorded(directory: Path, only: str | None = None) -> list[Path]:
    """Return the recorded files of a folder, or those of one stem or kind."""
    found = sorted(path for path in directory.iterdir() if path.suffix in (".json", ".npz"))
    return [path for path in found if only is None or only in (path.stem, kind_of(path))]


def run(path: Path, check: Check | None) -> Iterator[Outcome]:
    """Yield what comes of every case of a file; a case that cannot be compared at all is off."""
    if check is None:
        yield Outcome(path.stem, 0, {}, "not yet", "no check reads this file")
        return
    try:
        for number, case in enumerate(read_cases(path)):
            yield _compare(path.stem, number, case, check)
    except (OSError, ValueError, KeyError) as error:
        yield _broken(path.stem, 0, error)


def _compare(file: str, number: int, case: Values, check: Check) -> Outcome:
    try:
        errors = check.errors(case)
    except Exception as error:  # the other cases still have something to say
        return _broken(file, number, error)
    if not errors:
        return _broken(file, number, ValueError("nothing was compared"))
    off = check.off(errors)
    worst = off[0] if off else max(errors, key=errors.__getitem__)
    return Outcome(file, number, errors, "OFF" if off else "ok", worst)


def _broken(file: str, number: int, error: Exception) -> Outcome:
    what = f"{type(error).__name__}: {error}".splitlines()[0]
    return Outcome(file, number, {what: float("inf")}, "OFF", what)
