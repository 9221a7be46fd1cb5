"""`uio2 convert`: from the keys of the command to work on a model alone, without a simulator."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any


def convert(keys: Mapping[str, Any]) -> int:
    """`uio2 convert`."""
    import torch
    from rich.progress import (
        BarColumn,
        DownloadColumn,
        Progress,
        TimeRemainingColumn,
        TransferSpeedColumn,
    )

    from uio2_agent.formats.checkpoint import TOKENIZER
    from uio2_agent.formats.convert import convert as run

    options = {key: value for key, value in keys.items() if key not in ("source", "output", "dtype")}
    dtype = None if keys["dtype"] is None else getattr(torch, keys["dtype"])
    columns = ("convert", BarColumn(), DownloadColumn(), TransferSpeedColumn(), TimeRemainingColumn())
    with Progress(*columns) as bars:
        bar = bars.add_task("convert", total=None)
        output = run(
            keys["source"],
            Path(keys["output"]).expanduser(),
            dtype=dtype,
            progress=lambda done, total: bars.update(bar, completed=done, total=total),
            **options,
        )
    print(f"model    {output}")
    if not (output / TOKENIZER).is_file():
        print(f"no {TOKENIZER} came with it: put LLaMA's there, or hand in tokenizer=PATH when loading")
    return 0
