import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pydicom
import pytest
from dicom_bytes import found_file
from hypothesis import given
from hypothesis import strategies as st
from multiframe import join_frames
from phantom_pixels import GDCM_SYNTAX
from phantoms import write_series
from pydicom.dataset import Dataset
from pydicom.uid import (
    DeflatedExplicitVRLittleEndian,
    ExplicitVRBigEndian,
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
    JPEGBaseline8Bit,
    RLELossless,
)

from pipeline.dicom.headers.read import read_headers
from pipeline.dicom.headers.slice import Pixels, Rescale, SliceHeader
from pipeline.dicom.pixels.stored import _put_right, raw_pixels, read_stored
from pipeline.errors import SeriesRefusedError
from pipeline.limits import Limits
from pipeline.vocabulary import Reason

LIMITS = Limits()
NATIVE = (ExplicitVRLittleEndian, ImplicitVRLittleEndian, ExplicitVRBigEndian, DeflatedExplicitVRLittleEndian)
COMPRESSED = tuple(GDCM_SYNTAX)
FORMS = {
    "unsigned 12 bit": {"intercept": -1024},
    "signed 12 bit": {"signed": True, "bits_stored": 12, "intercept": 0},
    "unsigned 16 bit": {"bits_stored": 16, "intercept": -32768},
    "signed 16 bit": {"signed": True, "bits_stored": 16, "intercept": 0},
}


def headers(path: Path) -> tuple[SliceHeader, ...]:
    return read_headers(found_file(path), LIMITS, frozenset())


def one_slice(
    folder: Path, change: Callable[[Dataset], Any] = lambda _: None, **wanted: Any
) -> tuple[SliceHeader, Any]:
    """Write one slice, changed after its pixels were, and return its header and the stored values as written."""
    series = write_series(folder, n=1, change=lambda dataset, _: change(dataset), **wanted)
    (header,) = headers(series.paths[0])
    return header, (series.truth[0].astype(int) - int(wanted.get("intercept", -1024)))


def reason(header: SliceHeader) -> Reason:
    with pytest.raises(SeriesRefusedError) as caught:
        read_stored(header, LIMITS)
    return caught.value.reason


@pytest.mark.parametrize("form", FORMS.values(), ids=FORMS)
@pytest.mark.parametrize("syntax", NATIVE + COMPRESSED, ids=lambda syntax: syntax.keyword)
def test_every_transfer_syntax_gives_the_stored_values(tmp_path: Path, syntax: str, form: dict[str, Any]) -> None:
    header, expected = one_slice(tmp_path, transfer_syntax=syntax, **form)
    stored = read_stored(header, LIMITS)
    np.testing.assert_array_equal(stored.values, expected)
    assert not stored.has_high_bits


@pytest.mark.parametrize("bits", [12, 16])
@pytest.mark.parametrize("syntax", [ExplicitVRLittleEndian, *COMPRESSED], ids=lambda syntax: syntax.keyword)
def test_the_data_set_decides_the_sign_whatever_the_codestream_says(tmp_path: Path, syntax: str, bits: int) -> None:
    written_signed = {"transfer_syntax": syntax, "signed": True, "bits_stored": bits, "intercept": 0}
    header, expected = one_slice(tmp_path / "a", lambda d: setattr(d, "PixelRepresentation", 0), **written_signed)
    np.testing.assert_array_equal(read_stored(header, LIMITS).values, expected & ((1 << bits) - 1))

    written_unsigned = {"transfer_syntax": syntax, "bits_stored": bits, "intercept": -(1 << bits - 1)}
    header, expected = one_slice(tmp_path / "b", lambda d: setattr(d, "PixelRepresentation", 1), **written_unsigned)
    wrapped = np.where(expected >= 1 << bits - 1, expected - (1 << bits), expected)
    np.testing.assert_array_equal(read_stored(header, LIMITS).values, wrapped)


@pytest.mark.parametrize("signed", [False, True])
def test_bits_above_the_stored_ones_are_masked_and_told(tmp_path: Path, *, signed: bool) -> None:
    def dirty(dataset: Dataset) -> None:
        pixels = np.frombuffer(dataset.PixelData, "<u2").copy()
        pixels[::2] ^= 0xA000
        dataset.PixelData = pixels.tobytes()

    header, expected = one_slice(tmp_path, dirty, signed=signed, bits_stored=12, intercept=0 if signed else -1024)
    stored = read_stored(header, LIMITS)
    np.testing.assert_array_equal(stored.values, expected)
    assert stored.has_high_bits


def test_padding_may_need_more_bits_than_the_image() -> None:
    frame = np.array([[-2000, 5], [-2000, 0x1005]], np.int16)
    pixels = Pixels(bits_stored=11, signed=True)
    header = SliceHeader(file=None, pixels=pixels, rescale=Rescale(padding=-2000))  # type: ignore[arg-type]
    stored = _put_right(frame, header)
    np.testing.assert_array_equal(stored.values, [[-2000, 5], [-2000, 5]])
    assert stored.has_high_bits
    assert not _put_right(frame[:, :1], header).has_high_bits


@given(st.integers(1, 32), st.booleans(), st.integers(-(1 << 31), (1 << 32) - 1))
def test_stored_values_always_fit_their_bits(bits: int, signed: bool, value: int) -> None:  # noqa: FBT001  drawn
    header = SliceHeader(file=None, pixels=Pixels(bits_stored=bits, signed=signed))  # type: ignore[arg-type]
    right = int(_put_right(np.array([[value]]), header).values[0, 0])
    low = -(1 << bits - 1) if signed else 0
    assert low <= right < low + (1 << bits)
    assert (right - value) % (1 << bits) == 0


@pytest.mark.parametrize("syntax", [ExplicitVRLittleEndian, ExplicitVRBigEndian])
def test_pixels_of_32_bits_are_read(tmp_path: Path, syntax: str) -> None:
    order = ">" if syntax == ExplicitVRBigEndian else "<"
    expected = np.arange(32 * 32).reshape(32, 32) * 1000 - 70_000

    def widen(dataset: Dataset) -> None:
        dataset.BitsAllocated, dataset.BitsStored, dataset.HighBit, dataset.PixelRepresentation = 32, 32, 31, 1
        dataset.PixelData = expected.astype(f"{order}i4").tobytes()

    header, _ = one_slice(tmp_path, widen, transfer_syntax=syntax)
    np.testing.assert_array_equal(read_stored(header, LIMITS).values, expected)


@pytest.mark.parametrize("syntax", [ExplicitVRLittleEndian, *COMPRESSED], ids=lambda syntax: syntax.keyword)
def test_elements_after_the_pixels_do_not_matter(tmp_path: Path, syntax: str) -> None:
    header, expected = one_slice(
        tmp_path, lambda d: d.add_new(0xFFFCFFFC, "OB", bytes(range(250))), transfer_syntax=syntax
    )
    np.testing.assert_array_equal(read_stored(header, LIMITS).values, expected)


def test_frames_are_read_each_from_its_place(tmp_path: Path) -> None:
    series = write_series(tmp_path / "series", n=4)
    frames = headers(join_frames(series, tmp_path / "enhanced", order=(2, 0, 3, 1)))
    for frame, z in zip(frames, (2, 0, 3, 1), strict=True):
        np.testing.assert_array_equal(read_stored(frame, LIMITS).values - 1024, series.truth[z])


@pytest.mark.parametrize("syntax", [ExplicitVRLittleEndian, DeflatedExplicitVRLittleEndian, RLELossless])
@pytest.mark.parametrize("how", ["touched", "grown", "rewritten"])
def test_a_file_that_changed_since_the_scan_is_unstable(tmp_path: Path, syntax: str, how: str) -> None:
    header, _ = one_slice(tmp_path, transfer_syntax=syntax)
    path = Path(header.file.path)
    if how == "touched":
        os.utime(path, ns=(1, 1))
    else:
        path.write_bytes(path.read_bytes() + bytes(100) if how == "grown" else b"")
        os.utime(path, ns=(1, header.file.mtime_ns))
    assert reason(header) is Reason.UNSTABLE


def test_a_file_that_changes_while_it_is_read_is_unstable(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    header, _ = one_slice(tmp_path)
    real_pread = os.pread

    def touching_pread(descriptor: int, n_bytes: int, offset: int) -> bytes:
        os.utime(header.file.path, ns=(1, 1))
        return real_pread(descriptor, n_bytes, offset)

    monkeypatch.setattr(os, "pread", touching_pread)
    assert reason(header) is Reason.UNSTABLE


@pytest.mark.parametrize("syntax", [ExplicitVRLittleEndian, DeflatedExplicitVRLittleEndian, RLELossless])
def test_a_file_that_is_gone_is_unreadable(tmp_path: Path, syntax: str) -> None:
    header, _ = one_slice(tmp_path, transfer_syntax=syntax)
    Path(header.file.path).unlink()
    assert reason(header) is Reason.UNREADABLE


def test_pixels_that_are_not_encoded_as_labelled_are_refused(tmp_path: Path) -> None:
    native, _ = one_slice(tmp_path / "a")
    labelled = replace(native, pixels=replace(native.pixels, transfer_syntax=JPEGBaseline8Bit))
    assert reason(labelled) is Reason.PIXEL_DECODE
    compressed, _ = one_slice(tmp_path / "b", transfer_syntax=RLELossless)
    labelled = replace(compressed, pixels=replace(compressed.pixels, transfer_syntax=ExplicitVRLittleEndian))
    assert reason(labelled) is Reason.PIXEL_DECODE


@pytest.mark.parametrize("syntax", COMPRESSED, ids=lambda syntax: syntax.keyword)
def test_a_codestream_of_another_kind_is_refused(tmp_path: Path, syntax: str) -> None:
    header, _ = one_slice(tmp_path, transfer_syntax=syntax)
    for other in set(COMPRESSED) - {syntax}:
        assert reason(replace(header, pixels=replace(header.pixels, transfer_syntax=other))) is Reason.PIXEL_DECODE


@pytest.mark.parametrize("syntax", COMPRESSED, ids=lambda syntax: syntax.keyword)
def test_a_codestream_that_breaks_off_is_refused(tmp_path: Path, syntax: str) -> None:
    def cut(dataset: Dataset) -> None:
        (frame,) = pydicom.encaps.generate_frames(dataset.PixelData, number_of_frames=1)
        dataset.PixelData = pydicom.encaps.encapsulate([frame[: len(frame) // 3]])
        dataset["PixelData"].is_undefined_length = True

    header, _ = one_slice(tmp_path, cut, transfer_syntax=syntax)
    assert reason(header) is Reason.PIXEL_DECODE


@pytest.mark.parametrize("shape", [(31, 32), (64, 32), (16, 64)], ids=str)
@pytest.mark.parametrize("syntax", COMPRESSED, ids=lambda syntax: syntax.keyword)
def test_a_codestream_of_another_size_is_refused(tmp_path: Path, syntax: str, shape: tuple[int, int]) -> None:
    if syntax == RLELossless and shape == (16, 64):
        return  # as native pixels do, RLE knows how many values there are and not how they lie

    def resize(dataset: Dataset) -> None:
        dataset.Rows, dataset.Columns = shape

    header, _ = one_slice(tmp_path, resize, transfer_syntax=syntax)
    assert reason(header) is Reason.PIXEL_DECODE


@pytest.mark.parametrize("syntax", COMPRESSED, ids=lambda syntax: syntax.keyword)
def test_a_codestream_of_fewer_bits_than_the_header_tells_is_read(tmp_path: Path, syntax: str) -> None:
    def widen(dataset: Dataset) -> None:
        dataset.BitsStored, dataset.HighBit = 16, 15

    header, expected = one_slice(tmp_path, widen, transfer_syntax=syntax)
    np.testing.assert_array_equal(read_stored(header, LIMITS).values, expected)


def test_the_bytes_of_a_slice_are_those_in_the_file(tmp_path: Path) -> None:
    header, expected = one_slice(tmp_path)
    assert raw_pixels(header, LIMITS) == expected.astype("<u2").tobytes()
    deflated, _ = one_slice(tmp_path / "deflated", transfer_syntax=DeflatedExplicitVRLittleEndian)
    assert raw_pixels(deflated, LIMITS) == raw_pixels(header, LIMITS)
