"""The tag statistics as a table: what each element holds, and whether to keep, drop or look at it, and why."""

from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from pipeline.elements import ElementKind, kind_of, list_required_elements
from pipeline.output.columns import TAG_COLUMNS
from pipeline.output.tables import write_table
from pipeline.privacy import ALLOWED_ELEMENTS, KEPT_IDENTIFIERS, cap_age, clean_text
from pipeline.record import map_types
from pipeline.scan.census import Census, ElementCounts

Judgement = Literal["keep", "drop", "look"]

SERIES_MODULES = frozenset(
    {"Patient", "Patient Study", "General Study", "General Series", "Frame of Reference", "General Equipment"}
)
"""Modules above the image: their elements are the same in every slice of a series (DICOM PS3.3 table A.3-1)."""
PATIENT_MODULE = "Patient"
PADDING_VALUES = frozenset({"PixelPaddingValue", "PixelPaddingRangeLimit"})
"""In a module of the equipment, and yet of the image."""
SERIES_CONSTANTS = frozenset(
    """
    Rows Columns PixelSpacing ImageOrientationPatient PatientPosition SamplesPerPixel PhotometricInterpretation
    BitsAllocated BitsStored HighBit PixelRepresentation RescaleSlope RescaleIntercept RescaleType
    KVP ConvolutionKernel SliceThickness ImageType
    """.split()  # noqa: SIM905  as words
)
"""Elements of the image that one reconstruction has in common."""
BY_DESIGN = frozenset({"SOPInstanceUID", "SeriesInstanceUID", "StudyInstanceUID", "FrameOfReferenceUID"})


@dataclass(frozen=True)
class ElementVerdict:
    """A judgement, and its reasons in words."""

    judgement: Judgement
    why: str


def judge_element(keyword: str, census: Census) -> ElementVerdict:
    """Judge an element by the first rules that hold: ``look`` comes before ``drop``, and ``keep`` is the rest."""
    counts = census.elements.get(keyword, ElementCounts())
    kind = kind_of(keyword)
    for judgement, rules in _RULES:
        if reasons := [why for rule in rules for why in rule(keyword, kind, counts, census)]:
            return ElementVerdict(judgement, "; ".join([*reasons, *_cut(counts)]))
    return ElementVerdict("keep", "; ".join([_varies(census.constant_within(keyword)), *_cut(counts)]))


Rule = Callable[[str, ElementKind | None, ElementCounts, Census], Iterator[str]]


def _required(keyword: str, kind: ElementKind | None, counts: ElementCounts, census: Census) -> Iterator[str]:
    if kind and kind.is_required and "[" not in keyword:  # which parts a value has, the type does not say
        if n_missing := census.n_files - counts.n_files:
            yield f"type 1, and absent in {n_missing} of {census.n_files} files"
        if counts.n_empty:
            yield f"type 1, and empty in {counts.n_empty} of {census.n_files} files"


def _unsteady(keyword: str, kind: ElementKind | None, counts: ElementCounts, census: Census) -> Iterator[str]:
    is_of_series = kind is not None and kind.module in SERIES_MODULES and keyword not in PADDING_VALUES
    if counts.varies and (is_of_series or _whole(keyword) in SERIES_CONSTANTS):
        yield "varies within a series, where it should not"
    elif kind and kind.module == PATIENT_MODULE and counts.constant_within(census.owners) in {"study", "series"}:
        yield "varies within a patient, where it should not"


def _empty(_keyword: str, _kind: ElementKind | None, counts: ElementCounts, _census: Census) -> Iterator[str]:
    if counts.n_empty == counts.n_files:
        yield "empty"


def _by_design(keyword: str, _kind: ElementKind | None, counts: ElementCounts, _census: Census) -> Iterator[str]:
    is_unique = counts.n_files > 1 and counts.canonical.n_unique == counts.n_files
    if keyword in BY_DESIGN or (is_unique and "UI" in counts.vrs):
        yield "unique by design"


def _identifying(keyword: str, _kind: ElementKind | None, _counts: ElementCounts, _census: Census) -> Iterator[str]:
    if keyword.startswith("private"):
        yield "private: what it means only its maker knows"
    elif _whole(keyword) not in ALLOWED_ELEMENTS:
        yield "may identify a person or a place: it is not on the allow-list"


def _constant(_keyword: str, _kind: ElementKind | None, counts: ElementCounts, census: Census) -> Iterator[str]:
    if counts.n_files == census.n_files and not counts.n_empty and counts.canonical.n_unique == 1:
        yield "constant"


def _redundant(keyword: str, _kind: ElementKind | None, counts: ElementCounts, census: Census) -> Iterator[str]:
    stored = census.elements.get("BitsStored")
    if keyword == "HighBit" and stored and _is_one_less(counts.canonical.counts, stored.canonical.counts):
        yield "redundant: BitsStored - 1"


def _whole(keyword: str) -> str:
    return keyword.partition("[")[0]


def _is_one_less(high: dict[str, int], stored: dict[str, int]) -> bool:
    return all(bits.isdecimal() for bits in stored) and high == {str(int(bits) - 1): n for bits, n in stored.items()}


_RULES: tuple[tuple[Judgement, tuple[Rule, ...]], ...] = (
    ("look", (_required, _unsteady)),
    ("drop", (_empty, _by_design, _identifying, _redundant, _constant)),
)


def _varies(level: str) -> str:
    if level == "cohort":
        return "constant where present"
    return "varies from image to image" if level == "none" else f"constant within a {level}"


def _cut(counts: ElementCounts) -> list[str]:
    if not counts.canonical.n_cut and not counts.raw.n_cut:
        return []
    kept, n_cut = counts.canonical.most, max(counts.canonical.n_cut, counts.raw.n_cut)
    return [
        f"more than {kept} distinct values: {kept} were counted, {n_cut} files cut; numbers of values are estimated"
    ]


MOST_TOP_VALUES = 10
AGE = "PatientAge"


def write_tags(path: Path, census: Census, *, keep_identifiers: bool) -> None:
    """Write a row for each element that any CT file has, and for each that every CT image must have."""
    write_table(path, map_types(TAG_COLUMNS), build_tag_rows(census, keep_identifiers=keep_identifiers))


def build_tag_rows(census: Census, *, keep_identifiers: bool) -> list[dict[str, Any]]:
    """Return the rows in the order of tags; ``keep_identifiers`` shows the values of UIDs and PatientID too."""
    shown = ALLOWED_ELEMENTS | (frozenset(KEPT_IDENTIFIERS) if keep_identifiers else frozenset())
    rows = [_row(keyword, counts, census, shown) for keyword, counts in census.elements.items()]
    return sorted([*rows, *_absent(census)], key=lambda row: (row["tag"], row["keyword"]))


def _row(keyword: str, counts: ElementCounts, census: Census, shown: frozenset[str]) -> dict[str, Any]:
    kind, verdict = kind_of(keyword), judge_element(keyword, census)
    n_missing = census.n_files - counts.n_files
    return {
        "tag": min(counts.tags),
        "keyword": clean_text(keyword),
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
    """Return the columns of values; minimum, maximum and mean only where every value is one number."""
    top = [{"value": value, "count": n} for value, n in _top(keyword, counts)]
    if (mean := counts.mean) is None:
        return {"top_values": top}
    return {"min": counts.least, "max": counts.largest, "mean": mean, "top_values": top}


def _top(keyword: str, counts: ElementCounts) -> Iterator[tuple[str, int]]:
    """Yield the most frequent values, without control characters; great ages are counted as one."""
    if keyword != AGE:
        for value, n in counts.canonical.most_common(MOST_TOP_VALUES):
            yield clean_text(value), n
        return
    ages: Counter[str] = Counter()
    for value, n in counts.canonical.counts.items():
        ages[cap_age(value) or "no age"] += n
    yield from sorted(ages.items(), key=lambda pair: (-pair[1], pair[0]))[:MOST_TOP_VALUES]


def _absent(census: Census) -> Iterator[dict[str, Any]]:
    """Yield a row for each type 1 element that no file has."""
    for keyword, kind in list_required_elements().items():
        if keyword not in census.elements and census.n_files:
            absent = ElementCounts(tags={kind.tag}, vrs={kind.vr})
            yield _row(keyword, absent, census, frozenset())
