"""Archives for tests, made in code: whole ones from folders, and hostile ones byte by byte."""

import io
import struct
import tarfile
import zipfile
import zlib
from collections.abc import Mapping
from pathlib import Path

FILE_MODE = 0o100644 << 16
LINK_MODE = 0o120777 << 16


def zip_folder(path: Path, folder: Path, method: int = zipfile.ZIP_STORED) -> Path:
    """Pack a folder as a zip."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with zipfile.ZipFile(path, "w", method) as archive:
        for file in sorted(file for file in folder.rglob("*") if file.is_file()):
            archive.write(file, file.relative_to(folder))
    return path


def tar_folder(path: Path, folder: Path, mode: str = "w") -> Path:
    """Pack a folder as a tar; ``mode`` is that of `tarfile.open`."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with tarfile.open(path, mode) as archive:  # type: ignore[call-overload]
        for file in sorted(file for file in folder.rglob("*") if file.is_file()):
            archive.add(file, file.relative_to(folder))
    return path


def deflate(content: bytes) -> bytes:
    """Return the content as a raw stream of deflate."""
    packer = zlib.compressobj(9, zlib.DEFLATED, -zlib.MAX_WBITS)
    return packer.compress(content) + packer.flush()


class ZipMaker:
    """A zip written byte by byte, so that it can say what no honest program would."""

    def __init__(self, content: bytes = b"") -> None:
        self.content = bytearray(content)
        self.directory = bytearray()
        self.n_members = 0

    def add(  # noqa: PLR0913  each is a field of the format
        self,
        name: bytes,
        content: bytes = b"x",
        *,
        method: int = 0,
        flags: int = 0,
        size: int | None = None,
        packed: int | None = None,
        crc: int | None = None,
        offset: int | None = None,
        mode: int = FILE_MODE,
        host: int = 3,
        extra: bytes = b"",
        body: bytes | None = None,
    ) -> "ZipMaker":
        """Add a member; what is given replaces what would be true."""
        if body is None:
            body = deflate(content) if method == 8 else content
        crc = zlib.crc32(content) if crc is None else crc
        size, packed = len(content) if size is None else size, len(body) if packed is None else packed
        own = len(self.content) if offset is None else offset
        numbers = (crc, packed & 0xFFFFFFFF, size & 0xFFFFFFFF, len(name))
        if offset is None:
            self.content += struct.pack("<4s5H3L2H", b"PK\3\4", 20, flags, method, 0, 33, *numbers, 0) + name + body
        head = struct.pack("<4s2B5H3L5H2L", b"PK\1\2", 20, host, 20, flags, method, 0, 33, *numbers[:3], len(name),
                           len(extra), 0, 0, 0, mode, own)  # fmt: skip
        self.directory += head + name + extra
        self.n_members += 1
        return self

    def finish(self, *, n_members: int | None = None, comment: bytes = b"", disk: int = 0) -> bytes:
        """Return the whole archive."""
        n = self.n_members if n_members is None else n_members
        end = struct.pack("<4s4H2LH", b"PK\5\6", disk, disk, n, n, len(self.directory), len(self.content), len(comment))
        return bytes(self.content + self.directory) + end + comment


def tar_of(*members: tarfile.TarInfo | tuple[str, bytes], end: bool = True) -> bytes:
    """Return a tar of these members: headers alone, or names with contents."""
    content = bytearray()
    for member in members:
        info, body = (member, b"") if isinstance(member, tarfile.TarInfo) else (tarfile.TarInfo(member[0]), member[1])
        if body:
            info.size = len(body)
        content += info.tobuf(tarfile.GNU_FORMAT, "utf-8", "surrogateescape") + body + bytes(-len(body) % 512)
    return bytes(content) + (bytes(1024) if end else b"")


def tar_header(name: str, kind: bytes, link: str = "", size: int = 0) -> tarfile.TarInfo:
    """Return the header of a member of some kind."""
    info = tarfile.TarInfo(name)
    info.type, info.linkname, info.size = kind, link, size
    return info


def zip_of(contents: Mapping[str, bytes], method: int = zipfile.ZIP_STORED) -> bytes:
    """Return an honest zip of some files."""
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", method) as archive:
        for name, content in contents.items():
            archive.writestr(zipfile.ZipInfo(name), content, method)
    return file.getvalue()
