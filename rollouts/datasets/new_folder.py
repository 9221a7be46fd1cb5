"""A folder that appears whole or not at all: written beside its place, brought to the disk, then moved."""

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from pretrain.sources.schema import DatasetError
from uio2_agent.files import PARTIAL
from uio2_agent.syncing import sync


@contextmanager
def new_folder(output: str | Path) -> Iterator[Path]:
    """Give a folder to write to, which takes the place of `output` at the end of the block.

    Raises DatasetError where `output` holds something already: nothing is overwritten.
    """
    output = Path(output).expanduser().resolve()
    if output.exists() and any(output.iterdir()):
        raise DatasetError(f"{output} holds files already: choose another output=")
    partial = output.with_name(output.name + PARTIAL)
    shutil.rmtree(partial, ignore_errors=True)
    try:
        partial.mkdir(parents=True)
        yield partial
        for folder, _, names in os.walk(partial, topdown=False):
            for name in names:
                sync(Path(folder) / name)
            sync(Path(folder))
        os.replace(partial, output)
        sync(output.parent)
    finally:
        shutil.rmtree(partial, ignore_errors=True)
