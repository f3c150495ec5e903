from headers import changed, slice_at
from scanned import facts_of, scanned

from pipeline.quality.findings import (
    find_compressed,
    find_damaged,
    find_odd_image_types,
    find_positions,
    find_scales,
)
from pipeline.scan.facts import SeriesFacts
from pipeline.vocabulary import Reason

SOUND = scanned("sound", [slice_at(0), slice_at(1)])


def with_one(key: str, **changes: object) -> list[SeriesFacts]:
    """Return the facts of a sound series and of one that is changed."""
    return [facts_of(SOUND), facts_of(scanned(key, [changed(slice_at(0), **changes)]))]


def test_damaged_files_are_counted_by_reason() -> None:
    cut = changed(slice_at(0), refusal=(Reason.CORRUPT, "cut"))
    stray = changed(slice_at(0), refusal=(Reason.NOT_DICOM, "none"))
    (finding,) = find_damaged([stray], [facts_of(SOUND), facts_of(scanned("cut", [cut, cut]))])
    assert finding.detail == "1 NOT_DICOM, 2 CORRUPT."
    assert finding.series_keys == ("cut",)
    assert list(find_damaged([], [facts_of(SOUND)])) == []


def test_compressed_series_are_named() -> None:
    (finding,) = find_compressed(with_one("packed", pixels={"transfer_syntax": "1.2.840.10008.1.2.4.90"}))
    assert finding.series_keys == ("packed",)
    assert list(find_compressed([facts_of(SOUND)])) == []


def test_an_odd_image_type_is_named() -> None:
    (finding,) = find_odd_image_types(with_one("odd", identity={"image_type": ("1",)}))
    assert (finding.detail, finding.series_keys) == ("value 1: '1' in 1 series.", ("odd",))


def test_scales_other_than_hounsfield_units_are_named() -> None:
    (finding,) = find_scales(with_one("odd", rescale={"kind": "US"}))
    assert (finding.detail, finding.series_keys) == ("RescaleType: 'HU' in 1 series, 'US' in 1 series.", ("odd",))
    (finding,) = find_scales(with_one("odd", rescale={"kind": ""}))
    assert "none in 1 series" in finding.detail


def test_patients_that_lie_otherwise_are_named() -> None:
    cohort = [
        *(facts_of(scanned(f"{n}", [changed(slice_at(0), elements={"PatientPosition": "HFS"})])) for n in range(2)),
        *with_one("prone", elements={"PatientPosition": "HFP"})[1:],
    ]
    (finding,) = find_positions(cohort)
    assert finding.detail == "PatientPosition: 'HFS' in 2 series, 'HFP' in 1 series."
    assert finding.series_keys == ("prone",)
