"""How examples lie on disk, whatever they mean: each is a mapping of field names to what is stored."""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import Any


class Store(ABC):
    """Fields by index, with random access.

    A field's value is bytes, a text, a number, a list or mapping of such, or the `Path` of a file. Stores can
    be pickled, and open their files in each process for themselves.
    """

    @abstractmethod
    def __len__(self) -> int:
        """Return how many examples there are."""

    @abstractmethod
    def fields(self, index: int) -> Mapping[str, Any]:
        """Return what is stored of the example at an index from 0; BadRecord where that cannot be read."""

    @abstractmethod
    def where(self, index: int) -> str:
        """Return the file and the place in it, for errors."""

    @property
    @abstractmethod
    def identity(self) -> str:
        """As `Source.identity`."""
