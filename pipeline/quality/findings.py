"""What is odd in a cohort: findings, the most important first, each a code, a sentence and the series it is about."""

import json
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from pipeline.dicom.files.encoding import NATIVE_SYNTAXES
from pipeline.dicom.headers.slice import SliceHeader
from pipeline.elements import list_required_elements
from pipeline.output.durable import write_bytes
from pipeline.privacy import ALLOWED_ELEMENTS, clean_text
from pipeline.scan.census import Census
from pipeline.scan.facts import TESTS, SeriesFacts
from pipeline.scan.tag_statistics import judge_element
from pipeline.vocabulary import format_count

FIRST_VALUES = frozenset({"ORIGINAL", "DERIVED", "MIXED"})
"""Value 1 of ImageType (PS3.3 C.7.6.1.1.2; MIXED of multi-frame objects)."""
PLAIN_SCALE = "HU"


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


def write_findings(path: Path, findings: Iterable[Finding]) -> None:
    """Write findings as a JSON list, the most important first."""
    rows = [asdict(finding) | {"n_series": finding.n_series} for finding in findings]
    write_bytes(path, json.dumps(rows, indent=1).encode("ascii"))


def join_words(words: Sequence[str], most: int = 12) -> str:
    """Return words as a list that does not grow too long."""
    shown = ", ".join(words[:most])
    return shown if len(words) <= most else f"{shown} and {len(words) - most} more"


Finder = Callable[[Sequence[SeriesFacts]], Iterator[Finding]]


def find_damaged(unassigned: Iterable[SliceHeader], every: Iterable[SeriesFacts]) -> Iterator[Finding]:
    """Files that could not be read to their end, by reason."""
    by_reason = Counter(header.refusal[0] for header in unassigned if header.refusal)
    keys = []
    for facts in every:
        by_reason.update(facts.refused)
        keys += [facts.series_key] if facts.refused else []
    if by_reason:
        counts = ", ".join(
            f"{n} {reason.value}" for reason, n in sorted(by_reason.items(), key=lambda one: one[0].order)
        )
        title = "Files that cannot be read to their end, or are no DICOM"
        yield Finding("DAMAGED", title, f"{counts}.", tuple(sorted(keys)))


def find_compressed(cohort: Sequence[SeriesFacts]) -> Iterator[Finding]:
    """Series whose pixels are compressed."""
    kinds = _by_value(cohort, "transfer syntax")
    packed = {kind: keys for kind, keys in kinds.items() if kind not in NATIVE_SYNTAXES}
    if packed:
        yield Finding(
            "COMPRESSED", "Compressed pixels", _describe_kinds(packed, "transfer syntax"), _all_keys(packed.values())
        )


def find_odd_image_types(cohort: Sequence[SeriesFacts]) -> Iterator[Finding]:
    """ImageType whose first value is none of the standard's."""
    kinds = _by_value(cohort, "value 1")
    odd = {kind: keys for kind, keys in kinds.items() if kind not in FIRST_VALUES}
    if odd:
        title = "ImageType does not begin with ORIGINAL or DERIVED"
        yield Finding("IMAGE_TYPE", title, _describe_kinds(odd, "value 1"), _all_keys(odd.values()))


def find_scales(cohort: Sequence[SeriesFacts]) -> Iterator[Finding]:
    """Kinds of RescaleType, where there are others than HU."""
    kinds = _by_value(cohort, "RescaleType")
    odd = {kind: keys for kind, keys in kinds.items() if kind != PLAIN_SCALE}
    if odd:
        yield Finding(
            "RESCALE_TYPE", "RescaleType is not HU", _describe_kinds(kinds, "RescaleType"), _all_keys(odd.values())
        )


def find_positions(cohort: Sequence[SeriesFacts]) -> Iterator[Finding]:
    """How patients lie, where not all lie alike."""
    kinds = _by_value(cohort, "PatientPosition")
    if len(kinds) > 1:
        odd = sorted(kinds.values(), key=len)[:-1]
        yield Finding(
            "PATIENT_POSITION", "Patients lie differently", _describe_kinds(kinds, "PatientPosition"), _all_keys(odd)
        )


KIND_FINDINGS: tuple[Finder, ...] = (find_odd_image_types, find_scales, find_compressed, find_positions)


def _by_value(cohort: Iterable[SeriesFacts], name: str) -> dict[str, set[str]]:
    """Return the series in which each word of a kind occurs."""
    kinds: dict[str, set[str]] = defaultdict(set)
    for facts in cohort:
        for word in facts.kinds[name]:
            kinds[word].add(facts.series_key)
    return kinds


def _describe_kinds(kinds: dict[str, set[str]], name: str) -> str:
    ordered = sorted(kinds.items(), key=lambda pair: (-len(pair[1]), pair[0]))
    counts = ", ".join(f"{_quoted(kind)} in {format_count(len(keys), 'series')}" for kind, keys in ordered)
    return f"{name}: {counts}."


def _quoted(value: str) -> str:
    return f"'{clean_text(value)}'" if value else "none"


def _all_keys(sets: Iterable[set[str]]) -> tuple[str, ...]:
    return tuple(sorted(set().union(*sets)))


def find_missing_required(census: Census, _cohort: Sequence[SeriesFacts]) -> Iterator[Finding]:
    """Type 1 elements that are absent or empty."""
    lacking = []
    for keyword in list_required_elements() if census.n_files else ():
        why = judge_element(keyword, census).why
        if why.startswith("type 1"):
            lacking.append(f"{keyword} ({why})")
    if lacking:
        yield Finding("TYPE_1", "Elements that every CT image must have are absent or empty", f"{join_words(lacking)}.")


def find_unsteady(census: Census, _cohort: Sequence[SeriesFacts]) -> Iterator[Finding]:
    """Elements of the patient or the series that vary within one."""
    varied = [word for word in sorted(census.elements) if "varies within a" in judge_element(word, census).why]
    if names := [word for word in varied if word.partition("[")[0] == word]:
        title = "Elements vary where they should not"
        yield Finding("UNSTEADY", title, f"{join_words(names)}: see the census for the level at which each varies.")


def find_slice_counts(_census: Census, cohort: Sequence[SeriesFacts]) -> Iterator[Finding]:
    """Slice counts that differ between series."""
    counts = sorted(facts.n_images for facts in cohort)
    if counts and counts[0] != counts[-1]:
        detail = f"From {counts[0]} to {counts[-1]} slices per series, {counts[len(counts) // 2]} in the middle."
        yield Finding("SLICE_COUNT", "Series differ in length", detail)


def find_several(_census: Census, cohort: Sequence[SeriesFacts]) -> Iterator[Finding]:
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


def find_spellings(census: Census, _cohort: Sequence[SeriesFacts]) -> Iterator[Finding]:
    """Elements whose values are written in several ways."""
    found = [
        f"{keyword} ({counts.raw.n_unique} spellings of {format_count(counts.canonical.n_unique, 'value')})"
        for keyword, counts in sorted(census.elements.items())
        if keyword in ALLOWED_ELEMENTS and counts.raw.n_unique > counts.canonical.n_unique
    ]
    if found:
        yield Finding("SPELLINGS", "One value is written in several ways", f"{join_words(found)}.")


def find_constants(census: Census, _cohort: Sequence[SeriesFacts]) -> Iterator[Finding]:
    """Elements that say the same of every image."""
    found = [keyword for keyword in sorted(census.elements) if _is_constant(keyword, census)]
    if found:
        yield Finding("CONSTANT", "Elements that are the same in every file", f"{join_words(found, most=40)}.")


def _is_constant(keyword: str, census: Census) -> bool:
    return keyword in ALLOWED_ELEMENTS and "constant" in judge_element(keyword, census).why.split("; ")


COHORT_FINDINGS: tuple[Callable[[Census, Sequence[SeriesFacts]], Iterator[Finding]], ...] = (
    find_missing_required,
    find_unsteady,
    find_several,
    find_slice_counts,
    find_spellings,
    find_constants,
)


def findings_of(unassigned: Iterable[SliceHeader], census: Census, facts: Iterable[SeriesFacts]) -> list[Finding]:
    """Return what was found in the headers of a cohort; series without CT images are left out of most.

    ``unassigned`` are the slices of files that belong to no series.
    """
    every = list(facts)
    cohort = [one for one in every if one.n_images]
    kinds = [finding for find in KIND_FINDINGS for finding in find(cohort)]
    whole = [finding for find in COHORT_FINDINGS for finding in find(census, cohort)]
    return [*find_damaged(unassigned, every), *kinds, *_by_series(cohort), *whole]


def _by_series(cohort: Sequence[SeriesFacts]) -> Iterator[Finding]:
    for code, sentence, _ in TESTS:
        if found := [facts for facts in cohort if code in facts.codes]:
            patients = format_count(len({facts.patient for facts in found}), "patient")
            detail = f"In {format_count(len(found), 'series')} of {len(cohort)}, of {patients}: {sentence}."
            keys = tuple(sorted(facts.series_key for facts in found))
            yield Finding(code, sentence[:1].upper() + sentence[1:], detail, keys)
