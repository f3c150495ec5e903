from pathlib import Path

import numpy as np
import pydicom
import pytest
from hypothesis import given
from hypothesis import strategies as st
from phantom_pixels import GDCM_SYNTAX
from phantoms import write_series
from pydicom.encaps import get_frame
from pydicom.uid import RLELossless
from stored_slices import LIMITS, one_slice

from pipeline.dicom.pixels.decode import decode_frame, has_end, read_precision, read_size, walk_segments
from pipeline.dicom.pixels.raw import PixelReader

COMPRESSED = tuple(GDCM_SYNTAX)
JPEG_2000 = b"\xff\x4f\xff\x51" + (41).to_bytes(2, "big") + bytes(2)


def codestream(folder: Path, syntax: str, rows: int = 24, columns: int = 40) -> bytes:
    hu = np.arange(rows * columns, dtype=np.int16).reshape(1, rows, columns)
    path = write_series(folder, hu=hu, transfer_syntax=syntax).paths[0]
    return get_frame(pydicom.dcmread(path).PixelData, 0, number_of_frames=1)


@pytest.mark.parametrize("syntax", COMPRESSED, ids=lambda syntax: syntax.keyword)
def test_a_codestream_tells_its_rows_and_columns(tmp_path: Path, syntax: str) -> None:
    assert read_size(codestream(tmp_path, syntax)) == (None if syntax == RLELossless else (24, 40))


@pytest.mark.parametrize("syntax", COMPRESSED, ids=lambda syntax: syntax.keyword)
def test_a_codestream_tells_the_bits_of_its_values(tmp_path: Path, syntax: str) -> None:
    assert read_precision(codestream(tmp_path, syntax)) == (None if syntax == RLELossless else 16)


def test_a_codestream_that_breaks_off_tells_no_bits() -> None:
    assert read_precision(JPEG_2000 + bytes(34)) is None
    assert read_precision(JPEG_2000 + bytes(34) + b"\x8b") == 12
    assert read_precision(b"\xff\xd8") is None


def test_the_image_may_be_offset_in_its_grid() -> None:
    sizes = b"".join(number.to_bytes(4, "big") for number in (110, 57, 10, 7))
    assert read_size(JPEG_2000 + sizes) == (50, 100)
    assert read_size(b"\0\0\0\x0cjP  boxes" + JPEG_2000 + sizes) == (50, 100)


def test_other_segments_are_stepped_over() -> None:
    comment, frame = b"\xff\xfe\x00\x04hi", b"\xff\xc3\x00\x0b\x10\x00\x18\x00\x28"
    assert read_size(b"\xff\xd8" + comment + frame) == (24, 40)
    assert read_size(b"\xff\xd8" + comment) is None


def test_a_marker_may_be_filled_up_from_before() -> None:
    comment, frame = b"\xff\xff\xff\xfe\x00\x04hi", b"\xff\xff\xc3\x00\x0b\x10\x00\x18\x00\x28"
    assert read_size(b"\xff\xd8" + comment + frame) == (24, 40)


def test_segments_end_where_the_bits_of_the_image_begin() -> None:
    beginning = b"\xff\xd8\xff\xfe\x00\x04hi\xff\xda\x00\x03k"
    told = [(0xFE, b"hi", 8), (0xDA, b"k", 13)]
    assert [*walk_segments(beginning + b"\xff\xfe\x00\x04no")] == told
    assert [*walk_segments(b"\xff\xd8" + b"bits")] == []


@pytest.mark.parametrize(
    "syntax", [each for each in COMPRESSED if each != RLELossless], ids=lambda syntax: syntax.keyword
)
def test_a_whole_codestream_has_an_end_and_a_cut_one_has_none(tmp_path: Path, syntax: str) -> None:
    whole = codestream(tmp_path, syntax)
    assert has_end(whole)
    assert has_end(whole + b"\0")
    assert has_end(whole + b"\xff")
    assert not has_end(whole.rstrip(b"\0")[:-2])
    assert not has_end(whole.rstrip(b"\0")[:-1])


@pytest.mark.parametrize("pad", [b"\xff", b"\xff\xff", b"\0\xff", b"\xff\0"])
@pytest.mark.parametrize("syntax", COMPRESSED, ids=lambda syntax: syntax.keyword)
def test_bytes_that_fill_up_a_frame_do_not_matter(tmp_path: Path, syntax: str, pad: bytes) -> None:
    header, expected = one_slice(tmp_path, transfer_syntax=syntax)
    whole = bytes(PixelReader(LIMITS).raw_pixels(header)).rstrip(b"\0")
    np.testing.assert_array_equal(decode_frame(whole + pad, header.pixels), expected)


@given(st.sampled_from([b"", b"\xff\xd8", b"\xff\xd8\xff\xc0", JPEG_2000]), st.binary(max_size=60))
def test_no_bytes_make_it_fail(beginning: bytes, rest: bytes) -> None:
    told = read_size(beginning + rest)
    assert read_precision(beginning + rest) in {None, *range(256)}
    assert told is None or len(told) == 2
