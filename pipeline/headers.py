"""Every header under the roots, each file opened once: unchanged files come from a cache, many others from workers."""

import hashlib
import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path

from pipeline import __version__
from pipeline.census import Census
from pipeline.dicom.files.find import FoundFile
from pipeline.dicom.headers.batch import Batch, Terms, read_batch
from pipeline.dicom.headers.batch_text import from_text, to_text
from pipeline.dicom.headers.slice import SliceHeader
from pipeline.durable import write_bytes
from pipeline.engine import ClusterOptions, Lost, open_children
from pipeline.vocabulary import Reason

FORMAT = 1
"""Counts up when a batch is written otherwise, or a header read otherwise."""
BATCH_FILES = 256
MANY_FILES = 4000
"""Below it one process is done before workers have started."""
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
    """How headers are read: on which cluster, and where batches are kept for the next time, if anywhere."""

    cluster: ClusterOptions = field(default_factory=ClusterOptions)
    cache: Path | None = None

    def headers_of(self, found: Iterable[FoundFile], terms: Terms) -> Headers:
        """Read the headers of these files; those that the cache knows, by path, size and time, are not opened."""
        files = list(found)
        known = _Cache(self.cache, _stamp(terms)).batches_of(files) if self.cache else []
        seen = {file.path for batch in known for file in batch.files}
        fresh = [file for file in files if file.path not in seen]
        batches = [*known, *self._read(fresh, terms)]
        return _together(files, batches)

    def _read(self, files: Sequence[FoundFile], terms: Terms) -> Iterator[Batch]:
        """Yield batches as they are read; each is in the cache before it is yielded."""
        jobs = [(part, terms) for part in _parts(files)]
        is_small = len(files) < MANY_FILES or self.cluster.kind == "serial"
        texts = map(read_job, jobs) if is_small else self._read_by_workers(jobs)
        cache = _Cache(self.cache, _stamp(terms)) if self.cache else None
        for text in texts:
            batch = from_text(text)
            if cache:
                cache.keep(batch, text)
            yield batch

    def _read_by_workers(self, jobs: Sequence[Job]) -> Iterator[bytes]:
        """Yield what workers read; a batch that breaks its worker is read here, as few files are."""
        with open_children(self.cluster, jobs[0][1].limits, len(jobs)) as engine:
            for job, text in engine.run(read_job, jobs):
                yield read_job(job) if isinstance(text, Lost) else text


def read_job(job: Job) -> bytes:
    """Read a batch, as text: the same text travels between processes and lies in the cache."""
    return to_text(read_batch(*job))


def _parts(files: Iterable[FoundFile]) -> Iterator[tuple[FoundFile, ...]]:
    remaining = iter(files)
    while part := tuple(islice(remaining, BATCH_FILES)):
        yield part


def _together(files: Sequence[FoundFile], batches: Iterable[Batch]) -> Headers:
    slices: dict[str, tuple[SliceHeader, ...]] = {}
    census = Census()
    for batch in batches:
        census.count(batch.pool, batch.observed())
        slices.update((file.path, read) for file, read in batch.pairs())
    return Headers(tuple(one for file in files for one in slices[file.path]), census.settled())


def _stamp(terms: Terms) -> str:
    """Return what decides whether a cached batch may be used at all."""
    told = (FORMAT, __version__, repr(terms.limits), sorted(terms.wanted))
    return hashlib.blake2b(json.dumps(told).encode(), digest_size=DIGEST_BYTES).hexdigest()


@dataclass(frozen=True)
class _Cache:
    """A folder of batches as text, each named by what it was read by and by its own digest."""

    folder: Path
    stamp: str

    def batches_of(self, files: Iterable[FoundFile]) -> list[Batch]:
        """Return what is known of these files, and forget all else: other terms, changed and vanished files."""
        unknown = {file.path: file for file in files}
        batches = []
        for path in sorted(self.folder.glob("*-*.json")) if self.folder.is_dir() else ():
            batch = self._read(path)
            kept = (
                batch.only({file.path for file in batch.files if unknown.get(file.path) == file}) if batch else Batch()
            )
            for file in kept.files:
                del unknown[file.path]
            if kept is not batch:
                path.unlink(missing_ok=True)
                self.keep(kept)
            batches.append(kept)
        return batches

    def _read(self, path: Path) -> Batch | None:
        """Return a batch, None where it is of other terms or damaged."""
        text = path.read_bytes()
        if path.name != self._name(text):
            return None
        return from_text(text)

    def keep(self, batch: Batch, text: bytes | None = None) -> None:
        """Write a batch, without the files that the system would not let be read: the next time it may."""
        lasting = batch.only({file.path for file, slices in batch.pairs() if not _was_unread(slices)})
        if not lasting.files:
            return
        if text is None or lasting is not batch:
            text = to_text(lasting)
        self.folder.mkdir(mode=OWNER_ONLY, exist_ok=True)
        write_bytes(self.folder / self._name(text), text, private=True)

    def _name(self, text: bytes) -> str:
        return f"{self.stamp}-{hashlib.blake2b(text, digest_size=DIGEST_BYTES).hexdigest()}.json"


def _was_unread(slices: Sequence[SliceHeader]) -> bool:
    return any(header.refusal and header.refusal[0].order <= Reason.UNSTABLE.order for header in slices)
