from pathlib import Path

import pytest

from pipeline.errors import DamageError
from pipeline.output.database import Database
from pipeline.output.tables import iterate_groups, open_table, pack_rows, read_table, unpack_rows

COLUMNS = {"path": "path", "z_index": "integer", "offset_mm": "numbers"}
ROWS = [{"path": "/in/b", "z_index": 1, "offset_mm": [0.5, 1.0]}, {"path": "/in/\udc80", "z_index": None}]


def test_packed_rows_go_into_a_table_as_rows_do(tmp_path: Path) -> None:
    rows = unpack_rows(pack_rows(COLUMNS, ROWS))  # type: ignore[arg-type]
    whole = {**COLUMNS, "series_key": "text"}
    with open_table(tmp_path / "table.parquet", whole) as table:  # type: ignore[arg-type]
        table.add_table(rows.replace({"z_index": [7, 8]}).sort("z_index"), series_key="a")
        table.add([{"series_key": None, "path": "/in/c"}])
    assert [(row["path"], row["z_index"], row["series_key"]) for row in read_table(tmp_path / "table.parquet")] == [
        ("/in/b", 7, "a"), ("/in/\udc80", 8, "a"), ("/in/c", None, None),
    ]  # fmt: skip


def test_a_changed_bit_of_packed_rows_is_damage_or_makes_no_difference() -> None:
    packed = pack_rows(COLUMNS, ROWS)  # type: ignore[arg-type]
    n_damaged = 0
    for place in range(2, len(packed), 7):
        changed = packed[:place] + bytes([packed[place] ^ 1]) + packed[place + 1 :]
        try:
            rows = unpack_rows(changed)
        except DamageError:
            n_damaged += 1
        else:
            assert rows.values("z_index") == [1, None]
    assert n_damaged > len(packed) // 14


def test_rows_come_by_the_value_of_the_column_that_orders_them(tmp_path: Path) -> None:
    with open_table(tmp_path / "table.parquet", {"series_key": "text", "n": "integer"}) as table:
        table.add({"series_key": key, "n": n} for n, key in enumerate(["a", "a", "b", "c", "c", None]))
    groups = list(iterate_groups(tmp_path / "table.parquet", "series_key", {"a", "c"}))
    assert [(key, [row["n"] for row in rows]) for key, rows in groups] == [("a", [0, 1]), ("c", [3, 4])]


def test_a_changed_character_of_a_fact_is_damage(tmp_path: Path) -> None:
    with Database.open(tmp_path / "state.sqlite") as database:
        database.set_fact("name", '{"n": 5}')
        database.execute("UPDATE fact SET value = replace(value, '5', '4')")
        with pytest.raises(DamageError):
            database.fact("name")


def test_a_text_that_is_none_is_damage_and_is_not_repeated(tmp_path: Path) -> None:
    with Database.open(tmp_path / "state.sqlite") as database:
        database.execute("INSERT INTO fact VALUES ('name', CAST(x'53ff43' AS TEXT))")
        with pytest.raises(DamageError, match="a text is not UTF-8"):
            database.fact("name")


def test_a_database_of_the_version_before_is_taken_over(tmp_path: Path) -> None:
    path = tmp_path / "state.sqlite"
    with Database.open(path) as database:
        database.execute("INSERT INTO fact VALUES ('name', 'value')")  # as it was written before, without a checksum
        for statement in ("DROP TABLE summary", "DROP TABLE volume", "PRAGMA user_version = 1"):
            database.execute(statement)
    for opened in (Database.preview(path), Database.open(path)):
        with opened as database:
            assert database.fact("name") == "value"
            assert database.all("SELECT * FROM summary") == []
