"""The census to ``tags.parquet``: one row an element, with values only where these may leave ``private/``."""

from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from pipeline.elements import kind_of, required_elements
from pipeline.output.tables import ColumnType, write_table
from pipeline.privacy import ALLOWED_ELEMENTS, KEPT_IDENTIFIERS, capped_age, cleaned
from pipeline.scan.counts import Census, ElementCounts
from pipeline.scan.verdicts import judged

MOST_TOP_VALUES = 10
AGE = "PatientAge"

TAG_COLUMNS: dict[str, ColumnType] = {
    "tag": "text",
    "keyword": "text",
    "vr": "text",
    "module": "text",
    "type": "text",
    "n_files": "integer",
    "n_missing": "integer",
    "n_empty": "integer",
    "share_missing": "number",
    "n_unique_raw": "integer",
    "n_unique": "integer",
    "constant_within": "text",
    "min": "number",
    "max": "number",
    "mean": "number",
    "top_values": "value_counts",
    "verdict": "text",
    "why": "text",
}


def write_tags(path: Path, census: Census, *, keep_identifiers: bool) -> None:
    """Write a row for each element that any CT file has, and for each that every CT image must have."""
    write_table(path, TAG_COLUMNS, tag_rows(census, keep_identifiers=keep_identifiers))


def tag_rows(census: Census, *, keep_identifiers: bool) -> list[dict[str, Any]]:
    """Return the rows in the order of tags; ``keep_identifiers`` shows the values of UIDs and PatientID too."""
    shown = ALLOWED_ELEMENTS | (frozenset(KEPT_IDENTIFIERS) if keep_identifiers else frozenset())
    rows = [_row(keyword, counts, census, shown) for keyword, counts in census.elements.items()]
    return sorted([*rows, *_absent(census)], key=lambda row: (row["tag"], row["keyword"]))


def _row(keyword: str, counts: ElementCounts, census: Census, shown: frozenset[str]) -> dict[str, Any]:
    kind, verdict = kind_of(keyword), judged(keyword, census)
    n_missing = census.n_files - counts.n_files
    return {
        "tag": min(counts.tags),
        "keyword": cleaned(keyword),
        "vr": "/".join(sorted(counts.vrs)),
        "module": kind and kind.module,
        "type": kind and kind.type,
        "n_files": census.n_files,
        "n_missing": n_missing,
        "n_empty": counts.n_empty,
        "share_missing": n_missing / census.n_files,
        "n_unique_raw": counts.raw.n_unique,
        "n_unique": counts.canonical.n_unique,
        "constant_within": counts.constant_within(census.owners),
        "verdict": verdict.judgement,
        "why": verdict.why,
    } | (_values(keyword, counts) if keyword.partition("[")[0] in shown else {})


def _values(keyword: str, counts: ElementCounts) -> dict[str, Any]:
    """Return what tells values; minimum, maximum and mean only where every value is one number."""
    top = [{"value": value, "count": n} for value, n in _top(keyword, counts)]
    if (mean := counts.mean) is None:
        return {"top_values": top}
    return {"min": counts.least, "max": counts.largest, "mean": mean, "top_values": top}


def _top(keyword: str, counts: ElementCounts) -> Iterator[tuple[str, int]]:
    """Yield the most frequent values, made harmless; great ages are told as one."""
    if keyword != AGE:
        for value, n in counts.canonical.most_common(MOST_TOP_VALUES):
            yield cleaned(value), n
        return
    ages: Counter[str] = Counter()
    for value, n in counts.canonical.counts.items():
        ages[capped_age(value) or "no age"] += n
    yield from sorted(ages.items(), key=lambda pair: (-pair[1], pair[0]))[:MOST_TOP_VALUES]


def _absent(census: Census) -> Iterator[dict[str, Any]]:
    """Yield a row for each type 1 element that no file has."""
    for keyword, kind in required_elements().items():
        if keyword not in census.elements and census.n_files:
            absent = ElementCounts(tags={kind.tag}, vrs={kind.vr})
            yield _row(keyword, absent, census, frozenset())
