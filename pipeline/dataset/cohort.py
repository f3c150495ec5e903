"""A finished output as a table of series: filtered by any column, each volume opened when it is asked for."""

from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass, replace
from difflib import get_close_matches
from functools import cached_property
from pathlib import Path
from typing import Any

from pipeline.dataset.volume import CohortVolume
from pipeline.errors import UsageError
from pipeline.output.layout import OutputFolder
from pipeline.output.tables import read_table
from pipeline.sources.address import Address, parse_address, resolve_file_url
from pipeline.sources.working_copy import fetch_tables

Row = Mapping[str, Any]
Wanted = Any | Collection[Any] | Callable[[Any], bool]


def open_cohort(output: str | Path) -> "Cohort":
    """Open what a run has left, in a folder or in a bucket (``s3://``); raises UsageError where there is no manifest.

    Of a bucket the tables are fetched; of stores there, what is asked for is read.
    """
    address = parse_address(str(output))
    folder = OutputFolder(fetch_tables(address) if address else Path(resolve_file_url(str(output))).absolute())
    if not folder.manifest.exists():
        msg = f"{output} holds no manifest.parquet: it is no output of `ctprep run`"
        raise UsageError(msg)
    return Cohort(folder, tuple(read_table(folder.manifest)), address)


@dataclass(frozen=True)
class Cohort:
    """Rows of a manifest, in the order of ``series_key``.

    It can be pickled, forked and sent to workers: what it opens, each process opens for itself.
    """

    output: OutputFolder
    rows: tuple[Row, ...]
    address: Address | None = None

    def __len__(self) -> int:
        return len(self.rows)

    def __iter__(self) -> Iterator[Row]:
        return iter(self.rows)

    @property
    def columns(self) -> tuple[str, ...]:
        """The names of the columns."""
        return tuple(self.rows[0]) if self.rows else ()

    @cached_property
    def keys(self) -> tuple[str, ...]:
        """The series that have a volume, by ``series_key``."""
        return tuple(row["series_key"] for row in self.rows if row["store"])

    @cached_property
    def _by_key(self) -> dict[str, Row]:
        return {row["series_key"]: row for row in self.rows}

    def where(self, **wanted: Wanted) -> "Cohort":
        """Return the series whose columns are as wanted, all of them.

        A value must be equal, of a collection any may be; a function is given the cell and says yes or no.  In a column
        of lists (``warnings``) a value must be among the cell's.  Raises UsageError for a column that is not there.
        """
        for column in wanted:
            self._require_column(column)
        rows = (row for row in self.rows if all(_is_wanted(row[name], want) for name, want in wanted.items()))
        return replace(self, rows=tuple(rows))

    def column(self, name: str) -> list[Any]:
        """Return one column's cells; raises UsageError where there is no such column."""
        self._require_column(name)
        return [row[name] for row in self.rows]

    def to_pandas(self) -> Any:
        """Return the table as a pandas DataFrame, indexed by ``series_key``; pandas must be installed."""
        try:
            import pandas as pd  # noqa: PLC0415  only who asks for it needs it
        except ModuleNotFoundError as error:
            msg = "pandas is not installed: pip install 'ctprep[pandas]'"
            raise UsageError(msg) from error
        return pd.DataFrame(list(self.rows)).set_index("series_key")

    def row(self, key: str) -> Row:
        """Return a series' row; raises UsageError where the key is not among these series."""
        if key not in self._by_key:
            msg = f"no series {key} among these {len(self)}"
            raise UsageError(msg)
        return self._by_key[key]

    def volume(self, key: str) -> CohortVolume:
        """Return a series' volume, of which nothing is read yet; raises UsageError where it has none."""
        row = self.row(key)
        if not row["store"]:
            msg = f"series {key} has no volume: it is {row['status']}, {row['reason']}"
            raise UsageError(msg)
        return CohortVolume(self.output, row, self.address)

    def volumes(self) -> Iterator[CohortVolume]:
        """Yield the volume of each series that has one."""
        return map(self.volume, self.keys)

    def _require_column(self, name: str) -> None:
        if self.rows and name not in self.columns:
            near = get_close_matches(name, self.columns, n=1)
            msg = f"the manifest has no column {name}" + (f"; did you mean {near[0]}?" if near else "")
            raise UsageError(msg)


def _is_wanted(cell: Any, want: Wanted) -> bool:
    if callable(want):
        return bool(want(cell))
    wanted = want if isinstance(want, Collection) and not isinstance(want, str) else (want,)
    return cell in wanted if not isinstance(cell, list) else not set(cell).isdisjoint(wanted)
