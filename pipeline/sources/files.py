"""A file under an input root, wherever it lies: what was found, and how it is opened for reading at an offset.

A file of a folder is opened as it is.  What lies in an archive or a bucket is opened by rooms that only such inputs
import.
"""

import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, BinaryIO, NamedTuple, NoReturn

from pipeline.vocabulary import Reason, Refusal

INSIDE = "!"
"""What the path of an archive ends with where it stands as a folder: ``exam/ct.zip!/series3/IM0001``."""
BUCKET_URL = "s3://"
REQUESTS_AT_ONCE = 16
"""To one bucket: files are small, and most of the time is spent waiting."""

PLAIN, ZIP_STORED, ZIP_DEFLATED, GZIP, BZIP2, XZ, ZSTD, OBJECT = range(8)
"""How the bytes of a file lie in its container.

PLAIN: as they are.  ZIP_STORED and ZIP_DEFLATED: behind a local header of a zip.  GZIP to ZSTD: in a tar that is
compressed as a whole, where offsets count in what comes out.  OBJECT: the file is an object of a bucket.
"""
CRC_DIGITS = 8
IN_PLACE = frozenset({PLAIN, ZIP_STORED})
WHOLE = frozenset({GZIP, BZIP2, XZ, ZSTD})


ARCHIVE_SUFFIXES = (".zip", ".tar", ".tar.gz", ".tgz", ".tar.bz2", ".tbz2", ".tar.xz", ".txz", ".tar.zst", ".tzst")


def is_archive_name(path: str) -> bool:
    """Report whether a file is an archive by its name."""
    return path.lower().endswith(ARCHIVE_SUFFIXES)


LIST_SUFFIXES = (".csv", ".parquet", ".s5cmd", ".txt")


def is_list_name(root: str) -> bool:
    """Report whether a root is a list of places by its name."""
    return root.lower().endswith(LIST_SUFFIXES) and not root.startswith(BUCKET_URL)


def strip_archive_suffix(name: str) -> str:
    """Return the name of an archive without what says that it is one."""
    longest = max((suffix for suffix in ARCHIVE_SUFFIXES if name.lower().endswith(suffix)), key=len, default="")
    return name[: len(name) - len(longest)]


State = tuple[int, int, int]
"""A container's size and times in nanoseconds; in a bucket its size, its time, and its etag as a number."""


class FileExtent(NamedTuple):
    """Where the bytes of a file lie: in a container, a file of this machine that was of this size and these times.

    ``packed`` bytes at ``offset``, by the ``packing``.  ``within`` says where an archive lies that itself is a member:
    its packing, offset, bytes there, size and CRC; then the offset counts in what comes out of it.
    """

    container: str
    size: int
    mtime_ns: int
    ctime_ns: int
    packing: int
    offset: int
    packed: int
    within: tuple[int, ...] = ()

    def pack(self) -> list[Any]:
        """Return plain numbers; the container is the beginning of the path."""
        return [len(self.container), *self[1:]]

    @classmethod
    def unpack(cls, path: str, packed: list[Any]) -> "FileExtent":
        """Return what was packed for the file at a path."""
        n_container, size, mtime_ns, ctime_ns, packing, offset, n_packed, within = packed
        times = size, mtime_ns, ctime_ns
        return cls(path[:n_container], *times, packing, offset, n_packed, tuple(within))

    @property
    def is_remote(self) -> bool:
        """True for what lies in a bucket."""
        return self.container.startswith(BUCKET_URL)

    def is_of(self, status: os.stat_result) -> bool:
        """Report whether the container is as it was."""
        times = status.st_size, status.st_mtime_ns, status.st_ctime_ns
        return times == (self.size, self.mtime_ns, self.ctime_ns)


class SourceError(OSError):
    """A file cannot be read from its source, for a reason of the vocabulary."""

    def __init__(self, reason: Reason, detail: str) -> None:
        super().__init__(f"{reason}: {detail}")
        self.reason = reason
        self.detail = detail


def refuse_damaged(detail: str) -> NoReturn:
    """Raise that an archive is damaged."""
    raise SourceError(Reason.CORRUPT, f"the archive is damaged: {detail}")


CHANGED = "a file changed between scan and reading"


@dataclass(frozen=True, slots=True)
class FoundFile:
    """A file under a root, or something that cannot be read as one: then ``refusal`` is the reason.

    ``ctime_ns`` and ``inode`` change where a copy keeps size and modification time.  ``looked_ns`` is 0, or the time
    of this look where the file's times are so fresh that a later change may leave the same ones.  Where its source has
    a ``checksum`` (the CRC of an archive, the ETag of a bucket), that distinguishes its contents, and times are 0.
    ``extent`` is where it lies, None for a file of a folder.
    """

    path: str
    size: int
    mtime_ns: int
    refusal: Refusal | None = None
    ctime_ns: int = 0
    inode: int = 0
    looked_ns: int = 0
    checksum: str = ""
    extent: FileExtent | None = None

    @classmethod
    def of(cls, path: str, status: os.stat_result, refusal: Refusal | None = None, looked_ns: int = 0) -> "FoundFile":
        """Return the file of which the system says this."""
        return cls(path, status.st_size, status.st_mtime_ns, refusal, status.st_ctime_ns, status.st_ino, looked_ns)

    @property
    def state(self) -> tuple[int | str, ...]:
        """What tells whether the file changed: two looks that find the same found the same bytes."""
        own = self.size, self.mtime_ns, self.ctime_ns, self.inode, self.looked_ns
        return (*own, self.checksum) if self.checksum else own

    def pack(self) -> list[Any]:
        """Return the file as plain values."""
        own = [self.path, self.refusal, self.size, self.mtime_ns, self.ctime_ns, self.inode, self.looked_ns]
        return [*own, self.checksum, self.extent.pack()] if self.extent else own

    @classmethod
    def unpack(cls, packed: list[Any]) -> "FoundFile":
        """Return the file that was packed."""
        path, refused, size, mtime_ns, ctime_ns, inode, looked_ns, *others = packed
        refusal: Refusal | None = (Reason[refused[0]], refused[1]) if refused else None
        if not others:
            return cls(path, size, mtime_ns, refusal, ctime_ns, inode, looked_ns)
        checksum, extent = others
        return cls(path, size, mtime_ns, refusal, ctime_ns, inode, looked_ns, checksum, FileExtent.unpack(path, extent))

    def is_of(self, status: os.stat_result) -> bool:
        """Report whether the system still says what it said; some number files anew within minutes, so not by inode."""
        if self.extent:
            return self.extent.is_of(status)
        times = status.st_mtime_ns, status.st_ctime_ns
        return (status.st_size, *times) == (self.size, self.mtime_ns, self.ctime_ns)

    @property
    def crc(self) -> int | None:
        """The CRC-32 of the file's bytes, None where its archive has none."""
        is_crc = len(self.checksum) == CRC_DIGITS and " " not in self.checksum
        return int(self.checksum, 16) if is_crc else None

    @property
    def order(self) -> int:
        """Where the file lies among those of its folder, as far as that is known."""
        return self.extent.offset if self.extent else self.inode

    @property
    def folder(self) -> str:
        """The folder that the file lies in."""
        return os.path.dirname(self.path)  # noqa: PTH120  a str path, as everywhere in this room


def open_stream(found: FoundFile) -> BinaryIO:
    """Return the bytes of a file, from the first; raises OSError where the system refuses."""
    if found.extent is None:
        return open(found.path, "rb")  # noqa: PTH123  a str path, as it came from the walk; the caller closes it
    from pipeline.sources.members import open_member  # noqa: PLC0415  a run over folders needs no archives

    return open_member(found)


@contextmanager
def open_unchanged(found: FoundFile) -> Iterator[tuple[int, int]]:
    """Yield a descriptor, and where in it the file begins; it is checked before and after that it is the one found.

    Raises SourceError with UNSTABLE where it is not, OSError where the system refuses.
    """
    if found.extent is not None and (found.extent.packing != PLAIN or found.extent.within):
        from pipeline.sources.members import open_member_unchanged  # noqa: PLC0415  as above

        with open_member_unchanged(found) as opened:
            yield opened
        return
    path, offset = (found.path, 0) if found.extent is None else (found.extent.container, found.extent.offset)
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK)  # a pipe in its place must not make it wait
    try:
        _check_unchanged(found, descriptor)
        yield descriptor, offset
        _check_unchanged(found, descriptor)
    finally:
        os.close(descriptor)


def _check_unchanged(found: FoundFile, descriptor: int) -> None:
    if not found.is_of(os.fstat(descriptor)):
        raise SourceError(Reason.UNSTABLE, CHANGED)


@contextmanager
def expect_files(files: Iterable[FoundFile]) -> Iterator[None]:
    """Announce files whose beginnings will be read in this block, so that those in buckets are fetched together."""
    extents = [file.extent for file in files if file.extent and file.extent.is_remote and not file.extent.within]
    wanted = [extent for extent in extents if extent.packing not in WHOLE]
    if not wanted:
        yield
        return
    from pipeline.sources.objects import hold_heads  # noqa: PLC0415  as above

    with hold_heads(wanted):
        yield


@contextmanager
def open_at_hand(place: str) -> Iterator[str]:
    """Yield the path of a file of this machine that holds what lies at a place: the file itself, or a private copy.

    Raises OSError where there is none.
    """
    if INSIDE + "/" not in place and not place.startswith(BUCKET_URL):
        yield place
        return
    from pipeline.sources.members import copy_of_place  # noqa: PLC0415  as above

    with copy_of_place(place) as path:
        yield path


def find_common_folder(folders: set[str]) -> str:
    """Return the deepest folder that holds all of these, empty where they lie in different sources."""
    first, *others = sorted(folders)
    parts = first.split("/")
    for other in others:
        n_alike = 0
        for one, another in zip(parts, other.split("/"), strict=False):
            if one != another:
                break
            n_alike += 1
        parts = parts[:n_alike]
    return "/".join(parts) or ("/" if first.startswith("/") else "")
