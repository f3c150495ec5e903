"""One folder of a bucket, object by object.  The only module that knows obstore.

Credentials, region and endpoint come from the standard environment variables (``AWS_ACCESS_KEY_ID``, ``AWS_REGION``,
``AWS_ENDPOINT_URL`` and the rest), never from a configuration.  No message names an object: under an input root its
name may be a patient's.
"""

import os
import re
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import numpy as np
from numpy.typing import NDArray

from pipeline.errors import CtprepError, UsageError
from pipeline.sources.address import Address

if TYPE_CHECKING:
    from obstore.store import S3Store

MOST_RETRIES = 6
"""Each waits longer than the one before: a server that is gone is given up after some ten seconds."""

GIVE_UP_AFTER = timedelta(seconds=120)
CONNECT_WITHIN = timedelta(seconds=10)

LOOPBACK = ("127.0.0.1", "::1", "localhost")


@dataclass(frozen=True)
class BucketObject:
    """One object, by its name below the folder; ``etag`` changes with its bytes."""

    name: str
    size: int
    etag: str
    modified: datetime


@dataclass(frozen=True, eq=False)
class Bucket:
    """A folder of a bucket; what the server refuses is raised as ``refusal``, with a message for a person."""

    address: Address
    refusal: type[CtprepError]
    store: "S3Store"

    @classmethod
    def open(cls, address: Address, refusal: type[CtprepError]) -> "Bucket":
        """Return the folder, whether it is there or not; raises UsageError where obstore is not installed."""
        try:
            from obstore.store import S3Store  # noqa: PLC0415  an extra: only who names a bucket needs it
        except ImportError as error:
            msg = f"{address}: a bucket needs the package obstore: install ctprep[s3]"
            raise UsageError(msg) from error
        return cls(
            address,
            refusal,
            S3Store(
                address.bucket,
                prefix=address.prefix or None,
                client_options={"connect_timeout": CONNECT_WITHIN, "allow_http": _may_be_plain()},
                retry_config={"max_retries": MOST_RETRIES, "retry_timeout": GIVE_UP_AFTER},
            ),
        )

    def objects(self, folder: str = "") -> Iterator[BucketObject]:
        """Yield every object below a folder of this one, at any depth."""
        with self._refused():
            for part in self.store.list(prefix=folder or None):
                yield from map(_found, part)

    def top(self, folder: str = "") -> tuple[list[BucketObject], list[str]]:
        """Return the objects that lie in a folder itself, and the folders in it."""
        with self._refused():
            listed = self.store.list_with_delimiter(prefix=folder or None)
            return [_found(one) for one in listed["objects"]], list(listed["common_prefixes"])

    def read(self, name: str) -> tuple[bytes, BucketObject] | None:
        """Return an object's bytes and what it is, None where there is none."""
        with self._refused():
            try:
                got = self.store.get(name)
            except FileNotFoundError:
                return None
            return bytes(got.bytes()), _found(got.meta)

    def find(self, name: str) -> BucketObject | None:
        """Return what an object is, None where there is none."""
        with self._refused():
            try:
                return _found(self.store.head(name))
            except FileNotFoundError:
                return None

    def read_part(self, name: str, begin: int, n: int) -> tuple[bytes, BucketObject] | None:
        """Return some of an object's bytes and what it is, None where there is none."""
        with self._refused():
            try:
                got = self.store.get(name, options={"range": (begin, begin + n)})
            except FileNotFoundError:
                return None
            return bytes(got.bytes()), _found(got.meta)

    def read_end(self, name: str, n_bytes: int) -> bytes | None:
        """Return the last bytes of an object, None where there is none."""
        with self._refused():
            try:
                return bytes(self.store.get(name, options={"range": {"suffix": n_bytes}}).bytes())
            except FileNotFoundError:
                return None

    def read_spans(self, name: str, spans: Sequence[tuple[int, int]]) -> list[bytearray]:
        """Return the bytes between places of an object, several at a time."""
        from obstore import get_ranges  # noqa: PLC0415  as above

        with self._refused():
            starts, ends = [begin for begin, _ in spans], [end for _, end in spans]
            return [bytearray(part) for part in get_ranges(self.store, name, starts=starts, ends=ends)]

    def blocks(self, name: str) -> Iterator[bytes]:
        """Yield an object's bytes, a few megabytes at a time."""
        with self._refused():
            yield from map(bytes, self.store.get(name).stream())

    def fetch(self, name: str, path: Path) -> BucketObject | None:
        """Write an object into a file and return what it is, None where there is none."""
        with self._refused():
            try:
                got = self.store.get(name)
            except FileNotFoundError:
                return None
            with path.open("wb") as file:
                for block in got.stream():
                    file.write(block)
            return _found(got.meta)

    def put(self, name: str, content: bytes | Path) -> str:
        """Write a whole object, in place of the one of that name, and return its etag."""
        with self._refused():
            return _etag(self.store.put(name, content))

    def create(self, name: str, content: bytes) -> str | None:
        """Write an object where there is none and return its etag, None where there is one."""
        from obstore.exceptions import AlreadyExistsError  # noqa: PLC0415  as above

        with self._refused():
            try:
                return _etag(self.store.put(name, content, mode="create"))
            except AlreadyExistsError:
                return None

    def update(self, name: str, content: bytes, etag: str, *, quoted: bool = True) -> str | None:
        """Write an object in place of the one with this etag and return its own, None where the server refuses.

        It is another by now, or the server wants the etag in the other spelling: Ceph before 2025 without quotes.
        """
        from obstore.exceptions import PreconditionError  # noqa: PLC0415  as above

        with self._refused():
            try:
                return _etag(self.store.put(name, content, mode={"e_tag": f'"{etag}"' if quoted else etag}))
            except (FileNotFoundError, PreconditionError):
                return None

    def remove(self, names: Iterable[str]) -> None:
        """Remove objects; what is not there is no error."""
        if wanted := list(names):
            with self._refused():
                self.store.delete(wanted)

    @contextmanager
    def _refused(self) -> Iterator[None]:
        from obstore.exceptions import BaseError  # noqa: PLC0415  as above

        try:
            yield
        except (BaseError, OSError) as error:
            msg = f"{self.address}: {_in_words(error)}"
            raise self.refusal(msg) from error


@dataclass(frozen=True, eq=False)
class ObjectFiles:
    """The files of one folder of a bucket, for who reads parts of them."""

    bucket: Bucket
    folder: str

    def read(self, name: str) -> bytes:
        """Return a whole file; raises FileNotFoundError where there is none."""
        found = self.bucket.read(f"{self.folder}/{name}")
        return _require(found and found[0])

    def read_end(self, name: str, n_bytes: int) -> bytes:
        """Return the last bytes of a file; raises FileNotFoundError where there is none."""
        return _require(self.bucket.read_end(f"{self.folder}/{name}", n_bytes))

    def read_spans(self, name: str, spans: Sequence[tuple[int, int]]) -> Iterator[NDArray[np.uint8]]:
        """Yield the bytes of each span of a file."""
        for part in self.bucket.read_spans(f"{self.folder}/{name}", spans):
            yield np.frombuffer(part, np.uint8)


def _require(content: bytes | None) -> bytes:
    if content is None:
        msg = "an object of the store is missing"
        raise FileNotFoundError(msg)
    return content


def _may_be_plain() -> bool:
    """Tell whether an endpoint may go unencrypted: one of this machine, any other where AWS_ALLOW_HTTP says so."""
    endpoint = urlsplit(os.environ.get("AWS_ENDPOINT_URL_S3") or os.environ.get("AWS_ENDPOINT_URL", ""))
    return endpoint.hostname in LOOPBACK or os.environ.get("AWS_ALLOW_HTTP", "").lower() == "true"


def _found(meta: Any) -> BucketObject:
    return BucketObject(meta["path"], meta["size"], _etag(meta), meta["last_modified"])


def _etag(meta: Any) -> str:
    return (meta["e_tag"] or "").strip('"')


_MEANINGS = (
    (r"NoSuchBucket", "there is no such bucket"),
    (r"InvalidPath", "an object's name cannot be the name of a file (an empty part, a dot, a control character)"),
    (r"BadScheme", "the endpoint is not encrypted; use https, or set AWS_ALLOW_HTTP=true"),
    (r"PermissionDenied|Unauthenticated|\b40[13] ", "the server denies access; look at the AWS_ variables"),
    (r"error sending request|kind: Connect", "the server cannot be reached, or was lost; look at AWS_ENDPOINT_URL"),
    (r"status code: (?P<status>\d{3} [A-Za-z ]+)", "the server answers {status}"),
)
"""What is found in an error of obstore, and the message for a person: the first that fits."""


def _in_words(error: Exception) -> str:
    text = f"{type(error).__name__}: {error}"
    for pattern, meaning in _MEANINGS:
        if match := re.search(pattern, text):
            return meaning.format(**match.groupdict())
    own = getattr(error, "strerror", None)
    return f"{own or 'the server or the way to it failed'} ({type(error).__name__})"
