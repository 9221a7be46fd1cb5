"""What it costs before the first answer: `python -m benchmarks.loading [DIRECTORY ...]`.

Seconds to import torch and then this package, to build each named size without numbers, and, for model
directories, to load the weights, to read them all once, and the peak of resident memory that this takes above
what it was before, mapped pages counted. Each figure is the best of three processes of their own.
"""

import json
import subprocess
import sys

from rich.console import Console
from rich.table import Table

REPEATS = 3

IMPORT = """
import time; start = time.perf_counter()
import torch; between = time.perf_counter()
from uio2_agent import UnifiedIO2, Processor, Request
print(json.dumps({"import torch": between - start, "then import uio2_agent": time.perf_counter() - between}))
"""

BUILD = """
import time, torch
from uio2_agent import UnifiedIO2, UnifiedIO2Config
name, config, _ = sys.argv[1], UnifiedIO2Config.preset(sys.argv[1]), UnifiedIO2
start = time.perf_counter()
with torch.device("meta"): UnifiedIO2(config)
print(json.dumps({f"build {name} on meta": time.perf_counter() - start}))
"""

LOAD = """
import time
from uio2_agent import UnifiedIO2
def resident(key):
    return next(int(line.split()[1]) for line in open("/proc/self/status") if line.startswith(key)) * 1024
UnifiedIO2.from_pretrained("nano")  # what torch loads on first use
open("/proc/self/clear_refs", "w").write("5")
before, start = resident("VmRSS"), time.perf_counter()
model = UnifiedIO2.from_pretrained(sys.argv[1], processor=False)
loaded = time.perf_counter()
for value in model.state_dict().values(): value.reshape(-1)[::512].sum()
read = time.perf_counter()
weights = sum(value.nbytes for value in model.state_dict().values())
print(json.dumps({f"{sys.argv[1]}: load": loaded - start, f"{sys.argv[1]}: read all once": read - loaded,
                  f"{sys.argv[1]}: peak memory / weights": (resident("VmHWM") - before) / weights}))
"""


def best(code: str, *words: str) -> dict[str, float]:
    """Run code that prints a JSON object of figures; return the least of each."""
    runs = [
        json.loads(
            subprocess.run(
                [sys.executable, "-c", "import json, sys\n" + code, *words],
                capture_output=True,
                text=True,
                check=True,
            ).stdout
        )
        for _ in range(REPEATS)
    ]
    return {name: min(run[name] for run in runs) for name in runs[0]}


def main() -> None:
    """Measure and print."""
    figures = best(IMPORT)
    for name in ("nano", "base", "large", "xl", "xxl"):
        figures |= best(BUILD, name)
    for directory in sys.argv[1:]:
        figures |= best(LOAD, directory)
    table = Table("", "s (or ratio)", title=f"best of {REPEATS}", title_justify="left")
    for name, value in figures.items():
        table.add_row(name, f"{value:.3f}")
    Console().print(table)


if __name__ == "__main__":
    main()
