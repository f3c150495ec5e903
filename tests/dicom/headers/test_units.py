from pathlib import Path

import pytest
from stored_slices import one_slice

from pipeline.dicom.headers.maps import Kind, parse_unit
from pipeline.dicom.headers.slice import SliceHeader


def described(folder: Path, text: str) -> SliceHeader:
    return one_slice(folder, lambda dataset: setattr(dataset, "SeriesDescription", text))[0]


def test_of_a_description_only_the_kinds_that_it_names_are_kept(tmp_path: Path) -> None:
    header = described(tmp_path, "cbf of Doe^John")
    assert header.identity.described_kinds == (Kind.PERFUSION,)
    assert "Doe" not in repr(header)


@pytest.mark.parametrize(
    "spelling",
    [
        *("HU", "hu", "Hu", "H.U.", "HU\0", " HU ", "HU\\HU", "HUs", "HU UNITS", "Hounsfield", "HOUNSFIELD UNITS"),
        *("hounsfield_unit", "Houndsfield Unit", "Hounsfield units (HU)", "HOUNSFEILD", "Hounsfield-Units"),
    ],
)
def test_any_spelling_of_hounsfield_is_hu(spelling: str) -> None:
    assert parse_unit(spelling) == "HU"


@pytest.mark.parametrize("other", ["normalized", "MGML", "ED", "Z_EFF", "PCT", "OD", "THU", "HUMIDITY", "HU\\MGML"])
def test_another_unit_is_none(other: str) -> None:
    assert parse_unit(other) == other.upper()


@pytest.mark.parametrize("written", ["", "\0", " "])
def test_no_unit_is_none(written: str) -> None:
    assert parse_unit(written) == ""
