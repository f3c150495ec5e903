"""Objects of a bucket as files under a root, and as containers: listed, and read where they lie by ranges."""

import hashlib
import threading
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import lru_cache

from pipeline.errors import CtprepError, UsageError
from pipeline.sources.address import Address
from pipeline.sources.bucket import Bucket, BucketObject
from pipeline.sources.files import (
    BUCKET_URL,
    CHANGED,
    OBJECT,
    REQUESTS_AT_ONCE,
    FileExtent,
    FoundFile,
    SourceError,
    State,
)
from pipeline.vocabulary import Reason

HEAD_BYTES = 1 << 16
"""What is asked for at least: most headers end there."""
NS = 10**9


class LostBucketError(CtprepError):
    """A bucket refuses an input, or cannot be reached."""


def require_any(addresses: Sequence[Address]) -> list[Address]:
    """Return the addresses at which nothing lies; raises UsageError where a bucket cannot be read."""

    def is_empty(address: Address) -> bool:
        if next(iter(Bucket.open(address, UsageError).objects()), None) is not None:
            return False
        return not address.prefix or _open_bucket(address.bucket, UsageError).find(address.prefix) is None

    with ThreadPoolExecutor(REQUESTS_AT_ONCE) as pool:
        empty = list(pool.map(is_empty, addresses))
    return [address for address, is_missing in zip(addresses, empty, strict=True) if is_missing]


def find_objects(address: Address) -> Iterator[FoundFile]:
    """Yield the objects under a root, or the one of that name, as files; what only marks a folder is none.

    Raises UsageError where the bucket cannot be read.
    """
    bucket = Bucket.open(address, UsageError)
    n_found = 0
    for found in bucket.objects():
        n_found += 1
        if found.size or bucket.find(found.name):
            yield _of_object(f"{address}/{found.name}", found)
    if not n_found and address.prefix:
        whole = _open_bucket(address.bucket, UsageError).find(address.prefix)
        if whole:
            yield _of_object(str(address), whole)


def _of_object(path: str, found: BucketObject) -> FoundFile:
    state = _state_of(found)
    extent = FileExtent(path, *state, OBJECT, 0, found.size)
    return FoundFile(path, found.size, state[1], checksum=f"etag {found.etag}", extent=extent)


def _state_of(found: BucketObject) -> State:
    digest = int.from_bytes(hashlib.blake2b(found.etag.encode(), digest_size=7).digest())
    return found.size, int(found.modified.timestamp()) * NS, digest


@lru_cache(maxsize=64)
def _open_bucket(name: str, refusal: type[CtprepError]) -> Bucket:
    return Bucket.open(Address(name, ""), refusal)


def _split(path: str) -> tuple[Bucket, str]:
    bucket, _, name = path.removeprefix(BUCKET_URL).partition("/")
    return _open_bucket(bucket, LostBucketError), name


def read_state(path: str) -> State:
    """Return what an object is now; raises FileNotFoundError where it is gone, ConnectionError where nobody answers."""
    with _reached():
        bucket, name = _split(path)
        found = bucket.find(name)
    if found is None:
        raise FileNotFoundError
    return _state_of(found)


def _read_part(path: str, offset: int, n: int) -> tuple[bytes, BucketObject]:
    with _reached():
        bucket, name = _split(path)
        part = bucket.read_part(name, offset, n)
    if part is None:
        raise FileNotFoundError
    return part


@contextmanager
def _reached() -> Iterator[None]:
    try:
        yield
    except CtprepError as error:
        raise ConnectionError(str(error)) from error


class _Heads(threading.local):
    """The beginnings of files that were announced in this thread, by object and offset."""

    def __init__(self) -> None:
        self.by_place: dict[tuple[str, int], bytes] = {}


_heads = _Heads()


class ObjectSpan:
    """An object, read by ranges; raises SourceError where it is not the one that was listed."""

    def __init__(self, path: str, state: State) -> None:
        self._path, self._state = path, state
        self._begin, self._block = 0, b""
        self.size = state[0]

    def read(self, offset: int, n: int) -> bytes:
        """Return ``n`` bytes, fewer where it ends; at least a head is asked for, and remembered."""
        n = max(0, min(n, self.size - offset))
        if not self._begin <= offset <= offset + n <= self._begin + len(self._block):
            self._begin = offset
            self._block = _heads.by_place.get((self._path, offset), b"")
            if len(self._block) < n:
                self._block = self._fetch(offset, min(max(n, HEAD_BYTES), self.size - offset))
        return self._block[offset - self._begin :][:n]

    def _fetch(self, offset: int, n: int) -> bytes:
        if n <= 0:
            return b""
        content, found = _read_part(self._path, offset, n)
        if _state_of(found) != self._state:
            raise SourceError(Reason.UNSTABLE, CHANGED)
        return content


@contextmanager
def hold_heads(extents: Iterable[FileExtent]) -> Iterator[None]:
    """Fetch the beginnings of files, several at a time, and hold them in this thread until the block ends.

    What cannot be fetched is asked for again where it is opened, and refused there.
    """

    def fetch(extent: FileExtent) -> tuple[tuple[str, int], bytes]:
        try:
            content = ObjectSpan(extent.container, extent[1:4]).read(extent.offset, HEAD_BYTES)
        except OSError:
            content = b""
        return (extent.container, extent.offset), content

    with ThreadPoolExecutor(REQUESTS_AT_ONCE) as pool:
        _heads.by_place = dict(pool.map(fetch, extents))
    try:
        yield
    finally:
        _heads.by_place = {}
