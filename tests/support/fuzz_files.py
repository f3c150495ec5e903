"""Small series, taken apart and spoilt: what the fuzzer gives the program to read."""

import struct
import zlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cache
from io import BytesIO
from itertools import pairwise
from pathlib import Path
from tempfile import TemporaryDirectory
from zipfile import ZIP_DEFLATED, ZIP_STORED

from archives import tar_folder, zip_folder
from dicom_bytes import endless, item
from hypothesis import strategies as st
from phantoms import write_series
from pydicom.uid import (
    DeflatedExplicitVRLittleEndian,
    ExplicitVRBigEndian,
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
    JPEG2000Lossless,
    JPEGLosslessSV1,
    JPEGLSLossless,
    RLELossless,
)

from pipeline.dicom.files.encoding import EXPLICIT_LITTLE, IMPLICIT_LITTLE, LONG_VRS, UNDEFINED, Encoding, FileWindow
from pipeline.dicom.files.structure import Walker

FRONT_BYTES = 132
SLICES, SIDE = 5, 8
ARCHIVES = ("stored.zip", "deflated.zip", "plain.tar", "packed.tgz")
SYNTAXES = (
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
    ExplicitVRBigEndian,
    DeflatedExplicitVRLittleEndian,
    RLELossless,
    JPEGLosslessSV1,
    JPEGLSLossless,
    JPEG2000Lossless,
)
EXTREMES = (0, 1, 3, 0x7FFF, 0xFFFE, 0xFFFF, 0x7FFFFFFF, 0xFFFFFFFE, UNDEFINED)
NASTY = (b"", b"0", b"-1", b"nan", b"inf", b"1e400", b"1e-320", b"99999999999", b"1_0", b"1,5", b"0\\0", b"0\\0\\0")
NASTY_VECTORS = (b"1\\0\\0\\0\\0\\1", b"0\\0\\0\\0\\0\\0", b"1e9\\1e9\\1e9", b"1e-9\\1e-9", b"100\\100", b"0\\0\\-1e15")


@dataclass(frozen=True)
class File:
    """A file in pieces: what stands before the data set, then its elements, each with how its head is written."""

    front: bytes
    elements: tuple[bytes, ...]
    encoding: Encoding = EXPLICIT_LITTLE
    deflated: bool = False

    def joined(self) -> bytes:
        """Return the file's bytes."""
        body = b"".join(self.elements)
        if self.deflated:
            deflate = zlib.compressobj(wbits=-zlib.MAX_WBITS)
            body = deflate.compress(body) + deflate.flush()
        return self.front + body


@dataclass(frozen=True)
class Mutation:
    """One spoiling of a file: ``kind`` names it, the numbers say where and how, taken modulo what there is."""

    kind: str
    where: int = 0
    how: int = 0
    data: bytes = b""

    def of_elements(self, file: File) -> File:
        """Return a file with one element spoilt."""
        k = self.where % len(file.elements)
        spoil = ELEMENT_KINDS.get(self.kind)
        return replace(file, elements=spoil(self, file, k)) if spoil else file

    def of_bytes(self, content: bytes) -> bytes:
        """Return bytes with some spoilt."""
        at = self.where % max(1, len(content))
        match self.kind:
            case "flip":
                flipped = bytes(byte ^ (self.how & 0xFF or 1) for byte in content[at : at + 1])
                return content[:at] + flipped + content[at + 1 :]
            case "cut":
                return content[:at]
            case "insert":
                return content[:at] + self.data + content[at:]
            case "remove":
                return content[:at] + content[at + self.how % 64 :]
        return content


def head_size(element: bytes, encoding: Encoding) -> int:
    """Return how many bytes stand before an element's value."""
    return 12 if encoding.explicit and element[4:6] in LONG_VRS else 8


def with_length(element: bytes, length: int, encoding: Encoding) -> bytes:
    """Return an element that lies about its length."""
    if not encoding.explicit or element[4:6] in LONG_VRS:
        end = head_size(element, encoding)
        return element[: end - 4] + encoding.layout("L").pack(length & UNDEFINED) + element[end:]
    return element[:6] + encoding.layout("H").pack(length & 0xFFFF) + element[8:]


def with_value(element: bytes, value: bytes, encoding: Encoding) -> bytes:
    """Return an element with another value, its length put right."""
    even = value + b" " * (len(value) % 2)
    return with_length(element[: head_size(element, encoding)] + even, len(even), encoding)


def _lengthened(mutation: Mutation, file: File, k: int) -> tuple[bytes, ...]:
    spoilt = with_length(file.elements[k], EXTREMES[mutation.how % len(EXTREMES)], file.encoding)
    return (*file.elements[:k], spoilt, *file.elements[k + 1 :])


def _revalued(mutation: Mutation, file: File, k: int) -> tuple[bytes, ...]:
    return (*file.elements[:k], with_value(file.elements[k], mutation.data, file.encoding), *file.elements[k + 1 :])


def _swapped(mutation: Mutation, file: File, k: int) -> tuple[bytes, ...]:
    elements = list(file.elements)
    other = mutation.how % len(elements)
    elements[k], elements[other] = elements[other], elements[k]
    return tuple(elements)


def _dropped(_: Mutation, file: File, k: int) -> tuple[bytes, ...]:
    return file.elements[:k] + file.elements[k + 1 :]


def _nested(mutation: Mutation, file: File, k: int) -> tuple[bytes, ...]:
    inner = b""
    for _ in range(mutation.how % 200):
        inner = endless(0x00081140, item(inner, length=UNDEFINED, encoding=file.encoding), encoding=file.encoding)
    return (*file.elements[:k], inner, *file.elements[k:])


def _recoded(mutation: Mutation, file: File, _: int) -> tuple[bytes, ...]:
    """Spoil the pixels, the last element: the codestream of a compressed file."""
    pixels = bytearray(file.elements[-1])
    start = head_size(file.elements[-1], file.encoding)
    for k, byte in enumerate(mutation.data or b"\xff"):
        pixels[start + (mutation.where + k * (mutation.how % 7 + 1)) % max(1, len(pixels) - start)] ^= byte or 1
    return (*file.elements[:-1], bytes(pixels))


ELEMENT_KINDS = {
    "length": _lengthened,
    "value": _revalued,
    "swap": _swapped,
    "drop": _dropped,
    "nest": _nested,
    "codestream": _recoded,
}
BYTE_KINDS = ("flip", "cut", "insert", "remove")


def mutations() -> st.SearchStrategy[Mutation]:
    """Draw a spoiling; values are more often nasty than random."""
    numbers = st.integers(0, 1 << 16)
    shorts = st.integers(0, 0xFFFF).map(lambda number: struct.pack("<H", number))
    values = st.sampled_from(NASTY) | st.sampled_from(NASTY_VECTORS) | shorts | st.binary(max_size=16)
    kinds = st.sampled_from((*ELEMENT_KINDS, *BYTE_KINDS, "value", "value", "codestream"))
    return st.builds(Mutation, kinds, numbers, numbers, values)


@dataclass(frozen=True)
class Spoilt:
    """A series that was spoilt: one file of it, or each in the same way; or the archive of that name that holds it."""

    syntax: str
    mutations: Sequence[Mutation]
    all_files: bool = False
    repair: bool = False
    victim: int = 2
    archive: str = ""

    def write(self, folder: Path) -> None:
        """Write its files."""
        if self.archive:
            path = folder / self.archive
            path.write_bytes(self._spoil_bytes(packed(self.syntax, self.archive)))
            return
        for k, file in enumerate(clean_files(self.syntax)):
            spoil = self.all_files or k == self.victim % SLICES
            (folder / f"{k}.dcm").write_bytes(self._spoilt(file) if spoil else file.joined())

    def _spoilt(self, file: File) -> bytes:
        for mutation in self.mutations:
            if file.elements:
                file = mutation.of_elements(file)
        return self._spoil_bytes(file.joined())

    def _spoil_bytes(self, content: bytes) -> bytes:
        for mutation in self.mutations:
            content = mutation.of_bytes(content)
        return content


def spoilt_series() -> st.SearchStrategy[Spoilt]:
    """Draw a spoilt series."""
    return st.builds(
        Spoilt,
        st.sampled_from(SYNTAXES),
        st.lists(mutations(), min_size=1, max_size=3),
        st.booleans(),
        st.booleans(),
        st.integers(0, SLICES - 1),
        st.sampled_from(("",) * len(ARCHIVES) + ARCHIVES),
    )


@cache
def packed(syntax: str, archive: str) -> bytes:
    """Return the archive of some name that holds a small series."""
    with TemporaryDirectory() as scratch:
        folder, path = Path(scratch, "in"), Path(scratch, archive)
        folder.mkdir()
        for k, file in enumerate(clean_files(syntax)):
            (folder / f"{k}.dcm").write_bytes(file.joined())
        if path.suffix == ".zip":
            zip_folder(path, folder, ZIP_DEFLATED if "deflated" in archive else ZIP_STORED)
        else:
            tar_folder(path, folder, "w:gz" if path.suffix == ".tgz" else "w")
        return path.read_bytes()


@cache
def clean_files(syntax: str) -> tuple[File, ...]:
    """Return the files of a small series, in pieces."""
    with TemporaryDirectory() as folder:
        series = write_series(Path(folder) / "s", n=SLICES, rows=SIDE, columns=SIDE, transfer_syntax=syntax)
        return tuple(in_pieces(path.read_bytes(), syntax) for path in series.paths)


def in_pieces(content: bytes, syntax: str) -> File:
    """Take a whole file apart."""
    meta = Walker(FileWindow(BytesIO(content)), len(content), EXPLICIT_LITTLE, max_nesting=1)
    meta.window.at = FRONT_BYTES
    meta.walk_group(0x0002)
    start = meta.window.at
    deflated = syntax == DeflatedExplicitVRLittleEndian
    body = zlib.decompress(content[start:], wbits=-zlib.MAX_WBITS) if deflated else content[start:]
    encoding = {ImplicitVRLittleEndian: IMPLICIT_LITTLE, ExplicitVRBigEndian: Encoding(little_endian=False)}.get(
        syntax, EXPLICIT_LITTLE
    )
    elements = Walker(FileWindow(BytesIO(body)), len(body), encoding, max_nesting=1).walk().values()
    starts = [e.offset - (12 if encoding.explicit and e.vr.encode() in LONG_VRS else 8) for e in elements]
    pieces = tuple(body[a:b] for a, b in pairwise([*starts, len(body)]))
    return File(content[:start], pieces, encoding, deflated)
