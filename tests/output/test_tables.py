import csv
import os
import stat
from pathlib import Path
from typing import Any
from urllib.parse import unquote_to_bytes

import numpy as np
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.errors import DamageError
from pipeline.output import tables
from pipeline.output.tables import read_counts, read_table, write_csv, write_table
from pipeline.record import ColumnType

COLUMNS = {
    "name": "text",
    "n": "integer",
    "mm": "number",
    "words": "texts",
    "counts": "integers",
    "spacing": "numbers",
    "top": "value_counts",
}
ROW = {
    "name": "a",
    "n": 1,
    "mm": 0.5,
    "words": ["x", "y"],
    "counts": [1, 2],
    "spacing": [0.1, 2.0],
    "top": [{"value": "v", "count": 3}],
}
EMPTY = dict.fromkeys(COLUMNS)


def test_a_table_tells_its_columns(tmp_path: Path) -> None:
    write_table(tmp_path / "t", COLUMNS, [])
    assert tables.column_types(tmp_path / "t") == COLUMNS
    (tmp_path / "t").write_bytes(b"no table")
    with pytest.raises(DamageError):
        tables.column_types(tmp_path / "t")


def test_rows_come_back_as_they_were_with_null_for_what_they_lack(tmp_path: Path) -> None:
    write_table(tmp_path / "t", COLUMNS, [ROW, {}, ROW | {"words": []}])
    assert read_table(tmp_path / "t") == [ROW, EMPTY, ROW | {"words": []}]


NAMES = [b"/in/IM\xe901", b"/in/\x83e\x83X/1 %41", b"/in/Zo\xc3\xab", b"/in/%E9", b"/in/a\\xe9"]


@pytest.mark.parametrize("raw", NAMES)
def test_a_path_comes_back_whatever_bytes_its_name_has(tmp_path: Path, raw: bytes) -> None:
    row = {"path": os.fsdecode(raw)}
    write_table(tmp_path / "t", {"path": "path"}, [row, {}])
    assert read_table(tmp_path / "t") == [row, {"path": None}]
    (plain, _) = pq.read_table(tmp_path / "t")["path"].to_pylist()
    assert (
        unquote_to_bytes(plain.removeprefix("file://")) == raw if plain.startswith("file:") else plain == raw.decode()
    )
    assert tables.read_rows(tmp_path / "t", "path", plain) == [row]


def test_a_table_without_rows_keeps_its_columns_and_comes_back_empty(tmp_path: Path) -> None:
    write_table(tmp_path / "t", COLUMNS, [])
    assert read_table(tmp_path / "t") == []


def test_the_same_rows_give_the_same_bytes_and_any_number_of_them_fits(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tables, "ROWS_AT_ONCE", 3)
    rows = [{"n": n} for n in range(10)]
    write_table(tmp_path / "a", {"n": "integer"}, iter(rows))
    write_table(tmp_path / "b", {"n": "integer"}, rows)
    assert read_table(tmp_path / "a") == rows
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()


def test_a_column_that_was_not_declared_is_refused_and_the_old_table_stays(tmp_path: Path) -> None:
    write_table(tmp_path / "t", {"n": "integer"}, [{"n": 1}])
    with pytest.raises(ValueError, match="no such column: m"):
        write_table(tmp_path / "t", {"n": "integer"}, [{"n": 2}, {"m": 1}])
    assert read_table(tmp_path / "t") == [{"n": 1}]
    assert [path.name for path in tmp_path.iterdir()] == ["t"]


def test_a_private_table_is_its_owners_alone(tmp_path: Path) -> None:
    write_table(tmp_path / "t", COLUMNS, [], private=True)
    assert stat.S_IMODE((tmp_path / "t").stat().st_mode) == 0o600


def test_a_file_that_is_no_table_is_damage(tmp_path: Path) -> None:
    (tmp_path / "t.parquet").write_bytes(b"PAR1 no more")
    with pytest.raises(DamageError, match=r"t\.parquet is damaged"):
        read_table(tmp_path / "t.parquet")


def _csv(tmp_path: Path, value: Any) -> str:
    write_csv(tmp_path / "t.csv", ["value", "end"], [{"value": value, "end": "."}])
    with (tmp_path / "t.csv").open(newline="", encoding="utf-8") as file:
        header, (cell, end) = csv.reader(file)
    assert header == ["value", "end"]
    assert end == "."
    return cell


@pytest.mark.parametrize(
    ("value", "cell"),
    [
        (None, ""),
        (-1000.0, "-1000.0"),
        (0.1, "0.1"),
        (3, "3"),
        ((1, 2), "[1, 2]"),
        ([], "[]"),
        (["ORIGINAL", "é"], '["ORIGINAL", "é"]'),
        ('"><img src=x>, "', '"><img src=x>, "'),
        ("three\r\nlines\rhere", "three\nlines\nhere"),
        ("\t=1", "'\t=1"),
        ("\r@x", "'\n@x"),
    ],
)
def test_a_cell_says_what_the_table_says(tmp_path: Path, value: Any, cell: str) -> None:
    assert _csv(tmp_path, value) == cell


@given(st.sampled_from("=+-@"), st.text(st.characters(categories=["L", "P", "S", "Zs"]), max_size=50))
@settings(max_examples=50)
def test_no_text_cell_begins_as_a_command_does(
    tmp_path_factory: pytest.TempPathFactory, beginning: str, rest: str
) -> None:
    assert _csv(tmp_path_factory.mktemp("csv"), beginning + rest) == "'" + beginning + rest


def test_of_a_table_some_columns_can_be_read(tmp_path: Path) -> None:
    write_table(tmp_path / "t", {"a": "text", "b": "integer"}, [{"a": "x", "b": 1}, {"a": "y", "b": None}])
    assert read_table(tmp_path / "t", ("b", "never written")) == [{"b": 1}, {"b": None}]


def test_lists_of_integers_are_read_as_arrays_beside_their_rows(tmp_path: Path) -> None:
    columns: dict[str, ColumnType] = {"key": "text", "counts": "integers"}
    lists = {"a": [1, 2, 3], "b": [], "c": [2**40]}
    write_table(tmp_path / "t", columns, [{"key": key, "counts": np.array(n, np.int64)} for key, n in lists.items()])
    read = [(row["key"], counts.tolist()) for row, counts in read_counts(tmp_path / "t", ("key",), "counts")]
    assert dict(read) == lists
    write_table(tmp_path / "t", columns, [])
    assert list(read_counts(tmp_path / "t", ("key",), "counts")) == []
