"""An output in a bucket: its tables are fetched, its stores are read where they lie."""

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

from pipeline.audit.verify import Mismatch, StoreComparison, StoreState, StoreToCheck, check_database, verify
from pipeline.errors import LockedError, OutputError, UsageError
from pipeline.output.layout import OutputFolder
from pipeline.output.manifest import read_records
from pipeline.output.state import OutputState
from pipeline.sources.address import Address, parse_address, resolve_file_url
from pipeline.sources.bucket import Bucket
from pipeline.sources.bucket_output import DATABASE, OutputCopy
from pipeline.sources.bucket_stores import VOLUMES, hash_of_store, sizes_of_store
from pipeline.sources.lease import is_leased

MANIFEST = "manifest.parquet"

TABLES = frozenset({MANIFEST, "private/manifest.parquet", "run.json", DATABASE})
"""What is fetched; everything else stays where it is."""

THREADS = 8


@contextmanager
def open_tables(folder: str) -> Iterator[OutputFolder]:
    """Yield an output to read the manifest and the last run's summary of, wherever it lies.

    Raises UsageError where a bucket holds no output, OutputError where it cannot be reached.
    """
    address = parse_address(resolve_file_url(folder))
    if address is None:
        yield OutputFolder(Path(resolve_file_url(folder)))
        return
    with _tables(Bucket.open(address, OutputError)) as (output, _):
        if not output.manifest.exists():
            raise _no_output(address)
        yield output


def verify_anywhere(folder: str, *, fast: bool = False) -> list[Mismatch]:
    """Return what differs between an output's stores and its manifest, wherever it lies; raises as `verify` does.

    In a bucket, names and sizes are listed; without ``fast`` every byte is read too.
    """
    address = parse_address(resolve_file_url(folder))
    if address is None:
        return verify(OutputFolder(Path(resolve_file_url(folder))), fast=fast)
    bucket = Bucket.open(address, OutputError)
    before = _stamp_unless_running(bucket)
    with _tables(bucket) as (output, begun):
        if not output.manifest.exists():
            raise _no_output(address)
        with OutputState.read(output) as state:
            check_database(state, fast=fast)
            found = list(_RemoteComparison(bucket, output, state, begun).mismatches(fast=fast))
    if found and _stamp_unless_running(bucket) != before:
        msg = "a run published while the stores were read: verify again"
        raise LockedError(msg)
    return sorted(found, key=lambda mismatch: (mismatch.series_key, mismatch.kind))


class _RemoteComparison(StoreComparison):
    """The same comparison, of stores in a bucket."""

    def __init__(self, bucket: Bucket, output: OutputFolder, state: OutputState, begun: set[str]) -> None:
        super().__init__(output, read_records(output), state)
        self._bucket = bucket
        self._begun = {output.store(key).name for key in begun}

    def _names(self) -> set[str]:
        """Return what lies in ``volumes/``, without what a killed run had only begun and no row names."""
        files, folders = self._bucket.top(VOLUMES)
        names = {Path(name).name for name in (*folders, *(found.name for found in files))}
        return names - (self._begun - {self._output.store(key).name for key in self._rows})

    def _read_stores(self, stores: Sequence[StoreToCheck]) -> list[StoreState]:
        with ThreadPoolExecutor(THREADS) as pool:
            return list(pool.map(self._read_store, stores))

    def _read_store(self, job: StoreToCheck) -> StoreState:
        name = f"{VOLUMES}/{job.folder.name}"
        n_bytes = sum(sizes_of_store(self._bucket, name).values())
        return StoreState(n_bytes, None if job.fast else hash_of_store(self._bucket, name))


@contextmanager
def _tables(bucket: Bucket) -> Iterator[tuple[OutputFolder, set[str]]]:
    """Yield a folder that holds the tables of an output, and the keys of the series whose stores were only begun."""
    with TemporaryDirectory() as folder:
        output = OutputFolder(Path(folder, "copy"))
        yield output, OutputCopy(bucket, output, Path(folder, "known.json")).fetch(TABLES, mends=False)


def _stamp_unless_running(bucket: Bucket) -> str | None:
    """Return what changes when a manifest is published; raise LockedError while a run is at work."""
    if is_leased(bucket):
        msg = "a run is at work on this output: verify when it has ended"
        raise LockedError(msg)
    return next((found.etag for found in bucket.top()[0] if found.name == MANIFEST), None)


def _no_output(address: Address) -> UsageError:
    return UsageError(f"{address} holds no manifest.parquet: it is no output of `ctprep run`")
