"""The Parquet files of a set of episodes, in memory."""

import json
from collections.abc import Mapping
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq


def tasks_table(tasks: Mapping[str, int]) -> pa.Table:
    """The task strings as pandas index, as LeRobot expects, written without pandas."""
    index = "__index_level_0__"
    described = [("task_index", "task_index", "int64", "int64"), (None, index, "unicode", "object")]
    names = ("name", "field_name", "pandas_type", "numpy_type")
    pandas = {
        "index_columns": [index],
        "column_indexes": [],
        "columns": [dict(zip(names, column, strict=True), metadata=None) for column in described],
        "creator": {"library": "pyarrow", "version": pa.__version__},
        "pandas_version": "2.0.0",
    }
    table = pa.table(
        {"task_index": pa.array(list(tasks.values()), pa.int64()), index: pa.array(list(tasks), pa.string())}
    )
    return table.replace_schema_metadata({"pandas": json.dumps(pandas)})


def one_row(row: Mapping[str, Any], columns: pa.Schema) -> pa.Table:
    """One struct for all columns: with a hundred of them much faster than column by column."""
    struct = pa.array([row], pa.struct(columns))
    return pa.Table.from_batches([pa.RecordBatch.from_struct_array(struct)])


def parquet(table: pa.Table) -> Any:
    """The bytes of a file that holds a table."""
    sink = pa.BufferOutputStream()
    plain = {"use_dictionary": False, "write_statistics": False}
    pq.write_table(table, sink, compression="snappy", write_page_checksum=True, **plain)
    return sink.getvalue()
