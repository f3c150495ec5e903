"""The headers of a tar archive, one after another (POSIX.1-2001 pax, GNU); what they say is checked."""

import re
from collections.abc import Iterator
from tarfile import (
    BLOCKSIZE,
    CONTTYPE,
    DIRTYPE,
    GNUTYPE_LONGLINK,
    GNUTYPE_LONGNAME,
    GNUTYPE_SPARSE,
    LNKTYPE,
    REGULAR_TYPES,
    SYMTYPE,
    XGLTYPE,
    XHDTYPE,
    HeaderError,
    TarInfo,
)
from typing import NamedTuple, Protocol

from pipeline.sources.files import SourceError, refuse_damaged
from pipeline.vocabulary import Reason

_ZEROS = bytes(BLOCKSIZE)
_MOST_IN_HEADERS = 1 << 20
"""What a long name or a pax header may take: names are at most some thousand bytes."""
_SOLARIS_PAX = b"X"
_GNU_VOLUME, _GNU_REST, _GNU_FOLDER = b"V", b"M", b"D"
_NO_FILES = frozenset({DIRTYPE, _GNU_VOLUME, _GNU_FOLDER})
_SPECIAL = frozenset({b"3", b"4", b"6"})
_PAX_RECORD = re.compile(rb"(\d{1,7}) ([^=]+)=")


class TarEntry(NamedTuple):
    """A member; ``offset`` is where its content begins, ``crc`` None where that was not read.

    ``link`` is the name of the member that a hard link means.  ``refused`` says what it is instead of a file.
    """

    name: str
    size: int
    offset: int
    crc: int | None = None
    link: str = ""
    refused: str = ""


class Forward(Protocol):
    """A tar that is read from front to back."""

    at: int

    def take(self, n: int) -> bytes:
        """Return the next ``n`` bytes, fewer where it ends."""

    def skip(self, n: int) -> tuple[int, int | None]:
        """Pass ``n`` bytes; return how many there were, and their CRC where they were read."""


def read_entries(tar: Forward) -> Iterator[TarEntry]:
    """Yield each member as its header comes by; raises SourceError where the archive is damaged or cut."""
    changes: dict[bytes, bytes] = {}
    while (block := tar.take(BLOCKSIZE)) != _ZEROS:
        if len(block) < BLOCKSIZE:
            refuse_damaged("it is cut")
        member = _parse(block)
        if member.type in {GNUTYPE_LONGNAME, GNUTYPE_LONGLINK}:
            key = b"path" if member.type == GNUTYPE_LONGNAME else b"linkpath"
            changes[key] = _take_text(tar, member.size).partition(b"\0")[0]
        elif member.type in {XHDTYPE, _SOLARIS_PAX}:
            changes |= _parse_pax(_take_text(tar, member.size))
        elif member.type == XGLTYPE:
            _take_text(tar, member.size)
        else:
            entry = _read_member(tar, member, changes)
            changes = {}
            if entry:
                yield entry


def is_header(block: bytes) -> bool:
    """Report whether a block is the header of a member."""
    try:
        TarInfo.frombuf(block, "utf-8", "surrogateescape")
    except HeaderError:
        return False
    return True


def _parse(block: bytes) -> TarInfo:
    try:
        member = TarInfo.frombuf(block, "utf-8", "surrogateescape")
    except HeaderError:
        refuse_damaged("something in it is no header")
    if member.size < 0:
        refuse_damaged("a member has no size")
    return member


def _read_member(tar: Forward, member: TarInfo, changes: dict[bytes, bytes]) -> TarEntry | None:
    """Return a member whose content is passed, None for a folder and the like."""
    name = _decode(changes[b"path"]) if b"path" in changes else member.name
    size = _size(member, changes)
    begin, crc = tar.at, None
    if member.type in REGULAR_TYPES or member.type not in _WITHOUT_CONTENT:
        n_passed, crc = tar.skip(size)
        if n_passed < size or tar.skip(-size % BLOCKSIZE)[0] < -size % BLOCKSIZE:
            refuse_damaged("it is cut within a member")
    if member.type in _NO_FILES or (member.type in REGULAR_TYPES and name.endswith("/")):
        return None
    link = _decode(changes[b"linkpath"]) if b"linkpath" in changes else member.linkname
    if member.type == LNKTYPE:
        return TarEntry(name, 0, begin, link=link)
    return TarEntry(name, size, begin, crc, refused=_describe_kind(member, changes))


_WITHOUT_CONTENT = frozenset({LNKTYPE, SYMTYPE, DIRTYPE, *_SPECIAL})


def _size(member: TarInfo, changes: dict[bytes, bytes]) -> int:
    raw = changes.get(b"size")
    if raw is None:
        return member.size
    if not raw.isdigit() or len(raw) > 18:
        refuse_damaged("a member has no size")
    return int(raw)


def _describe_kind(member: TarInfo, changes: dict[bytes, bytes]) -> str:
    """Return what a member is that cannot be read as a file; empty for one that can."""
    if member.type == SYMTYPE:
        return "a link in an archive, which is not followed"
    if member.type == GNUTYPE_SPARSE or any(key.startswith(b"GNU.sparse.") for key in changes):
        return "a sparse member of an archive, which is not read"
    if member.type == _GNU_REST:
        return "the rest of a member whose beginning lies in another archive"
    return "" if member.type in {*REGULAR_TYPES, CONTTYPE} else "not a regular file"


def _take_text(tar: Forward, size: int) -> bytes:
    if size > _MOST_IN_HEADERS:
        raise SourceError(Reason.LIMIT, f"a header in the archive has {size} bytes, allowed are {_MOST_IN_HEADERS}")
    text = tar.take(size + -size % BLOCKSIZE)
    if len(text) < size:
        refuse_damaged("it is cut within a header")
    return text[:size]


def _parse_pax(text: bytes) -> dict[bytes, bytes]:
    """Return the records of a pax header: each is its length, a key and a value."""
    found, at = {}, 0
    while at < len(text) and text[at : at + 1] != b"\0":
        match = _PAX_RECORD.match(text, at)
        n_bytes = int(match[1]) if match else 0
        if match is None or at + n_bytes > len(text) or match.end() > at + n_bytes - 1:
            refuse_damaged("a pax header cannot be read")
        found[match[2]] = text[match.end() : at + n_bytes - 1]
        at += n_bytes
    return found


def _decode(raw: bytes) -> str:
    return raw.decode("utf-8", "surrogateescape")
