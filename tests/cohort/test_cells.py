from pathlib import Path

import pytest

from pipeline.cohort.table import read_cells
from pipeline.errors import UsageError


def write(folder: Path, content: bytes) -> Path:
    path = folder / "labels.csv"
    path.write_bytes(content)
    return path


@pytest.mark.parametrize(
    "content",
    [
        b"a,b\n1,two\n",
        b"a;b\r\n1;two\r\n",
        b"a\tb\n1\ttwo",
        b"\xef\xbb\xbfa,b\n1,two\n\n , \n",
        b'a,b\n1,"two"\n',
        b" a , b\n 1,two \n",
    ],
)
def test_what_programs_write_is_read_alike(tmp_path: Path, content: bytes) -> None:
    assert read_cells(write(tmp_path, content)) == (["a", "b"], [["1", "two"]])


def test_a_line_break_inside_quotes_is_part_of_a_cell_and_cleaned_away(tmp_path: Path) -> None:
    assert read_cells(write(tmp_path, 'a,b\n1,"two\nlines\u202e"\n'.encode()))[1] == [["1", "twolines"]]


def test_a_separator_that_only_unicode_knows_parts_no_rows(tmp_path: Path) -> None:
    assert read_cells(write(tmp_path, "a,b\n1,x\u2028y\n".encode()))[1] == [["1", "x\u2028y"]]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "is empty"),
        (b"\n\n", "is empty"),
        (b"a,b\n\xff,1\n", "not UTF-8"),
        (b"a,b\n1\n", "row 1 has 1 cells, the header 2"),
        (b'a,b\n"1"2,3\n', "no CSV file"),
    ],
)
def test_what_is_no_table_is_refused(tmp_path: Path, content: bytes, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        read_cells(write(tmp_path, content))


def test_a_missing_file_is_reported_by_its_name_alone(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"^labels\.csv cannot be read"):
        read_cells(tmp_path / "labels.csv")
