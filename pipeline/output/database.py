"""The one database of an output, ``private/state.sqlite``: what is known of its files, their headers and its series.

The only module that knows sqlite3.  One process writes, the one that holds the output's lock, and it keeps the database
to itself: no write-ahead log, which network file systems cannot share (https://sqlite.org/wal.html).  A transaction is
on disk when it ends.
"""

import json
import os
import sqlite3
import zlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from time import monotonic
from typing import Any, Self, TypeVar
from weakref import finalize

from pipeline.errors import DamageError, LockedError, OutputError

VERSION = 2
"""Counts up when the tables are others; ``PRAGMA user_version`` holds that of a database."""

TABLES = """
CREATE TABLE fact (name TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE folder (id INTEGER PRIMARY KEY, path BLOB NOT NULL UNIQUE);
CREATE TABLE part (
    id INTEGER PRIMARY KEY, series TEXT NOT NULL, n_files INTEGER NOT NULL, may_change INTEGER NOT NULL,
    headers BLOB NOT NULL, observed BLOB NOT NULL
);
CREATE INDEX part_by_series ON part (series);
CREATE TABLE file (
    folder INTEGER NOT NULL, name BLOB NOT NULL, state TEXT NOT NULL, part INTEGER, PRIMARY KEY (folder, name)
) WITHOUT ROWID;
CREATE INDEX file_by_part ON file (part);
CREATE TABLE result (
    purpose TEXT NOT NULL, series_key TEXT NOT NULL, entry BLOB NOT NULL, slices BLOB, histogram BLOB,
    PRIMARY KEY (purpose, series_key)
) WITHOUT ROWID;
"""
SUMMARIES = """
CREATE TABLE summary (series TEXT PRIMARY KEY, stamp TEXT NOT NULL, content BLOB NOT NULL, census BLOB NOT NULL);
CREATE TABLE volume (
    series TEXT NOT NULL, number INTEGER NOT NULL, details BLOB NOT NULL, rows BLOB NOT NULL,
    PRIMARY KEY (series, number)
);
CREATE TRIGGER volumes_of_summary AFTER DELETE ON summary BEGIN DELETE FROM volume WHERE series = old.series; END;
"""
STEPS = (TABLES, SUMMARIES)
"""What each version adds to the one before."""
"""``fact``: single values by name.  ``folder`` and ``file``: what lies under the roots, and the part that holds the
headers of a file, null until it is read.  ``part``: the headers of some files of one series, packed.  ``result``: what
came of a series, for a store or for statistics alone.  ``summary`` and ``volume``: what the headers of a series say,
as long as its files and the rules are the same.
"""

COMPRESSION = 1
"""zlib's fastest; it also tells a changed bit."""
WAIT_SECONDS = 30.0
"""A run waits so long for a command that reads, as `verify` does, before it says that the output is in use."""
CACHE_KIB = 16_384
COMMIT_SECONDS = 5.0
"""What comes in a stream is on disk with the first item after this time."""

T = TypeVar("T")

Row = tuple[Any, ...]


class Database:
    """An open database; every error of sqlite3 becomes one of ctprep's."""

    def __init__(self, connection: sqlite3.Connection, *, may_write: bool = True) -> None:
        self._may_write = may_write
        self._use(connection)

    def _use(self, connection: sqlite3.Connection) -> None:
        self._connection = connection
        finalize(self, connection.close)  # at the latest when nothing refers to this object any more

    @classmethod
    def open(cls, path: Path, *, has_locks: bool = True, wait_seconds: float = WAIT_SECONDS) -> Self:
        """Open a database to write, made if it is not there, for this process alone.

        Without ``has_locks`` nothing keeps others away: the file system has no locks.  Raises LockedError where another
        process uses it, DamageError where it is no database, OutputError where a newer ctprep has written it or the
        system refuses.
        """
        with _translated():
            if not path.exists():
                os.close(os.open(path, os.O_CREAT | os.O_WRONLY | os.O_NOFOLLOW, 0o600))
            address = f"{path.absolute().as_uri()}?mode=rw{'' if has_locks else '&nolock=1'}"
            connection = sqlite3.connect(
                address, uri=True, timeout=wait_seconds, isolation_level=None, check_same_thread=False
            )
            database = cls(connection)
            connection.execute("PRAGMA locking_mode = EXCLUSIVE")
            connection.execute("PRAGMA journal_mode = DELETE")
            connection.execute("PRAGMA synchronous = FULL")
            connection.execute("BEGIN EXCLUSIVE")  # waits for readers, and undoes what a kill left half written
            connection.execute("COMMIT")
            database._prepare()
        return database

    @classmethod
    def read(cls, path: Path, wait_seconds: float = WAIT_SECONDS, *, may_write: bool = True) -> Self:
        """Open a database to read; one that is not there is empty.  Raises as `open` does.

        What a kill left half written is undone, so it is opened to write, where the system allows that.
        """
        if not path.exists():
            return cls.temporary()
        with _translated():
            address = f"{path.absolute().as_uri()}?mode=rw"
            database = cls(
                sqlite3.connect(address, uri=True, timeout=wait_seconds, isolation_level=None, check_same_thread=False),
                may_write=may_write,
            )
            if version := database._version():
                if version < VERSION and not may_write:
                    database._copy_once()
                    database._prepare()
                return database
            database.close()
        return cls.temporary()

    @classmethod
    def temporary(cls) -> Self:
        """Return an empty database in memory."""
        with _translated():
            database = cls(sqlite3.connect(":memory:", isolation_level=None, check_same_thread=False))
            database._prepare()
        return database

    @classmethod
    def preview(cls, path: Path) -> Self:
        """Open a database that stays as it is: what is written goes to a copy in memory, made when it is needed.

        What the database knows of patients is to lie nowhere else.  Raises as `read` does.
        """
        return cls.read(path, may_write=False)

    def _copy_once(self) -> None:
        """Go on with a copy in memory, where the original is to stay as it is."""
        if self._may_write:
            return
        original = self._connection
        other = sqlite3.connect(":memory:", isolation_level=None, check_same_thread=False)
        original.execute("BEGIN")  # a reader's lock now, for `backup` would wait for one without end
        original.execute("SELECT count(*) FROM sqlite_master").fetchone()
        original.backup(other)
        original.execute("COMMIT")
        original.close()
        self._use(other)
        self._may_write = True

    def close(self) -> None:
        """Close it; what no transaction ended is lost."""
        with _translated():
            self._connection.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_error: object) -> None:
        self.close()

    def execute(self, statement: str, values: Sequence[Any] = ()) -> int:
        """Carry a statement out; return the id of the row that it inserted last."""
        with _translated():
            self._copy_once()
            return self._connection.execute(statement, values).lastrowid or 0

    def execute_many(self, statement: str, rows: Iterable[Sequence[Any]]) -> None:
        """Carry a statement out for each row of values."""
        with _translated():
            self._copy_once()
            self._connection.executemany(statement, rows)

    def rows(self, question: str, values: Sequence[Any] = ()) -> Iterator[Row]:
        """Yield the rows of an answer as they are found; the tables must not be written meanwhile."""
        with _translated():
            for row in self._connection.execute(question, values):  # noqa: UP028  `yield from` closes the cursor, also after the database
                yield row

    def all(self, question: str, values: Sequence[Any] = ()) -> list[Row]:
        """Return all rows of an answer."""
        with _translated():
            return self._connection.execute(question, values).fetchall()

    def one(self, question: str, values: Sequence[Any] = ()) -> Row | None:
        """Return the first row of an answer, None where there is none."""
        with _translated():
            row: Row | None = self._connection.execute(question, values).fetchone()
            return row

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """Keep all that the block writes, on disk when it ends; nothing of it where it raises."""
        self.execute("BEGIN IMMEDIATE")
        try:
            yield
            self.execute("COMMIT")
        except BaseException:
            if self._connection.in_transaction:
                self.execute("ROLLBACK")
            raise

    def write_each(self, items: Iterable[T], write: Callable[[T], None]) -> None:
        """Write items as they come, in transactions of some seconds: after a kill little is to be done again."""
        remaining = iter(items)
        for item in remaining:
            until = monotonic() + COMMIT_SECONDS
            with self.transaction():
                write(item)
                while monotonic() < until and (following := next(remaining, None)) is not None:
                    write(following)

    def fact(self, name: str) -> str | None:
        """Return a single value, None where there is none."""
        row = self.one("SELECT value FROM fact WHERE name = ?", (name,))
        if row is None:
            return None
        value, mark, checksum = str(row[0]).rpartition(CHECKSUM)
        if mark and checksum != _checksum(value):
            raise damage_error(name)
        return value if mark else checksum

    def set_fact(self, name: str, value: str | None) -> None:
        """Keep a single value; None forgets it."""
        if value is None:
            self.execute("DELETE FROM fact WHERE name = ?", (name,))
        else:
            self.execute("INSERT OR REPLACE INTO fact VALUES (?, ?)", (name, value + CHECKSUM + _checksum(value)))

    def find_damage(self) -> str | None:
        """Return what is wrong with the database as a whole, None where nothing is; reads all of it."""
        row = self.one("PRAGMA integrity_check(1)")
        return None if row == ("ok",) else str(row and row[0])

    def _prepare(self) -> None:
        self._connection.execute(f"PRAGMA cache_size = -{CACHE_KIB}")
        version = self._version()
        if version < VERSION:
            steps = "".join(STEPS[version:])
            self._connection.executescript(f"BEGIN; {steps} PRAGMA user_version = {VERSION}; COMMIT;")

    def _version(self) -> int:
        """Return the version of the tables, 0 where there are none yet."""
        (version,) = self.one("PRAGMA user_version") or (0,)
        if version > VERSION:
            msg = f"private/state.sqlite is of a newer ctprep (version {version}; this one knows {VERSION})"
            raise OutputError(msg)
        return int(version)


def damage_error(what: str) -> DamageError:
    """Return the error for a database of which something is not as it was written."""
    return DamageError(f"private/state.sqlite is damaged ({what}): remove it, and every series is prepared again")


CHECKSUM = "\ncrc "
"""Stands in a fact between its value and the checksum of that."""


def _checksum(value: str) -> str:
    return f"{zlib.crc32(value.encode('utf-8', 'surrogatepass')):08x}"


def pack(content: Any) -> bytes:
    """Return plain values as a cell holds them: JSON, compressed; a set becomes a sorted list."""
    text = json.dumps(content, separators=(",", ":"), default=sorted)
    return zlib.compress(text.encode("ascii"), COMPRESSION)


def unpack(packed: bytes) -> Any:
    """Return what `pack` was given; raises DamageError where a bit of it is another."""
    try:
        return json.loads(zlib.decompress(packed))
    except (zlib.error, ValueError) as error:
        raise damage_error(str(error)) from error


@contextmanager
def _translated() -> Iterator[None]:
    """Turn an error of sqlite3 into the one of ctprep that says what to do."""
    try:
        yield
    except sqlite3.OperationalError as error:
        code = getattr(error, "sqlite_errorcode", None)
        if code is None:  # of Python itself, whose message would quote the text
            what = "a text is not UTF-8"
            raise damage_error(what) from error
        if code & 0xFF in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED):
            msg = "private/state.sqlite is in use by another command on this output: try again when it has ended"
            raise LockedError(msg) from error
        msg = f"cannot use private/state.sqlite: {error}"
        raise OutputError(msg) from error
    except sqlite3.DatabaseError as error:
        raise damage_error(str(error)) from error
    except OSError as error:
        msg = f"cannot use private/state.sqlite: {error.strerror or error}"
        raise OutputError(msg) from error
