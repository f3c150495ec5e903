"""Tables of labels joined to series, what is left over on either side, and the tables kept for the next run."""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pipeline.cohort.options import TableOptions
from pipeline.cohort.table import Labels, LabelTable
from pipeline.errors import DamageError
from pipeline.output.durable import make_folder, write_bytes
from pipeline.output.layout import OWNER_ONLY, OutputFolder
from pipeline.record import ColumnType

Identifiers = Mapping[str, str | None]
"""What a series or a slice is known by: a value for each word of `options.Identifier` that it has."""

SHORT = 4
"""An identifier shorter than this may equal a label by chance."""

LEFTOVER_COLUMNS: dict[str, ColumnType] = dict.fromkeys(("table", "on", "key", "without"), "text")
"""A row without a series has its ``key``, a series (or slice) without a row is named in ``without``."""


@dataclass(frozen=True)
class Joined:
    """A table's labels by series_key (or slice_key), and what is left over.

    ``alone`` are the keys of rows without a series, ``unlabelled`` the series (or slices) without a row.
    """

    table: LabelTable
    labels: Mapping[str, Labels]
    alone: tuple[str, ...]
    unlabelled: tuple[str, ...]

    def summarise(self) -> dict[str, Any]:
        """Return the counts, as run.json holds them."""
        return {
            "on": self.table.options.on,
            "columns": list(self.table.columns),
            "withheld": list(self.table.withheld),
            "labelled": len(self.labels),
            "unlabelled": len(self.unlabelled),
            "rows_without": len(self.alone),
        }

    @property
    def message(self) -> str:
        """The counts in words."""
        members = "slices" if self.table.options.is_about_slices else "series"
        n_members = len(self.labels) + len(self.unlabelled)
        words = f"{self.table.options.path.name}: {len(self.labels)} of {n_members} {members} have labels"
        if self.alone:
            words += f", {len(self.alone)} of {len(self.table.rows)} rows no {members}"
        if self.table.withheld:
            words += f"; withheld, because they may identify a person: {', '.join(self.table.withheld)}"
        return words


def join_table(table: LabelTable, members: Mapping[str, Identifiers]) -> Joined:
    """Join a table to series (or slices) by an identifier; columns that repeat an identifier are withheld.

    A key is compared letter by letter, spaces at its ends aside.
    """
    on = table.options.on
    keys = {name: (known.get(on) or "").strip() for name, known in members.items()}
    table = table.without(_identifying_columns(table, members, keys))
    labels = {name: table.rows[key] for name, key in keys.items() if key in table.rows}
    alone = table.rows.keys() - set(keys.values())
    return Joined(table, labels, tuple(sorted(alone)), tuple(sorted(members.keys() - labels.keys())))


def list_leftovers(joins: Iterable[Joined]) -> list[dict[str, str | None]]:
    """Return a row of LEFTOVER_COLUMNS for each key without a partner; they belong under ``private/``."""
    return [
        {"table": join.table.options.path.name, "on": join.table.options.on, "key": key, "without": name}
        for join in joins
        for key, name in (*((key, None) for key in join.alone), *((None, name) for name in join.unlabelled))
    ]


def _identifying_columns(table: LabelTable, members: Mapping[str, Identifiers], keys: Mapping[str, str]) -> list[str]:
    """Return the columns that hold identifiers of the series."""
    pairs = [(table.rows[keys[name]], known) for name, known in members.items() if keys[name] in table.rows]
    return [column for column in table.columns if _repeats([(labels[column], known) for labels, known in pairs])]


def _repeats(cells: Sequence[tuple[object, Identifiers]]) -> bool:
    cells_known = [(str(value), known) for value, known in cells if value is not None]
    equal = [text for text, known in cells_known if text in {own.strip() for own in known.values() if own}]
    return any(len(text) >= SHORT for text in equal) or (len(equal) == len(cells_known) > 1)


def list_kept_tables(output: OutputFolder) -> list[TableOptions]:
    """Return the tables in the order in which they were first kept; raises DamageError where their list is none."""
    try:
        entries = json.loads(_tables_list(output).read_bytes()) if _tables_list(output).exists() else []
        return [TableOptions(_tables_folder(output) / one["file"], one["on"], one["column"]) for one in entries]
    except (ValueError, TypeError, KeyError) as error:
        msg = "private/labels/tables.json is damaged: remove private/labels, and join the tables again"
        raise DamageError(msg) from error


def keep_table(output: OutputFolder, options: TableOptions) -> TableOptions:
    """Copy a table, in place of one of the same file name, and return where it is kept."""
    folder = _tables_folder(output)
    make_folder(folder, OWNER_ONLY)
    kept = TableOptions(folder / options.path.name, options.on, options.column)
    write_bytes(kept.path, options.path.read_bytes(), private=True)
    tables = {table.path.name: table for table in list_kept_tables(output)} | {kept.path.name: kept}
    entries = [_describe_table(table) for table in tables.values()]
    write_bytes(_tables_list(output), json.dumps(entries).encode(), private=True)
    return kept


def _describe_table(table: TableOptions) -> dict[str, Any]:
    return {"file": table.path.name, "on": table.on, "column": table.column}


def _tables_folder(output: OutputFolder) -> Path:
    return output.private / "labels"


def _tables_list(output: OutputFolder) -> Path:
    return _tables_folder(output) / "tables.json"
