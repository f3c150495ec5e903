import sqlite3
import stat
from pathlib import Path

import pytest

from pipeline.errors import DamageError, LockedError, OutputError
from pipeline.output.database import VERSION, Database


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "state.sqlite"


def test_a_database_is_its_owners_alone(path: Path) -> None:
    with Database.open(path) as database:
        database.set_fact("name", "value")
    assert {stat.S_IMODE(one.stat().st_mode) for one in path.parent.iterdir()} == {0o600}


def test_a_fact_stays_until_it_is_forgotten(path: Path) -> None:
    with Database.open(path) as database:
        database.set_fact("name", "one")
        database.set_fact("name", "two")
        database.set_fact("other", None)
    with Database.read(path) as database:
        assert (database.fact("name"), database.fact("other")) == ("two", None)
    with Database.open(path) as database:
        database.set_fact("name", None)
        assert database.fact("name") is None


def test_what_a_transaction_did_not_end_is_undone(path: Path) -> None:
    def fail(database: Database) -> None:
        with database.transaction():
            database.set_fact("name", "value")
            raise KeyError

    with Database.open(path) as database:
        with pytest.raises(KeyError):
            fail(database)
        assert database.fact("name") is None


def test_a_database_that_another_run_has_open_is_locked(path: Path) -> None:
    with Database.open(path), pytest.raises(LockedError, match="in use"):
        Database.open(path, wait_seconds=0)


def test_where_there_are_no_locks_none_is_asked_for(path: Path) -> None:
    with Database.open(path, has_locks=False) as database, Database.open(path, has_locks=False, wait_seconds=0):
        database.set_fact("name", "value")


def test_what_a_run_holds_is_not_read(path: Path) -> None:
    with Database.open(path), pytest.raises(LockedError, match="in use"):
        Database.read(path, wait_seconds=0)


def test_a_database_that_is_not_there_reads_as_an_empty_one(path: Path) -> None:
    with Database.read(path) as database:
        assert database.fact("name") is None
    assert not path.exists()


def test_what_was_begun_and_never_filled_reads_as_an_empty_one(path: Path) -> None:
    path.touch()
    with Database.read(path) as database:
        assert database.fact("name") is None


def test_a_copy_leaves_the_database_as_it_is(path: Path) -> None:
    with Database.open(path) as database:
        database.set_fact("name", "value")
    before = path.read_bytes()
    with Database.preview(path) as copy:
        assert copy.fact("name") == "value"
        copy.set_fact("name", "other")
    assert path.read_bytes() == before


def test_a_file_that_is_no_database_is_damage(path: Path) -> None:
    path.write_bytes(b"no database at all, and longer than a header of one hundred bytes" * 9)
    with pytest.raises(DamageError, match="remove it"):
        Database.open(path)


def test_a_newer_database_is_refused_in_words(path: Path) -> None:
    with sqlite3.connect(path) as connection:
        connection.execute(f"PRAGMA user_version = {VERSION + 1}")
    connection.close()
    with pytest.raises(OutputError, match="newer ctprep"):
        Database.open(path)


def test_a_page_that_was_overwritten_is_found(path: Path) -> None:
    with Database.open(path) as database:
        for number in range(999):
            database.set_fact(f"name {number}", "value" * 9)
        assert database.find_damage() is None
    spoilt = bytearray(path.read_bytes())
    spoilt[8192:8300] = bytes(108)
    path.write_bytes(spoilt)
    with Database.read(path) as database:
        try:
            damage = database.find_damage()
        except DamageError as error:
            damage = str(error)
    assert damage


def test_a_folder_that_may_not_be_written_is_said(tmp_path: Path) -> None:
    with pytest.raises(OutputError, match=r"state\.sqlite"):
        Database.open(tmp_path / "absent" / "state.sqlite")
