import io
import tracemalloc
import zlib
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from dicom_bytes import DICM, element, endless, file_bytes, found_file, item, put_file, us
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.dicom.files.encoding import (
    DEFLATED_LE,
    EXPLICIT_BE,
    EXPLICIT_LE,
    IMPLICIT_LE,
    IMPLICIT_LITTLE,
    PIXEL_DATA,
    UNDEFINED,
    Encoding,
    StructureError,
)
from pipeline.dicom.files.part10 import (
    DEFLATED_BLOCK_BYTES,
    MEGABYTE,
    DataSet,
    inflate,
    inflate_data_set,
    inflate_limit,
    read_data_set,
)
from pipeline.limits import DEEPEST_NESTING, INFLATE_FREE_BYTES, Limits
from pipeline.sources.files import FoundFile
from pipeline.vocabulary import Reason, SeriesWarning

LIMITS = Limits()
SERIES_UID = 0x0020000E


def data_set(encoding: Encoding | None = None, n_pixels: int = 32) -> bytes:
    encoding = encoding or Encoding()
    return b"".join(
        element(tag, vr, value, encoding=encoding)
        for tag, vr, value in (
            (0x00080060, "CS", b"CT"),
            (SERIES_UID, "UI", b"1.2.3\0"),
            (0x00280010, "US", us(4) if encoding.little_endian else us(4)[::-1]),
            (PIXEL_DATA, "OW", bytes(range(256)) * (n_pixels // 128) or bytes(range(2 * n_pixels))),
        )
    )


def deflated(content: bytes) -> bytes:
    deflater = zlib.compressobj(9, wbits=-zlib.MAX_WBITS)
    return deflater.compress(content) + deflater.flush()


def read(path: Path, content: bytes, limits: Limits = LIMITS) -> DataSet:
    return read_data_set(put_file(path, content), limits)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "file"


FILES = {
    "explicit": file_bytes(data_set(), EXPLICIT_LE),
    "implicit": file_bytes(data_set(IMPLICIT_LITTLE), IMPLICIT_LE),
    "big endian": file_bytes(data_set(Encoding(little_endian=False)), EXPLICIT_BE),
    "deflated": file_bytes(deflated(data_set()), DEFLATED_LE),
    "compressed syntaxes are explicit": file_bytes(data_set(), "1.2.840.10008.1.2.4.90"),
}


@pytest.mark.parametrize("content", FILES.values(), ids=FILES)
def test_a_sound_file_is_read_whatever_its_encoding(path: Path, content: bytes) -> None:
    read_back = read(path, content)
    assert (read_back.refusal, read_back.warnings) == (None, set())
    assert read_back.elements[SERIES_UID].value == b"1.2.3\0"
    assert read_back.elements[PIXEL_DATA].length == 64
    assert read_back.little_endian is (content is not FILES["big endian"])
    assert read_back.transfer_syntax.encode() in content


@pytest.mark.parametrize("labelled", [EXPLICIT_LE, IMPLICIT_LE])
def test_a_file_labelled_with_the_other_vr_is_read_as_it_is_written(path: Path, labelled: str) -> None:
    written = IMPLICIT_LITTLE if labelled == EXPLICIT_LE else Encoding()
    read_back = read(path, file_bytes(data_set(written), labelled))
    assert (read_back.refusal, read_back.warnings) == (None, {SeriesWarning.W_META_REPAIRED})
    assert read_back.elements[SERIES_UID].value == b"1.2.3\0"


def test_a_file_without_preamble_is_read(path: Path) -> None:
    read_back = read(path, FILES["explicit"][132:])
    assert (read_back.refusal, read_back.warnings) == (None, {SeriesWarning.W_META_REPAIRED})
    assert SERIES_UID in read_back.elements


@pytest.mark.parametrize("encoding", [Encoding(), IMPLICIT_LITTLE])
def test_a_bare_data_set_that_is_no_image_shows_its_transfer_syntax(path: Path, encoding: Encoding) -> None:
    content = element(0x00080005, "CS", b"ISO_IR 192", encoding=encoding)
    content += element(SERIES_UID, "UI", b"1.2.3\0", encoding=encoding)
    for begin in (b"", DICM):
        read_back = read(path, begin + content)
        assert read_back.refusal is None
        assert read_back.transfer_syntax == (EXPLICIT_LE if encoding.explicit else IMPLICIT_LE)
        assert read_back.warnings == {SeriesWarning.W_META_REPAIRED}
        assert read_back.elements[SERIES_UID].value == b"1.2.3\0"


NATIVE, FRAGMENTS = element(PIXEL_DATA, "OB", b"abcd"), endless(PIXEL_DATA, item() + item(b"abcd"), vr="OB")


@pytest.mark.parametrize(
    ("pixels", "number", "is_read"), [(NATIVE, "66.4", True), (FRAGMENTS, "66.4", False), (NATIVE, "2", False)]
)
def test_of_images_only_a_native_segmentation_shows_its_transfer_syntax(
    path: Path, pixels: bytes, number: str, *, is_read: bool
) -> None:
    sop_class = element(0x00080016, "UI", f"1.2.840.10008.5.1.4.1.1.{number}".encode())
    read_back = read(path, DICM + sop_class + data_set() + pixels)
    assert (read_back.refusal is None) == is_read
    assert is_read or (read_back.refusal and read_back.refusal[0] is Reason.TRANSFER_SYNTAX)
    assert read_back.elements[SERIES_UID].value == b"1.2.3\0"


@pytest.mark.parametrize("begin", [b"", DICM])
def test_an_image_without_meta_in_implicit_vr_is_read(path: Path, begin: bytes) -> None:
    first = element(0x00080005, "CS", b"ISO_IR 192", encoding=IMPLICIT_LITTLE)
    read_back = read(path, begin + first + data_set(IMPLICIT_LITTLE))
    assert (read_back.refusal, read_back.transfer_syntax) == (None, IMPLICIT_LE)
    assert read_back.warnings == {SeriesWarning.W_META_REPAIRED}
    assert read_back.elements[PIXEL_DATA].length == 64


@pytest.mark.parametrize(("length", "is_right"), [(28, True), (26, False), (0, False), (2000, False)])
def test_a_wrong_length_of_the_meta_group_is_warned_of(path: Path, length: int, *, is_right: bool) -> None:
    group_length = element(0x00020000, "UL", length.to_bytes(4, "little"))
    read_back = read(path, DICM + group_length + FILES["explicit"][len(DICM) :])
    assert read_back.refusal is None
    assert read_back.warnings == (set() if is_right else {SeriesWarning.W_META_REPAIRED})
    assert read_back.elements[SERIES_UID].value == b"1.2.3\0"


def test_a_cut_file_is_corrupt_before_it_lacks_a_transfer_syntax(path: Path) -> None:
    read_back = read(path, DICM + data_set()[:20])
    assert read_back.refusal is not None
    assert read_back.refusal[0] is Reason.CORRUPT


@pytest.mark.parametrize(
    "content",
    [b"", b"\0", bytes(132), b"hello world, a text of some length" * 9, b"PK\x03\x04" + bytes(300), b"\x08\0\x20\0"],
    ids=["empty", "one byte", "zeros", "text", "zip", "half an element"],
)
def test_what_does_not_begin_as_dicom_is_not_dicom(path: Path, content: bytes) -> None:
    read_back = read(path, content)
    assert read_back.refusal == (Reason.NOT_DICOM, "there is no DICOM in the file")
    assert read_back.elements == {}


@pytest.mark.parametrize("opening", [b"MZ\x90\0", b"\x7fELF", b"#!/bin/sh\n", b"PK\x03\x04", b"%PDF-1.7"])
def test_a_preamble_that_is_a_program_is_warned_of(path: Path, opening: bytes) -> None:
    read_back = read(path, opening + FILES["explicit"][len(opening) :])
    assert (read_back.refusal, read_back.warnings) == (None, {SeriesWarning.W_PREAMBLE})


def test_zeros_after_the_data_set_are_warned_of(path: Path) -> None:
    assert read(path, FILES["explicit"] + bytes(4096)).warnings == {SeriesWarning.W_META_REPAIRED}


def test_a_file_cut_in_its_pixels_keeps_its_series(path: Path) -> None:
    read_back = read(path, FILES["explicit"][:-10])
    assert read_back.refusal is not None
    assert read_back.refusal[0] is Reason.PIXELS_LENGTH
    assert read_back.elements[SERIES_UID].value == b"1.2.3\0"


def test_a_file_over_the_limit_is_not_opened(path: Path) -> None:
    absent = FoundFile(str(path), 3 * MEGABYTE + 1, 0)
    read_back = read_data_set(absent, Limits(max_file_mb=3))
    assert read_back.refusal == (Reason.LIMIT, "a file of 3145729 bytes is over max_file_mb 3")


def test_the_deepest_nesting_that_may_be_allowed_is_walked_and_one_more_refused(path: Path) -> None:
    limits = Limits(max_nesting=DEEPEST_NESTING)
    opened = element(0x00082112, "SQ", length=UNDEFINED) + item(length=UNDEFINED)[:8]
    deepest, too_deep = (read(path, file_bytes(opened * n), limits).refusal for n in (DEEPEST_NESTING, 2000))
    assert deepest is not None
    assert deepest[0] is Reason.CORRUPT  # the items are left open
    assert too_deep is not None
    assert too_deep[0] is Reason.LIMIT


def test_the_system_may_refuse(path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        read_data_set(FoundFile(str(path), 10, 0), LIMITS)


@given(st.integers(0, 3 * MEGABYTE), st.binary(min_size=1, max_size=3))
@settings(max_examples=30)
def test_inflating_gives_back_every_byte(n: int, pattern: bytes) -> None:
    content = (pattern * (n // len(pattern) + 1))[:n]
    assert inflate(io.BytesIO(deflated(content)), 4 * MEGABYTE) == (content, True)


@pytest.mark.parametrize("beyond", [0, 1, 34, 257, 258, 600])
def test_bytes_that_zlib_still_owes_after_its_input_are_not_lost(beyond: int) -> None:
    content = bytes(MEGABYTE + beyond)
    assert inflate(io.BytesIO(deflated(content)), 4 * MEGABYTE) == (content, True)


@pytest.mark.parametrize("limit", [0, 1, 1000, MEGABYTE])
def test_inflating_stops_one_byte_after_the_limit(limit: int) -> None:
    stream = io.BytesIO(deflated(bytes(limit + 1)))
    assert inflate(stream, limit)[0] == bytes(limit + 1)
    assert len(inflate(io.BytesIO(deflated(bytes(8 * MEGABYTE))), limit)[0]) == limit + 1


def noise(n: int) -> bytes:
    return np.random.default_rng(0).bytes(n)


def test_a_cut_or_damaged_stream_gives_what_came_out_before() -> None:
    deflater = zlib.compressobj(wbits=-zlib.MAX_WBITS)
    begun = deflater.compress(noise(20_000)) + deflater.flush(zlib.Z_FULL_FLUSH)
    for broken in (begun, begun + b"\xff" * 100):  # cut; a block of the reserved kind (RFC 1951, 3.2.3)
        content, ended = inflate(io.BytesIO(broken), MEGABYTE)
        assert not ended
        assert noise(20_000).startswith(content)
        assert len(content) >= 20_000 - DEFLATED_BLOCK_BYTES


def test_the_limit_of_inflation_grows_with_the_file_and_ends_at_the_largest_file() -> None:
    limits = Limits(max_inflate_ratio=20, max_file_mb=100)
    assert inflate_limit(1000, limits) == INFLATE_FREE_BYTES
    assert inflate_limit(2 * MEGABYTE, limits) == 40 * MEGABYTE
    assert inflate_limit(50 * MEGABYTE, limits) == 100 * MEGABYTE


def bomb() -> bytes:
    pixels = element(PIXEL_DATA, "OW", length=64 * MEGABYTE)
    return file_bytes(deflated(data_set()[:-76] + pixels + bytes(64 * MEGABYTE)), DEFLATED_LE)


def test_a_bomb_is_refused_in_bounded_memory_and_keeps_its_series(path: Path) -> None:
    found = put_file(path, bomb())
    tracemalloc.start()
    read_back = read_data_set(found, LIMITS)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert read_back.refusal is not None
    assert read_back.refusal[0] is Reason.LIMIT
    assert read_back.elements[SERIES_UID].value == b"1.2.3\0"
    assert peak < 2.5 * INFLATE_FREE_BYTES
    with pytest.raises(StructureError) as caught:
        inflate_data_set(found, LIMITS)
    assert caught.value.reason is Reason.LIMIT


@pytest.mark.parametrize("cut", [1, 400, 3000])
def test_a_deflated_file_that_was_cut_is_corrupt_and_keeps_its_series(path: Path, cut: int) -> None:
    content = file_bytes(deflated(data_set()[:-76] + element(PIXEL_DATA, "OW", noise(8192))), DEFLATED_LE)
    read_back = read(path, content[:-cut])
    assert read_back.refusal == (Reason.CORRUPT, "the deflated data set is damaged or cut")
    assert read_back.elements[SERIES_UID].value == b"1.2.3\0"
    with pytest.raises(StructureError):
        inflate_data_set(found_file(path), LIMITS)


def test_offsets_of_a_deflated_file_count_in_what_is_inflated(path: Path) -> None:
    found = put_file(path, FILES["deflated"])
    pixels = read_data_set(found, LIMITS).elements[PIXEL_DATA]
    assert inflate_data_set(found, LIMITS)[pixels.offset :][: pixels.length] == bytes(range(64))


@settings(max_examples=200)
@given(
    st.sampled_from(list(FILES.values())),
    st.lists(st.tuples(st.integers(0, 400), st.integers(0, 255)), max_size=6),
    st.integers(0, 400),
)
def test_a_spoilt_file_is_a_refusal_and_never_an_error(
    tmp_path_factory: pytest.TempPathFactory, content: bytes, flips: list[tuple[int, int]], cut: int
) -> None:
    spoilt = bytearray(content)
    for place, value in flips:
        spoilt[place % len(spoilt)] = value
    found = put_file(tmp_path_factory.getbasetemp() / "spoilt", bytes(spoilt[:cut]))
    refusal = read_data_set(replace(found, mtime_ns=0), LIMITS).refusal
    assert refusal is None or refusal[0].order <= Reason.PIXELS_LENGTH.order
