"""Tables on disk: Parquet files, and Hugging Face datasets as `save_to_disk` leaves them (Arrow files).

Unusual: neither needs the `datasets` package. Arrow files are mapped into memory, so that a row costs what it
holds. Parquet knows no rows, only groups of them, which are read whole and kept, a few at a time: it is quick
with groups of some hundred rows, and slow with large ones. Only the columns that are asked for are read.

It refuses to know what the columns mean.
"""

import json
from abc import abstractmethod
from bisect import bisect
from collections import OrderedDict
from collections.abc import Collection, Sequence
from functools import cached_property
from itertools import accumulate
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from pretrain.sources.paths import expanded
from pretrain.sources.schema import DatasetError
from pretrain.sources.source import BadRecord, checked_index, fingerprint, identity_of
from pretrain.sources.store import Store

_GROUPS = 8
"""Row groups that stay in memory."""


class _Tables(Store):
    """Rows of several files, which lie in blocks of rows."""

    def __init__(self, files: Sequence[Path], columns: Collection[str] | None):
        self.files = list(files)
        self._asked = None if columns is None else list(columns)
        self._blocks: list[tuple[int, int]] = []
        """File and place in it of each block."""
        lengths: list[int] = []
        for number, path in enumerate(self.files):
            for place, length in enumerate(self._lengths(path)):
                self._blocks.append((number, place))
                lengths.append(length)
        self._ends = list(accumulate(lengths))
        if not self._ends or not self._ends[-1]:
            raise DatasetError(f"{self.files[0]} and its like hold no rows: name others")

    def __len__(self) -> int:
        return self._ends[-1]

    def fields(self, index: int) -> dict[str, Any]:
        """Return the columns of a row; what is empty is left out."""
        block, row = self._place(index)
        try:
            values = self._block(block).slice(row, 1).to_pylist()[0]
        except (pa.ArrowException, OSError, ValueError, IndexError) as error:
            raise BadRecord(f"{self.where(index)} cannot be read ({_line(error)}): copy it again") from error
        return {name: value for name, value in values.items() if value is not None}

    def where(self, index: int) -> str:
        """Return the file and the row in its block."""
        block, row = self._place(index)
        number, place = self._blocks[block]
        return f"{self.files[number]}, row {row} of group {place},"

    @cached_property
    def identity(self) -> str:
        """The number of rows and a digest of the files' content."""
        return identity_of(len(self), [fingerprint(path) for path in self.files])

    def _place(self, index: int) -> tuple[int, int]:
        index = checked_index(index, self)
        block = bisect(self._ends, index)
        return block, index - (self._ends[block - 1] if block else 0)

    def _wanted(self, names: Sequence[str]) -> list[str]:
        return [name for name in names if self._asked is None or name in self._asked]

    @abstractmethod
    def _lengths(self, path: Path) -> list[int]:
        """Return the number of rows of each block of a file."""

    @abstractmethod
    def _block(self, block: int) -> pa.Table | pa.RecordBatch:
        """Return the rows of a block."""


class ParquetFiles(_Tables):
    """The rows of Parquet files, in order of the files' names.

    Arguments:
        paths: a folder (searched with all below), a pattern such as `data/train-*.parquet`, or files.
        columns: names of those to read; None for all.

    Raises DatasetError when there is none, or one is no Parquet file.
    """

    def __init__(
        self, paths: str | Path | Sequence[str | Path], columns: Collection[str] | None = None
    ) -> None:
        self._open: dict[int, pq.ParquetFile] = {}
        self._kept: OrderedDict[int, pa.Table] = OrderedDict()
        super().__init__(expanded(paths, "*.parquet", "Parquet files"), columns)

    def __getstate__(self) -> dict[str, object]:
        return {**self.__dict__, "_open": {}, "_kept": OrderedDict()}

    def _lengths(self, path: Path) -> list[int]:
        try:
            about = pq.read_metadata(path)
        except (pa.ArrowException, OSError) as error:
            raise DatasetError(
                f"{path} is no whole Parquet file ({_line(error)}): copy it again, or take it out of the set"
            ) from error
        return [about.row_group(place).num_rows for place in range(about.num_row_groups)]

    def _block(self, block: int) -> pa.Table:
        table = self._kept.pop(block, None)
        if table is None:
            number, place = self._blocks[block]
            if number not in self._open:
                self._open[number] = pq.ParquetFile(self.files[number], page_checksum_verification=True)
            file = self._open[number]
            table = file.read_row_group(place, self._wanted(file.schema_arrow.names))
        self._kept[block] = table
        if len(self._kept) > _GROUPS:
            self._kept.popitem(last=False)
        return table


class ArrowFiles(_Tables):
    """The rows of a Hugging Face dataset on disk.

    Arguments:
        path: the folder that `Dataset.save_to_disk` made; of a `DatasetDict` the folder of one split.
        columns: names of those to read; None for all.

    Raises DatasetError when it is none, or its rows stand in another order than its files hold them.
    """

    def __init__(self, path: str | Path, columns: Collection[str] | None = None):
        root = Path(path)
        if (root / "dataset_dict.json").is_file():
            splits = [place.parent.name for place in sorted(root.glob("*/state.json"))]
            raise DatasetError(f"{root} holds the splits {', '.join(splits)}: name one of these folders")
        try:
            state = json.loads((root / "state.json").read_text())
            files = [root / item["filename"] for item in state["_data_files"]]
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise DatasetError(
                f"{root} is no Hugging Face dataset ({_line(error)}): name what save_to_disk made"
            ) from error
        if state.get("_indices_data_files"):
            raise DatasetError(f"{root} has rows by an index: save it again after flatten_indices()")
        if not files:
            raise DatasetError(f"{root} has no data files: save it again")
        self._batches: dict[int, list[pa.RecordBatch]] = {}
        super().__init__(files, columns)

    def __getstate__(self) -> dict[str, object]:
        return {**self.__dict__, "_batches": {}}

    def _lengths(self, path: Path) -> list[int]:
        return [batch.num_rows for batch in self._read(path)]

    def _block(self, block: int) -> pa.RecordBatch:
        number, place = self._blocks[block]
        if number not in self._batches:
            self._batches[number] = self._read(self.files[number])
        batch = self._batches[number][place]
        return batch.select(self._wanted(batch.schema.names))

    def _read(self, path: Path) -> list[pa.RecordBatch]:
        """Return the batches of a file, mapped into memory."""
        try:
            content = pa.memory_map(str(path))
            try:
                return list(pa.ipc.open_stream(content))
            except pa.ArrowInvalid:
                file = pa.ipc.open_file(content)
                return [file.get_batch(place) for place in range(file.num_record_batches)]
        except (pa.ArrowException, OSError) as error:
            raise DatasetError(f"{path} is no whole Arrow file ({_line(error)}): copy it again") from error


def _line(error: Exception) -> str:
    return " ".join(str(error).split())
