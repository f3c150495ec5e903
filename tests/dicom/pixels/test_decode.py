from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pydicom
import pytest
from numpy.typing import NDArray
from pydicom.dataset import Dataset
from pydicom.pixels.decoders.base import get_decoder
from pydicom.uid import JPEGLossless, JPEGLosslessSV1, RLELossless
from stored_slices import COMPRESSED, LIMITS, one_slice

from pipeline.dicom.files.encoding import JPEG_SYNTAXES
from pipeline.dicom.headers.slice import SliceHeader
from pipeline.dicom.pixels import decode
from pipeline.dicom.pixels.decode import decode_frame
from pipeline.dicom.pixels.raw import PixelReader
from pipeline.errors import SeriesRefusedError
from pipeline.vocabulary import Reason


def decoded_slice(header: SliceHeader) -> NDArray[Any]:
    return decode_frame(bytes(PixelReader(LIMITS).raw_pixels(header)), header.pixels)


def reason(header: SliceHeader) -> Reason:
    with pytest.raises(SeriesRefusedError) as caught:
        decoded_slice(header)
    return caught.value.reason


@pytest.mark.parametrize("bits", [12, 16])
@pytest.mark.parametrize("signed", [False, True])
@pytest.mark.parametrize("syntax", COMPRESSED, ids=lambda syntax: syntax.keyword)
def test_a_frame_is_what_pydicom_makes_of_it(tmp_path: Path, syntax: str, bits: int, *, signed: bool) -> None:
    intercept = 0 if signed else -(1 << bits - 1)
    header, _ = one_slice(tmp_path, transfer_syntax=syntax, signed=signed, bits_stored=bits, intercept=intercept)
    dataset = pydicom.dcmread(header.file.path)
    plugin = {"decoding_plugin": "pylibjpeg"} if syntax == RLELossless else {}
    expected, _ = get_decoder(syntax).as_array(dataset, raw=True, **plugin)
    np.testing.assert_array_equal(decoded_slice(header), expected)


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
    np.testing.assert_array_equal(decoded_slice(header), expected)


@pytest.mark.parametrize("signed", [False, True])
@pytest.mark.parametrize("syntax", [JPEGLossless, JPEGLosslessSV1], ids=lambda syntax: syntax.keyword)
def test_jpeg_lossless_needs_no_library(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, syntax: str, *, signed: bool
) -> None:
    monkeypatch.setattr(decode, "get_decoder", None)
    intercept = 0 if signed else -1024
    header, expected = one_slice(tmp_path, transfer_syntax=JPEGLosslessSV1, signed=signed, intercept=intercept)
    header = replace(header, pixels=replace(header.pixels, transfer_syntax=syntax))
    np.testing.assert_array_equal(decoded_slice(header), expected)


@pytest.mark.parametrize("syntax", sorted(JPEG_SYNTAXES))
def test_more_bits_than_jpeg_has_are_refused_before_gdcm_aborts(tmp_path: Path, syntax: str) -> None:
    header, _ = one_slice(tmp_path, transfer_syntax=JPEGLosslessSV1)
    pixels = replace(header.pixels, transfer_syntax=syntax, bits_allocated=32)
    assert reason(replace(header, pixels=pixels)) is Reason.PIXEL_DECODE
