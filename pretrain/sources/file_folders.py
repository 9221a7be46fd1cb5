"""Folders of files: those of one stem are one example (`cat.jpg` and `cat.txt`), as in a tar shard.

It refuses to know what the files mean; files of endings that nobody reads here, and hidden ones, are passed
over.
"""

import os
from collections.abc import Mapping
from functools import cached_property
from pathlib import Path

from pretrain.sources.schema import DatasetError
from pretrain.sources.source import checked_index, fingerprint, identity_of
from pretrain.sources.store import Store

IMAGES = ("jpg", "jpeg", "png", "webp", "bmp", "gif", "tif", "tiff")
SOUNDS = ("wav", "flac", "mp3", "ogg", "m4a")
VIDEOS = ("mp4", "webm", "mkv", "avi", "mov")
TEXTS = ("txt", "json")
_ENDINGS = (*IMAGES, *SOUNDS, *VIDEOS, *TEXTS)
_WHOLE_ENDINGS = ("flow.npy",)
_LOOKED_INTO = 64
"""Files whose content counts in the identity; of the others name and size do."""


class FileFolder(Store):
    """The examples of a folder and of all below it, in order of their names.

    Raises DatasetError when there is no folder, or no file of an ending that is read.
    """

    def __init__(self, root: str | Path):
        self.root = Path(root)
        if not self.root.is_dir():
            raise DatasetError(f"there is no folder {root}: name the one that holds the files")
        found: dict[str, dict[str, int]] = {}
        for folder, below, names in os.walk(self.root):
            below[:] = sorted(name for name in below if not name.startswith("."))
            for name in names:
                stem, _, ending = name.partition(".")
                ending_read = ending.rpartition(".")[2].lower() in _ENDINGS or ending in _WHOLE_ENDINGS
                if stem and ending_read:
                    place = Path(folder, name)
                    example = found.setdefault(str(place.parent.relative_to(self.root) / stem), {})
                    example[ending] = place.stat().st_size
        if not found:
            raise DatasetError(
                f"{root} holds no files of the endings {', '.join((*_ENDINGS, *_WHOLE_ENDINGS))}"
            )
        self._examples = sorted((stem, tuple(sorted(sizes.items()))) for stem, sizes in found.items())

    def __len__(self) -> int:
        return len(self._examples)

    def fields(self, index: int) -> Mapping[str, Path]:
        """Return the files of an example by what follows the first dot of their names."""
        stem, files = self._examples[checked_index(index, self)]
        return {ending.lower(): self.root / f"{stem}.{ending}" for ending, _ in files}

    def where(self, index: int) -> str:
        """Return the path that the example's files begin with."""
        return f"{self.root / self._examples[checked_index(index, self)][0]}.*"

    @cached_property
    def identity(self) -> str:
        """The number of examples and a digest of names and sizes, and of some files' content."""
        files = [(f"{stem}.{ending}", size) for stem, sizes in self._examples for ending, size in sizes]
        step = -(-len(files) // _LOOKED_INTO)
        looked = [fingerprint(self.root / name) for name, _ in files[::step]]
        return identity_of(len(self), [*(f"{name} {size}" for name, size in files), *looked])
