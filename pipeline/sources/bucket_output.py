"""An output in a bucket without its stores, as a folder of this machine: fetched before a run, sent back after it."""

import json
import shutil
from collections.abc import Container, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from pipeline.output.durable import PRIVATE_MODE, write_bytes
from pipeline.output.layout import OutputFolder
from pipeline.output.state import SeriesTable, open_database, unpack_result
from pipeline.sources.bucket import Bucket, BucketObject
from pipeline.sources.bucket_stores import VOLUMES, remove_store, store_name
from pipeline.sources.cache import make_private_folder
from pipeline.sources.lease import LEASE

DATABASE = "private/state.sqlite"

PIECES = "private/results"
"""Objects cannot grow: what a run adds to the database lies here, an object per series, until all is written again.

An empty one says that the series' store was begun.
"""

FORMER_PIECES = "private/journal"
"""Where the version before left its pieces."""

LAST = (DATABASE, "manifest.csv", "manifest.parquet")
"""Written when all else is, in this order: who reads the manifest finds what it names."""

OWN = frozenset({LEASE, "private/lock"})
"""What each machine keeps for itself, or the lease does."""

THREADS = 16

Known = tuple[str, int, int]
"""An object's etag, and the size and time in nanoseconds of the file that holds the same."""


@dataclass(frozen=True)
class OutputCopy:
    """An output in a bucket and its copy here, without stores; ``index`` remembers what is the same on both sides."""

    bucket: Bucket
    output: OutputFolder
    index: Path

    def fetch(self, only: Container[str] | None = None, *, mends: bool) -> set[str]:
        """Make the copy what the bucket holds, or ``only`` some of it; what a killed run left here is forgotten.

        Returns the keys of the series whose stores it had only begun; with ``mends`` these are removed.
        """
        shutil.rmtree(self.output.volumes, ignore_errors=True)
        make_private_folder(self.output.private)
        there = {found.name: found for found in self._listed()}
        pieces = [there.pop(name) for name in list(there) if _is_piece(name)]
        known = self._known()
        there = {name: found for name, found in there.items() if only is None or name in only}
        same = {name for name, found in there.items() if self._is_same(known.get(name), name, found.etag)}
        for name in self._names() - same:
            (self.output.root / name).unlink()
        with ThreadPoolExecutor(THREADS) as pool:
            fetched = pool.map(self._fetch, there.keys() - same)
            fresh = {name: known for name, known in fetched if known}
        self._remember({name: known[name] for name in same} | fresh)
        results = {_key_of(piece): self._content(piece) for piece in pieces}
        begun = {key for key, result in results.items() if not result}
        for key in begun if mends else ():
            remove_store(self.bucket, store_name(key))
        self._join(results)
        return begun

    def publish(self) -> None:
        """Make the bucket what the copy is by now, the manifest last; then the database needs its pieces no more."""
        known = self._known()
        names = self._names()
        changed = {name for name in names if not self._is_unchanged(known.get(name), name)}
        with ThreadPoolExecutor(THREADS) as pool:
            known |= dict(pool.map(self._put, sorted(changed - set(LAST))))
        for name in LAST:
            if name in changed:
                known |= [self._put(name)]
        gone = known.keys() - names
        self.bucket.remove(sorted(gone))
        for folder in (PIECES, FORMER_PIECES):
            self.bucket.remove(found.name for found in self.bucket.objects(folder))
        self._remember({name: known[name] for name in names})

    def _listed(self) -> Iterator[BucketObject]:
        """Yield every object but those of stores and those of this machine or of the lease alone."""
        files, folders = self.bucket.top()
        yield from files
        for folder in folders:
            if folder.rstrip("/") != VOLUMES:
                yield from (found for found in self.bucket.objects(folder) if found.name not in OWN)

    def _names(self) -> set[str]:
        root = self.output.root
        files = (path for path in root.rglob("*") if path.is_file() and not path.is_relative_to(self.output.volumes))
        return {path.relative_to(root).as_posix() for path in files} - OWN

    def _fetch(self, name: str) -> tuple[str, Known | None]:
        path = self.output.root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        found = self.bucket.fetch(name, path)
        if found is None:
            return name, None
        if path.is_relative_to(self.output.private):
            path.chmod(PRIVATE_MODE)
        return name, (found.etag, *self._stamp(name))

    def _put(self, name: str) -> tuple[str, Known]:
        stamp = self._stamp(name)
        return name, (self.bucket.put(name, self.output.root / name), *stamp)

    def _stamp(self, name: str) -> tuple[int, int]:
        status = (self.output.root / name).stat()
        return status.st_size, status.st_mtime_ns

    def _is_same(self, known: Known | None, name: str, etag: str) -> bool:
        return known is not None and known[0] == etag and self._is_unchanged(known, name)

    def _is_unchanged(self, known: Known | None, name: str) -> bool:
        with suppress(FileNotFoundError):
            return known is not None and tuple(known[1:]) == self._stamp(name)
        return False

    def _known(self) -> dict[str, Known]:
        try:
            entries = json.loads(self.index.read_bytes())
        except (OSError, ValueError):
            return {}
        return {name: (etag, size, time_ns) for name, (etag, size, time_ns) in entries.items()}

    def _remember(self, known: dict[str, Known]) -> None:
        write_bytes(self.index, json.dumps(known).encode(), private=True)

    def _join(self, results: Mapping[str, bytes]) -> None:
        """Put the results that a killed run left into the database; one whose store was only begun is not in it."""
        if results:
            with open_database(self.output) as database:
                table = SeriesTable(database)
                table.remove(results)
                table.write(unpack_result(result) for result in results.values() if result)

    def _content(self, piece: BucketObject) -> bytes:
        got = self.bucket.read(piece.name)
        return got[0] if got else b""


def piece_name(series_key: str) -> str:
    """Return where a series' result lies until the database is written again."""
    return f"{PIECES}/{series_key}.json"


def _is_piece(name: str) -> bool:
    return name.startswith((f"{PIECES}/", f"{FORMER_PIECES}/"))


def _key_of(piece: BucketObject) -> str:
    return piece.name.rpartition("/")[2].removesuffix(".json")
