"""Compare the model with recorded outputs of the official one: `python -m tests.parity DIR [--case NAME]
[--strict]`.

DIR holds `weights/NAME.config.json`, `weights/NAME.safetensors` and `cases/NAME__CASE.npz` (or `.json`) in
the official formats. Prints the largest error of each case; exits 1 if a known case is off. A case of an
unknown kind is listed as *not yet*, and counts as off under --strict. `--case` takes a file's stem or what
follows its `__`; no match exits 2.
"""

import argparse
import sys
from pathlib import Path

from tests.parity.compare import TOLERANCE
from tests.parity.registry import check_of, run


def main(arguments: list[str] | None = None) -> int:
    """Run the command; returns the exit code."""
    parser = argparse.ArgumentParser(prog="python -m tests.parity", description=__doc__.splitlines()[0])
    parser.add_argument("directory", type=Path, help="folder with weights/ and cases/")
    parser.add_argument("--case", help="only this case: a file's stem, or what follows its __")
    parser.add_argument("--strict", action="store_true", help="count cases that are not built yet as off")
    options = parser.parse_args(arguments)
    if not (options.directory / "cases").is_dir():
        print(
            f"{options.directory} holds no folder 'cases': give a folder of recorded outputs", file=sys.stderr
        )
        return 2
    print(f"{'case':36} {'largest error':>14}  where")
    compared = unknown = failed = 0
    for case, errors in run(options.directory, options.case):
        if errors is None:
            unknown += 1
            print(f"{case.path.stem:36} {'not yet':>14}", flush=True)
            continue
        compared += 1
        check = check_of(case)
        off = check.off(errors)
        failed += bool(off)
        worst = max(off or errors, key=lambda name: check.excess(name, errors[name]))
        print(f"{case.path.stem:36} {errors[worst]:14.2e}  {worst}{'  OFF' if off else ''}", flush=True)
    if not compared + unknown:
        print(f"no case {options.case!r} in {options.directory / 'cases'}", file=sys.stderr)
        return 2
    print(f"{compared} compared, {unknown} not yet, {failed} off (tolerance {TOLERANCE:g} or the case's own)")
    return 1 if failed or (options.strict and unknown) else 0


if __name__ == "__main__":
    sys.exit(main())
