from pathlib import Path

import numpy as np
import pydicom
import pytest
from phantom_body import CHEST
from phantom_dicom import Scan, decimal, uid, write_localizer, write_scan
from phantom_scanner import Habits, Protocol, acquire


def scan_of(**habits: str) -> Scan:
    protocol = Protocol.of(3, 3.0, 16, 0.0, 0.0)
    return Scan("P-1", 1, ("test",), acquire(CHEST, protocol, Habits(**habits), np.random.default_rng(0)))


@pytest.mark.parametrize(("names", "rises"), [("with z", True), ("against z", False)])
@pytest.mark.parametrize("position", ["HFS", "FFS"])
def test_file_names_run_as_the_habit_says(tmp_path: Path, names: str, rises: bool, position: str) -> None:  # noqa: FBT001 (a parameter of the test)
    write_scan(tmp_path, scan_of(names=names, position=position))
    heights = [pydicom.dcmread(path).ImagePositionPatient[2] for path in sorted(tmp_path.iterdir())]
    assert heights == sorted(heights, reverse=not rises)


def test_names_without_order_are_the_instance_uids(tmp_path: Path) -> None:
    write_scan(tmp_path, scan_of(names="uid"))
    assert all(pydicom.dcmread(path).SOPInstanceUID == path.name for path in tmp_path.iterdir())


def test_a_series_without_position_keeps_its_slice_location(tmp_path: Path) -> None:
    write_scan(tmp_path, scan_of(), with_position=False)
    for path in tmp_path.iterdir():
        dataset = pydicom.dcmread(path)
        assert "ImagePositionPatient" not in dataset
        assert "SliceLocation" in dataset


def test_a_localizer_is_coronal_and_shares_the_series_uid(tmp_path: Path) -> None:
    scan = scan_of()
    write_localizer(tmp_path, scan)
    (path,) = tmp_path.iterdir()
    dataset = pydicom.dcmread(path)
    assert dataset.ImageType[2] == "LOCALIZER"
    assert dataset.SeriesInstanceUID == scan.series_uid
    assert dataset.ImageOrientationPatient == [1, 0, 0, 0, 0, -1]
    assert dataset.ImagePositionPatient[2] == max(scan.acquisition.affine @ (k, 0, 0, 1) for k in [2])[2]
    np.testing.assert_array_equal(dataset.pixel_array[-1], scan.acquisition.stored[0].mean(axis=0).astype(np.int16))


def test_uids_follow_from_their_words() -> None:
    assert uid("a", "b") == uid("a", "b") != uid("b", "a")
    assert len(uid("a")) <= 64


@pytest.mark.parametrize("value", [-0.0, 1 / 3, -123.456789012345, 1e-17, -2.5e-9])
def test_a_decimal_string_is_short_and_true(value: float) -> None:
    assert len(decimal(value)) <= 16
    assert float(decimal(value)) == pytest.approx(value, rel=1e-9)
