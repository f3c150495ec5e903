"""Tables that ``ctprep label`` has joined, kept under ``private/`` so that the next run joins them again."""

import json
from pathlib import Path
from typing import Any

from pipeline.cohort.options import TableOptions
from pipeline.errors import DamageError
from pipeline.output.durable import make_folder, write_bytes
from pipeline.output.layout import OWNER_ONLY, OutputFolder


def list_kept_tables(output: OutputFolder) -> list[TableOptions]:
    """Return the tables in the order in which they were first kept; raises DamageError where their list is none."""
    try:
        entries = json.loads(_list_of(output).read_bytes()) if _list_of(output).exists() else []
        return [TableOptions(_folder(output) / one["file"], one["on"], one["column"]) for one in entries]
    except (ValueError, TypeError, KeyError) as error:
        msg = "private/labels/tables.json is damaged: remove private/labels, and join the tables again"
        raise DamageError(msg) from error


def keep_table(output: OutputFolder, options: TableOptions) -> TableOptions:
    """Copy a table, in place of one of the same file name, and return where it is kept."""
    folder = _folder(output)
    make_folder(folder, OWNER_ONLY)
    kept = TableOptions(folder / options.path.name, options.on, options.column)
    write_bytes(kept.path, options.path.read_bytes(), private=True)
    tables = {table.path.name: table for table in list_kept_tables(output)} | {kept.path.name: kept}
    entries = [_entry(table) for table in tables.values()]
    write_bytes(_list_of(output), json.dumps(entries).encode(), private=True)
    return kept


def _entry(table: TableOptions) -> dict[str, Any]:
    return {"file": table.path.name, "on": table.on, "column": table.column}


def _folder(output: OutputFolder) -> Path:
    return output.private / "labels"


def _list_of(output: OutputFolder) -> Path:
    return _folder(output) / "tables.json"
