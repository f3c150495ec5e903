"""Labels of single slices: joined into slices.parquet, and what found no partner listed."""

from collections.abc import Collection, Sequence
from typing import Any

from pipeline.cohort.join import LEFTOVER_COLUMNS, Joined, join_table, list_leftovers
from pipeline.cohort.table import LabelTable
from pipeline.output.columns import SLICE_COLUMNS
from pipeline.output.layout import OutputFolder
from pipeline.output.manifest import infer_label_columns
from pipeline.output.tables import read_table, write_table
from pipeline.privacy import PseudonymKey
from pipeline.record import LABEL_PREFIX, map_types
from pipeline.run.inventory import slice_key
from pipeline.vocabulary import FileStatus


def label_slices(output: OutputFolder, key: PseudonymKey, tables: Sequence[LabelTable]) -> tuple[Joined, ...]:
    """Join the tables that speak of slices to those that were used, and write slices.parquet with their columns."""
    joins = tuple(join_to_slices(output, key, table) for table in tables if table.options.is_about_slices)
    if joins:
        publish_slice_labels(output, joins)
    return joins


def join_to_slices(output: OutputFolder, key: PseudonymKey, table: LabelTable) -> Joined:
    """Join a table to the slices that were used, as the inventory of the output lists them."""
    used = [row for row in read_table(output.files) if row["status"] == FileStatus.USED]
    names = [slice_key(row["SOPInstanceUID"] or row["path"], row["frame"], key) for row in used]
    members = {
        name: {"SOPInstanceUID": row["SOPInstanceUID"], "slice_key": name}
        for name, row in zip(names, used, strict=True)
    }
    return join_table(table, members)


def publish_slice_labels(output: OutputFolder, joins: Sequence[Joined], dropped: Collection[str] = ()) -> None:
    """Write slices.parquet with the joined columns beside those that it has, but for ``dropped``."""
    rows = read_table(output.slices)
    labels = [_labels_of(row, joins, dropped) for row in rows]
    own = [{name: row[name] for name in SLICE_COLUMNS} for row in rows]
    whole = [row | labelled for row, labelled in zip(own, labels, strict=True)]
    write_table(output.slices, map_types(SLICE_COLUMNS) | infer_label_columns(labels), whole)


def slice_label_columns(output: OutputFolder) -> set[str]:
    """Return the labels that slices.parquet holds."""
    return {name for row in read_table(output.slices) for name in row if name.startswith(LABEL_PREFIX)}


def publish_leftovers(output: OutputFolder, joins: Sequence[Joined]) -> None:
    """List under ``private/`` every row and every series or slice that found no partner; without tables, nothing."""
    if joins:
        write_table(output.private / "unlabelled.parquet", LEFTOVER_COLUMNS, list_leftovers(joins), private=True)


def _labels_of(row: dict[str, Any], joins: Sequence[Joined], dropped: Collection[str]) -> dict[str, Any]:
    there = {name: value for name, value in row.items() if name.startswith(LABEL_PREFIX) and name not in dropped}
    empty: dict[str, Any] = {column: None for join in joins for column in join.table.columns}
    found = {name: value for join in joins for name, value in join.labels.get(row["slice_key"], {}).items()}
    return there | empty | found
