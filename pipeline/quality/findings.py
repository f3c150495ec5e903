"""What is odd in a cohort: findings, the most important first, each a code, a sentence and the series it is about."""

import json
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from pipeline.dicom.files.encoding import NATIVE_SYNTAXES
from pipeline.dicom.headers.slice import SliceHeader
from pipeline.elements import list_required_elements
from pipeline.output.durable import write_bytes
from pipeline.privacy import ALLOWED_ELEMENTS, clean_text
from pipeline.quality.series_geometry import SeriesFacts
from pipeline.scan.series import Scan
from pipeline.scan.tag_statistics import judge_element
from pipeline.vocabulary import Reason, format_count

FIRST_VALUES = frozenset({"ORIGINAL", "DERIVED", "MIXED"})
"""Value 1 of ImageType (PS3.3 C.7.6.1.1.2; MIXED of multi-frame objects)."""
PLAIN_SCALE = "HU"

SPARSE = 1.5
"""Slices that lie further apart than so many thicknesses leave most of what is between them unseen."""

TESTS: tuple[tuple[str, str, Callable[[SeriesFacts], bool]], ...] = (
    (
        "POSITION_MISSING",
        "no ImagePositionPatient in at least one slice",
        lambda facts: any(header.plane.position is None for header in facts.images),
    ),
    (
        "SPACING_VARIES",
        "PixelSpacing varies within the series",
        lambda facts: facts.varies(lambda header: repr((header.plane.row_spacing, header.plane.column_spacing))),
    ),
    (
        "RESCALE_VARIES",
        "RescaleSlope or RescaleIntercept varies within the series",
        lambda facts: facts.varies(lambda header: (header.rescale.slope, header.rescale.intercept)),
    ),
    (
        "LOCATION_OPPOSITE",
        "SliceLocation runs against the position",
        lambda facts: facts.order_of([header.plane.slice_location for header in facts.images]) == "opposite",
    ),
    (
        "INSTANCE_UNORDERED",
        "InstanceNumber does not order the slices",
        lambda facts: facts.order_of([header.instance_number for header in facts.images]) == "none",
    ),
    (
        "INSTANCE_OPPOSITE",
        "InstanceNumber runs against the position",
        lambda facts: facts.order_of([header.instance_number for header in facts.images]) == "opposite",
    ),
    (
        "NAMES_UNORDERED",
        "file names do not order the slices",
        lambda facts: facts.order_of_names == "none",
    ),
    (
        "NAMES_OPPOSITE",
        "file names run against the position",
        lambda facts: facts.order_of_names == "opposite",
    ),
    ("ORIGIN_MOVES", "the in-plane origin moves from slice to slice", lambda facts: facts.moves_in_plane),
    ("SPARSE", "slices lie further apart than 1.5 times their thickness", lambda facts: _ratio(facts) > SPARSE),
    ("OVERLAP", "slices are thicker than their distance: they overlap", lambda facts: 0 < _ratio(facts) < 1 - 1e-3),
)
"""Code, sentence and test of each finding about single series."""


@dataclass(frozen=True)
class Finding:
    """What was found; ``detail`` holds counts, keywords and allowed values, never an identifier."""

    code: str
    title: str
    detail: str
    series_keys: tuple[str, ...] = ()

    @property
    def n_series(self) -> int:
        """How many series it is about; 0 for what is about the cohort as a whole."""
        return len(self.series_keys)


Finder = Callable[[Scan, Sequence[SeriesFacts]], Iterator[Finding]]


def write_findings(path: Path, findings: Iterable[Finding]) -> None:
    """Write findings as a JSON list, the most important first."""
    rows = [asdict(finding) | {"n_series": finding.n_series} for finding in findings]
    write_bytes(path, json.dumps(rows, indent=1).encode("ascii"))


def join_words(words: Sequence[str], most: int = 12) -> str:
    """Return words as a list that does not grow too long."""
    shown = ", ".join(words[:most])
    return shown if len(words) <= most else f"{shown} and {len(words) - most} more"


def find_damaged(scan: Scan, _cohort: Sequence[SeriesFacts]) -> Iterator[Finding]:
    """Files that could not be read to their end, by reason."""
    by_reason: dict[Reason, int] = defaultdict(int)
    keys: set[str] = set()
    for header in scan.unassigned:
        if header.refusal:
            by_reason[header.refusal[0]] += 1
    for scanned in scan.series:
        for header in scanned.series.slices:
            if header.refusal:
                by_reason[header.refusal[0]] += 1
                keys.add(scanned.record.series_key)
    if by_reason:
        counts = ", ".join(
            f"{n} {reason.value}" for reason, n in sorted(by_reason.items(), key=lambda one: one[0].order)
        )
        title = "Files that cannot be read to their end, or are no DICOM"
        yield Finding("DAMAGED", title, f"{counts}.", tuple(sorted(keys)))


def find_compressed(_scan: Scan, cohort: Sequence[SeriesFacts]) -> Iterator[Finding]:
    """Series whose pixels are compressed."""
    kinds = _by_value(cohort, lambda header: header.pixels.transfer_syntax)
    packed = {kind: keys for kind, keys in kinds.items() if kind not in NATIVE_SYNTAXES}
    if packed:
        yield Finding(
            "COMPRESSED", "Compressed pixels", _describe_kinds(packed, "transfer syntax"), _all_keys(packed.values())
        )


def find_odd_image_types(_scan: Scan, cohort: Sequence[SeriesFacts]) -> Iterator[Finding]:
    """ImageType whose first value is none of the standard's."""
    kinds = _by_value(cohort, lambda header: (header.identity.image_type or ("",))[0])
    odd = {kind: keys for kind, keys in kinds.items() if kind not in FIRST_VALUES}
    if odd:
        title = "ImageType does not begin with ORIGINAL or DERIVED"
        yield Finding("IMAGE_TYPE", title, _describe_kinds(odd, "value 1"), _all_keys(odd.values()))


def find_scales(_scan: Scan, cohort: Sequence[SeriesFacts]) -> Iterator[Finding]:
    """Kinds of RescaleType, where there are others than HU."""
    kinds = _by_value(cohort, lambda header: header.rescale.kind)
    odd = {kind: keys for kind, keys in kinds.items() if kind != PLAIN_SCALE}
    if odd:
        yield Finding(
            "RESCALE_TYPE", "RescaleType is not HU", _describe_kinds(kinds, "RescaleType"), _all_keys(odd.values())
        )


def find_positions(_scan: Scan, cohort: Sequence[SeriesFacts]) -> Iterator[Finding]:
    """How patients lie, where not all lie alike."""
    kinds = _by_value(cohort, lambda header: str(header.elements.get("PatientPosition") or ""))
    if len(kinds) > 1:
        odd = sorted(kinds.values(), key=len)[:-1]
        yield Finding(
            "PATIENT_POSITION", "Patients lie differently", _describe_kinds(kinds, "PatientPosition"), _all_keys(odd)
        )


KIND_FINDINGS: tuple[Finder, ...] = (find_damaged, find_odd_image_types, find_scales, find_compressed, find_positions)


def _by_value(cohort: Iterable[SeriesFacts], value: Callable[[SliceHeader], str]) -> dict[str, set[str]]:
    """Return the series in which each value occurs."""
    kinds: dict[str, set[str]] = defaultdict(set)
    for facts in cohort:
        for header in facts.images:
            kinds[value(header)].add(facts.series_key)
    return kinds


def _describe_kinds(kinds: dict[str, set[str]], name: str) -> str:
    ordered = sorted(kinds.items(), key=lambda pair: (-len(pair[1]), pair[0]))
    counts = ", ".join(f"{_quoted(kind)} in {format_count(len(keys), 'series')}" for kind, keys in ordered)
    return f"{name}: {counts}."


def _quoted(value: str) -> str:
    return f"'{clean_text(value)}'" if value else "none"


def _all_keys(sets: Iterable[set[str]]) -> tuple[str, ...]:
    return tuple(sorted(set().union(*sets)))


def find_missing_required(scan: Scan, _cohort: Sequence[SeriesFacts]) -> Iterator[Finding]:
    """Type 1 elements that are absent or empty."""
    lacking = []
    for keyword in list_required_elements() if scan.census.n_files else ():
        why = judge_element(keyword, scan.census).why
        if why.startswith("type 1"):
            lacking.append(f"{keyword} ({why})")
    if lacking:
        yield Finding("TYPE_1", "Elements that every CT image must have are absent or empty", f"{join_words(lacking)}.")


def find_unsteady(scan: Scan, _cohort: Sequence[SeriesFacts]) -> Iterator[Finding]:
    """Elements of the patient or the series that vary within one."""
    varied = [
        word for word in sorted(scan.census.elements) if "varies within a" in judge_element(word, scan.census).why
    ]
    if names := [word for word in varied if word.partition("[")[0] == word]:
        title = "Elements vary where they should not"
        yield Finding("UNSTEADY", title, f"{join_words(names)}: see the census for the level at which each varies.")


def find_slice_counts(_scan: Scan, cohort: Sequence[SeriesFacts]) -> Iterator[Finding]:
    """Slice counts that differ between series."""
    counts = sorted(len(facts.images) for facts in cohort)
    if counts and counts[0] != counts[-1]:
        detail = f"From {counts[0]} to {counts[-1]} slices a series, {counts[len(counts) // 2]} in the middle."
        yield Finding("SLICE_COUNT", "Series differ in length", detail)


def find_several(_scan: Scan, cohort: Sequence[SeriesFacts]) -> Iterator[Finding]:
    """Studies of several series, and patients of several studies."""
    series_of: dict[str, set[str]] = defaultdict(set)
    studies_of: dict[str, set[str]] = defaultdict(set)
    for facts in cohort:
        series_of[facts.study].add(facts.series_key)
        studies_of[facts.patient].add(facts.study)
    n_series = sum(len(keys) > 1 for keys in series_of.values())
    n_studies = sum(len(studies) > 1 for studies in studies_of.values())
    if n_series or n_studies:
        patients = format_count(len(studies_of), "patient")
        detail = (
            f"Of {len(series_of)} studies {n_series} hold several series; of {patients} {n_studies} several studies."
        )
        yield Finding("SEVERAL", "One patient, several series: split by patient", detail)


def find_spellings(scan: Scan, _cohort: Sequence[SeriesFacts]) -> Iterator[Finding]:
    """Elements whose values are written in several ways."""
    found = [
        f"{keyword} ({counts.raw.n_unique} spellings of {format_count(counts.canonical.n_unique, 'value')})"
        for keyword, counts in sorted(scan.census.elements.items())
        if keyword in ALLOWED_ELEMENTS and counts.raw.n_unique > counts.canonical.n_unique
    ]
    if found:
        yield Finding("SPELLINGS", "One value is written in several ways", f"{join_words(found)}.")


def find_constants(scan: Scan, _cohort: Sequence[SeriesFacts]) -> Iterator[Finding]:
    """Elements that say the same of every image."""
    found = [keyword for keyword in sorted(scan.census.elements) if _is_constant(keyword, scan)]
    if found:
        yield Finding("CONSTANT", "Elements that are the same in every file", f"{join_words(found, most=40)}.")


def _is_constant(keyword: str, scan: Scan) -> bool:
    return keyword in ALLOWED_ELEMENTS and "constant" in judge_element(keyword, scan.census).why.split("; ")


COHORT_FINDINGS: tuple[Finder, ...] = (
    find_missing_required,
    find_unsteady,
    find_several,
    find_slice_counts,
    find_spellings,
    find_constants,
)


def findings_of(scan: Scan) -> list[Finding]:
    """Return what was found in the headers of a cohort; series without CT images are left out."""
    cohort = [facts for facts in map(SeriesFacts.of, scan.series) if facts.images]
    kinds = [finding for find in KIND_FINDINGS for finding in find(scan, cohort)]
    whole = [finding for find in COHORT_FINDINGS for finding in find(scan, cohort)]
    return [*kinds, *_by_series(cohort), *whole]


def _by_series(cohort: Sequence[SeriesFacts]) -> Iterator[Finding]:
    for code, sentence, holds in TESTS:
        if found := [facts for facts in cohort if holds(facts)]:
            patients = format_count(len({facts.patient for facts in found}), "patient")
            detail = f"In {format_count(len(found), 'series')} of {len(cohort)}, of {patients}: {sentence}."
            keys = tuple(sorted(facts.series_key for facts in found))
            yield Finding(code, sentence[:1].upper() + sentence[1:], detail, keys)


def _ratio(facts: SeriesFacts) -> float:
    """Return the distance of the slices in thicknesses, 0 where one of them is not known."""
    thickness = facts.images[0].plane.thickness
    return facts.step_mm / thickness if facts.step_mm and thickness else 0
