"""Findings about a cohort as a whole: its elements, its counts of slices, series and studies."""

from collections import defaultdict
from collections.abc import Iterator, Sequence

from pipeline.elements import list_required_elements
from pipeline.privacy import ALLOWED_ELEMENTS
from pipeline.quality.file_findings import Finder
from pipeline.quality.finding import Finding, format_count, join_words
from pipeline.quality.geometry_findings import SeriesFacts
from pipeline.scan.series import Scan
from pipeline.scan.tag_statistics import judge_element


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
