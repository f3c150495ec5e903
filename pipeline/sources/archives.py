"""What an archive holds, as files under a root: each member that can be read, and a reason for each that cannot.

An archive is believed as a whole or not at all: a damaged one is one file with the reason.  A member that cannot be
read, or whose name is none that a file may have, is a file with its own reason.  Nothing is written but private copies
of archives that lie compressed in another.
"""

import hashlib
import os
from collections import defaultdict
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from itertools import pairwise
from tarfile import BLOCKSIZE
from typing import NamedTuple
from urllib.parse import quote

from pipeline.limits import Limits
from pipeline.sources import tars, zips
from pipeline.sources.files import (
    IN_PLACE,
    INSIDE,
    PLAIN,
    WHOLE,
    ZIP_DEFLATED,
    ZIP_STORED,
    FileExtent,
    FoundFile,
    SourceError,
    is_archive_name,
    refuse_damaged,
)
from pipeline.sources.spans import (
    PartOfSpan,
    PlainForward,
    Span,
    Unpacked,
    find_packing,
    open_container,
    unpack_within,
)
from pipeline.vocabulary import Reason, Refusal

MOST_MEMBERS = 1_000_000
LONGEST_NAME = 4096
"""What Linux allows of a path."""
LONGEST_QUOTED = 200
DICOM_MAGIC, USTAR_MAGIC = slice(128, 132), slice(257, 262)

ENCRYPTED = "it is encrypted"
LEADS_OUT = "its name leads out of the archive"
TWICE = "several members of the archive have this name"
TOO_DEEP = "an archive in an archive in an archive is not opened"


class ArchiveMember(NamedTuple):
    """A member as its archive describes it; ``offset`` and ``packed`` say where, ``checksum`` is empty for none."""

    name: str
    size: int
    packing: int
    offset: int
    packed: int
    checksum: str = ""
    refusal: Refusal | None = None
    link: str = ""


def list_archive(found: FoundFile, limits: Limits) -> Iterator[FoundFile]:
    """Yield the files in an archive, or the archive itself: as a file where it is none, or with the reason against it.

    Members come in the order of their folders and names.
    """
    try:
        own = found.extent[1:4] if found.extent else (found.size, found.mtime_ns, found.ctime_ns)
        with open_container(found.path, own) as span:
            files = list(_Archive(found, limits, span).list_files())
    except SourceError as error:
        yield replace(found, refusal=(error.reason, error.detail))
    except OSError as error:
        yield replace(found, refusal=(Reason.UNREADABLE, f"the system refuses the file ({type(error).__name__})"))
    else:
        yield from files


@dataclass(frozen=True)
class _Archive:
    """An archive that is being listed; ``within`` says where it lies where it is a member of another."""

    found: FoundFile
    limits: Limits
    span: Span
    within: tuple[int, ...] = ()

    def list_files(self) -> Iterator[FoundFile]:
        """Yield the archive's files."""
        packing = self._find_kind()
        if packing is None:
            yield self.found
            return
        members = self._read_zip() if packing == ZIP_STORED else self._read_tar(packing)
        files = [self._place(member) for member in _check_names(members)]
        if not files:
            yield replace(self.found, refusal=(Reason.NOT_DICOM, "an archive without any file"))
        for file in sorted(files, key=lambda file: (file.folder, file.path)):
            if file.refusal is None and file.extent and is_archive_name(file.path):
                yield from self._list_inner(file, file.extent)
            else:
                yield file

    def _find_kind(self) -> int | None:
        """Return how the archive is packed: as a zip, a plain or a compressed tar; None where it is no archive."""
        head = self.span.read(0, BLOCKSIZE)
        if head[DICOM_MAGIC] == b"DICM":
            return None
        if head.startswith((b"PK\3\4", b"PK\5\6")) or zips.has_directory(self.span.read, self.span.size):
            return ZIP_STORED
        packing = find_packing(self.span)
        if packing is not None:
            return packing
        is_tar = len(head) == BLOCKSIZE and (not any(head) or tars.is_header(head) or head[USTAR_MAGIC] == b"ustar")
        return PLAIN if is_tar else None

    def _read_zip(self) -> list[ArchiveMember]:
        entries: list[zips.ZipEntry] = []
        for entry in zips.read_entries(self.span.read, self.span.size):
            _require_few(len(entries))
            entries.append(entry)
        places = sorted((entry.offset, entry.offset + zips.LOCAL_BYTES + entry.packed) for entry in entries)
        if any(end > begin for (_, end), (begin, _) in pairwise(places)):
            refuse_damaged("members lie in one another")
        return [_of_zip(entry) for entry in entries if not _is_folder(entry)]

    def _read_tar(self, packing: int) -> list[ArchiveMember]:
        """Return the members of a tar; one that is compressed as a whole is unpacked once for that."""
        tar = PlainForward(self.span) if packing == PLAIN else Unpacked(self.span, packing, self.limits)
        members: list[ArchiveMember] = []
        for entry in tars.read_entries(tar):
            _require_few(len(members))
            checksum = "" if entry.crc is None else f"{entry.crc:08x}"
            refusal = (Reason.UNREADABLE, entry.refused) if entry.refused else None
            where = (entry.size, packing, entry.offset, entry.size)
            members.append(ArchiveMember(entry.name, *where, checksum, refusal, entry.link))
        return members

    def _place(self, member: ArchiveMember) -> FoundFile:
        """Return a member as a file; what has no checksum is distinguished by the times of its archive."""
        own, path = self.found, f"{self.found.path}{INSIDE}/{member.name}"
        outer = own.extent
        container = outer.container if outer else own.path
        status = outer[1:4] if outer else (own.size, own.mtime_ns, own.ctime_ns)
        offset, within = member.offset, self.within
        if within and within[0] == PLAIN and member.packing not in WHOLE:
            offset, within = offset + within[1], ()
        extent = FileExtent(container, *status, member.packing, offset, member.packed, within)
        if member.checksum:
            return FoundFile(path, member.size, 0, member.refusal, checksum=member.checksum, extent=extent)
        times = (own.mtime_ns, member.refusal, own.ctime_ns, member.offset, own.looked_ns)
        checksum = f"of archive {own.checksum}" if own.checksum else ""
        return FoundFile(path, member.size, *times, checksum, extent)

    def _list_inner(self, file: FoundFile, extent: FileExtent) -> Iterator[FoundFile]:
        """Yield the files of an archive that is a member; of one that lies deeper the reason why it is not opened."""
        if self.within:
            yield replace(file, refusal=(Reason.LIMIT, TOO_DEEP))
            return
        try:
            with ExitStack() as stack:
                span, within = self._open_inner(file, extent, stack)
                yield from list(_Archive(file, self.limits, span, within).list_files())
        except SourceError as error:
            yield replace(file, refusal=(error.reason, error.detail))

    def _open_inner(self, file: FoundFile, extent: FileExtent, stack: ExitStack) -> tuple[Span, tuple[int, ...]]:
        """Open a member as an archive: where it lies, or as a private copy of what comes out of it."""
        if extent.packing in IN_PLACE:
            at = extent.offset if extent.packing == PLAIN else zips.find_data(self.span.read, extent.offset)
            return PartOfSpan(self.span, at, file.size), (PLAIN, at, file.size, file.size, 0)
        most = min(self.limits.max_file_mb << 20, self.limits.most_inflated(extent.packed))
        if file.size > most:
            raise SourceError(Reason.LIMIT, f"an archive of {file.size} bytes in an archive, allowed are {most}")
        within = (extent.packing, extent.offset, extent.packed, file.size, file.crc or 0)
        return stack.enter_context(unpack_within(self.span, within)), within


def _of_zip(entry: zips.ZipEntry) -> ArchiveMember:
    """Return a member of a zip, refused where its content cannot be had."""
    packing = ZIP_STORED if entry.method == zips.STORED else ZIP_DEFLATED
    refusal: Refusal | None = None
    if entry.flags & zips.ENCRYPTED or entry.method == zips.AES:
        refusal = Reason.UNREADABLE, ENCRYPTED
    elif entry.is_link:
        refusal = Reason.UNREADABLE, "a link in an archive, which is not followed"
    elif entry.is_special:
        refusal = Reason.UNREADABLE, "not a regular file"
    elif entry.method not in {zips.STORED, zips.DEFLATED}:
        refusal = Reason.UNREADABLE, f"compressed by the method {entry.method}, which is not known"
    elif entry.method == zips.STORED and entry.size != entry.packed:
        refusal = Reason.CORRUPT, "the archive says two sizes of it"
    where = (entry.size, packing, entry.offset, entry.packed)
    return ArchiveMember(entry.name, *where, f"{entry.crc:08x}", refusal)


def _is_folder(entry: zips.ZipEntry) -> bool:
    return entry.name.endswith("/") and not entry.size


def _require_few(n_members: int) -> None:
    if n_members >= MOST_MEMBERS:
        raise SourceError(Reason.LIMIT, f"an archive of more than {MOST_MEMBERS} members")


def _check_names(members: Sequence[ArchiveMember]) -> Iterator[ArchiveMember]:
    """Yield each member under a name that a file may have; one with no such name, or a name of several, is refused."""
    targets = {_clean_name(member.name): member for member in members if not member.link}
    by_name: dict[str, list[ArchiveMember]] = defaultdict(list)
    for member in members:
        name = _clean_name(member.name)
        if name is None:
            by_name[_quote(member.name)].append(member._replace(refusal=(Reason.UNREADABLE, LEADS_OUT)))
        else:
            by_name[name].append(_follow(member, targets))
    for name, alike in by_name.items():
        yield _merge(alike, name)


def _quote(name: str) -> str:
    """Return a name that no file may have as one that a file may."""
    raw = os.fsencode(name)
    digest = hashlib.blake2b(raw, digest_size=8).hexdigest()
    quoted = quote(raw, safe="")
    return quoted if len(quoted) <= LONGEST_QUOTED else f"{quoted[:LONGEST_QUOTED]}-{digest}"


def _merge(alike: Sequence[ArchiveMember], name: str) -> ArchiveMember:
    """Return the members of one name as one: any of them where all have the same content, else refused."""
    contents = {(one.size, one.checksum or one.offset) for one in alike}
    first = alike[0]._replace(name=name)
    if first.refusal:
        return first
    return first if len(contents) == 1 else first._replace(refusal=(Reason.UNREADABLE, TWICE))


def _follow(member: ArchiveMember, targets: dict[str | None, ArchiveMember]) -> ArchiveMember:
    """Return a hard link as the member that it means."""
    if not member.link:
        return member
    target = targets.get(_clean_name(member.link))
    if target is None or target.refusal:
        return member._replace(refusal=(Reason.UNREADABLE, "a link to nothing that can be read"))
    return target._replace(name=member.name)


def _clean_name(name: str) -> str | None:
    """Return a name without needless parts; None for one that no file below a folder may have."""
    parts = [part for part in name.split("/") if part not in {"", "."}]
    is_outside = name.startswith("/") or ".." in parts or name[1:3] in {":/", ":\\"}
    if is_outside or not parts or "\0" in name or len(os.fsencode("/".join(parts))) > LONGEST_NAME:
        return None
    return "/".join(parts)
