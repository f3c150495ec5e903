"""One series to a folder of its own: page, pictures, tables."""

import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from pipeline.errors import CtprepError, OutputError
from pipeline.features.statistics import Histogram
from pipeline.output.layout import OutputFolder
from pipeline.output.tables import Row, write_csv
from pipeline.record import SeriesRecord
from pipeline.report.charts import Figure
from pipeline.report.options import ReportOptions
from pipeline.report.pictures import Pictures, pictures_of
from pipeline.report.plot import plot_of
from pipeline.report.render import put, render
from pipeline.report.stack import differences, stack_figure
from pipeline.store.read import open_store
from pipeline.vocabulary import Status

SLICE_COLUMNS = (
    "z_index",
    "position_mm",
    "offset_mm",
    "instance_number",
    "rows",
    "columns",
    "transfer_syntax",
    "status",
    "reason",
    "slice_key",
)


@dataclass(frozen=True, eq=False)
class SeriesData:
    """What a series' page is made from."""

    record: SeriesRecord
    slices: Sequence[Row]
    histogram: Histogram | None


def write_series(output: OutputFolder, series: SeriesData, options: ReportOptions) -> None:
    """Write a series' folder in place of the one that is there.

    A store that cannot be read costs its pictures, not the page.  Raises OutputError where the system refuses.
    """
    record = series.record
    folder = folder_of(output, record.series_key)
    remove(folder)
    wants_pictures = options.pictures and record.status is Status.OK
    pictures = _pictures(output, record, options) if wants_pictures else None
    for name, content in (pictures.files if pictures else {}).items():
        put(folder / name, content)
    page = render(
        "series.html.j2",
        root="../../",
        record=record,
        pictures=pictures,
        missing=wants_pictures and pictures is None,
        stack=stack_figure(series.slices),
        hounsfield=_hounsfield(series.histogram),
        differences=differences(series.slices),
        n_slices=len(series.slices),
    )
    put(folder / "index.html", page)
    _write_tables(folder, series)


def folder_of(output: OutputFolder, series_key: str) -> Path:
    """Return where a series' page and pictures lie."""
    return output.report / "series" / series_key


def remove(folder: Path) -> None:
    """Remove a series' folder, if there is one; raises OutputError where the system refuses."""
    try:
        if folder.exists():
            shutil.rmtree(folder)
    except OSError as error:
        msg = f"cannot replace {folder.name} of the report: {error.strerror or error}"
        raise OutputError(msg) from error


def _pictures(output: OutputFolder, record: SeriesRecord, options: ReportOptions) -> Pictures | None:
    try:
        with output.at_hand(record.series_key) as folder:
            return pictures_of(open_store(folder), options.animations)
    except (CtprepError, KeyError, OSError, RuntimeError, TypeError, ValueError):  # what a damaged store raises
        return None


def _hounsfield(histogram: Histogram | None) -> Figure | None:
    return plot_of(histogram, "hounsfield", "Hounsfield units") if histogram and histogram.total else None


def _write_tables(folder: Path, series: SeriesData) -> None:
    if series.slices:
        ordered = sorted(series.slices, key=lambda row: (row["z_index"] is None, row["z_index"], row["slice_key"]))
        write_csv(folder / "slices.csv", SLICE_COLUMNS, ordered)
    if series.histogram and series.histogram.total:
        pairs = zip(series.histogram.bins_hu.tolist(), series.histogram.counts.tolist(), strict=True)
        write_csv(folder / "hounsfield.csv", ("hu", "voxels"), ({"hu": hu, "voxels": n} for hu, n in pairs if n))
