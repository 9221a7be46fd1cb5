"""Examples that are made of a source of images with captions: pairs of one sitting, and pasted patches.

Example i is a function of i and of the source alone, so that the order of training stays one.
"""

from functools import cached_property

import numpy as np

from pretrain.generated import shapes
from pretrain.order import permutation
from pretrain.sources.records import ImageTextRecord, PairsRecord, RegionsRecord
from pretrain.sources.source import Source, checked_index

_FEWEST, _MOST = 2, 5
"""Images of an example of pairs."""
_SHAPES = 10


class Pairs(Source):
    """As many examples as the source has, each of 2 to 5 of its images: its own and others at random."""

    def __init__(self, source: Source):
        self.name, self._source = source.name, source

    def __len__(self) -> int:
        return len(self._source)

    def __getitem__(self, index: int) -> PairsRecord:
        """Return the record at an index; BadRecord where one of its images is damaged."""
        chosen: list[ImageTextRecord] = [self._source[place] for place in self._places(index)]
        return PairsRecord(tuple(chosen))

    def key(self, index: int) -> str:
        """Return the least key of its images': where one of them is held back, all are."""
        return min(self._source.key(place) for place in self._places(index))

    @cached_property
    def identity(self) -> str:
        """The source's identity, and the kind."""
        return f"{self._source.identity} pairs"

    def _places(self, index: int) -> list[int]:
        """Return the indices of the images of an example, its own first."""
        index = checked_index(index, self)
        count = int(np.random.default_rng([index, 1]).integers(_FEWEST, _MOST + 1))
        drawn = map(permutation(len(self), "pairs", index), range(min(count, len(self))))
        return [index, *(place for place in drawn if place != index)][:count]


class Patches(Source):
    """The source's images with 1 to 10 coloured shapes pasted on each."""

    def __init__(self, source: Source):
        self.name, self._source = source.name, source

    def __len__(self) -> int:
        return len(self._source)

    def __getitem__(self, index: int) -> RegionsRecord:
        """Return the record at an index: the boxes and names are the shapes'."""
        image = self._source[index].image
        rng = np.random.default_rng([index, 2])
        size = image.shape[:2]
        things = shapes.drawn_shapes(rng, size, int(rng.integers(1, _SHAPES + 1)), largest=0.12)
        pasted, _, boxes = shapes.pasted(image, things)
        return RegionsRecord(pasted, boxes, tuple(thing.name for thing in things))

    def key(self, index: int) -> str:
        """Return the key of the image."""
        return self._source.key(index)

    @cached_property
    def identity(self) -> str:
        """The source's identity, and the kind."""
        return f"{self._source.identity} patches"
