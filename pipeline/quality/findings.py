"""All findings of a scan, the most important first."""

from collections.abc import Callable, Iterator, Sequence

from pipeline.quality.cohort_findings import COHORT_FINDINGS
from pipeline.quality.file_findings import KIND_FINDINGS
from pipeline.quality.finding import Finding, format_count
from pipeline.quality.geometry_findings import SeriesFacts
from pipeline.scan.series import Scan

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
