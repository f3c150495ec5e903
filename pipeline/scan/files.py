"""What an output knows of the input's files: where they lie, what tells that one changed, and their headers.

Headers lie in parts: some files of one series, packed as the worker that read them sent them.  A part is used only for
those of its files that are as they were.
"""

import hashlib
import json
import os
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from typing import NamedTuple

from pipeline.output.database import Database
from pipeline.sources.files import INSIDE, FoundFile
from pipeline.vocabulary import Reason, Stage

TERMS = "header terms"
"""The name of the fact that says by what all headers were read."""
UNCHANGED = "last"
"""Facts whose names begin so hold as long as no file changes."""
ROWS_AT_ONCE = 4096

ARCHIVE = "archive"
"""Facts whose names begin so hold what an archive was when it was listed, how many files it holds, or why none."""

Paths = frozenset[str] | None
"""The files that a part still holds; None where it holds all that it was made of."""


@dataclass(frozen=True)
class FileCounts:
    """What lies under the roots: how many files, and how many of them were added, changed or removed since."""

    n_files: int
    n_changed: int


class KnownFile(NamedTuple):
    """A file as the database knows it: the number and the path of its folder, its name, and what it was."""

    folder: int
    name: bytes
    path: bytes
    state: str

    @property
    def found(self) -> FoundFile:
        """The file as it was found."""
        return _file(self.path, self.name, self.state)

    @property
    def order(self) -> int:
        """Where the file lies among those of its folder, as far as that is known."""
        return self.found.order if "\n" in self.state else int(self.state.split(" ", 4)[3])


@dataclass(frozen=True)
class HeaderPack:
    """The headers of some files of one series, packed, and what was observed in them.

    ``series`` is empty where the files belong to none.  With ``may_change`` they are read again the next time, though
    the files are as they were: the system let none of them be read.
    """

    series: str
    files: tuple[KnownFile, ...]
    headers: bytes
    observed: bytes
    may_change: bool = False


@dataclass(frozen=True)
class FileTable:
    """The files and parts of a database."""

    database: Database

    def update(self, found: Iterable[FoundFile]) -> FileCounts:
        """Take over what lies under the roots now.

        Where nothing is found, all that is known stays: a share may not be mounted.
        """
        with ExitStack() as stack:
            comparison = _Comparison(self.database, stack)
            for folder, files in _by_folder(found):
                comparison.compare(folder, files)
            if comparison.n_files:
                comparison.forget_missing()
        return FileCounts(comparison.n_files, comparison.n_changed)

    def list_known(self, archive: FoundFile, terms: str) -> list[FoundFile] | None:
        """Return what was found in an archive, None where it is another since, or was never listed."""
        state, n_files, refused = json.loads(self.database.fact(_archive_fact(archive)) or "[null, 0, null]")
        if state != f"{terms} {_state(archive)}":
            return None
        if not n_files:
            reason, detail = refused or (None, "")
            return [replace(archive, refusal=(Reason[reason], detail)) if reason else archive]
        folder = os.fsencode(archive.path + INSIDE)
        rows = self.database.all(
            "SELECT path, name, state FROM folder JOIN file ON folder.id = folder"
            " WHERE path = ? OR (path > ? AND path < ?) ORDER BY path, name",
            (folder, folder + b"/", folder + b"0"),
        )
        return [_file(*row) for row in rows] if len(rows) == n_files else None

    def remember(self, archive: FoundFile, terms: str, files: Iterable[FoundFile]) -> Iterator[FoundFile]:
        """Yield what is found in an archive, and know it from then on, unless the system let it not be read."""
        n_files, refusal = 0, None
        for file in files:
            if file.path == archive.path:
                refusal = file.refusal
            else:
                n_files += 1
            yield file
        is_final = refusal is None or refusal[0].stage is not Stage.ACCESS
        known = json.dumps([f"{terms} {_state(archive)}", n_files, refusal]) if is_final else None
        self.database.set_fact(_archive_fact(archive), known)

    def use_terms(self, terms: str) -> None:
        """Forget every header that was read by other terms, and what may be another though its file is the same."""
        if self.database.fact(TERMS) != terms:
            self.forget()
            self.database.set_fact(TERMS, terms)
        doubtful = self.database.all("SELECT id FROM part WHERE may_change")
        if doubtful:
            with self.database.transaction():
                for (part,) in doubtful:
                    self._drop_part(part)

    def forget(self) -> None:
        """Forget every header."""
        with self.database.transaction():
            self.database.execute("UPDATE file SET part = NULL WHERE part IS NOT NULL")
            self.database.execute("DELETE FROM part")

    def unread(self) -> Iterator[KnownFile]:
        """Yield the files whose headers are to be read, those of a folder in the order of their inodes or offsets.

        That is the order in which they lie on a spinning disk, and in an archive.  Parts may be added meanwhile.
        """
        after = (-1, b"")
        while rows := self.database.all(
            "SELECT folder, name, path, state FROM file JOIN folder ON folder.id = folder"
            " WHERE part IS NULL AND (folder, name) > (?, ?) ORDER BY folder, name LIMIT ?",
            (*after, ROWS_AT_ONCE),
        ):
            after = rows[-1][:2]
            yield from sorted((KnownFile(*row) for row in rows), key=lambda file: (file.folder, file.order))

    def add(self, parts: Iterable[HeaderPack]) -> None:
        """Keep parts, and that their files are read."""
        for part in parts:
            self.database.execute("DELETE FROM summary WHERE series = ?", (part.series,))
            number = self.database.execute(
                "INSERT INTO part (series, n_files, may_change, headers, observed) VALUES (?, ?, ?, ?, ?)",
                (part.series, len(part.files), part.may_change, part.headers, part.observed),
            )
            places = [(number, file.folder, file.name) for file in part.files]
            self.database.execute_many("UPDATE file SET part = ? WHERE folder = ? AND name = ?", places)

    def list_series(self) -> dict[str, str]:
        """Return every series that has a file, in order, with what changes when one of its files does."""
        stamps: dict[str, str] = {}
        for series, part, n in self.database.rows(
            "SELECT series, id, n FROM part JOIN (SELECT part, count(*) AS n FROM file GROUP BY part) ON part = id"
            " WHERE series != '' ORDER BY series, id"
        ):
            stamps[series] = f"{stamps.get(series, '')} {part}:{n}"
        return stamps

    def headers_of(self, series: str) -> Iterator[tuple[bytes, Paths]]:
        """Yield the packed headers of a series, each with the paths that count, None where all do."""
        for number, n_files, headers in self.database.all(
            "SELECT id, n_files, headers FROM part WHERE series = ? ORDER BY id", (series,)
        ):
            paths = self._paths_of(number, n_files)
            if paths is None or paths:
                yield headers, paths

    def list_files(self, series: str) -> Iterator[tuple[int, str]]:
        """Yield each file of a series, in the order of folders and names, behind the number of its part."""
        question = (
            "SELECT part, path, name FROM file JOIN folder ON folder.id = folder JOIN part ON part.id = file.part"
            " WHERE series = ? ORDER BY path, name"
        )
        for part, folder, name in self.database.rows(question, (series,)):
            yield part, _path(folder, name)

    def headers_of_part(self, part: int) -> bytes:
        """Return the packed headers of a part."""
        (headers,) = self.database.one("SELECT headers FROM part WHERE id = ?", (part,)) or (b"",)
        return bytes(headers)

    def observed_in(self, series: str) -> Iterator[tuple[bytes, Paths]]:
        """Yield what was observed in each part of a series, with the paths that count, None where all do."""
        question = "SELECT id, n_files, observed FROM part WHERE series = ? ORDER BY id"
        for number, n_files, observed in self.database.all(question, (series,)):
            paths = self._paths_of(number, n_files)
            if observed and (paths is None or paths):
                yield observed, paths

    def count_unread(self) -> int:
        """Return how many files have headers that are to be read."""
        return _count(self.database, "SELECT count(*) FROM file WHERE part IS NULL")

    def _paths_of(self, part: int, n_files: int) -> Paths:
        if _count(self.database, "SELECT count(*) FROM file WHERE part = ?", part) == n_files:
            return None
        rows = self.database.all(
            "SELECT path, name FROM file JOIN folder ON folder.id = folder WHERE part = ?", (part,)
        )
        return frozenset(_path(folder, name) for folder, name in rows)

    def _drop_part(self, part: int) -> None:
        self.database.execute("UPDATE file SET part = NULL WHERE part = ?", (part,))
        self.database.execute("DELETE FROM part WHERE id = ?", (part,))


@dataclass
class _Comparison:
    """A listing beside the files that are known, folder by folder.

    The database is written from the first change on, in one transaction that ends with ``stack``.
    """

    database: Database
    stack: ExitStack
    n_files: int = 0
    n_changed: int = 0
    seen: set[int] = field(default_factory=set)
    missing: dict[int, set[bytes]] = field(default_factory=dict)

    def compare(self, folder: str, files: Mapping[bytes, FoundFile]) -> None:
        """Note which files of a folder are new or others; it may come again, with a folder that cannot be read."""
        number = _find_folder(self.database, folder)
        known: dict[bytes, str] = dict(self.database.all("SELECT name, state FROM file WHERE folder = ?", (number,)))
        changed, moved = [], []
        for name, file in files.items():
            state, before = _state(file), known.get(name)
            if before is not None and before != state and _is_same_content(file, before, state):
                moved.append((state, number, name))
            elif before != state:
                changed.append((name, state))
        if changed:
            number = self._write(folder, changed)
        if moved:
            self._begin()
            self.n_changed += len(moved)
            self.database.execute_many("UPDATE file SET state = ? WHERE folder = ? AND name = ?", moved)
        missing = (self.missing.pop(number, set()) if number in self.seen else known.keys()) - files.keys()
        if missing:
            self.missing[number] = missing
        self.seen.add(number)
        self.n_files += len(files)

    def _write(self, folder: str, changed: Sequence[tuple[bytes, str]]) -> int:
        """Put files into the database as they are now; return the number of their folder."""
        self._begin()
        self.n_changed += len(changed)
        number = _folder(self.database, folder)
        rows = ((number, name, state) for name, state in changed)
        self.database.execute_many("INSERT OR REPLACE INTO file (folder, name, state) VALUES (?, ?, ?)", rows)
        return number

    def _begin(self) -> None:
        """Begin to write, once: what holds as long as no file changes is forgotten."""
        if not self.n_changed:
            self.stack.enter_context(self.database.transaction())
            self.database.execute("DELETE FROM fact WHERE name LIKE ?", (f"{UNCHANGED} %",))

    def forget_missing(self) -> None:
        """Forget the files that are gone, and the parts that hold none any more."""
        for folder, names in self.missing.items():
            self._forget(folder, names)
        for (folder,) in self.database.all("SELECT id FROM folder"):
            if folder not in self.seen:
                names = {name for (name,) in self.database.all("SELECT name FROM file WHERE folder = ?", (folder,))}
                if names:
                    self._forget(folder, names)
                    self.database.execute("DELETE FROM folder WHERE id = ?", (folder,))
        if self.n_changed:
            self.database.execute("DELETE FROM part WHERE NOT EXISTS (SELECT 1 FROM file WHERE file.part = part.id)")

    def _forget(self, folder: int, names: Collection[bytes]) -> None:
        self._begin()
        self.n_changed += len(names)
        places = ((folder, name) for name in names)
        self.database.execute_many("DELETE FROM file WHERE folder = ? AND name = ?", places)


def _archive_fact(archive: FoundFile) -> str:
    return f"{ARCHIVE} {hashlib.blake2b(os.fsencode(archive.path), digest_size=16).hexdigest()}"


def _count(database: Database, question: str, *values: int) -> int:
    (n,) = database.one(question, values) or (0,)
    return int(n)


NO_FOLDER = -1


def _find_folder(database: Database, path: str) -> int:
    """Return the number of a folder, NO_FOLDER where it has none."""
    known = database.one("SELECT id FROM folder WHERE path = ?", (os.fsencode(path),))
    return int(known[0]) if known else NO_FOLDER


def _folder(database: Database, path: str) -> int:
    """Return the number of a folder, a new one where it has none."""
    known = _find_folder(database, path)
    return database.execute("INSERT INTO folder (path) VALUES (?)", (os.fsencode(path),)) if known < 0 else known


def _by_folder(found: Iterable[FoundFile]) -> Iterator[tuple[str, dict[bytes, FoundFile]]]:
    """Yield each folder with its files by name, as they come one after another."""
    here = ""
    files: dict[bytes, FoundFile] = {}
    for file in found:
        folder, _, name = file.path.rpartition("/")
        if folder != here and files:
            yield here or "/", files
            files = {}
        here = folder
        files[os.fsencode(name)] = file
    if files:
        yield here or "/", files


def _path(folder: bytes, name: bytes) -> str:
    return os.fsdecode(folder.rstrip(b"/") + b"/" + name)


def _state(file: FoundFile) -> str:
    """Return what must be the same for what was read of a file to hold, and behind it where it lies in a container."""
    times = f"{file.size} {file.mtime_ns} {file.ctime_ns} {file.inode} {file.looked_ns}"
    own = f"{times} {json.dumps(file.refusal)}" if file.refusal else times
    return f"{own}\n{file.checksum}\n{json.dumps(file.extent.pack())}" if file.extent else own


def _is_same_content(file: FoundFile, before: str, state: str) -> bool:
    """Tell whether a file that lies elsewhere now, in an archive that is another, holds by its checksum the same."""
    return bool(file.checksum) and before.rpartition("\n")[0] == state.rpartition("\n")[0]


def _file(folder: bytes, name: bytes, state: str) -> FoundFile:
    if state.count(" ") == 4 and "\n" not in state:
        size, mtime_ns, ctime_ns, inode, looked_ns = map(int, state.split(" "))
        return FoundFile(_path(folder, name), size, mtime_ns, None, ctime_ns, inode, looked_ns)
    own, *inside = state.split("\n")
    *numbers, refused = own.split(" ", 5) if own.count(" ") > 4 else [*own.split(" "), "null"]
    packed = [_path(folder, name), json.loads(refused), *map(int, numbers)]
    if inside:
        checksum, extent = inside
        packed += [checksum, json.loads(extent)]
    return FoundFile.unpack(packed)
