from pathlib import Path
from typing import Any

import pytest
from dicom_bytes import known, read_element, us

from pipeline.dicom.headers.observe import Observer
from pipeline.output.tables import read_table
from pipeline.scan.census import Census
from pipeline.scan.tag_statistics import build_tag_rows, write_tags

BOWL: dict[str, dict[tuple[str, bytes], int]] = {
    "BitsStored": {("US", us(12)): 20, ("US", us(16)): 80},
    "HighBit": {("US", us(11)): 20, ("US", us(15)): 80},
    "RescaleSlope": {
        ("DS", b"1"): 60, ("DS", b"1.0"): 20, ("DS", b"1.000000"): 10, ("DS", b"1.000244"): 4, ("DS", b"1.0002441"): 3,
        ("DS", b"2"): 3,
    },
    "RescaleIntercept": {
        ("DS", b"-1024"): 50, ("DS", b"-1024.0"): 20, ("DS", b"-1024.000000"): 10, ("DS", b"-1000"): 8,
        ("DS", b"-1000.0"): 4, ("DS", b"0"): 3, ("DS", b"0.0"): 2, ("DS", b"-2048"): 2, ("DS", b"-2048.0"): 1,
    },
    "PixelPaddingValue": {
        ("SS", us(63536)): 30, ("US", us(63536)): 30, ("DS", b"-2000.0"): 5, ("SS", us(0)): 10, ("DS", b"0.0"): 5,
        ("US", us(64512)): 12, ("SS", us(64512)): 8,
    },
    "WindowWidth": {("DS", b"350"): 50, ("DS", b"00350"): 30, ("DS", b"1500\\350"): 20},
    "WindowCenter": {("DS", b"40"): 50, ("DS", b"00040"): 30, ("DS", b"-600\\40"): 20},
    "ImageOrientationPatient": {
        ("DS", b"1\\0\\0\\0\\1\\0"): 70, ("DS", b"1.0\\0.0\\0.0\\0.0\\1.0\\0.0"): 20,
        ("DS", b"1.000000\\0.000000\\0.000000\\0.000000\\1.000000\\0.000000"): 10,
    },
    "RescaleType": {("LO", b"HU"): 70, ("LO", b"US"): 10},
    "PixelRepresentation": {("US", us(1)): 100},
}  # fmt: skip
"""Values of the Data Science Bowl's metadata and how many of a hundred files have each."""

UNIQUE = {
    "RescaleSlope": (6, 4),
    "RescaleIntercept": (9, 4),
    "PixelPaddingValue": (7, 3),
    "ImageOrientationPatient": (3, 1),
    "WindowWidth": (3, 2),
    "BitsStored": (2, 2),
    "RescaleType": (2, 2),
}
"""Numbers of distinct values as they are written, and canonical."""


@pytest.fixture(scope="module")
def bowl() -> dict[str, dict[str, Any]]:
    """Count a hundred files, a series each."""
    observer, counted = Observer(), Census()
    columns = {
        keyword: [read_element(keyword, raw, vr) for (vr, raw), n in values.items() for _ in range(n)]
        for keyword, values in BOWL.items()
    }
    for n in range(100):
        elements = [column[n] for column in columns.values() if n < len(column)]
        seen = observer.observe(known(*elements))
        counted.count(observer.pool, [((f"p{n}", f"t{n}", f"s{n}"), seen)])
    return {row["keyword"]: row for row in build_tag_rows(counted.trim(), keep_identifiers=False)}


@pytest.mark.parametrize("keyword", UNIQUE)
def test_spellings_and_values_are_counted_apart(bowl: dict[str, dict[str, Any]], keyword: str) -> None:
    row = bowl[keyword]
    assert (row["n_unique_raw"], row["n_unique"]) == UNIQUE[keyword]
    assert (row["n_files"], row["n_missing"]) == (100, 100 - sum(BOWL[keyword].values()))


def test_canonical_values_have_their_exact_counts(bowl: dict[str, dict[str, Any]]) -> None:
    top = {keyword: {one["value"]: one["count"] for one in bowl[keyword]["top_values"]} for keyword in UNIQUE}
    assert top["RescaleSlope"] == {"1": 90, "1.000244": 4, "1.0002441": 3, "2": 3}
    assert top["RescaleIntercept"] == {"-1024": 80, "-1000": 12, "0": 5, "-2048": 3}
    assert top["PixelPaddingValue"] == {"-2000": 65, "-1024": 20, "0": 15}
    assert top["ImageOrientationPatient"] == {"1\\0\\0\\0\\1\\0": 100}
    assert top["RescaleType"] == {"HU": 70, "US": 10}
    assert bowl["RescaleSlope"]["max"] == 2
    assert bowl["HighBit"]["why"] == "redundant: BitsStored - 1"


def test_parts_have_rows_and_numbers_of_their_own(bowl: dict[str, dict[str, Any]]) -> None:
    assert bowl["WindowCenter[1]"]["min"] == -600
    assert bowl["WindowCenter[2]"]["n_missing"] == 80
    assert "mean" not in bowl["WindowCenter"]
    assert bowl["ImageOrientationPatient[5]"]["mean"] == 1


def test_an_element_that_must_be_there_has_a_row_where_no_file_has_it(bowl: dict[str, dict[str, Any]]) -> None:
    row = bowl["ImageType"]
    assert (row["tag"], row["vr"], row["n_missing"], row["verdict"]) == ("0008,0008", "CS", 100, "look")


def census_of(**values: bytes) -> Census:
    elements = [read_element(keyword, raw) for keyword, raw in values.items()]
    observer, counted = Observer(), Census()
    seen = observer.observe(known(*elements))
    counted.count(observer.pool, [(("p", "t", "s"), seen)])
    return counted.trim()


def test_values_of_what_may_identify_stay_inside(tmp_path: Path) -> None:
    counted = census_of(PatientID=b"Somebody", PatientName=b"Some^Body", PatientWeight=b"70", PatientAge=b"095Y")
    for keep in (False, True):
        write_tags(tmp_path / "tags.parquet", counted, keep_identifiers=keep)
        rows = {row["keyword"]: row for row in read_table(tmp_path / "tags.parquet")}
        assert (rows["PatientID"]["top_values"] is not None) is keep
        assert rows["PatientName"]["top_values"] is rows["PatientWeight"]["mean"] is None
        assert rows["PatientName"]["n_unique"] == 1
        assert rows["PatientAge"]["top_values"] == [{"value": "090Y", "count": 1}]


def test_the_rows_come_in_the_order_of_tags() -> None:
    rows = build_tag_rows(census_of(KVP=b"120", Modality=b"CT"), keep_identifiers=False)
    assert [row["tag"] for row in rows] == sorted(row["tag"] for row in rows)
    assert len({row["keyword"] for row in rows}) == len(rows)
