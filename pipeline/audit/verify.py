"""Every store against the manifest, many at a time.  Nothing is repaired."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Final

from pipeline.cluster.dispatcher import open_cluster
from pipeline.cluster.jobs import JobFailure, Task
from pipeline.cluster.options import ClusterOptions
from pipeline.errors import DamageError, LockedError
from pipeline.limits import Limits
from pipeline.output.database import Database, damage_error
from pipeline.output.durable import hash_store, size_of_store
from pipeline.output.layout import OutputFolder
from pipeline.output.lock import is_held
from pipeline.output.manifest import read_records
from pipeline.output.state import OutputState, SeriesTable
from pipeline.record import SeriesRecord
from pipeline.vocabulary import Status

Stamp = tuple[int, int] | None


class MismatchKind(StrEnum):
    """How a store can differ from the manifest."""

    MISSING = "missing"
    EXTRA = "extra"
    CHANGED = "changed"
    SWAPPED = "swapped"
    LEFTOVER = "leftover"
    UNPUBLISHED = "unpublished"

    @property
    def is_damage(self) -> bool:
        """False for what a run leaves behind on purpose, or a kill by accident: the next run or gc sees to that."""
        return self not in {MismatchKind.LEFTOVER, MismatchKind.UNPUBLISHED}


@dataclass(frozen=True)
class Mismatch:
    """One difference: its kind, the series (of an extra store, the name it has), and what was found."""

    kind: MismatchKind
    series_key: str
    what: str


@dataclass(frozen=True)
class StoreToCheck:
    """A store to be checked; ``fast`` reads none of its files."""

    folder: Path
    fast: bool


@dataclass(frozen=True)
class StoreState:
    """What a store is; ``refusal`` says why the system would not let it be read."""

    n_bytes: int = 0
    sha256: str | None = None
    refusal: str | None = None


def verify(output: OutputFolder, *, fast: bool = False) -> list[Mismatch]:
    """Return what differs, sorted by series; ``fast`` compares names and sizes and reads no store.

    Raises UsageError where there is no output, DamageError where manifest or database is gone or cannot be read,
    LockedError where a run is at work there.  An account that may not read ``private/`` has no database to ask: stores
    are then compared with the manifest alone.
    """
    before = _stamp_unless_running(output)
    if not output.is_private_readable:
        state = OutputState(output, SeriesTable(Database.temporary()))
        return _sorted(StoreComparison(output, read_records(output), state).mismatches(fast=fast))
    if output.state.exists() and not output.manifest.exists():
        msg = "manifest.parquet is not there: `ctprep run` publishes it again, from the database"
        raise DamageError(msg)
    records = read_records(output)
    with OutputState.read(output) as state:
        check_database(state, fast=fast)
        found = _sorted(StoreComparison(output, records, state).mismatches(fast=fast))
    if found and _stamp_unless_running(output) != before:
        msg = "a run published while the stores were read: verify again"
        raise LockedError(msg)
    return found


def _sorted(found: Iterable[Mismatch]) -> list[Mismatch]:
    return sorted(found, key=lambda mismatch: (mismatch.series_key, mismatch.kind))


def check_database(state: OutputState, *, fast: bool) -> None:
    """Raise DamageError where the database is damaged; ``fast`` looks at no more than the series."""
    damage = None if fast else state.table.database.find_damage()
    if damage:
        raise damage_error(damage)


def _name(job: StoreToCheck) -> str:
    return job.folder.name


def read_store(job: StoreToCheck) -> StoreState:
    """Read one store, in this process."""
    try:
        return StoreState(size_of_store(job.folder), None if job.fast else hash_store(job.folder))
    except OSError as error:
        return StoreState(refusal=error.strerror or type(error).__name__)


READ_STORE: Final[Task[StoreToCheck, StoreState]] = Task("verify", "pipeline.audit.verify:read_store", _name)


PRELOAD: Final = ("pipeline.audit.verify",)


class StoreComparison:
    """What manifest and database say of the stores, beside what there is."""

    def __init__(self, output: OutputFolder, records: Sequence[SeriesRecord], state: OutputState) -> None:
        self._output = output
        self._state = state
        self._rows = {record.series_key for record in records}
        self._published = _with_store(records)
        self._known = _with_store(found.record for found in state.finished.values())
        self._owners = {record.sha256: key for key, record in self._published.items()}

    def mismatches(self, *, fast: bool) -> Iterator[Mismatch]:
        """Yield what differs: first of the stores that a record names, then of all else in ``volumes/``."""
        names = self._names()
        stores = {key: self._output.store(key) for key in self._published | self._known}
        there = [key for key, store in stores.items() if store.name in names]
        seen = dict(zip(there, self._read_stores([StoreToCheck(stores[key], fast) for key in there]), strict=True))
        yield from filter(None, (self._compare(key, seen.get(key)) for key in stores))
        for name in names - {store.name for store in stores.values()}:
            yield self._unnamed(name)

    def _names(self) -> set[str]:
        return {path.name for path in _visible(self._output.volumes)}

    def _read_stores(self, jobs: Sequence[StoreToCheck]) -> list[StoreState]:
        """Read every store, as many at once as this machine has cores."""
        if all(job.fast for job in jobs):
            return list(map(read_store, jobs))
        states = {}
        with open_cluster(ClusterOptions(), Limits(), preload=PRELOAD) as dispatcher:
            for job, state in dispatcher.run(READ_STORE, jobs, len(jobs)):
                states[job] = read_store(job) if isinstance(state, JobFailure) else state
        return [states[job] for job in jobs]

    def _compare(self, key: str, seen: StoreState | None) -> Mismatch | None:
        """Compare a store with its row; what a killed run made anew is as the database says."""
        published, known = self._published.get(key), self._known.get(key)
        if seen and published and _agrees(published, seen):
            return None
        if seen and known and _agrees(known, seen):
            return _unpublished(key)
        if published is None:
            return self._unnamed(self._output.store(key).name) if seen else None
        return self._changed(published, seen) if seen else self._absent(key)

    def _changed(self, record: SeriesRecord, seen: StoreState) -> Mismatch:
        owner = self._owners.get(seen.sha256, record.series_key)
        if owner != record.series_key:
            return Mismatch(MismatchKind.SWAPPED, record.series_key, f"the store is that of series {owner}")
        what = seen.refusal and f"the store cannot be read: {seen.refusal}"
        if not what and seen.n_bytes != record.store_bytes:
            what = f"the store has {seen.n_bytes} bytes, the manifest says {record.store_bytes}"
        what = what or "the store's bytes are not those that were written"
        return Mismatch(MismatchKind.CHANGED, record.series_key, what)

    def _absent(self, key: str) -> Mismatch:
        if any(map(self._state.adopts, self._output.unfinished_stores(key))):
            return _unpublished(key)
        return Mismatch(MismatchKind.MISSING, key, "the store is not there")

    def _unnamed(self, name: str) -> Mismatch:
        key = name.removesuffix(".zarr")
        if key in self._rows and name != key:
            return Mismatch(MismatchKind.LEFTOVER, key, "the series has no store any more: ctprep gc removes this one")
        return Mismatch(MismatchKind.EXTRA, key, "no series of the manifest has this store")


def _agrees(record: SeriesRecord, seen: StoreState) -> bool:
    """Tell whether a store is what its record says; one that was not read agrees by its size."""
    return seen.n_bytes == record.store_bytes and seen.sha256 in {None, record.sha256} and seen.refusal is None


def _unpublished(key: str) -> Mismatch:
    return Mismatch(MismatchKind.UNPUBLISHED, key, "a run was stopped before it published this store: run again")


def _with_store(records: Iterable[SeriesRecord]) -> dict[str, SeriesRecord]:
    return {record.series_key: record for record in records if record.status is Status.OK}


def _visible(volumes: Path) -> Iterator[Path]:
    """Yield what lies in ``volumes/``, without what a killed run left unfinished: that is the next run's to remove."""
    return (path for path in (volumes.iterdir() if volumes.is_dir() else ()) if path.suffix != ".unfinished")


def _stamp_unless_running(output: OutputFolder) -> Stamp:
    """Return what changes when a manifest is published; raise LockedError while a run is at work."""
    if is_held(output):
        msg = "a run is at work on this output: verify when it has ended"
        raise LockedError(msg)
    status = output.manifest.stat() if output.manifest.exists() else None
    return status and (status.st_ino, status.st_mtime_ns)
