"""The pages about the cohort: figures of its records and elements, findings, and what changed since the last run."""

import json
from collections import Counter, defaultdict
from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import reduce
from typing import Any

import numpy as np

from pipeline.errors import DamageError
from pipeline.features.statistics import Histogram
from pipeline.output.layout import OutputFolder
from pipeline.output.tables import Row, read_table
from pipeline.record import REASON_PREFIX, ElementValue, SeriesRecord
from pipeline.report.charts import Figure, GroupRange, bars, histogram, matrix, plot_of, ranges, scatter, standalone
from pipeline.report.render import MISSING, element, figure, percent, product, public
from pipeline.vocabulary import Reason, Status

LabelOf = Callable[[SeriesRecord], str]

NO_MODULE = "Private, and others that the CT Image IOD does not know"


def _element(record: SeriesRecord, keyword: str) -> str:
    return element(record.elements.get(keyword))


def _pair(record: SeriesRecord, first: str, second: str, between: str = " / ") -> str:
    values = [_element(record, keyword) for keyword in (first, second)]
    return between.join(value for value in values if value != MISSING) or MISSING


def _size(record: SeriesRecord) -> str:
    """Return rows and columns, of a refused series as its header says."""
    if record.shape_in is not None:
        return product(record.shape_in[1:])
    sizes = [_number(record, keyword) for keyword in ("Rows", "Columns")]
    return MISSING if None in sizes else product([size for size in sizes if size is not None])


def _number(record: SeriesRecord, keyword: str) -> float | None:
    """Return an element that is one number."""
    value = record.elements.get(keyword)
    try:
        return None if value is None or isinstance(value, list) else float(value)
    except ValueError:
        return None


def _age_years(record: SeriesRecord) -> float | None:
    age = str(record.elements.get("PatientAge") or "")
    return float(age[:3]) if len(age) == 4 and age.endswith("Y") and age[:3].isdecimal() else None


def _scanner(record: SeriesRecord) -> str:
    return _pair(record, "Manufacturer", "ManufacturerModelName", " ")


def _kernel(record: SeriesRecord) -> str:
    return _element(record, "ConvolutionKernel")


CATEGORIES: tuple[tuple[str, str, LabelOf], ...] = (
    ("bits-stored", "BitsStored", lambda record: _element(record, "BitsStored")),
    ("image-sizes", "Image size, rows x columns", _size),
    ("kvp", "KVP", lambda record: _element(record, "KVP")),
    ("manufacturers", "Manufacturer", lambda record: _element(record, "Manufacturer")),
    ("models", "Manufacturer and model", _scanner),
    ("kernels", "Convolution kernel", _kernel),
    ("body-parts", "BodyPartExamined", lambda record: _element(record, "BodyPartExamined")),
    ("rescale", "RescaleSlope / RescaleIntercept", lambda record: _pair(record, "RescaleSlope", "RescaleIntercept")),
)
MEASURES: tuple[tuple[str, str, Callable[[SeriesRecord], float | None], str], ...] = (
    ("slice-spacing", "Spacing between slices", lambda record: record.spacing_in_mm and record.spacing_in_mm.z, "mm"),
    ("pixel-spacing", "Pixel spacing, rows", lambda record: record.spacing_in_mm and record.spacing_in_mm.y, "mm"),
    ("span", "Span from first to last slice", lambda record: record.span_mm, "mm"),
    ("slice-thickness", "Slice thickness", lambda record: record.slice_thickness_mm, "mm"),
    ("slice-counts", "Slices per series", lambda record: record.n_slices, ""),
    ("dose", "CTDIvol", lambda record: _number(record, "CTDIvol"), "mGy"),
    ("exposure", "Exposure", lambda record: _number(record, "Exposure"), "mAs"),
    ("noise", "Noise in soft tissue", lambda record: record.noise_hu, "HU"),
)
GROUPS: tuple[tuple[str, str, LabelOf], ...] = (("scanner", "scanner", _scanner), ("kernel", "kernel", _kernel))
"""What Hounsfield units and noise are compared by."""
MOST_SCANNERS, MOST_ELEMENTS, MOST_LABELS = 8, 20, 20


def figures(
    output: OutputFolder, records: Sequence[SeriesRecord], histograms: Mapping[str, Histogram]
) -> dict[str, str]:
    """Return every figure of a cohort as a standalone SVG image by its name, for a paper."""
    tags = read_table(output.tags) if output.tags.exists() else []
    return {one.name: standalone(one.svg) for one in cohort_figures([*map(public, records)], tags, histograms)}


def cohort_figures(
    records: Sequence[SeriesRecord], tags: Sequence[Row], histograms: Mapping[str, Histogram]
) -> list[Figure]:
    """Draw the figures of CT series; a figure that would be empty is left out."""
    series = ct_series(records)
    merged = reduce(
        Histogram.merge, (histograms[key] for key in _ready(series) if key in histograms), Histogram.empty()
    )
    drawn = [plot_of(merged, "hounsfield", "Hounsfield units of the cohort")] if merged.total else []
    drawn += [*_spreads(series, histograms), *_noise(series), *_missing(tags), *_missing_by_scanner(series)]
    if series:
        drawn += [bars(name, title, title, count_labels(map(label_of, series))) for name, title, label_of in CATEGORIES]
        drawn += [_positions(series), *_people(series), *_image_types(series), *_balance(series)]
    drawn += [histogram(name, title, title, values, unit) for name, title, values, unit in _measures(series)]
    points = [(r.slice_thickness_mm, float(r.n_slices)) for r in series if r.slice_thickness_mm and r.n_slices]
    if points:
        title = "Slice thickness and slice count"
        drawn.append(scatter("thickness", title, ("thickness, mm", "slices"), points))
    return drawn


def ct_series(records: Iterable[SeriesRecord]) -> list[SeriesRecord]:
    """Return the records of CT image series, those that a rule left out too."""
    return [r for r in records if r.status is not Status.EXCLUDED or r.reason is Reason.NOT_SELECTED]


def count_labels(labels: Iterable[str]) -> list[tuple[str, int]]:
    """Return how often each label occurs, the most frequent first."""
    return sorted(Counter(labels).items(), key=lambda pair: (-pair[1], pair[0]))


def _ready(series: Iterable[SeriesRecord]) -> list[str]:
    return [record.series_key for record in series if record.status is Status.OK]


def _missing(tags: Sequence[Row]) -> list[Figure]:
    """Count files without an element, those of the CT Image IOD first: the others are many, and rarely missed."""
    lacking = [tag for tag in tags if tag["n_missing"] and "[" not in tag["keyword"]]
    if not lacking:
        return []
    lacking.sort(key=lambda tag: (tag.get("module") is None, -tag["n_missing"], tag["keyword"]))
    counts = [(tag["keyword"], tag["n_missing"]) for tag in lacking]
    return [bars("missing", "Files without an element", "element", counts, "files")]


def _missing_by_scanner(series: Sequence[SeriesRecord]) -> list[Figure]:
    """Draw which of the manifest's elements the series of each scanner lack, those in which scanners differ first."""
    scanners = count_labels(map(_scanner, series))[:MOST_SCANNERS]
    keywords = {keyword for record in series for keyword, value in record.elements.items() if value is not None}
    lacking: Counter[tuple[str, str]] = Counter()
    for record in series:
        lacking.update((keyword, _scanner(record)) for keyword in keywords if record.elements.get(keyword) is None)
    shares = {(keyword, name): lacking[keyword, name] / n for keyword in keywords for name, n in scanners}
    rows = sorted(
        (keyword for keyword in keywords if any(shares[keyword, name] for name, _ in scanners)),
        key=lambda keyword: (len({shares[keyword, name] for name, _ in scanners}) == 1, keyword),
    )[:MOST_ELEMENTS]
    title = "Elements missing, by scanner"
    return [matrix("missing-by-scanner", title, rows, [name for name, _ in scanners], shares)] if rows else []


def _spreads(series: Sequence[SeriesRecord], histograms: Mapping[str, Histogram]) -> Iterator[Figure]:
    """Draw Hounsfield units by scanner and by kernel."""
    for name, what, label_of in GROUPS:
        found: defaultdict[str, list[Histogram]] = defaultdict(list)
        for record in series:
            if record.series_key in histograms:
                found[label_of(record)].append(histograms[record.series_key])
        spreads = [_spread(label, several) for label, several in sorted(found.items())]
        drawn = [one for one in spreads if one]
        if drawn:
            yield ranges(f"hounsfield-by-{name}", f"Hounsfield units by {what}", what, drawn, "HU")


def _noise(series: Sequence[SeriesRecord]) -> Iterator[Figure]:
    noise: defaultdict[str, list[float]] = defaultdict(list)
    for record in series:
        if record.noise_hu is not None:
            noise[_kernel(record)].append(record.noise_hu)
    if noise:
        groups = []
        for kernel, values in sorted(noise.items()):
            low, middle, high = np.percentile(values, (5, 50, 95)).tolist()
            groups.append(GroupRange(kernel, low, middle, high, len(values)))
        yield ranges("noise-by-kernel", "Noise by kernel", "kernel", groups, "HU")


def _spread(name: str, several: Sequence[Histogram]) -> GroupRange | None:
    merged = reduce(Histogram.merge, several, Histogram.empty())
    if not merged.total:
        return None
    low, middle, high = (merged.percentile(share) or 0.0 for share in (5, 50, 95))
    return GroupRange(name, low, middle, high, len(several))


def _people(series: Sequence[SeriesRecord]) -> Iterator[Figure]:
    """Draw age and sex, of patients and not of series."""
    sexes = {record.patient: _element(record, "PatientSex") for record in series}
    yield bars("sex", "Patient sex, by patients", "sex", count_labels(sexes.values()), "patients")
    ages = {record.patient: age for record in series if (age := _age_years(record)) is not None}
    if ages:
        yield histogram("age", "Patient age, by patients", "age", list(ages.values()), "years")


def _balance(series: Sequence[SeriesRecord]) -> Iterator[Figure]:
    """Draw how many series each split has, and each value of a label of few values."""
    splits = Counter(record.split for record in series if record.split)
    if splits:
        yield bars("splits", "Series by split", "split", count_labels(splits.elements()))
    for name in sorted({name for record in series for name in record.labels if not name.startswith(REASON_PREFIX)}):
        values = Counter(str(record.labels[name]) for record in series if record.labels.get(name) is not None)
        if 0 < len(values) <= MOST_LABELS:
            yield bars(name.replace("_", "-"), f"Series by {name}", name, count_labels(values.elements()))


def _positions(series: Iterable[SeriesRecord]) -> Figure:
    """Count patients, not series: one patient lies in one position as a rule."""
    patients = {(record.patient, _element(record, "PatientPosition")) for record in series}
    title = "Patient position, by patients"
    return bars("positions", title, "position", count_labels(position for _, position in patients), "patients")


def _image_types(series: Iterable[SeriesRecord]) -> list[Figure]:
    parts = [
        f"{number}: {part}"
        for record in series
        for number, part in enumerate(_parts(record.elements.get("ImageType")), start=1)
    ]
    order = sorted(Counter(parts).items(), key=lambda pair: (int(pair[0].split(":")[0]), -pair[1], pair[0]))
    return [bars("image-type", "ImageType, part by part", "part", order)] if order else []


def _measures(series: Sequence[SeriesRecord]) -> Iterable[tuple[str, str, list[float], str]]:
    for name, title, measure, unit in MEASURES:
        values = [float(value) for record in series if (value := measure(record)) is not None]
        if values:
            yield name, title, values, unit


def _parts(value: ElementValue) -> list[Hashable]:
    return list(value) if isinstance(value, list) else [value] if value is not None else []


@dataclass(frozen=True)
class FindingRow:
    """Something that is odd about several series; ``series_keys`` may name fewer than there are."""

    code: str
    title: str
    detail: str
    n_series: int
    series_keys: tuple[str, ...]


def tags_of(output: OutputFolder) -> list[dict[str, Any]]:
    """Return the rows of tags.parquet, none where there is no census."""
    return read_table(output.tags) if output.tags.exists() else []


def by_module(tags: Sequence[Row]) -> dict[str, list[Row]]:
    """Return the elements of each module, modules by name, those of none at the end."""
    found: defaultdict[str, list[Row]] = defaultdict(list)
    for tag in tags:
        found[tag["module"] or NO_MODULE].append(tag)
    order = sorted(found, key=lambda name: (name == NO_MODULE, name))
    return {name: sorted(found[name], key=lambda tag: (tag["tag"], tag["keyword"])) for name in order}


def findings_of(output: OutputFolder) -> list[FindingRow]:
    """Return the findings that the census left, none where there is no census; raises DamageError where unreadable."""
    path = output.root / "findings.json"
    if not path.exists():
        return []
    try:
        return [_finding(row) for row in json.loads(path.read_bytes())]
    except (KeyError, TypeError, ValueError) as error:
        msg = "findings.json is damaged: it is no list of findings"
        raise DamageError(msg) from error


def _finding(row: dict[str, Any]) -> FindingRow:
    keys = tuple(str(key) for key in row["series_keys"])
    return FindingRow(str(row["code"]), str(row["title"]), str(row["detail"]), int(row["n_series"]), keys)


MOST_NAMED = 5
"""Scanners and kernels named in a sentence; ``run.json`` has them all."""

Summary = Mapping[str, Any]
"""A part of ``run.json``."""


@dataclass(frozen=True)
class HistoryTable:
    """When the run before ended, what happened since, and each count and setting that is another: name, before, now."""

    since: str
    sentences: tuple[str, ...]
    rows: tuple[tuple[str, str, str], ...]


def history(summary: Summary) -> HistoryTable | None:
    """Return what changed since the run before; None where there was none."""
    changes = summary.get("changes")
    if not changes:
        return None
    rows = tuple((name, before, now) for name, (before, now) in changes["figures"].items())
    return HistoryTable(str(changes["since"]), tuple(_sentences(summary.get("plan", {}), changes)), rows)


def _sentences(plan: Summary, changes: Summary) -> Iterator[str]:
    yield from _what_was_done(plan, changes)
    yield from _never_seen("scanner", changes["new_scanners"])
    yield from _never_seen("kernel", changes["new_kernels"])
    for one in changes["refused"]:
        yield f"{one['reason']}: {percent(one['now'])} of the new series, {percent(one['before'])} of those before."
    for one in changes["drifted"]:
        value = f"{one['keyword']} {one['value']}" if one["value"] else f"No {one['keyword']}"
        yield f"{value}: {percent(one['now'])} of the new series, {percent(one['before'])} of those before."


def _what_was_done(plan: Summary, changes: Summary) -> Iterator[str]:
    """Yield one sentence on how many series are new, changed, stale and gone; none where all are as they were."""
    n_new, n_patients = changes["new_series"], changes["new_patients"]
    counts = {
        f"{figure(n_new)} new series, {_patients(n_patients)}": n_new,
        f"{figure(plan.get('changed', 0))} whose files changed": plan.get("changed", 0),
        f"{figure(plan.get('stale', 0))} made again for a new configuration or program": plan.get("stale", 0),
        f"{figure(changes['gone'])} gone from the input": changes["gone"],
    }
    sentences = [words for words, n in counts.items() if n]
    if sentences:
        yield f"{'; '.join(sentences)}."


def _patients(n: int) -> str:
    return f"{figure(n)} new patient{'' if n == 1 else 's'}"


def _never_seen(what: str, names: Sequence[str]) -> Iterator[str]:
    if names:
        more = f" and {len(names) - MOST_NAMED} more" if len(names) > MOST_NAMED else ""
        plural = "" if len(names) == 1 else "s"
        yield f"{what.capitalize()}{plural} never seen before: {', '.join(names[:MOST_NAMED])}{more}."
