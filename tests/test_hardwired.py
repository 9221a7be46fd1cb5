"""No package above the simulators names one: what differs between them lives in suites and embodiments.

`python -m tests.test_hardwired` lists what it finds.
"""

import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[1]
WORD = re.compile(r"vima", re.IGNORECASE)
NAMES_IT = {
    "policies/embodiments/vima.py": "the body itself",
    "policies/templates.yaml": "its wordings",
    "pretrain/sources/vima_trajectories.py": "a reader of the files that its authors published",
}
"""Files that are about it, and why."""
DEFAULTS = {
    "policies/embodiments/__init__.py": (
        r'^DEFAULT = "vima"$',
        r'"vima": f"\{__name__\}\.vima:VIMA"',
    ),
    "pretrain/sources/__init__.py": (r"Vima(Episode|Trajectories)", r"vima_trajectories"),
    "pretrain/sources/folders.py": (r"Vima(Episode|Trajectories)", r"vima_trajectories", r"VIMA's"),
    "pretrain/train.yaml": (r"^  env: vima ", r"ours or of VIMA's own trajectories"),
    "rollouts/conf/": (r"^env: vima ", r"data/vima"),
}
"""Lines that may name it: defaults, the list of formats, and the list of bodies."""


def hardwired() -> list[str]:
    """Return each line above `envs` that names the tabletop without leave."""
    packages = ("uio2_agent", "policies", "pretrain", "rollouts")
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard", *packages],
        cwd=ROOT, capture_output=True, text=True, check=True,
    )  # fmt: skip
    found = []
    for name in sorted(filter(None, listed.stdout.split("\0"))):
        path = ROOT / name
        if name in NAMES_IT or not path.is_file():
            continue
        if path.suffix not in (".py", ".yaml", ".html", ".css", ".json"):
            continue
        if WORD.search(name):
            found.append(f"{name}: the file's name")
        allowed = [rule for start, rules in DEFAULTS.items() if name.startswith(start) for rule in rules]
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), start=1):
            left = line
            for rule in allowed:
                left = re.sub(rule, "", left)
            if WORD.search(left):
                found.append(f"{name}:{number}: {line.strip()}")
    return found


def test_no_simulator_is_named_above_its_folder() -> None:
    assert not (found := hardwired()), "\n".join(found)


if __name__ == "__main__":
    print("\n".join(lines := hardwired()) or "nothing is hardwired")
    sys.exit(bool(lines))
