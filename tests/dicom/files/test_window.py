from io import BytesIO

from hypothesis import given
from hypothesis import strategies as st

from pipeline.dicom.files.encoding import WINDOW_BYTES, FileWindow

CONTENT = bytes(range(256)) * (5 * WINDOW_BYTES // 512)


@given(st.lists(st.tuples(st.integers(0, len(CONTENT) + 9), st.integers(0, 2 * WINDOW_BYTES)), max_size=12))
def test_any_place_gives_the_bytes_that_lie_there(places: list[tuple[int, int]]) -> None:
    window = FileWindow(BytesIO(CONTENT))
    for at, n in places:
        window.at = at
        assert window.peek(n) == CONTENT[at : at + n]
        assert window.at == at
        assert window.take(n) == CONTENT[at : at + n]
        assert window.rest().read(4) == CONTENT[at + n :][:4]


def test_a_window_begins_where_its_stream_stands() -> None:
    stream = BytesIO(CONTENT)
    stream.seek(7)
    window = FileWindow(stream)
    assert (window.at, window.take(3), window.at) == (7, CONTENT[7:10], 10)


def test_beyond_the_end_there_is_nothing() -> None:
    window = FileWindow(BytesIO(b"abc"))
    assert (window.take(9), window.take(1), window.peek(1), window.at) == (b"abc", b"", b"", 3)


def test_what_comes_next_is_read_at_once() -> None:
    stream = BytesIO(CONTENT)
    window = FileWindow(stream)
    window.take(4)
    assert stream.tell() == WINDOW_BYTES
