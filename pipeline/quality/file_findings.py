"""Findings about what kinds of files and images there are: damaged, compressed, of odd type or scale."""

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence

from pipeline.dicom.files.encoding import NATIVE_SYNTAXES
from pipeline.dicom.headers.slice import SliceHeader
from pipeline.privacy import clean_text
from pipeline.quality.finding import Finding, format_count
from pipeline.quality.geometry_findings import SeriesFacts
from pipeline.scan.series import Scan
from pipeline.vocabulary import Reason

FIRST_VALUES = frozenset({"ORIGINAL", "DERIVED", "MIXED"})
"""Value 1 of ImageType (PS3.3 C.7.6.1.1.2; MIXED of multi-frame objects)."""
PLAIN_SCALE = "HU"

Finder = Callable[[Scan, Sequence[SeriesFacts]], Iterator[Finding]]


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
