from pathlib import Path
from typing import Any

import numpy as np
import plain_pixels
import pytest
from headers import SOUND, changed
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from multiframe import join_frames
from phantoms import write_series
from pydicom.dataset import Dataset
from pydicom.uid import (
    DeflatedExplicitVRLittleEndian,
    ExplicitVRBigEndian,
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
)
from stored_slices import COMPRESSED, LIMITS, headers_of, one_slice

from pipeline.dicom.pixels.raw import PixelReader
from pipeline.dicom.pixels.stored import StoredSlice, correct_bits, read_stored
from pipeline.errors import SeriesRefusedError

EXAMPLES = settings(max_examples=80, deadline=None)
NATIVE = (ExplicitVRLittleEndian, ImplicitVRLittleEndian, ExplicitVRBigEndian, DeflatedExplicitVRLittleEndian)
FORMS = {
    "unsigned 12 bit": {"intercept": -1024},
    "signed 12 bit": {"signed": True, "bits_stored": 12, "intercept": 0},
    "unsigned 16 bit": {"bits_stored": 16, "intercept": -32768},
    "signed 16 bit": {"signed": True, "bits_stored": 16, "intercept": 0},
}


@pytest.mark.parametrize("form", FORMS.values(), ids=FORMS)
@pytest.mark.parametrize("syntax", NATIVE + COMPRESSED, ids=lambda syntax: syntax.keyword)
def test_every_transfer_syntax_gives_the_stored_values(tmp_path: Path, syntax: str, form: dict[str, Any]) -> None:
    header, expected = one_slice(tmp_path, transfer_syntax=syntax, **form)
    stored = read_stored(header, PixelReader(LIMITS))
    np.testing.assert_array_equal(stored.plane, expected)
    assert not stored.has_high_bits


@pytest.mark.parametrize("bits", [12, 16])
@pytest.mark.parametrize("syntax", [ExplicitVRLittleEndian, *COMPRESSED], ids=lambda syntax: syntax.keyword)
def test_the_data_set_decides_the_sign_unless_higher_bits_show_it(tmp_path: Path, syntax: str, bits: int) -> None:
    written_signed = {"transfer_syntax": syntax, "signed": True, "bits_stored": bits, "intercept": 0}
    header, expected = one_slice(tmp_path / "a", lambda d: setattr(d, "PixelRepresentation", 0), **written_signed)
    np.testing.assert_array_equal(
        read_stored(header, PixelReader(LIMITS)).plane, expected if bits == 12 else expected & 0xFFFF
    )

    written_unsigned = {"transfer_syntax": syntax, "bits_stored": bits, "intercept": -(1 << bits - 1)}
    header, expected = one_slice(tmp_path / "b", lambda d: setattr(d, "PixelRepresentation", 1), **written_unsigned)
    wrapped = np.where(expected >= 1 << bits - 1, expected - (1 << bits), expected)
    np.testing.assert_array_equal(read_stored(header, PixelReader(LIMITS)).plane, expected if bits == 12 else wrapped)


@pytest.mark.parametrize("signed", [False, True])
def test_bits_above_the_stored_ones_are_masked_with_a_warning(tmp_path: Path, *, signed: bool) -> None:
    def dirty(dataset: Dataset) -> None:
        pixels = np.frombuffer(dataset.PixelData, "<u2").copy()
        pixels[::2] ^= 0xA000
        dataset.PixelData = pixels.tobytes()

    header, expected = one_slice(tmp_path, dirty, signed=signed, bits_stored=12, intercept=0 if signed else -1024)
    stored = read_stored(header, PixelReader(LIMITS))
    np.testing.assert_array_equal(stored.plane, expected)
    assert stored.has_high_bits


@pytest.mark.parametrize("syntax", [ExplicitVRLittleEndian, ExplicitVRBigEndian])
def test_pixels_of_32_bits_are_read(tmp_path: Path, syntax: str) -> None:
    order = ">" if syntax == ExplicitVRBigEndian else "<"
    expected = np.arange(32 * 32).reshape(32, 32) * 1000 - 70_000

    def widen(dataset: Dataset) -> None:
        dataset.BitsAllocated, dataset.BitsStored, dataset.HighBit, dataset.PixelRepresentation = 32, 32, 31, 1
        dataset.PixelData = expected.astype(f"{order}i4").tobytes()

    header, _ = one_slice(tmp_path, widen, transfer_syntax=syntax)
    np.testing.assert_array_equal(read_stored(header, PixelReader(LIMITS)).plane, expected)


@pytest.mark.parametrize("syntax", [ExplicitVRLittleEndian, *COMPRESSED], ids=lambda syntax: syntax.keyword)
def test_elements_after_the_pixels_do_not_matter(tmp_path: Path, syntax: str) -> None:
    header, expected = one_slice(
        tmp_path, lambda d: d.add_new(0xFFFCFFFC, "OB", bytes(range(250))), transfer_syntax=syntax
    )
    np.testing.assert_array_equal(read_stored(header, PixelReader(LIMITS)).plane, expected)


def test_frames_are_read_each_from_its_place(tmp_path: Path) -> None:
    series = write_series(tmp_path / "series", n=4)
    frames = headers_of(join_frames(series, tmp_path / "enhanced", order=(2, 0, 3, 1)))
    reader = PixelReader(LIMITS)
    for frame, z in zip(frames, (2, 0, 3, 1), strict=True):
        np.testing.assert_array_equal(read_stored(frame, reader).plane - 1024, series.truth[z])


def test_padding_may_need_more_bits_than_the_image() -> None:
    frame = np.array([[-2000, 5], [-2000, 0x1005]], np.int16)
    header = changed(SOUND, pixels={"bits_stored": 11, "signed": True}, rescale={"padding": -2000})
    stored = correct_bits(StoredSlice.of(frame), header)
    np.testing.assert_array_equal(stored.plane, [[-2000, 5], [-2000, 5]])
    assert stored.has_high_bits
    assert not correct_bits(StoredSlice.of(frame[:, :1]), header).has_high_bits


frames = st.sampled_from(["<i2", ">i2", "<u2", ">u2", "<i4", ">i4", "<u4", ">u4", "i1", "u1"]).flatmap(
    lambda dtype: st.tuples(st.integers(1, 5), st.integers(1, 5)).flatmap(lambda shape: arrays(dtype, shape))
)


@EXAMPLES
@given(frames)
def test_codes_and_values_are_the_frame(frame: np.ndarray) -> None:
    stored = StoredSlice.of(frame)
    np.testing.assert_array_equal(stored.plane, frame)
    assert not np.shares_memory(stored.codes, frame)
    assert (np.diff(stored.values) > 0).all()
    assert stored.codes.dtype == (np.uint16 if np.ptp(frame.astype(np.int64)) < 1 << 16 else np.uint32)


@EXAMPLES
@given(
    frames,
    st.fixed_dictionaries({"bits_stored": st.integers(1, 32), "signed": st.booleans()}),
    st.none() | st.integers(-3000, 70_000),
)
def test_sign_and_unused_bits_are_put_right_as_in_whole_planes(
    frame: np.ndarray, pixels: dict[str, int], padding: int | None
) -> None:
    header = changed(SOUND, pixels=pixels, rescale={"padding": padding})
    expected, has_high_bits = plain_pixels.put_right(frame, header)
    stored = correct_bits(StoredSlice.of(frame), header, precision=pixels["bits_stored"])
    np.testing.assert_array_equal(stored.plane, expected)
    assert stored.has_high_bits == has_high_bits
    if padding is None:
        low = -(1 << pixels["bits_stored"] - 1) if pixels["signed"] else 0
        assert low <= stored.plane.min() <= stored.plane.max() < low + (1 << pixels["bits_stored"])


@EXAMPLES
@given(frames, st.fixed_dictionaries({"bits_stored": st.integers(1, 32), "signed": st.booleans()}))
def test_values_that_are_read_keep_the_bits_that_are_stored(frame: np.ndarray, pixels: dict[str, int]) -> None:
    n_bits = 8 * frame.dtype.itemsize
    pixels = pixels | {"bits_allocated": n_bits, "bits_stored": min(pixels["bits_stored"], n_bits)}
    header = changed(SOUND, pixels=pixels)
    _, has_high_bits = plain_pixels.put_right(frame, header)
    low = (1 << pixels["bits_stored"]) - 1
    try:
        stored = correct_bits(StoredSlice.of(frame), header)
    except SeriesRefusedError:
        assert has_high_bits
        return
    np.testing.assert_array_equal(stored.plane & low, frame.astype(np.int64) & low)
    assert stored.has_high_bits == has_high_bits
