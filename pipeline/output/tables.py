"""Rows to Parquet and CSV and back.  The only module that knows pyarrow."""

import csv
import io
import json
import os
import zlib
from collections.abc import Container, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from itertools import groupby, pairwise
from pathlib import Path
from typing import Any
from urllib.parse import quote_from_bytes, unquote_to_bytes

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from pipeline.errors import DamageError
from pipeline.output.database import COMPRESSION, damage_error
from pipeline.output.durable import replacing
from pipeline.record import ColumnType

Row = Mapping[str, Any]

ROWS_AT_ONCE = 20_000
"""Rows are gathered and written in groups of this many, so that a table larger than memory can be written."""

SPREADSHEET_COMMANDS = ("=", "+", "-", "@", "\t", "\r", "\n")
"""A text that begins with one of these may be run by a spreadsheet (OWASP, CSV injection)."""

_ARROW_TYPES: dict[ColumnType, Any] = {
    "text": pa.string(),
    "path": pa.string(),
    "integer": pa.int64(),
    "number": pa.float64(),
    "boolean": pa.bool_(),
    "texts": pa.list_(pa.string()),
    "integers": pa.list_(pa.int64()),
    "numbers": pa.list_(pa.float64()),
    "value_counts": pa.list_(pa.struct([("value", pa.string()), ("count", pa.int64())])),
}

_MARKS: dict[ColumnType, dict[bytes, bytes]] = {"path": {b"kind": b"path"}}
URI = "file://"
"""A path begins with a slash, so that a text with this before it is none."""


def write_table(path: Path, columns: Mapping[str, ColumnType], rows: Iterable[Row], *, private: bool = False) -> None:
    """Write a Parquet file in place of the one at ``path``; the same rows give the same bytes.

    A column that a row lacks is null in it; one that ``columns`` lacks is a ValueError.
    """
    with open_table(path, columns, private=private) as table:
        table.add(rows)


def _schema(columns: Mapping[str, ColumnType]) -> Any:
    return pa.schema([pa.field(name, _ARROW_TYPES[kind], metadata=_MARKS.get(kind)) for name, kind in columns.items()])


class RowTable:
    """Rows in columns, as they were packed."""

    def __init__(self, table: Any) -> None:
        self._table = table

    def __len__(self) -> int:
        return int(self._table.num_rows)

    def values(self, name: str) -> list[Any]:
        """Return the values of a column."""
        values: list[Any] = self._table.column(name).to_pylist()
        return values

    def replace(self, columns: Mapping[str, Sequence[Any]]) -> "RowTable":
        """Return the rows with other values in some columns."""
        table = self._table
        for name, values in columns.items():
            at = table.schema.get_field_index(name)
            table = table.set_column(at, table.schema.field(at), pa.array(values, table.schema.field(at).type))
        return RowTable(table)

    def sort(self, name: str) -> "RowTable":
        """Return the rows in the order of a column, those that are equal as they were."""
        values = self.values(name)
        return RowTable(self._table.take(sorted(range(len(values)), key=values.__getitem__)))

    def select(self, schema: Any, constants: Mapping[str, Any], names: Mapping[str, str]) -> Any:
        """Return an Arrow table of a schema; a column is constant, or one of these, by the name in ``names``."""
        columns = []
        for field in schema:
            if field.name in constants:
                columns.append(pa.array([constants[field.name]] * len(self), field.type))
            else:
                columns.append(self._table.column(names.get(field.name, field.name)))
        return pa.Table.from_arrays(columns, schema=schema)


def pack_rows(columns: Mapping[str, ColumnType], rows: Iterable[Row]) -> bytes:
    """Return rows as `unpack_rows` takes them, compressed by what tells a changed bit."""
    schema = _schema(columns)
    file = io.BytesIO()
    with pa.ipc.new_stream(file, schema) as stream:
        stream.write_table(_arrow_table(schema, list(rows)))
    return zlib.compress(file.getvalue(), COMPRESSION)


def unpack_rows(packed: bytes) -> RowTable:
    """Return the rows that were packed; raises DamageError where they are none."""
    try:
        with pa.ipc.open_stream(zlib.decompress(packed)) as stream:
            return RowTable(stream.read_all())
    except (zlib.error, pa.ArrowException, OSError) as error:
        what = "rows of files cannot be read"
        raise damage_error(what) from error


class TableWriter:
    """Takes the rows of a table, and writes them in groups."""

    def __init__(self, writer: Any, schema: Any) -> None:
        self._writer = writer
        self._schema = schema
        self._waiting: list[Row] = []
        self._tables: list[Any] = []

    def add(self, rows: Iterable[Row]) -> None:
        """Add rows behind those that were added before."""
        for row in rows:
            self._waiting.append(row)
            if len(self._waiting) == ROWS_AT_ONCE:
                self.flush()

    def add_table(self, rows: RowTable, names: Mapping[str, str] | None = None, **constants: Any) -> None:
        """Add rows that are in columns already; ``names`` are those of columns that have another name there."""
        if self._waiting:
            self.flush()
        self._tables.append(rows.select(self._schema, constants, names or {}))
        if sum(map(len, self._tables)) >= ROWS_AT_ONCE:
            self.flush()

    def flush(self) -> None:
        """Write the rows that wait as a group."""
        if self._waiting:
            self._tables.append(_arrow_table(self._schema, self._waiting))
            self._waiting = []
        if self._tables:
            self._writer.write_table(pa.concat_tables(self._tables).combine_chunks())
            self._tables = []


@contextmanager
def open_table(path: Path, columns: Mapping[str, ColumnType], *, private: bool = False) -> Iterator[TableWriter]:
    """Yield a writer of a Parquet file that takes the place of the one at ``path`` once the block ends well."""
    schema = _schema(columns)
    with replacing(path, private=private) as file, pq.ParquetWriter(file, schema, compression="zstd") as writer:
        table = TableWriter(writer, schema)
        yield table
        table.flush()


def read_table(path: Path, columns: Sequence[str] | None = None) -> list[dict[str, Any]]:
    """Return the rows of a Parquet file, in their order, of all its columns or some.

    A column that it lacks is left out.  Raises DamageError if the file is none.
    """
    return _rows_of(_read(path, columns))


def iterate_groups(path: Path, column: str, wanted: Container[str]) -> Iterator[tuple[str, list[dict[str, Any]]]]:
    """Yield the rows that have each of the wanted values, of a Parquet file that is in the order of that column.

    No more than a group of rows is held.  Raises DamageError if the file is none.
    """
    here, waiting = "", list[dict[str, Any]]()
    for batch in _batches(path):
        values, start = batch.column(column).to_pylist(), 0
        for value, run in groupby(values):
            n_rows = sum(1 for _ in run)
            if value in wanted:
                if waiting and value != here:
                    yield here, waiting
                    waiting = []
                here = value
                waiting += _rows_of(pa.Table.from_batches([batch.slice(start, n_rows)]))
            start += n_rows
    if waiting:
        yield here, waiting


def _batches(path: Path) -> Iterator[Any]:
    try:
        yield from pq.ParquetFile(path).iter_batches(ROWS_AT_ONCE)
    except pa.ArrowException as error:
        msg = f"{path.name} is damaged: it cannot be read as Parquet"
        raise DamageError(msg) from error


def read_rows(path: Path, column: str, value: str) -> list[dict[str, Any]]:
    """Return those rows whose column has a value, reading no more of the file than groups of rows that may hold it.

    Raises DamageError if the file is none.
    """
    try:
        found = pq.read_table(path, filters=[(column, "=", value)], partitioning=None)
    except pa.ArrowException as error:
        msg = f"{path.name} is damaged: it cannot be read as Parquet"
        raise DamageError(msg) from error
    return _rows_of(found)


def _rows_of(table: Any) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = table.to_pylist()
    for name in [field.name for field in table.schema if field.metadata == _MARKS["path"]]:
        for row in rows:
            row[name] = row[name] and read_path(row[name])
    return rows


def write_path(path: str) -> str:
    """Return a path as text that any program can store; a name that is no UTF-8 makes a file URI of it."""
    raw = os.fsencode(path)
    try:
        return raw.decode()
    except UnicodeDecodeError:
        return f"{URI}{quote_from_bytes(raw)}"


def read_path(text: str) -> str:
    """Return the path that a text of `write_path` stands for."""
    return os.fsdecode(unquote_to_bytes(text.removeprefix(URI))) if text.startswith(URI) else text


def read_counts(path: Path, columns: Sequence[str], counts: str) -> Iterator[tuple[dict[str, Any], NDArray[np.int64]]]:
    """Yield a Parquet file's rows, each with its list of integers as an array that must not be written to.

    Raises DamageError if the file is none.
    """
    table = _read(path, [*columns, counts])
    column = table.column(counts).combine_chunks()
    ends, values = column.offsets.to_numpy(), column.values.to_numpy()
    for row, (start, end) in zip(table.select(columns).to_pylist(), pairwise(ends), strict=True):
        yield row, values[start:end]


def column_types(path: Path) -> dict[str, ColumnType]:
    """Return the columns of a Parquet file, in their order; raises DamageError if it is none."""
    try:
        return {column.name: _kind(column.type) for column in pq.read_schema(path)}
    except pa.ArrowException as error:
        msg = f"{path.name} is damaged: it cannot be read as Parquet"
        raise DamageError(msg) from error


def _kind(arrow: Any) -> ColumnType:
    return next(kind for kind, known in _ARROW_TYPES.items() if known.equals(arrow))


def is_whole(path: Path) -> bool:
    """Tell whether a Parquet file is there to its end; its rows are not read."""
    try:
        pq.read_metadata(path)
    except (pa.ArrowException, OSError):
        return False
    return True


def _read(path: Path, columns: Sequence[str] | None) -> Any:
    try:
        return pq.ParquetFile(path).read(columns)
    except pa.ArrowException as error:
        msg = f"{path.name} is damaged: it cannot be read as Parquet"
        raise DamageError(msg) from error


def write_csv(path: Path, columns: Sequence[str], rows: Iterable[Row]) -> None:
    """Write a CSV file in place of the one at ``path``, safe to open in a spreadsheet.

    Lists are JSON, null is empty; text that begins as a command gets a ' in front.
    """
    with replacing(path) as file:
        text = io.TextIOWrapper(file, encoding="utf-8", newline="")
        writer = csv.writer(text, lineterminator="\n")
        writer.writerow(columns)
        writer.writerows([_cell(row.get(name)) for name in columns] for row in rows)
        text.flush()
        text.detach()


def _arrow_table(schema: Any, rows: list[Row]) -> Any:
    if unknown := {name for row in rows for name in row} - set(schema.names):
        msg = f"no such column: {', '.join(sorted(unknown))}"
        raise ValueError(msg)
    return pa.Table.from_arrays([pa.array(_column(column, rows), column.type) for column in schema], schema=schema)


def _column(column: Any, rows: list[Row]) -> list[Any]:
    values = [row.get(column.name) for row in rows]
    if column.metadata != _MARKS["path"]:
        return values
    return [None if value is None else write_path(value) for value in values]


def _cell(value: Any) -> Any:
    if isinstance(value, list | tuple):
        return json.dumps(value, ensure_ascii=False)
    return _harmless(value) if isinstance(value, str) else value


def _harmless(text: str) -> str:
    """Put a ' before a command; carriage returns, which `csv` leaves unquoted, become plain line ends."""
    quoted = f"'{text}" if text.startswith(SPREADSHEET_COMMANDS) else text
    return quoted.replace("\r\n", "\n").replace("\r", "\n")
