from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from dicom_bytes import put_file
from slices import axial
from stored_slices import read_all

from pipeline.dicom.files.encoding import EXPLICIT_LE
from pipeline.dicom.headers.slice import Pixels, Rescale, SliceHeader
from pipeline.dicom.pixels.hounsfield import SliceSource, find_unwrap, unwrap_slice
from pipeline.dicom.pixels.plausible import SIGN, TWELVE_BITS
from pipeline.dicom.pixels.stored import StoredSlice
from pipeline.dicom.policy import HounsfieldOptions, Policy
from pipeline.dicom.stack.stack import build_stack
from pipeline.vocabulary import SeriesWarning

REPAIR = Policy(hounsfield=HounsfieldOptions(wrapped="repair"))
N = 32
Y, X = np.ogrid[:N, :N]
BODY = np.where(np.hypot(Y - 15.5, X - 15.5) < 10, 40, -1000) + np.zeros((3, 1, 1), int)
BODY[:, 14:18, 14:18] = 700


def series(folder: Path, stored: np.ndarray, *, bits: int, signed: bool = False, **rescale: float) -> list[SliceHeader]:
    headers = []
    for plane, place in zip(stored, axial([0, 2, 4]), strict=True):
        found = put_file(
            folder / place.file.path.rpartition("/")[2], plane.astype("<i2" if signed else "<u2").tobytes()
        )
        pixels = Pixels(
            transfer_syntax=EXPLICIT_LE, rows=N, columns=N, samples=1, bits_allocated=16, bits_stored=bits,
            signed=signed, offset=0, length=found.size,
        )  # fmt: skip
        headers.append(replace(place, file=found, pixels=pixels, rescale=Rescale(**rescale)))
    return headers


@pytest.mark.parametrize(("bits", "expected"), [(12, TWELVE_BITS), (16, SIGN)])
def test_values_that_wrapped_come_back_and_the_trail_tells(tmp_path: Path, bits: int, expected: object) -> None:
    headers = series(tmp_path, BODY % (1 << bits), bits=bits)
    voxels, _, facts = read_all(SliceSource(build_stack(headers), REPAIR))
    assert find_unwrap(headers, REPAIR) == expected
    assert np.array_equal(voxels, BODY)
    assert [repair["step"] for repair in facts.repairs] == ["unwrap"]
    assert SeriesWarning.W_HU_RANGE in facts.warnings


def test_padding_that_wrapped_with_the_pixels_is_padding_still(tmp_path: Path) -> None:
    padded = BODY.copy()
    padded[:, :4] = -2000
    headers = series(tmp_path, padded % (1 << 16), bits=16, padding=63536)
    voxels, measured, _ = read_all(SliceSource(build_stack(headers), REPAIR))
    assert np.array_equal(measured, padded != -2000)
    assert np.array_equal(voxels[measured], padded[padded != -2000])


def test_nothing_is_repaired_where_the_policy_does_not_ask(tmp_path: Path) -> None:
    headers = series(tmp_path, BODY % 4096, bits=12)
    assert find_unwrap(headers, Policy()) is None
    assert SliceSource(build_stack(headers), Policy()).facts().repairs == ()


def test_what_did_not_wrap_is_not_touched(tmp_path: Path) -> None:
    assert find_unwrap(series(tmp_path, BODY + 1024, bits=12, intercept=-1024), REPAIR) is None
    assert find_unwrap(series(tmp_path, BODY, bits=16, signed=True), REPAIR) is None


def test_slices_that_are_rescaled_each_its_own_way_are_not_touched(tmp_path: Path) -> None:
    first, *others = series(tmp_path, BODY % 4096, bits=12)
    assert find_unwrap([replace(first, rescale=Rescale(slope=2)), *others], REPAIR) is None


def test_without_a_repair_values_and_header_stay_as_they_are(tmp_path: Path) -> None:
    header = series(tmp_path, BODY + 1024, bits=12)[0]
    stored = StoredSlice.of(np.arange(4).reshape(2, 2))
    assert unwrap_slice(stored, header, None) == (stored, header)
