"""Parts of an array straight from its chunks: one read per run of chunks, decoded into place, safe after a fork.

This reads what `pipeline.store.arrays` writes, and what earlier versions wrote.  zarr reads the same, but a chunk costs
it a millisecond in Python, and it needs an event loop and threads in every process.
"""

import ctypes
import json
import os
import threading
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache, cached_property
from itertools import product
from math import ceil, prod
from pathlib import Path
from typing import Any, Final, Protocol

import google_crc32c
import numcodecs.blosc  # type: ignore[import-untyped]  # comes with zarr
import numcodecs.zstd  # type: ignore[import-untyped]
import numpy as np
from numpy.typing import NDArray

from pipeline.geometry import Geometry, Zyx
from pipeline.store.arrays import MISSING, Place
from pipeline.store.ngff import geometry_from_json

LARGEST_RUN_BYTES: Final = 4 * 2**20
"""Chunks that follow each other are read at once up to this size."""

ENTRY_BYTES: Final = 16
CHECKSUM_BYTES: Final = 4
BLOSC_HEADER_BYTES: Final = 16

PARTIAL_SHARE: Final = 0.75
"""Where less of a chunk is wanted, only the blocks of Blosc that hold it are decoded."""

Span = tuple[int, int]
"""Where bytes of a file begin and end."""


class UnknownLayoutError(ValueError):
    """An array is stored in a way that zarr reads and this module does not."""


class DamagedChunkError(ValueError):
    """The bytes of a chunk or an index are not what the array's metadata describe."""


class Files(Protocol):
    """The files of a store, wherever they lie."""

    def read(self, name: str) -> bytes:
        """Return a whole file; raises FileNotFoundError where there is none."""
        ...

    def read_end(self, name: str, n_bytes: int) -> bytes:
        """Return the last bytes of a file; raises FileNotFoundError where there is none."""
        ...

    def read_spans(self, name: str, spans: Sequence[Span]) -> Iterable[NDArray[np.uint8]]:
        """Yield the bytes of each span of a file, each to be used before the next is asked for."""
        ...


@dataclass(frozen=True)
class LocalFiles:
    """The files of a store in a folder."""

    folder: Path

    def read(self, name: str) -> bytes:
        """Return a whole file."""
        return Path(self.folder, name).read_bytes()

    def read_end(self, name: str, n_bytes: int) -> bytes:
        """Return the last bytes of a file."""
        with Path(self.folder, name).open("rb") as file:
            file.seek(max(file.seek(0, os.SEEK_END) - n_bytes, 0))
            return file.read()

    def read_spans(self, name: str, spans: Sequence[Span]) -> Iterator[NDArray[np.uint8]]:
        """Yield the bytes of each span of a file, in a buffer that the next one takes over."""
        descriptor = os.open(f"{self.folder}/{name}", os.O_RDONLY)
        try:
            for begin, end in spans:
                buffer = _take_buffer("file", end - begin)
                yield buffer[: os.preadv(descriptor, [buffer.data], begin)]
        finally:
            os.close(descriptor)


_buffers = threading.local()


def _take_buffer(name: str, n_bytes: int) -> NDArray[np.uint8]:
    """Return a buffer of this thread, the same one each time: fresh memory costs as much as what is read into it."""
    buffer: NDArray[np.uint8] | None = getattr(_buffers, name, None)
    if buffer is None or buffer.size < n_bytes:
        buffer = np.empty(n_bytes, np.uint8)
        setattr(_buffers, name, buffer)
    return buffer[:n_bytes]


@dataclass(frozen=True)
class ChunkLayout:
    """How an array is cut into chunks and files, from its metadata; shapes have all axes of the array."""

    shape: Place
    dtype: np.dtype[Any]
    fill_value: Any
    chunk: Place
    per_file: Place
    is_sharded: bool
    codec: str
    attributes: Mapping[str, Any]

    @classmethod
    def of(cls, metadata: Mapping[str, Any]) -> "ChunkLayout":
        """Return the layout in the metadata of a Zarr v3 array; raises UnknownLayoutError where it is another."""
        try:
            outer = tuple(metadata["chunk_grid"]["configuration"]["chunk_shape"])
            (first, *rest), chunk, is_sharded = metadata["codecs"], outer, False
            if first["name"] == "sharding_indexed" and not rest:
                sharding = first["configuration"]
                _require_index(sharding)
                chunk, is_sharded = tuple(sharding["chunk_shape"]), True
                first, *rest = sharding["codecs"]
            (packed,) = rest
            dtype = np.dtype(metadata["data_type"]).newbyteorder("<")
            _require(first["name"] == "bytes" and first.get("configuration", {}).get("endian", "little") == "little")
            _require(metadata["chunk_key_encoding"]["name"] == "default")
            _require(metadata["chunk_key_encoding"].get("configuration", {}).get("separator", "/") == "/")
            _require(packed["name"] in ("blosc", "zstd") and not metadata.get("storage_transformers"))
            fill_value = np.asarray(metadata["fill_value"]).astype(dtype)[()]
        except (KeyError, TypeError, ValueError) as error:
            msg = "an array that only zarr reads"
            raise UnknownLayoutError(msg) from error
        per_file = tuple(o // c for o, c in zip(outer, chunk, strict=True))
        shape, attributes = tuple(metadata["shape"]), metadata.get("attributes", {})
        return cls(shape, dtype, fill_value, chunk, per_file, is_sharded, packed["name"], attributes)

    @property
    def chunk_bytes(self) -> int:
        """The bytes of a decoded chunk."""
        return self.dtype.itemsize * prod(self.chunk)


def _require(holds: object) -> None:
    if not holds:
        raise ValueError


def _require_index(sharding: Mapping[str, Any]) -> None:
    """Raise ValueError unless the index is as this module reads it."""
    names = [codec["name"] for codec in sharding["index_codecs"]]
    _require(names == ["bytes", "crc32c"] and sharding.get("index_location", "end") == "end")


@dataclass(frozen=True)
class _Side:
    """What a window takes of one chunk along an axis: ``taken`` of the chunk becomes ``placed`` of the window."""

    chunk: int
    taken: slice
    placed: slice


def _cut_sides(window: slice, chunk: int) -> list[_Side]:
    """Return the chunks that a stretch of an axis touches, in their order."""
    sides = []
    for number in range(window.start // chunk, ceil(window.stop / chunk)):
        low, high = max(number * chunk, window.start), min((number + 1) * chunk, window.stop)
        taken = slice(low - number * chunk, high - number * chunk)
        sides.append(_Side(number, taken, slice(low - window.start, high - window.start)))
    return sides


Sides = tuple[_Side, ...]
"""What a window takes of one chunk, an axis each."""

Wanted = tuple[int, int, Sides]
"""Offset and length of an encoded chunk in its file, and what is wanted of it."""


@dataclass(eq=False)
class ChunkReader:
    """Reads parts of one array; the index of each file is read once.  Holds no open file, thread or lock."""

    files: Files
    name: str
    layout: ChunkLayout
    _indices: dict[str, list[Span] | None] = field(default_factory=dict)

    @classmethod
    def open(cls, files: Files, name: str) -> "ChunkReader":
        """Return the reader of the array ``name`` of a store; raises UnknownLayoutError where only zarr reads it."""
        return cls(files, name, ChunkLayout.of(json.loads(files.read(f"{name}/zarr.json"))))

    @property
    def shape(self) -> Place:
        """The array's shape."""
        return self.layout.shape

    def read(self, window: Sequence[slice]) -> NDArray[Any]:
        """Return a part of the array; law: what zarr gives for it.

        ``window`` has a slice for each of the last axes, within the array; all is taken along the others.  Raises
        DamagedChunkError where a file is not what it should be.
        """
        layout = self.layout
        whole = [slice(0, n) for n in layout.shape]
        slices = [*whole[: len(whole) - len(window)], *window]
        part = np.empty([piece.stop - piece.start for piece in slices], layout.dtype)
        sides = [_cut_sides(piece, chunk) for piece, chunk in zip(slices, layout.chunk, strict=True)]
        by_file: dict[str, list[Sides]] = {}
        for places in product(*sides):
            by_file.setdefault(self._file_of(places), []).append(places)
        for file, wanted in by_file.items():
            try:
                self._read_file(file, wanted, part)
            except DamagedChunkError:  # another run may have written another store here since its index was read
                self._indices.pop(file, None)
                self._read_file(file, wanted, part)
        return part

    def _file_of(self, places: Sequence[_Side]) -> str:
        numbers = (side.chunk // n for side, n in zip(places, self.layout.per_file, strict=True))
        return "/".join((self.name, "c", *map(str, numbers)))

    def _read_file(self, file: str, wanted: Sequence[Sides], part: NDArray[Any]) -> None:
        """Fill in what a window takes of the chunks of one file."""
        found = []
        for places in wanted:
            begin, end = self._find(file, places)
            if begin == MISSING:
                part[tuple(side.placed for side in places)] = self.layout.fill_value
            else:
                found.append((begin, end, places))
        if not found:
            return
        runs = list(_join_runs(sorted(found, key=lambda chunk: chunk[0])))
        spans = [(run[0][0], run[-1][1]) for run in runs]
        decoded = _take_buffer("chunk", self.layout.chunk_bytes)
        scratch, target = decoded.view(self.layout.dtype).reshape(self.layout.chunk), _address(decoded)
        for run, (first, _), content in zip(runs, spans, self.files.read_spans(file, spans), strict=True):
            source = _address(content)
            for begin, end, places in run:
                encoded = content[begin - first : end - first]
                if len(encoded) < max(end - begin, BLOSC_HEADER_BYTES):
                    msg = f"{file} is shorter than its index says"
                    raise DamagedChunkError(msg)
                self._decode(encoded, source + begin - first, places, scratch, target)
                taken = scratch[tuple(side.taken for side in places)]
                part[tuple(side.placed for side in places)] = taken

    def _decode(
        self, encoded: NDArray[np.uint8], source: int, places: Sides, scratch: NDArray[Any], target: int
    ) -> None:
        """Decode a chunk into ``scratch``, or of a chunk of Blosc the part of it that holds what is wanted.

        ``source`` and ``target`` are the addresses of ``encoded`` and ``scratch``.
        """
        if self.layout.codec == "zstd":
            numcodecs.zstd.decompress(encoded, scratch)
            return
        n_bytes, block_bytes, encoded_bytes = np.frombuffer(encoded, "<u4", 3, 4).tolist()
        if n_bytes != scratch.nbytes or encoded_bytes != encoded.size:
            raise self._damaged()
        native = _native_blosc()
        if native is None:
            numcodecs.blosc.decompress(encoded, scratch)
            return
        first, n_items = self._items(places)
        if n_items < PARTIAL_SHARE * scratch.size and block_bytes < n_bytes:
            n_bytes = n_items * scratch.itemsize
            decoded = native.blosc_getitem(source, first, n_items, target + first * scratch.itemsize)
        else:
            decoded = native.blosc_decompress_ctx(source, target, n_bytes, 1)
        if decoded != n_bytes:
            raise self._damaged()

    def _damaged(self) -> DamagedChunkError:
        return DamagedChunkError(f"a chunk of {self.name} is damaged")

    def _items(self, places: Sides) -> tuple[int, int]:
        """Return the first item of a chunk that is wanted, and how many on from there hold all that are."""
        plane = prod(self.layout.chunk[-2:])
        taken = places[-3].taken
        return taken.start * plane, (taken.stop - taken.start) * plane

    def _find(self, file: str, places: Sequence[_Side]) -> Span:
        """Return where a chunk lies in its file, MISSING where the array holds its fill value."""
        if file not in self._indices:
            self._indices[file] = self._load_index(file)
        index = self._indices[file]
        if index is None:
            return MISSING, MISSING
        number = 0
        for side, n in zip(places, self.layout.per_file, strict=True):
            number = number * n + side.chunk % n
        return index[number]

    def _load_index(self, file: str) -> list[Span] | None:
        """Return where each chunk of a file begins and ends, None where there is no such file."""
        n_chunks = prod(self.layout.per_file)
        try:
            if not self.layout.is_sharded:
                return [(0, len(self.files.read(file)))]
            content = self.files.read_end(file, n_chunks * ENTRY_BYTES + CHECKSUM_BYTES)
        except FileNotFoundError:
            return None
        index, checksum = content[:-CHECKSUM_BYTES], content[-CHECKSUM_BYTES:]
        is_whole = len(index) == n_chunks * ENTRY_BYTES
        if not is_whole or google_crc32c.value(index) != int.from_bytes(checksum, "little"):
            msg = f"the index of {file} is damaged"
            raise DamagedChunkError(msg)
        entries = np.frombuffer(index, "<u8").reshape(-1, 2).tolist()
        return [(begin, MISSING if begin == MISSING else begin + length) for begin, length in entries]


def _join_runs(chunks: Iterable[Wanted]) -> Iterator[list[Wanted]]:
    """Yield the chunks that follow each other in a file together."""
    run: list[Wanted] = []
    for chunk in chunks:
        if run and (chunk[0] != run[-1][1] or chunk[1] - run[0][0] > LARGEST_RUN_BYTES):
            yield run
            run = []
        run.append(chunk)
    if run:
        yield run


def _address(buffer: NDArray[np.uint8]) -> int:
    """Return where a writable buffer lies in memory."""
    return ctypes.addressof(ctypes.c_char.from_buffer(buffer.data))


@cache
def _native_blosc() -> Any | None:
    """Return c-blosc as numcodecs holds it, None where its functions are not to be found.

    Of numcodecs' own functions none decodes a part of a chunk, and each asks which process and thread calls it.
    """
    try:
        library = ctypes.CDLL(numcodecs.blosc.__file__)
        library.blosc_getitem.argtypes = [ctypes.c_void_p, ctypes.c_int, ctypes.c_int, ctypes.c_void_p]
        library.blosc_decompress_ctx.argtypes = [ctypes.c_void_p, ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int]
    except (AttributeError, OSError):
        return None
    return library


@dataclass(eq=False)
class StoreReader:
    """A store whose arrays are read by their chunks; metadata are read when they are asked for, and once."""

    files: Files
    _readers: dict[str, ChunkReader | None] = field(default_factory=dict)

    @cached_property
    def attributes(self) -> dict[str, Any]:
        """The group attribute ``ctprep``."""
        found: dict[str, Any] = json.loads(self.files.read("zarr.json"))["attributes"]["ctprep"]
        return found

    @cached_property
    def geometry(self) -> Geometry:
        """Where the grid lies in the patient."""
        return geometry_from_json(self.attributes, Zyx(*self.image.shape[-3:]))

    @property
    def image(self) -> ChunkReader:
        """The array ``0``; raises UnknownLayoutError where only zarr reads it."""
        found = self.find("0")
        if found is None:
            msg = "the store has no array 0"
            raise DamagedChunkError(msg)
        return found

    @property
    def mask(self) -> ChunkReader | None:
        """The mask of valid voxels, None where all are."""
        return self.find("mask")

    def label(self, name: str) -> ChunkReader | None:
        """Return a label image in full size, None where there is none; older stores hold them as plain arrays."""
        return self.find(f"labels/{name}/0") or self.find(f"labels/{name}")

    def find(self, name: str) -> ChunkReader | None:
        """Return the reader of an array, None where there is no such array."""
        if name not in self._readers:
            try:
                self._readers[name] = ChunkReader.open(self.files, name)
            except FileNotFoundError:
                self._readers[name] = None
        return self._readers[name]
