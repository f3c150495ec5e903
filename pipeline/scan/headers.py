"""Every header under the roots, each file opened once: unchanged files come from a cache, many others from workers."""

import hashlib
import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import chain, islice
from pathlib import Path
from typing import TYPE_CHECKING, Final

from pipeline import __version__
from pipeline.cluster.jobs import J, JobFailure, R, Task
from pipeline.dicom.headers.batch import Batch, Terms, pack_batch, read_batch, unpack_batch
from pipeline.dicom.headers.slice import SliceHeader
from pipeline.output.durable import make_folder, remove, write_bytes
from pipeline.scan.census import Census
from pipeline.sources.folders import FoundFile
from pipeline.versions import STAGES
from pipeline.vocabulary import Reason, Stage

if TYPE_CHECKING:
    from pipeline.cluster.dispatcher import Dispatcher  # Dask, which workers' children need not import

FORMAT = 3
"""Counts up when a batch is written otherwise, or a header read otherwise."""
BATCH_FILES = 128
DIGEST_BYTES = 10
OWNER_ONLY = 0o700

Job = tuple[tuple[FoundFile, ...], Terms]


@dataclass(frozen=True)
class Headers:
    """The slices of all files, in the order of the files, and the census of those that hold CT."""

    slices: tuple[SliceHeader, ...]
    census: Census


@dataclass(frozen=True)
class Reading:
    """How headers are read: by which dispatcher, and where batches are kept for the next time.

    Without a dispatcher they are read in this process.  With ``looks_only`` what is kept is used, and left as it is.
    """

    dispatcher: "Dispatcher | None" = None
    cache: Path | None = None
    looks_only: bool = False

    def headers_of(self, found: Iterable[FoundFile], terms: Terms) -> Headers:
        """Read the headers of these files; those that the cache knows, by path, size and time, are not opened."""
        files = list(found)
        cache = _Cache(self.cache, _stamp(terms), self.looks_only) if self.cache else None
        known = cache.batches_of(files) if cache and files else []  # what is not mounted is not forgotten
        seen = {file.path for batch in known for file in batch.files}
        fresh = [file for file in files if file.path not in seen]
        return _together(files, chain(known, self._read(fresh, terms, cache)))

    def _read(self, files: Sequence[FoundFile], terms: Terms, cache: "_Cache | None") -> Iterator[Batch]:
        """Yield batches as they are read; each is in the cache before it is yielded."""
        for text in self._texts([(part, terms) for part in _parts(files)]):
            batch = unpack_batch(text)
            if cache:
                cache.keep(batch, text)
            yield batch

    def _texts(self, jobs: Sequence[Job]) -> Iterator[bytes]:
        """Yield batches as text; a batch that breaks its process is read again, file by file."""
        alone: list[Job] = []
        for (files, terms), text in self.run(READ_HEADERS, jobs):
            if isinstance(text, JobFailure):
                alone += [((file,), terms) for file in files]
            else:
                yield text
        for job, text in self.run(READ_HEADERS, alone):
            yield _refuse_file(job, text) if isinstance(text, JobFailure) else text

    def run(self, task: Task[J, R], jobs: Sequence[J]) -> Iterator[tuple[J, R | JobFailure]]:
        """Yield each job of a task with its result, from the dispatcher's workers or from this process."""
        if self.dispatcher is None:
            function = task.resolve()
            return ((job, function(job)) for job in jobs)
        return self.dispatcher.run(task, jobs, len(jobs))


def read_job(job: Job) -> bytes:
    """Read a batch, as text: the same text travels between processes and lies in the cache."""
    return pack_batch(read_batch(*job))


READ_HEADERS: Final[Task[Job, bytes]] = Task("read-headers", "pipeline.scan.headers:read_job")


def _refuse_file(job: Job, failure: JobFailure) -> bytes:
    """Return the batch of a single file that breaks the process that reads it; it is read again the next time."""
    (file,), terms = job
    detail = f"reading it ended its process: {failure.detail}"
    return pack_batch(read_batch([replace(file, refusal=(Reason.UNREADABLE, detail))], terms))


def _parts(files: Iterable[FoundFile]) -> Iterator[tuple[FoundFile, ...]]:
    remaining = iter(files)
    while part := tuple(islice(remaining, BATCH_FILES)):
        yield part


def _together(files: Sequence[FoundFile], batches: Iterable[Batch]) -> Headers:
    """Put batches together as they come: others are being read meanwhile."""
    slices: dict[str, tuple[SliceHeader, ...]] = {}
    census = Census()
    for batch in batches:
        census.count(batch.pool, batch.list_observations())
        slices.update((file.path, read) for file, read in batch.pairs())
    return Headers(tuple(one for file in files for one in slices[file.path]), census.trim())


def _stamp(terms: Terms) -> str:
    """Return what decides whether a cached batch may be used at all."""
    basis = (FORMAT, __version__, STAGES["reading"], repr(terms.limits), sorted(terms.wanted))
    return hashlib.blake2b(json.dumps(basis).encode(), digest_size=DIGEST_BYTES).hexdigest()


@dataclass(frozen=True)
class _Cache:
    """A folder of batches as text, each named by what it was read by and by its own digest."""

    folder: Path
    stamp: str
    looks_only: bool

    def batches_of(self, files: Iterable[FoundFile]) -> list[Batch]:
        """Return what is known of these files, and remove all else: other terms, changed and missing files."""
        unknown = {file.path: file for file in files}
        batches = []
        for path in sorted(self.folder.glob("*-*.json")) if self.folder.is_dir() else ():
            batch = self._read(path)
            kept = (
                batch.only({file.path for file in batch.files if unknown.get(file.path) == file}) if batch else Batch()
            )
            for file in kept.files:
                del unknown[file.path]
            if kept is not batch and not self.looks_only:
                remove(path)
                self.keep(kept)
            batches.append(kept)
        return batches

    def _read(self, path: Path) -> Batch | None:
        """Return a batch, None where it is of other terms or damaged."""
        text = path.read_bytes()
        if path.name != self._name(text):
            return None
        return unpack_batch(text)

    def keep(self, batch: Batch, text: bytes | None = None) -> None:
        """Write a batch, without the files that the system would not let be read: the next time it may."""
        lasting = batch.only({file.path for file, slices in batch.pairs() if not _was_unread(slices)})
        if self.looks_only or not lasting.files:
            return
        if text is None or lasting is not batch:
            text = pack_batch(lasting)
        make_folder(self.folder, OWNER_ONLY)
        write_bytes(self.folder / self._name(text), text, private=True)

    def _name(self, text: bytes) -> str:
        return f"{self.stamp}-{hashlib.blake2b(text, digest_size=DIGEST_BYTES).hexdigest()}.json"


def _was_unread(slices: Sequence[SliceHeader]) -> bool:
    return any(header.refusal and header.refusal[0].stage is Stage.ACCESS for header in slices)
