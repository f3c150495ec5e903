"""Records, pictures and histograms to ``report/index.html``: one file that opens from disk, offline."""

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import reduce
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from pipeline.durable import write_bytes
from pipeline.errors import CtprepError
from pipeline.features import Histogram
from pipeline.output import OutputFolder
from pipeline.record import SeriesRecord
from pipeline.report import words
from pipeline.report.options import ReportOptions
from pipeline.report.pictures import Pictures, pictures_of
from pipeline.report.plot import Plot, plot_of
from pipeline.store import open_store
from pipeline.vocabulary import Reason, SeriesWarning, Status

TEMPLATES = Path(__file__).parent

FILTERS: tuple[Callable[..., str], ...] = (words.element, words.figure, words.percent, words.product)


@dataclass(frozen=True)
class Card:
    """One prepared series on the page; ``missing`` says why there are no pictures where there should be some."""

    record: SeriesRecord
    pictures: Pictures | None
    plot: Plot | None
    missing: bool


def write_report(
    output: OutputFolder,
    records: Sequence[SeriesRecord],
    summary: Mapping[str, Any],
    options: ReportOptions,
    histograms: Mapping[str, Histogram],
) -> Path:
    """Write the page and return its path.

    ``summary`` is what run.json holds; ``histograms`` are those of histograms.parquet by series_key.  The same input
    gives the same bytes.  A store that cannot be read costs its pictures, not the report.  Raises OutputError where the
    page cannot be written.
    """
    ordered = sorted(records, key=lambda record: record.series_key)
    page = render(ordered, _cards(output, ordered, options, histograms), summary, _cohort(ordered, histograms))
    output.report.mkdir(parents=True, exist_ok=True)
    path = output.report / "index.html"
    write_bytes(path, page.encode("utf-8", errors="replace"))  # text from a header may hold half a surrogate pair
    return path


def render(
    records: Sequence[SeriesRecord], cards: Sequence[Card], summary: Mapping[str, Any], cohort: Plot | None
) -> str:
    """Return the page; everything that comes from data is escaped."""
    environment = Environment(
        loader=FileSystemLoader(TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.filters |= {filter_.__name__: filter_ for filter_ in FILTERS}
    by_reason = _by_reason(records)
    return environment.get_template("page.html.j2").render(
        records=records,
        cards=cards,
        summary=summary,
        cohort=cohort,
        counts={status: sum(record.status is status for record in records) for status in Status},
        refused={reason: found for reason, found in by_reason.items() if reason.status is not Status.EXCLUDED},
        excluded={reason: found for reason, found in by_reason.items() if reason.status is Status.EXCLUDED},
        warnings=_warnings(records),
    )


def _cards(
    output: OutputFolder, records: Iterable[SeriesRecord], options: ReportOptions, histograms: Mapping[str, Histogram]
) -> list[Card]:
    cards = []
    for record in records:
        if record.status is Status.OK:
            pictures = _pictures(output, record) if options.pictures else None
            histogram = histograms.get(record.series_key)
            plot = plot_of(histogram) if histogram and histogram.total else None
            cards.append(Card(record, pictures, plot, missing=options.pictures and pictures is None))
    return cards


def _pictures(output: OutputFolder, record: SeriesRecord) -> Pictures | None:
    try:
        return pictures_of(open_store(output.store(record.series_key)))
    except (CtprepError, KeyError, OSError, RuntimeError, TypeError, ValueError):  # whatever a damaged store raises
        return None


def _cohort(records: Iterable[SeriesRecord], histograms: Mapping[str, Histogram]) -> Plot | None:
    ready = (histograms.get(record.series_key, Histogram.empty()) for record in records if record.status is Status.OK)
    merged = reduce(Histogram.merge, ready, Histogram.empty())
    return plot_of(merged) if merged.total else None


def _by_reason(records: Iterable[SeriesRecord]) -> dict[Reason, list[SeriesRecord]]:
    found: defaultdict[Reason, list[SeriesRecord]] = defaultdict(list)
    for record in records:
        if record.reason is not None:
            found[record.reason].append(record)
    return {reason: found[reason] for reason in Reason if reason in found}


def _warnings(records: Iterable[SeriesRecord]) -> dict[SeriesWarning, int]:
    found = Counter(warning for record in records for warning in record.warnings)
    return {warning: found[warning] for warning in SeriesWarning if warning in found}
