"""Every header under the roots, each file opened once: what is known is in the database, workers read the rest."""

import hashlib
import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from itertools import chain, islice
from typing import TYPE_CHECKING, Final, NamedTuple

from pipeline import __version__
from pipeline.cluster.jobs import J, JobFailure, R, Task
from pipeline.dicom.headers.batch import (
    Batch,
    Terms,
    pack_observations,
    pack_slices,
    read_batch,
    unpack_slices,
)
from pipeline.dicom.headers.group import in_path_order
from pipeline.dicom.headers.slice import SliceHeader
from pipeline.output.database import Database
from pipeline.scan.files import FileTable, HeaderPack, KnownFile, Paths
from pipeline.versions import STAGES
from pipeline.vocabulary import Reason, Stage

if TYPE_CHECKING:
    from pipeline.cluster.dispatcher import Dispatcher  # Dask, which workers' children need not import

FORMAT = 5
"""Counts up when headers are packed otherwise, or read otherwise."""
BATCH_FILES = 256
PARTS_AT_ONCE = 16
"""Files of no series lie in as many parts at a time as batches are read beside each other."""

Job = tuple[tuple[KnownFile, ...], Terms]


class SeriesPack(NamedTuple):
    """The headers of some files of a batch, all of one series: a `HeaderPack` with the places of its files."""

    series: str
    places: tuple[int, ...]
    headers: bytes
    observed: bytes
    may_change: bool


@dataclass(frozen=True)
class Reading:
    """How headers are read: by which dispatcher, and into which database.

    Without a dispatcher they are read in this process; without a database they are forgotten with this object.
    ``announce`` takes how many were read, of how many.
    """

    dispatcher: "Dispatcher | None" = None
    table: FileTable = field(default_factory=lambda: FileTable(Database.temporary()))
    announce: Callable[[int, int], None] | None = None

    def read(self, terms: Terms) -> None:
        """Read the headers of all files whose headers are not known; those that are, by path and state, stay closed."""
        self.table.use_terms(_stamp(terms))
        n_unread = self.table.count_unread()
        if n_unread:
            batches = -(-n_unread // BATCH_FILES)
            parts = self._parts(((files, terms) for files in _batches(self.table.unread())), batches)
            parts = self._count(parts, n_unread)
            self.table.database.write_each(parts, lambda part: self.table.add([part]))

    def _count(self, parts: Iterator[HeaderPack], n_unread: int) -> Iterator[HeaderPack]:
        """Yield the parts, and announce how many files they hold so far, of all that are read."""
        n_read = 0
        for part in parts:
            yield part
            n_read += len(part.files)
            if self.announce:
                self.announce(n_read, n_unread)

    def slices_of(self, series: str) -> tuple[SliceHeader, ...]:
        """Return the slices of a series in the order of their paths."""
        return in_path_order(chain.from_iterable(unpack_files(self.table.headers_of(series))))

    def slices_of_none(self) -> Iterator[SliceHeader]:
        """Yield the slices of files that belong to no series, in the order of their folders and names."""
        unpack = lru_cache(PARTS_AT_ONCE)(self._unpack_by_path)
        for part, path in self.table.list_files(NO_SERIES):
            yield from unpack(part)[path]

    def _unpack_by_path(self, part: int) -> dict[str, tuple[SliceHeader, ...]]:
        return {slices[0].file.path: slices for slices in unpack_slices(self.table.headers_of_part(part))}

    def _parts(self, jobs: Iterable[Job], n_jobs: int) -> Iterator[HeaderPack]:
        """Yield parts as they are read; a batch that breaks its process is read again, file by file."""
        alone: list[Job] = []
        for (files, terms), read in self.run(READ_HEADERS, jobs, n_jobs):
            if isinstance(read, JobFailure):
                alone += [((file,), terms) for file in files]
            else:
                yield from _with_files(read, files)
        for job, read in self.run(READ_HEADERS, alone, len(alone)):
            yield from _with_files(_refuse_file(job, read) if isinstance(read, JobFailure) else read, job[0])

    def run(self, task: Task[J, R], jobs: Iterable[J], n_jobs: int) -> Iterator[tuple[J, R | JobFailure]]:
        """Yield each job of a task with its result, from the dispatcher's workers or from this process."""
        if self.dispatcher is None:
            function = task.resolve()
            return ((job, function(job)) for job in jobs)
        return self.dispatcher.run(task, jobs, n_jobs)


NO_SERIES = ""


def unpack_files(parts: Iterable[tuple[bytes, Paths]]) -> Iterator[tuple[SliceHeader, ...]]:
    """Yield the slices of each file that counts."""
    for packed, paths in parts:
        for slices in unpack_slices(packed):
            if paths is None or slices[0].file.path in paths:
                yield slices


def read_job(job: Job) -> list[SeriesPack]:
    """Read a batch, and pack it series by series: so it travels between processes, and lies in the database."""
    files, terms = job
    return pack_batch(read_batch([file.found for file in files], terms))


def pack_batch(whole: Batch) -> list[SeriesPack]:
    """Return the files of a batch, packed series by series."""
    parts = []
    for key, places, batch in whole.split_by_series():
        unread = {number for number, slices in enumerate(batch.slices) if _was_unread(slices)}
        for may_change in (False, True):
            numbers = [number for number in range(len(places)) if (number in unread) is may_change]
            if numbers:
                part = batch.only(numbers)
                series = NO_SERIES if key is None else json.dumps(key)
                where = tuple(places[number] for number in numbers)
                parts.append(SeriesPack(series, where, pack_slices(part), pack_observations(part), may_change))
    return parts


READ_HEADERS: Final[Task[Job, list[SeriesPack]]] = Task("read-headers", "pipeline.scan.headers:read_job")


def _with_files(read: Sequence[SeriesPack], files: Sequence[KnownFile]) -> Iterator[HeaderPack]:
    for part in read:
        places = tuple(files[place] for place in part.places)
        yield HeaderPack(part.series, places, part.headers, part.observed, part.may_change)


def _refuse_file(job: Job, failure: JobFailure) -> list[SeriesPack]:
    """Return the part of a single file that breaks the process that reads it; it is read again the next time."""
    file = job[0][0].found
    header = SliceHeader(file=file, refusal=(Reason.UNREADABLE, f"reading it ended its process: {failure.detail}"))
    return pack_batch(Batch([file], [(header,)], [], [frozenset()]))


def _batches(files: Iterable[KnownFile]) -> Iterator[tuple[KnownFile, ...]]:
    remaining = iter(files)
    while batch := tuple(islice(remaining, BATCH_FILES)):
        yield batch


def _stamp(terms: Terms) -> str:
    """Return what decides whether headers that were read may be used at all."""
    basis = (FORMAT, __version__, STAGES["reading"], repr(terms.limits), sorted(terms.wanted))
    return hashlib.blake2b(json.dumps(basis).encode(), digest_size=10).hexdigest()


def _was_unread(slices: Sequence[SliceHeader]) -> bool:
    return any(header.refusal and header.refusal[0].stage is Stage.ACCESS for header in slices)
