"""``ctprep label``: join labels to a finished output; its tables are written again, and no store is touched."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from typing import Any

from pipeline.cohort.cohort import Identifiers, Joined, join_table, keep_table, list_kept_tables, with_labels
from pipeline.cohort.options import TableOptions
from pipeline.cohort.table import LabelTable, read_labels
from pipeline.config import Config, load
from pipeline.errors import UsageError
from pipeline.output.layout import OutputFolder
from pipeline.output.lock import run_lock
from pipeline.output.manifest import publish, read_records
from pipeline.output.tables import read_table
from pipeline.record import SeriesRecord
from pipeline.run.publish import join_to_slices, publish_leftovers, publish_slice_labels, slice_label_columns
from pipeline.run.session import load_key
from pipeline.vocabulary import Status


def label(output: OutputFolder, options: TableOptions) -> Joined:
    """Join a table to what the last run of an output has found, and keep a copy for the runs to come.

    A table of the same file name takes the place of the one before.  Raises UsageError where there is no run, where the
    table is not what it should be, brings a column that is there from elsewhere, or speaks of nothing in the output:
    then nothing is changed.
    """
    table, records = read_labels(options), read_records(output)
    config = load(output.private_config, output=output.root)
    with run_lock(output):
        before = [read_labels(kept) for kept in list_kept_tables(output) if kept.path.name == options.path.name]
        dropped = {column for one in before for column in one.columns}
        _check_columns(table, _columns_there(output, records) - dropped)
        join = _joined(output, table, records, config)
        if not join.labels:
            msg = f"{join.message}: nothing was changed; is {options.key_column} the {options.on}?"
            raise UsageError(msg)
        keep_table(output, options)
        if options.is_about_slices:
            publish_slice_labels(output, [join], dropped)
        else:
            kept = [_without(record, dropped) for record in records]
            publish(output, with_labels(kept, [join]), config.manifest.identifiers)
        publish_leftovers(output, [join])
    return join


def _joined(output: OutputFolder, table: LabelTable, records: Sequence[SeriesRecord], config: Config) -> Joined:
    if table.options.is_about_slices:
        return join_to_slices(output, load_key(config, output), table)
    records_by_key = {record.series_key: record for record in records if record.status is not Status.EXCLUDED}
    members = {}
    for row in read_table(output.index):
        if record := records_by_key.get(row["series_key"]):
            members[record.series_key] = _identifiers(row, record)
    return join_table(table, members)


def _identifiers(row: Mapping[str, Any], record: SeriesRecord) -> Identifiers:
    names = ("PatientID", "StudyInstanceUID", "SeriesInstanceUID", "series_key")
    return {name: row[name] for name in names} | {"patient": record.patient, "study": record.study}


def _columns_there(output: OutputFolder, records: Sequence[SeriesRecord]) -> set[str]:
    return {column for record in records for column in record.labels} | slice_label_columns(output)


def _check_columns(table: LabelTable, there: Collection[str]) -> None:
    if clash := sorted(table.columns.keys() & set(there)):
        msg = f"{table.options.path.name}: there are columns {', '.join(clash)} from elsewhere; give them other names"
        raise UsageError(msg)


def _without(record: SeriesRecord, dropped: Collection[str]) -> SeriesRecord:
    return replace(record, labels={name: value for name, value in record.labels.items() if name not in dropped})
