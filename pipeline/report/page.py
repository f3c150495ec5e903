"""Records, tables and stores to ``report/``: pages that open from disk, offline; ``index.html`` is the first."""

import json
import re
from collections import Counter, defaultdict
from collections.abc import Container, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from hashlib import blake2b
from itertools import islice
from os import cpu_count
from pathlib import Path
from typing import Any

from pipeline import __version__
from pipeline.features.statistics import Histogram
from pipeline.output.durable import write_bytes
from pipeline.output.layout import OutputFolder
from pipeline.output.manifest import count_mask_reasons
from pipeline.output.tables import Row, iterate_groups, write_csv
from pipeline.record import RECORD_COLUMNS, SeriesRecord, to_json
from pipeline.report.charts import Figure
from pipeline.report.cohort import by_module, cohort_figures, findings_of, history, tags_of
from pipeline.report.options import ReportOptions
from pipeline.report.pictures import THUMBNAIL
from pipeline.report.render import SITE, public, put, render
from pipeline.report.series_page import SeriesData, remove, write_series
from pipeline.vocabulary import Reason, SeriesWarning, Status

PER_PAGE = 60
"""Series on a page of the contact sheet."""

MOST_NAMED = 30
"""Series named under a reason; the table has them all."""

THREADS = min(cpu_count() or 1, 4)
"""Encoders let go of the interpreter; each thread holds one volume."""

PAGES_AT_ONCE = 64
"""So many series are held with their slices while pages are written."""

ASSETS = ("report.css", "table.js", "viewer.js")
TABLE_COLUMNS = (
    ("Series", False),
    ("Status", False),
    ("Reason", False),
    ("Scanner", False),
    ("Kernel", False),
    ("Slices", True),
    ("Step, mm", True),
    ("Mean HU", True),
    ("Noise, HU", True),
    ("Split", False),
    ("Warnings", False),
)
"""The columns of the page of all series, and whether they hold numbers."""
SERIES_KEY = re.compile(r"[0-9a-f]{20}")

MARKS_FILE = "made.json"
"""Marks of the pages that a report holds: a page whose series did not change is not written again."""
PASSING = frozenset({"duration_s", "peak_memory_mb", "finished_at", "masks"})
"""Columns that a page does not show: they differ each time a series is processed, though nothing else does."""


def write_report(
    output: OutputFolder,
    records: Sequence[SeriesRecord],
    summary: Mapping[str, Any],
    options: ReportOptions,
    histograms: Mapping[str, Histogram],
) -> Path:
    """Write the report and return its first page.

    ``summary`` is what run.json holds; ``histograms`` are those of histograms.parquet by series_key.  The same input
    gives the same bytes, and the page of a series that did not change is left as it is.  Raises OutputError where the
    report cannot be written, DamageError where a table beside it cannot be read.
    """
    ordered = sorted(map(public, records), key=lambda record: record.series_key)
    shown = choose_pages(ordered, options)
    _write_series(output, shown, options, histograms)
    _write_sheets(output, shown, len(ordered))
    tags = tags_of(output)
    drawn = cohort_figures(ordered, tags, histograms)
    _write_tables(output, ordered, tags, drawn)
    put(output.report / "figures.html", render("figures.html.j2", root="", figures=drawn))
    put(output.report / "table.html", _table(ordered))
    put(output.report / "elements.html", render("elements.html.j2", root="", modules=by_module(tags)))
    for name in ASSETS:
        put(output.report / name, (SITE / name).read_bytes())
    path = output.report / "index.html"
    put(path, _overview(output, ordered, summary, frozenset(record.series_key for record in shown)))
    return path


def _overview(
    output: OutputFolder, records: Sequence[SeriesRecord], summary: Mapping[str, Any], pages: Container[str]
) -> bytes:
    by_reason = _by_reason(records)
    return render(
        "index.html.j2",
        root="",
        pages=pages,
        n_series=len(records),
        counts={status: sum(record.status is status for record in records) for status in Status},
        summary=summary,
        history=history(summary),
        findings=findings_of(output),
        refused={reason: found for reason, found in by_reason.items() if reason.status is not Status.EXCLUDED},
        excluded={reason: found for reason, found in by_reason.items() if reason.status is Status.EXCLUDED},
        look=[record for record in records if record.qc == "look"],
        warnings=_warnings(records),
        masks=count_mask_reasons(records),
        most_named=MOST_NAMED,
    )


def _table(records: Sequence[SeriesRecord]) -> bytes:
    found = {record.status for record in records}, {record.reason for record in records}
    statuses = [status for status in Status if status in found[0]]
    reasons = [reason for reason in Reason if reason in found[1]]
    return render("table.html.j2", root="", records=records, columns=TABLE_COLUMNS, statuses=statuses, reasons=reasons)


def _write_series(
    output: OutputFolder,
    records: Iterable[SeriesRecord],
    options: ReportOptions,
    histograms: Mapping[str, Histogram],
) -> None:
    """Make the pages of series that are new or changed, and remove those of series that are gone."""
    program = program_mark(options, [*SITE.parent.glob("*.py"), *SITE.glob("*.j2")])
    before, now = read_marks(output.report), {}
    todo = []
    for data in _load_series(output, records, histograms):
        key = data.record.series_key
        now[key] = series_mark(program, data.record, data.slices, data.histogram)
        if before.get(key) != now[key] or not (output.series_report(key) / "index.html").exists():
            todo.append(data.record)
    output.report.mkdir(parents=True, exist_ok=True)
    write_marks(output.report, {key: mark for key, mark in now.items() if before.get(key) == mark})
    remaining = _load_series(output, todo, histograms)
    with ThreadPoolExecutor(THREADS) as pool:
        while several := list(islice(remaining, PAGES_AT_ONCE)):
            for _ in pool.map(lambda data: write_series(output, data, options), several):
                pass
    _remove_gone(output.report / "series", now.keys())
    write_marks(output.report, now)


def choose_pages(records: Sequence[SeriesRecord], options: ReportOptions) -> list[SeriesRecord]:
    """Return the series that have a page of their own, in their order: those worth a look or refused, and a sample."""
    n_pages = options.count_pages(len(records))
    if n_pages == len(records):
        return list(records)
    refused = {Status.REJECTED, Status.FAILED}
    ranked = sorted(records, key=lambda one: (one.qc != "look", one.status not in refused, one.series_key))
    return sorted(ranked[:n_pages], key=lambda one: one.series_key)


def _load_series(
    output: OutputFolder, records: Iterable[SeriesRecord], histograms: Mapping[str, Histogram]
) -> Iterator[SeriesData]:
    """Yield what the pages of series are made from, one after another."""
    by_key = {record.series_key: record for record in records}
    if by_key and output.slices.exists():
        for key, rows in iterate_groups(output.slices, "series_key", frozenset(by_key)):
            yield SeriesData(by_key.pop(key), rows, histograms.get(key))
    for key, record in by_key.items():
        yield SeriesData(record, (), histograms.get(key))


def _remove_gone(folder: Path, keys: Iterable[str]) -> None:
    kept = set(keys)
    for path in sorted(folder.iterdir()) if folder.exists() else ():
        if SERIES_KEY.fullmatch(path.name) and path.name not in kept:
            remove(path)


@dataclass(frozen=True)
class Entry:
    """A series on the contact sheet."""

    record: SeriesRecord
    has_picture: bool


def _write_sheets(output: OutputFolder, records: Sequence[SeriesRecord], n_series: int) -> None:
    starts = range(0, max(len(records), 1), PER_PAGE)
    names = [f"series-{number}.html" for number in range(1, len(starts) + 1)]
    for number, (name, start) in enumerate(zip(names, starts, strict=True), start=1):
        entries = [
            Entry(record, (output.series_report(record.series_key) / THUMBNAIL).exists())
            for record in records[start : start + PER_PAGE]
        ]
        near = [n for n in range(1, len(names) + 1) if n in {1, len(names)} or abs(n - number) <= 2]
        page = render(
            "sheet.html.j2",
            root="",
            entries=entries,
            number=number,
            n_pages=len(names),
            near=near,
            n=n_series,
            n_shown=len(records),
        )
        put(output.report / name, page)
    _remove_others(output.report, "series-*.html", names)


def _write_tables(
    output: OutputFolder, records: Sequence[SeriesRecord], tags: Sequence[Row], drawn: Sequence[Figure]
) -> None:
    folder = output.report / "data"
    folder.mkdir(parents=True, exist_ok=True)
    write_csv(folder / "series.csv", list(RECORD_COLUMNS), (record.own_columns() for record in records))
    names = ["series.csv"]
    if tags:
        write_csv(folder / "elements.csv", list(tags[0]), tags)
        names.append("elements.csv")
    for one in drawn:
        rows = (dict(zip(one.columns, row, strict=True)) for row in one.rows)
        write_csv(folder / f"{one.name}.csv", one.columns, rows)
        names.append(f"{one.name}.csv")
    _remove_others(folder, "*.csv", names)


def _remove_others(folder: Path, pattern: str, names: Iterable[str]) -> None:
    """Remove what an earlier report left and this one does not have."""
    kept = set(names)
    for path in folder.glob(pattern):
        if path.name not in kept:
            path.unlink()


def _by_reason(records: Iterable[SeriesRecord]) -> dict[Reason, list[SeriesRecord]]:
    found: defaultdict[Reason, list[SeriesRecord]] = defaultdict(list)
    for record in records:
        if record.reason is not None:
            found[record.reason].append(record)
    return {reason: found[reason] for reason in Reason if reason in found}


def _warnings(records: Iterable[SeriesRecord]) -> dict[SeriesWarning, int]:
    found = Counter(warning for record in records for warning in record.warnings)
    return {warning: found[warning] for warning in SeriesWarning if warning in found}


def program_mark(options: ReportOptions, package: Iterable[Path]) -> str:
    """Return a hash of the program and its options, which changes when they would write other pages."""
    digest = blake2b(json.dumps([__version__, asdict(options) | {"pages": None}]).encode(), digest_size=10)
    for path in sorted(package):
        digest.update(path.read_bytes())
    return digest.hexdigest()


def series_mark(program: str, record: SeriesRecord, slices: Sequence[Row], histogram: Histogram | None) -> str:
    """Return a hash of all that a series' page shows."""
    columns = {name: value for name, value in to_json(record).items() if name not in PASSING}
    digest = blake2b(json.dumps([program, columns, slices], default=str).encode(), digest_size=10)
    if histogram is not None:
        digest.update(f"{histogram.first_bin_hu}".encode() + histogram.counts.tobytes())
    return digest.hexdigest()


def read_marks(folder: Path) -> dict[str, str]:
    """Return the mark of every series page that a report holds; an unreadable list counts as empty."""
    try:
        marks = json.loads((folder / MARKS_FILE).read_bytes())
    except (OSError, ValueError):
        return {}
    return {str(key): str(mark) for key, mark in marks.items()} if isinstance(marks, dict) else {}


def write_marks(folder: Path, marks: Mapping[str, str]) -> None:
    """Write the marks; raises OutputError where the system refuses."""
    write_bytes(folder / MARKS_FILE, json.dumps(dict(sorted(marks.items())), indent=0).encode())
