"""One series to a folder of its own: page, pictures, tables, and a drawing of where its slices lie."""

import shutil
from collections import Counter
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from statistics import median

import numpy as np

from pipeline.errors import CtprepError, OutputError
from pipeline.features.statistics import Histogram
from pipeline.output.layout import OutputFolder
from pipeline.output.tables import Row, write_csv
from pipeline.record import SeriesRecord
from pipeline.report.charts import WIDTH, Canvas, Figure, plot_of
from pipeline.report.options import ReportOptions
from pipeline.report.pictures import INDEX, Pictures, pictures_of, read_pictures, write_pictures
from pipeline.report.render import figure, put, render
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

SAME_MM = 0.001
"""Slices nearer than this lie at one position: positions are written with rounding."""

WIDE = 1.5
"""An interval above so many times the median is marked as a gap."""

LEFT, TOP, TALL = 10.0, 12.0, 60.0
ACROSS = WIDTH - 2 * LEFT

COMPARED = ("rows", "columns", "transfer_syntax", "status", "reason")
"""Columns of slices.parquet that are one and the same in a series without oddities."""

MOST_VALUES = 6


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
    folder = output.series_report(record.series_key)
    wants_pictures = options.pictures and record.status is Status.OK
    pictures = _find_pictures(output, record, options) if wants_pictures else None
    remove(folder, keeps={INDEX, *pictures.files} if pictures else ())
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


def remove(folder: Path, keeps: Collection[str] = ()) -> None:
    """Remove a series' folder, if there is one, or all of it but some files.

    Raises OutputError where the system refuses.
    """
    try:
        if not keeps and folder.exists():
            shutil.rmtree(folder)
        for path in folder.iterdir() if keeps else ():
            if path.name not in keeps:
                path.unlink()
    except OSError as error:
        msg = f"cannot replace {folder.name} of the report: {error.strerror or error}"
        raise OutputError(msg) from error


def _find_pictures(output: OutputFolder, record: SeriesRecord, options: ReportOptions) -> Pictures | None:
    """Return the pictures that the worker left; without any, draw those of the store."""
    folder = output.series_report(record.series_key)
    if found := read_pictures(folder, record.sha256, options.animations):
        return found
    try:
        with output.at_hand(record.series_key) as store:
            pictures = pictures_of(open_store(store), options.animations)
    except (CtprepError, KeyError, OSError, RuntimeError, TypeError, ValueError):  # what a damaged store raises
        return None
    try:
        write_pictures(folder, pictures, record.sha256 or "")
    except OSError as error:
        msg = f"cannot write the pictures of {folder.name}: {error.strerror or error}"
        raise OutputError(msg) from error
    return pictures


def _hounsfield(histogram: Histogram | None) -> Figure | None:
    return plot_of(histogram, "hounsfield", "Hounsfield units") if histogram and histogram.total else None


def _write_tables(folder: Path, series: SeriesData) -> None:
    if series.slices:
        ordered = sorted(series.slices, key=lambda row: (row["z_index"] is None, row["z_index"], row["slice_key"]))
        write_csv(folder / "slices.csv", SLICE_COLUMNS, ordered)
    if series.histogram and series.histogram.total:
        pairs = zip(series.histogram.bins_hu.tolist(), series.histogram.counts.tolist(), strict=True)
        write_csv(folder / "hounsfield.csv", ("hu", "voxels"), ({"hu": hu, "voxels": n} for hu, n in pairs if n))


def stack_figure(slices: Sequence[Row]) -> Figure | None:
    """Draw a series from the side, true to scale, or return None where no position is known.

    Slices stand where they lie along the normal, shifted by their offset within the plane: a tilted gantry gives a
    parallelogram.  Gaps are shaded; slices at one position are marked above it.
    """
    placed = sorted((row for row in slices if row["position_mm"] is not None), key=lambda row: row["position_mm"])
    if not placed:
        return None
    positions = [row["position_mm"] for row in placed]
    intervals = [after - before for before, after in pairwise(positions)]
    usual = median(intervals) if intervals else 0.0
    shifts = _shifts_mm(placed)
    scale = ACROSS / max(positions[-1] - positions[0], SAME_MM)
    low, high = min(shifts) * scale, max(shifts) * scale
    canvas = Canvas(TOP + TALL + (high - low) + 24)
    _draw_gaps(canvas, positions, scale, high - low)
    _draw_slices(canvas, positions, [shift * scale - low for shift in shifts], scale)
    for position, anchor, x in ((positions[0], "start", LEFT), (positions[-1], "end", LEFT + ACROSS)):
        canvas.text(f"{figure(position, 1)} mm", (x, canvas.height - 6), anchor, "quiet")
    title, note = "Where the slices lie", _note(positions, intervals, usual, max(shifts) - min(shifts))
    counts = sorted(Counter(round(interval, 3) for interval in intervals).items(), key=lambda pair: -pair[1])
    return Figure("stack", title, note, ("interval, mm", "times"), tuple(counts), canvas.svg("f-stack", title, note))


def _draw_gaps(canvas: Canvas, positions: Sequence[float], scale: float, shifted: float) -> None:
    usual = median(np.diff(positions).tolist() or [0.0])
    for before, after in pairwise(positions):
        if after - before > WIDE * usual:
            box = (LEFT + (before - positions[0]) * scale, TOP, (after - before) * scale, TALL + shifted)
            canvas.rect("gap", box, f"{figure(after - before, 3)} mm without a slice")


def _draw_slices(canvas: Canvas, positions: Sequence[float], tops: Sequence[float], scale: float) -> None:
    lines = []
    for index, (position, top) in enumerate(zip(positions, tops, strict=True)):
        x = LEFT + (position - positions[0]) * scale
        lines.append(f"M{x:.1f} {TOP + top:.1f}v{TALL:.0f}")
        if index and position - positions[index - 1] < SAME_MM:
            canvas.circle("alert", (x, TOP + top - 5), 3, f"another slice at {figure(position, 3)} mm")
    canvas.path("line", "".join(lines))


def differences(slices: Sequence[Row]) -> list[tuple[str, str]]:
    """Return what differs between the slices of a series: a column, and its values with their counts."""
    found = []
    for column in COMPARED:
        counts = Counter(str(row[column]) for row in slices if row[column] is not None)
        if len(counts) > 1:
            parts = [f"{value} ({figure(n)})" for value, n in counts.most_common(MOST_VALUES)]
            more = [f"and {figure(len(counts) - MOST_VALUES)} more"] if len(counts) > MOST_VALUES else []
            found.append((column, ", ".join(parts + more)))
    if direction := _direction(slices):
        found.append(("instance_number", direction))
    return found


def _direction(slices: Sequence[Row]) -> str | None:
    """Say how InstanceNumber runs against the position, where it does not simply grow with it."""
    placed = [row for row in slices if row["position_mm"] is not None and row["instance_number"] is not None]
    numbers = [row["instance_number"] for row in sorted(placed, key=lambda row: row["position_mm"])]
    steps = np.diff(numbers)
    if not steps.size or (steps > 0).all():
        return None
    return "falls as the position grows" if (steps < 0).all() else "does not follow the position"


def _shifts_mm(placed: Sequence[Row]) -> list[float]:
    """Return each slice's offset within the plane along the direction in which offsets differ most."""
    offsets = np.array([row["offset_mm"] or (0.0, 0.0) for row in placed], dtype=float)
    spread = offsets - offsets.mean(axis=0)
    direction = np.linalg.svd(spread, full_matrices=False)[2][0]
    along = spread @ direction
    return [float(value) for value in (along if abs(along).max() > SAME_MM else along * 0)]


def _note(positions: Sequence[float], intervals: Sequence[float], usual: float, shift: float) -> str:
    gaps = sum(interval > WIDE * usual for interval in intervals)
    doubles = sum(interval < SAME_MM for interval in intervals)
    parts = [f"{figure(len(positions))} slices over {figure(positions[-1] - positions[0], 1)} mm"]
    parts += [f"usual interval {figure(usual, 3)} mm"] if intervals else []
    parts += [f"{gaps} wide interval{'s' * (gaps > 1)}, shaded"] if gaps else []
    parts += [f"{doubles} at a position that has one already, dotted"] if doubles else []
    parts += [f"shifted by {figure(shift, 1)} mm within the plane"] if shift > 0.1 else []
    return f"{'; '.join(parts)}."
