from pathlib import Path

import numpy as np
import pydicom
import pytest
from phantoms import put_raw, truth_volume, write_series
from pydicom.uid import (
    DeflatedExplicitVRLittleEndian,
    ExplicitVRBigEndian,
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
    JPEG2000Lossless,
    JPEGLosslessSV1,
    JPEGLSLossless,
    RLELossless,
)

from pipeline.geometry import Xyz, Zyx

SYNTAXES = (
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
    ExplicitVRBigEndian,
    DeflatedExplicitVRLittleEndian,
    RLELossless,
    JPEG2000Lossless,
    JPEGLosslessSV1,
    JPEGLSLossless,
)


@pytest.mark.parametrize("signed", [False, True])
@pytest.mark.parametrize("syntax", SYNTAXES, ids=lambda syntax: syntax.keyword)
def test_every_transfer_syntax_gives_the_truth_back(tmp_path: Path, syntax: str, signed: bool) -> None:  # noqa: FBT001 (a parameter of the test)
    form = {"signed": True, "bits_stored": 16, "intercept": 0} if signed else {}
    series = write_series(tmp_path, n=2, transfer_syntax=syntax, **form)
    for path, truth in zip(series.paths, series.truth, strict=True):
        dataset = pydicom.dcmread(path)
        assert dataset.file_meta.TransferSyntaxUID == syntax
        np.testing.assert_array_equal(dataset.pixel_array + dataset.RescaleIntercept, truth)


def test_the_body_has_no_symmetry() -> None:
    body = truth_volume(12, 32, 32).astype(float)
    for axes in ((0,), (1,), (2,), (0, 1), (0, 2), (1, 2), (0, 1, 2)):
        assert np.abs(body - np.flip(body, axes)).mean() > 20
    assert np.abs(body - body.swapaxes(1, 2)).mean() > 20


def test_positions_are_those_of_the_affine(tmp_path: Path) -> None:
    series = write_series(tmp_path, n=3, row_axis=Xyz(0, 1, 0), column_axis=Xyz(0, 0, -1), origin=Xyz(1, 2, 3))
    for z, path in enumerate(series.paths):
        position = pydicom.dcmread(path).ImagePositionPatient
        np.testing.assert_allclose(position, (series.affine_lps @ (z, 0, 0, 1))[:3], atol=1e-9)


def test_a_tilted_gantry_turns_the_slices_but_not_the_table(tmp_path: Path) -> None:
    series = write_series(tmp_path, n=3, tilt_deg=15)
    slices = [pydicom.dcmread(path) for path in series.paths]
    steps = np.diff([np.array(s.ImagePositionPatient, float) for s in slices], axis=0)
    normal = np.cross(slices[0].ImageOrientationPatient[:3], slices[0].ImageOrientationPatient[3:])
    np.testing.assert_allclose(steps, [[0, 0, 2.5]] * 2, atol=1e-9)
    assert np.degrees(np.arccos(normal[2])) == pytest.approx(15)
    assert slices[0].GantryDetectorTilt == 15


def test_names_run_against_z_unless_given(tmp_path: Path) -> None:
    assert [path.name for path in write_series(tmp_path / "a", n=2).paths] == ["IM0002.dcm", "IM0001.dcm"]
    assert [path.name for path in write_series(tmp_path / "b", n=2, name="s{}".format).paths] == ["s0", "s1"]


def test_the_same_call_writes_the_same_bytes(tmp_path: Path) -> None:
    first, second = (write_series(tmp_path / day / "series", n=2) for day in ("monday", "tuesday"))
    assert [p.read_bytes() for p in first.paths] == [p.read_bytes() for p in second.paths]


def test_change_spoils_the_slice_it_is_asked_to(tmp_path: Path) -> None:
    def spoil(dataset: pydicom.Dataset, z: int) -> None:
        if z == 1:
            put_raw(dataset, "RescaleSlope", b"one")

    series = write_series(tmp_path, n=3, change=spoil)
    slopes = [pydicom.dcmread(path).get_item("RescaleSlope").value for path in series.paths]
    assert slopes == [b"1 ", b"one ", b"1 "]


def test_explicit_positions_and_a_fractional_slope_are_written(tmp_path: Path) -> None:
    series = write_series(tmp_path, n=3, positions_mm=(0.0, 2.0, 5.5), slope=1.000244, spacing=Zyx(2.0, 0.8, 0.7))
    slices = [pydicom.dcmread(path) for path in series.paths]
    assert [float(s.ImagePositionPatient[2]) for s in slices] == [-100.0, -98.0, -94.5]
    assert series.truth.dtype == np.float64
    np.testing.assert_allclose(slices[2].pixel_array * 1.000244 - 1024, series.truth[2])


def test_a_slice_reads_like_the_bad_inputs(tmp_path: Path, bad_inputs: Path) -> None:
    ours = pydicom.dcmread(write_series(tmp_path).folder / "IM0001.dcm")
    theirs = pydicom.dcmread(bad_inputs / "ok-baseline" / "IM0001.dcm")
    assert {e.keyword for e in theirs} <= {e.keyword for e in ours}
    for keyword in ("ImagePositionPatient", "ImageOrientationPatient", "PixelSpacing", "RescaleIntercept", "Rows"):
        assert ours[keyword].value == theirs[keyword].value
