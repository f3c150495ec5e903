"""The directory of a zip archive (APPNOTE.TXT 6.3.10): names, sizes, checksums and places, all of them checked."""

from collections.abc import Callable, Iterator
from struct import Struct
from typing import NamedTuple

from pipeline.sources.files import SourceError, refuse_damaged
from pipeline.vocabulary import Reason

Read = Callable[[int, int], bytes]
"""Returns what lies at an offset of an archive: so many bytes, or as many as there are."""

STORED, DEFLATED, AES = 0, 8, 99
ENCRYPTED, UTF8 = 1 | 1 << 6 | 1 << 13, 1 << 11
"""Bits of a member's flags: its content, or the directory itself, is encrypted; its name is UTF-8."""
MADE_BY_WINDOWS = frozenset({0, 10, 11})
"""FAT, NTFS and VFAT: programs of Windows have written backslashes into names."""

LOCAL_BYTES = 30
_END = Struct("<4s4H2LH")
_END_64 = Struct("<4sQ2H2L4Q")
_LOCATOR_64_BYTES = 20
_ENTRY = Struct("<4s2B3H4x3L5H2L")
_LOCAL_LENGTHS = Struct("<2H")
_LONGEST_COMMENT = 0xFFFF
_IS_IN_EXTRA, _DISK_IS_IN_EXTRA = 0xFFFFFFFF, 0xFFFF
_EXTRA_64 = 1
_WINDOW_BYTES = 1 << 20
MADE_BY_UNIX = frozenset({3, 19})
_KIND, _LINK, _FILE, _FOLDER = 0o170000, 0o120000, 0o100000, 0o040000


class ZipEntry(NamedTuple):
    """A member as the directory describes it; ``offset`` is that of its local header."""

    name: str
    flags: int
    method: int
    crc: int
    packed: int
    size: int
    offset: int
    mode: int

    @property
    def is_link(self) -> bool:
        """True for a symbolic link, whose content is a path."""
        return self.mode & _KIND == _LINK

    @property
    def is_special(self) -> bool:
        """True for what is neither a file nor a folder nor a link."""
        return self.mode & _KIND not in {0, _FILE, _FOLDER, _LINK}


class _Directory(NamedTuple):
    """Where the directory lies, how many members it says it has, and by how much offsets in it are too small."""

    begin: int
    end: int
    n_members: int
    shift: int


def read_entries(read: Read, size: int) -> Iterator[ZipEntry]:
    """Yield each member that the directory of a zip of ``size`` bytes names; raises SourceError where it is damaged."""
    directory = _find_directory(read, size)
    window, n_found = _Window(read, directory), 0
    while window.at < directory.end:
        yield _read_entry(window, directory)
        n_found += 1
    if (n_found - directory.n_members) % (1 << 16):  # old programs count so far, and begin again
        refuse_damaged(f"its directory holds {n_found} members and says {directory.n_members}")


def find_data(read: Read, offset: int) -> int:
    """Return where the content begins of the member whose local header lies at ``offset``."""
    head = read(offset, LOCAL_BYTES)
    if len(head) < LOCAL_BYTES or not head.startswith(b"PK\3\4"):
        refuse_damaged("a member has no header")
    n_name, n_extra = _LOCAL_LENGTHS.unpack_from(head, 26)
    return offset + LOCAL_BYTES + int(n_name) + int(n_extra)


def has_directory(read: Read, size: int) -> bool:
    """Report whether there is a directory at all."""
    return _find_end(read, size) is not None


def _find_end(read: Read, size: int) -> tuple[int, bytes] | None:
    """Return the last record that says where the directory lies: its comment ends where the archive ends."""
    reach = min(size, _END.size + _LONGEST_COMMENT)
    tail = read(size - reach, reach)
    at = len(tail) - _END.size + 1
    while (at := tail.rfind(b"PK\5\6", 0, at + 3)) >= 0:
        n_comment = int.from_bytes(tail[at + 20 : at + 22], "little")
        if at + _END.size + n_comment == len(tail):
            return size - reach + at, tail[at : at + _END.size]
        if at == 0:
            break
    return None


def _find_directory(read: Read, size: int) -> _Directory:
    found = _find_end(read, size)
    if found is None:
        refuse_damaged("it has no directory: it is cut, or was never finished")
    end, raw = found
    _, disk, first_disk, _, n_members, n_bytes, offset, _ = _END.unpack(raw)
    is_split = bool(disk or first_disk)
    found_64 = _find_end_64(read, end)
    if found_64:
        end, raw = found_64
        _, _, _, _, disk, first_disk, _, n_members, n_bytes, offset = _END_64.unpack(raw)
        is_split = bool(disk or first_disk)
    if is_split:
        raise SourceError(Reason.UNREADABLE, "the archive is one part of several")
    begin = end - n_bytes
    if begin < 0 or begin - offset < 0:
        refuse_damaged("its directory is not where it says")
    return _Directory(begin, end, n_members, begin - offset)


def _find_end_64(read: Read, end: int) -> tuple[int, bytes] | None:
    locator = read(max(0, end - _LOCATOR_64_BYTES), _LOCATOR_64_BYTES)
    if not locator.startswith(b"PK\6\7"):
        return None
    for at in (end - _LOCATOR_64_BYTES - _END_64.size, int.from_bytes(locator[8:16], "little")):
        raw = read(at, _END_64.size) if 0 <= at <= end - _END_64.size else b""
        if raw.startswith(b"PK\6\6") and len(raw) == _END_64.size:
            return at, raw
    return refuse_damaged("its directory is not where it says")


class _Window:
    """The directory, read a block at a time."""

    def __init__(self, read: Read, directory: _Directory) -> None:
        self._read, self._end = read, directory.end
        self.at = self._start = directory.begin
        self._content = b""

    def take(self, n: int) -> bytes:
        """Return the next ``n`` bytes."""
        if self.at + n > self._start + len(self._content):
            self._start = self.at
            self._content = self._read(self.at, max(0, min(max(n, _WINDOW_BYTES), self._end - self.at)))
        begin = self.at - self._start
        self.at += n
        raw = self._content[begin : begin + n]
        if len(raw) < n:
            refuse_damaged("its directory is cut")
        return raw


def _read_entry(window: _Window, directory: _Directory) -> ZipEntry:
    fields = _ENTRY.unpack(window.take(_ENTRY.size))
    mark, _, host, _, flags, method, crc, packed, size, n_name, n_extra, n_comment, disk, _, mode, offset = fields
    if mark != b"PK\1\2":
        refuse_damaged("something in its directory is no member")
    raw, extra = window.take(n_name), window.take(n_extra)
    window.take(n_comment)
    size, packed, offset, disk = _complete(extra, size, packed, offset, disk)
    if disk:
        raise SourceError(Reason.UNREADABLE, "the archive is one part of several")
    offset += directory.shift
    if offset + LOCAL_BYTES + packed > directory.begin:
        refuse_damaged("a member reaches beyond it")
    mode = mode >> 16 if host in MADE_BY_UNIX else 0
    return ZipEntry(_decode_name(raw, flags, host), flags, method, crc, packed, size, offset, mode)


def _complete(extra: bytes, size: int, packed: int, offset: int, disk: int) -> tuple[int, int, int, int]:
    """Return the numbers of a member, those that take more room from where zip64 puts them."""
    numbers = _find_extra_64(extra)

    def take(value: int, n_bytes: int, missing: int) -> int:
        nonlocal numbers
        if value != missing or numbers is None:
            return value
        if len(numbers) < n_bytes:
            refuse_damaged("the sizes of a member are missing")
        raw, numbers = numbers[:n_bytes], numbers[n_bytes:]
        return int.from_bytes(raw, "little")

    size, packed, offset = (take(value, 8, _IS_IN_EXTRA) for value in (size, packed, offset))
    return size, packed, offset, take(disk, 4, _DISK_IS_IN_EXTRA)


def _find_extra_64(extra: bytes) -> bytes | None:
    while len(extra) >= 4:
        kind, n_bytes = int.from_bytes(extra[:2], "little"), int.from_bytes(extra[2:4], "little")
        if kind == _EXTRA_64:
            return extra[4 : 4 + n_bytes]
        extra = extra[4 + n_bytes :]
    return None


def _decode_name(raw: bytes, flags: int, host: int) -> str:
    """Return a name as unpackers of Unix write it: UTF-8 where it is that, else the code page of DOS."""
    try:
        name = raw.decode("utf-8")
    except UnicodeDecodeError:
        name = raw.decode("utf-8", "surrogateescape") if flags & UTF8 else raw.decode("cp437")
    return name.replace("\\", "/") if host in MADE_BY_WINDOWS and "/" not in name else name
