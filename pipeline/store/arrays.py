"""Planes to the files of an array: one layer of chunks is in memory, and each chunk is encoded once.

zarr writes the metadata.  Writing chunks through zarr as well would cost as much again as compressing them, so files
are written here as the Zarr v3 core and its sharding codec 1.0 specify.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from itertools import product
from math import ceil, prod
from pathlib import Path
from typing import Any, Final, Literal

import google_crc32c
import numpy as np
import zarr
from numcodecs import Blosc, Zstd  # type: ignore[import-untyped]  # comes with zarr
from numpy.typing import NDArray
from zarr.codecs import BloscCodec, ZstdCodec

from pipeline.geometry import Zyx
from pipeline.store.layout import Layout, StoreOptions

LARGEST_BLOCK_BYTES = 512 * 2**10
"""The largest block of blosc that fits the cache of one core."""

LZ4_BLOCK_BYTES = 32 * 2**10
"""Of a chunk of several blocks a reader can decode a part; blocks of LZ4, unlike those of Zstandard, cost nothing."""

Codec = BloscCodec | ZstdCodec
Encode = Callable[[NDArray[Any]], bytes]


def choose_codec(dtype: np.dtype[Any], chunks: Zyx[int], options: StoreOptions) -> Codec:
    """Return LZ4 (``auto``) or Zstandard with a shuffle, of bits for integers, of bytes for floating point.

    A chunk is one block of Zstandard, up to ``LARGEST_BLOCK_BYTES``: the smaller blocks that blosc chooses are a third
    slower.  ``zstd_plain`` has neither blocks nor a shuffle: what decodes on graphics cards reads it.
    """
    if options.codec == "zstd_plain":
        return ZstdCodec(level=options.level)
    shuffle: Literal["shuffle", "bitshuffle"] = "shuffle" if dtype.kind == "f" else "bitshuffle"
    cname: Literal["lz4", "zstd"] = "zstd" if options.codec == "zstd" else "lz4"
    block_bytes = min(dtype.itemsize * prod(chunks), LARGEST_BLOCK_BYTES if cname == "zstd" else LZ4_BLOCK_BYTES)
    return BloscCodec(
        typesize=dtype.itemsize, cname=cname, clevel=options.level, shuffle=shuffle, blocksize=block_bytes
    )


def make_encoder(described: Codec) -> Encode:
    """Return the function that encodes a chunk as the codec in the metadata describes."""
    configuration: Any = described.to_dict()["configuration"]  # plain words in every zarr 3; the attributes are not
    encode: Encode
    if isinstance(described, ZstdCodec):
        encode = Zstd(configuration["level"]).encode
        return encode
    shuffle = {"shuffle": Blosc.SHUFFLE, "bitshuffle": Blosc.BITSHUFFLE}[configuration["shuffle"]]
    encode = Blosc(configuration["cname"], configuration["clevel"], shuffle, configuration["blocksize"]).encode
    return encode


Place = tuple[int, ...]
"""An index or a count along c, z, y and x."""

MISSING: Final = 2**64 - 1
"""Offset and length of a chunk that is missing from a shard, as it lies beyond the array."""


@dataclass(frozen=True, eq=False)
class StoredArray:
    """An array [z, y, x] or [c, z, y, x] whose metadata are written, and how its chunks are encoded into ``folder``.

    Where a chunk reaches beyond the array it holds ``fill_value``.
    """

    folder: Path
    shape: tuple[int, ...]
    dtype: np.dtype[Any]
    fill_value: Any
    layout: Layout
    encode: Encode

    @property
    def n_channels(self) -> int:
        """The number of channels, 1 without a channel axis."""
        return prod(self.shape[:-3])

    @property
    def n_chunks(self) -> Place:
        """The number of chunks along c, z, y and x."""
        along = (ceil(n / chunk) for n, chunk in zip(self.shape[-3:], self.layout.chunks, strict=True))
        return (self.n_channels, *along)

    @property
    def per_file(self) -> Place:
        """The number of chunks in one file; a shard holds all channels."""
        if self.layout.shards is None:
            return (1, 1, 1, 1)
        along = (shard // chunk for shard, chunk in zip(self.layout.shards, self.layout.chunks, strict=True))
        return (self.n_channels, *along)

    def path(self, file: Place) -> Path:
        """Return the path of a file (chunk key encoding ``default``)."""
        return self.folder.joinpath("c", *map(str, file[-len(self.shape) :]))


class PlaneWriter:
    """Writes an array plane by plane, from the first to the last; the last completes its files."""

    def __init__(self, stored: StoredArray) -> None:
        self._stored, self._z = stored, 0
        n_channels, _, rows, columns = stored.n_chunks
        depth, height, width = stored.layout.chunks
        dtype = stored.dtype.newbyteorder("<")
        self._plane = np.full((n_channels, rows * height, columns * width), stored.fill_value, dtype)
        self._layer = np.empty((n_channels, rows, columns, depth, height, width), dtype)
        self._files: dict[Place, _ChunkFile] = {}

    def put(self, plane: NDArray[Any]) -> None:
        """Add the next plane, [c, y, x] or [y, x], which is copied."""
        n_z, n_y, n_x = self._stored.shape[-3:]
        n_channels, rows, columns, depth, height, width = self._layer.shape
        self._plane[:, :n_y, :n_x] = plane
        by_chunk = self._plane.reshape(n_channels, rows, height, columns, width).swapaxes(2, 3)
        self._layer[:, :, :, self._z % depth] = by_chunk
        self._z += 1
        if self._z % depth == 0 or self._z == n_z:
            self._layer[:, :, :, (self._z - 1) % depth + 1 :] = self._stored.fill_value
            self._write_layer((self._z - 1) // depth)

    def _write_layer(self, z: int) -> None:
        """Write a layer of chunks, and complete the files of which it is the last."""
        stored = self._stored
        n_channels, n_z, rows, columns = stored.n_chunks
        for c, y, x in product(range(n_channels), range(rows), range(columns)):
            self._file_of((c, z, y, x)).add((c, z, y, x), stored.encode(self._layer[c, y, x]))
        is_last = z + 1 == n_z or (z + 1) % stored.per_file[1] == 0
        for file in self._files.values():
            file.write(is_last=is_last)
        if is_last:
            self._files.clear()

    def _file_of(self, chunk: Place) -> "_ChunkFile":
        place = tuple(at // n for at, n in zip(chunk, self._stored.per_file, strict=True))
        if place not in self._files:
            has_index = self._stored.layout.shards is not None
            self._files[place] = _ChunkFile(self._stored.path(place), self._stored.per_file, has_index=has_index)
        return self._files[place]


class _ChunkFile:
    """A file of chunks, one after another; in a shard, an index of their offsets follows the last."""

    def __init__(self, path: Path, n_chunks: Place, *, has_index: bool) -> None:
        self._path, self._has_index = path, has_index
        self._index = np.full((*n_chunks, 2), MISSING, "<u8")
        self._waiting: list[bytes] = []
        self._n_bytes = 0
        path.parent.mkdir(parents=True, exist_ok=True)

    def add(self, chunk: Place, encoded: bytes) -> None:
        """Add the bytes of a chunk."""
        inside = tuple(at % n for at, n in zip(chunk, self._index.shape, strict=False))
        self._index[inside] = self._n_bytes, len(encoded)
        self._n_bytes += len(encoded)
        self._waiting.append(encoded)

    def write(self, *, is_last: bool) -> None:
        """Append the chunks added to the file; with the last also the index."""
        if is_last and self._has_index:
            index = self._index.tobytes()
            self._waiting += [index, google_crc32c.value(index).to_bytes(4, "little")]
        with self._path.open("ab") as file:
            file.writelines(self._waiting)
        self._waiting.clear()


def create_array(  # noqa: PLR0913  the description of an array
    group: zarr.Group,
    name: str,
    shape: tuple[int, ...],
    dtype: np.dtype[Any],
    layout: Layout,
    options: StoreOptions,
    *,
    fill_value: float = 0,
    attributes: Mapping[str, float] | None = None,
) -> PlaneWriter:
    """Create an array [z, y, x] or [c, z, y, x] in a group, and return the writer of its planes.

    ``layout`` is that of one channel.
    """
    fill, packed, n_channels = dtype.type(fill_value), choose_codec(dtype, layout.chunks, options), shape[:-3]
    array: Any = group.create_array(
        name,
        shape=shape,
        dtype=dtype,
        chunks=(*(1 for _ in n_channels), *layout.chunks),
        shards=None if layout.shards is None else (*n_channels, *layout.shards),
        compressors=packed,
        fill_value=fill,
        dimension_names=("c", *options.axes)[-len(shape) :],
        attributes=dict(attributes or {}),
    )
    return PlaneWriter(
        StoredArray(Path(array.store.root, array.path), shape, dtype, fill, layout, make_encoder(packed))
    )
