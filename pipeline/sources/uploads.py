"""Finished series on their way to a bucket, while others are processed: each store, then its result."""

import shutil
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory

from pipeline.output.layout import OutputFolder
from pipeline.sources.bucket import Bucket
from pipeline.sources.bucket_output import piece_name
from pipeline.sources.bucket_stores import VOLUMES, fetch_store, put_store, store_name
from pipeline.sources.lease import Lease

AT_A_TIME = 4
MOST_WAITING = 8
"""Stores that are finished and still here: it bounds the disk that a run needs."""


@dataclass
class Uploads:
    """The bucket side of an output with a working copy here; without a lease nothing is sent."""

    bucket: Bucket
    output: OutputFolder
    lease: Lease | None = None
    pool: ThreadPoolExecutor = field(default_factory=lambda: ThreadPoolExecutor(AT_A_TIME))
    waiting: dict[str, Future[None]] = field(default_factory=dict)

    @property
    def url(self) -> str:
        """What the output is called."""
        return str(self.bucket.address)

    def send(self, series_key: str, result: bytes) -> None:
        """Take over the result of a series, and its store, if it has one under its final name.

        Waits where many are on their way.  Raises OutputError where one before it was refused, LockedError where
        another run has taken the output.
        """
        self._check()
        self._settle(series_key)
        while len(self.waiting) >= MOST_WAITING:
            self._settle(next(iter(self.waiting)))
        self.waiting[series_key] = self.pool.submit(self._send, series_key, result)

    def settle(self) -> None:
        """Wait until everything has arrived; raises as `send` does."""
        for key in list(self.waiting):
            self._settle(key)
        self._check()

    def list_stored(self) -> set[str]:
        """Return the keys of the series whose stores have arrived."""
        _, folders = self.bucket.top(VOLUMES)
        return {Path(folder).stem for folder in folders}

    @contextmanager
    def at_hand(self, series_key: str) -> Iterator[Path]:
        """Yield a folder that holds a finished store, for as long as the block takes."""
        with TemporaryDirectory(dir=self.output.root.parent) as folder:
            place = Path(folder, "store.zarr")
            if waiting := self.waiting.get(series_key):
                waiting.result()
            fetch_store(self.bucket, store_name(series_key), place)
            yield place

    def _check(self) -> None:
        if self.lease:
            self.lease.check()

    def _settle(self, series_key: str) -> None:
        if series_key in self.waiting:
            self.waiting[series_key].result()
            del self.waiting[series_key]

    def _send(self, series_key: str, result: bytes) -> None:
        """Mark the store as begun, write it, and then say that it is there; so a kill leaves nothing in doubt."""
        piece, store = piece_name(series_key), self.output.store(series_key)
        if store.exists():
            self.bucket.put(piece, b"")
            put_store(self.bucket, store, store_name(series_key))
        self.bucket.put(piece, result)
        shutil.rmtree(store, ignore_errors=True)
