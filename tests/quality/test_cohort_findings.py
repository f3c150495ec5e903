from headers import slice_at
from scanned import facts_of, scanned

from pipeline.elements import Observation, canonical
from pipeline.quality.findings import (
    find_constants,
    find_missing_required,
    find_several,
    find_slice_counts,
    find_spellings,
    find_unsteady,
)
from pipeline.scan.census import Census


def census_of(*files: dict[str, str]) -> Census:
    """Return the census of files of one series."""
    census = Census()
    for values in files:
        pool = [Observation("0018,0060", word, "DS", raw, canonical(raw, "DS")) for word, raw in values.items()]
        census.count(pool, [(("p", "t", "s"), range(len(pool)))])
    return census.trim()


def test_what_must_be_there_is_missed() -> None:
    (finding,) = find_missing_required(census_of({"KVP": "1"}), [])
    assert "ImageType (type 1, and absent in 1 of 1 files)" in finding.detail
    assert list(find_missing_required(Census(), [])) == []


def test_what_varies_where_it_should_not_is_named() -> None:
    (finding,) = find_unsteady(census_of({"KVP": "1", "SliceLocation": "1"}, {"KVP": "2", "SliceLocation": "2"}), [])
    assert finding.detail.startswith("KVP:")


def test_the_range_of_slice_counts_is_reported() -> None:
    cohort = [facts_of(scanned(f"{n}", [slice_at(z) for z in range(n)])) for n in (3, 12, 5)]
    (finding,) = find_slice_counts(Census(), cohort)
    assert finding.detail == "From 3 to 12 slices per series, 5 in the middle."
    assert list(find_slice_counts(Census(), cohort[:1])) == []


def test_patients_with_several_series_are_counted() -> None:
    cohort = [facts_of(scanned(key, [slice_at(0)], "p", study)) for key, study in (("a", "t"), ("b", "t"), ("c", "u"))]
    (finding,) = find_several(Census(), cohort)
    assert finding.detail == "Of 2 studies 1 hold several series; of 1 patient 1 several studies."
    assert list(find_several(Census(), cohort[:1])) == []


def test_spellings_of_one_value_are_reported() -> None:
    (finding,) = find_spellings(census_of({"KVP": "1"}, {"KVP": "1.0"}), [])
    assert finding.detail == "KVP (2 spellings of 1 value)."


def test_what_is_the_same_everywhere_is_named() -> None:
    (finding,) = find_constants(census_of({"KVP": "1", "PatientID": "7"}, {"KVP": "1.0", "PatientID": "7"}), [])
    assert finding.detail == "KVP."
