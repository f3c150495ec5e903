from itertools import accumulate

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydicom.encaps import encapsulate, get_frame, itemize_frame

from pipeline.dicom.pixels.raw import FragmentsError, Read, find_frames

BEFORE = b"what comes before"
END = b"\xfe\xff\xdd\xe0\0\0\0\0"
JPEG_END = b"\xff\xd9"


def reading(content: bytes) -> Read:
    return lambda offset, n_bytes: content[offset : offset + n_bytes]


def codestreams(element: bytes, n_frames: int) -> list[bytes]:
    read = reading(BEFORE + element)
    frames = find_frames(read, len(BEFORE), n_frames).fragments
    return [b"".join(read(part.offset, part.length) for part in frame) for frame in frames]


def with_table(frames: list[bytes], starts: list[int]) -> bytes:
    table = b"".join(start.to_bytes(4, "little") for start in starts)
    head = b"\xfe\xff\x00\xe0" + len(table).to_bytes(4, "little")
    return head + table + b"".join(part for frame in frames for part in itemize_frame(frame)) + END


frames_of_bytes = st.lists(
    st.binary(min_size=12, max_size=30).map(lambda part: part[: len(part) // 2 * 2].replace(b"\xff", b"\xfe"))
)
"""Codestreams of an even length, without a marker inside."""


@settings(max_examples=60)
@given(frames_of_bytes.filter(bool), st.integers(1, 3), st.booleans())
def test_frames_are_those_that_pydicom_finds(frames: list[bytes], per_frame: int, table: bool) -> None:  # noqa: FBT001
    ended = [frame + JPEG_END for frame in frames]
    element = encapsulate(ended, fragments_per_frame=per_frame, has_bot=table) + END
    found = codestreams(element, len(ended))
    assert found == [get_frame(element, k, number_of_frames=len(ended)) for k in range(len(ended))]


def test_an_element_without_its_end_is_read_to_the_end_of_the_file() -> None:
    assert codestreams(encapsulate([b"one ", b"other "]), 2) == [b"one ", b"other "]


def test_without_a_table_the_markers_that_end_frames_part_them() -> None:
    parts = [b"one ", b"goes on " + JPEG_END + b"\0\0", b"other" + JPEG_END + b"\0", b"rest"]
    element = with_table(parts, [])
    assert codestreams(element, 3) == [parts[0] + parts[1], parts[2], parts[3]]
    assert codestreams(element, 1) == [b"".join(parts)]
    assert codestreams(element, 4) == parts


@pytest.mark.parametrize("starts", [[8], [12], [0, 12], [0, 24], [0, 0, 0]], ids=str)
def test_a_single_frame_has_every_fragment_whatever_its_table_says(starts: list[int]) -> None:
    assert codestreams(with_table([b"one ", b"more", b"rest"], starts), 1) == [b"one morerest"]


@pytest.mark.parametrize("starts", [[0, 4], [0, 0], [12, 0], [0, 999], [4], [0], [0, 12, 24]], ids=str)
def test_a_wrong_table_gives_way_to_fragments_that_tell_the_frames(starts: list[int]) -> None:
    read = reading(BEFORE + with_table([b"fr 1", b"fr 2"], starts))
    assert not find_frames(read, len(BEFORE), 2).fits_table
    assert codestreams(with_table([b"fr 1", b"fr 2"], starts), 2) == [b"fr 1", b"fr 2"]
    parts = [b"fr 1", b"goes on" + JPEG_END + b"\0", b"fr 2" + JPEG_END]
    assert codestreams(with_table(parts, starts), 2) == [parts[0] + parts[1], parts[2]]


def test_a_wrong_table_over_fragments_that_do_not_tell_the_frames_is_refused() -> None:
    for parts in ([b"one ", b"two "], [b"fr 1", b"more", b"fr 2"]):
        with pytest.raises(FragmentsError):
            codestreams(with_table(parts, [0, 4]), 2)


@pytest.mark.parametrize("starts", [[], [0], [0, 16]], ids=str)
def test_two_images_in_what_is_told_to_be_one_frame_are_refused(starts: list[int]) -> None:
    with pytest.raises(FragmentsError, match="several images"):
        codestreams(with_table([b"begins so 1 ", b"begins so 2 "], starts), 1)


def test_zeros_may_stand_where_the_fragments_end() -> None:
    assert codestreams(with_table([b"one "], [])[:-8] + bytes(512), 1) == [b"one "]


@pytest.mark.parametrize(
    "element",
    [
        pytest.param(b"", id="nothing"),
        pytest.param(with_table([], []), id="no fragment"),
        pytest.param(with_table([b"one "], [])[:-8] + b"\x10\0\x20\0\0\0\0\0", id="another element"),
        pytest.param(with_table([b"one "], [])[:-8] + b"\xfe\xff\x00\xe0\xff\xff\xff\xff", id="an endless fragment"),
        pytest.param(with_table([b"one "], [])[:-8] + b"\xfe\xff\x00\xe0\x00", id="half a fragment"),
    ],
)
def test_what_is_no_run_of_fragments_is_refused(element: bytes) -> None:
    with pytest.raises(FragmentsError):
        codestreams(element, 1)


@given(st.binary(max_size=60), st.integers(1, 3))
def test_no_bytes_make_it_fail_otherwise(rest: bytes, n_frames: int) -> None:
    try:
        found = codestreams(with_table([], [])[:8] + rest, n_frames)
    except FragmentsError:
        return
    assert list(accumulate(len(frame) for frame in found))[-1] <= len(rest)
