"""``store:`` of the configuration, and how an array is cut into chunks and shards."""

from dataclasses import dataclass, replace
from math import ceil, prod
from typing import Any, Literal

import numpy as np

from pipeline.geometry import Zyx

Axes = Literal["zyx", "zxy", "yzx", "yxz", "xzy", "xyz"]
"""The order of an array's axes: z along the slices, y along the columns, x along the rows, as `orient` has them."""


CHUNKS = Zyx(64, 64, 64)
"""As fast for random patches as smaller ones, of which readers that spend a millisecond on a chunk need eight times as
many (benchmarks/codecs.py)."""


@dataclass(frozen=True)
class StoreOptions:
    """``store:`` of the configuration."""

    dtype: Literal["auto", "int16", "uint8", "uint16", "float16", "float32"] = "auto"
    codec: Literal["auto", "lz4", "zstd", "zstd_plain"] = "auto"
    chunks: Literal["auto"] | tuple[int, int, int] = "auto"
    shards: Literal["auto"] | tuple[int, int, int] | None = "auto"
    level: int = 1
    mask: Literal["auto"] | bool = "auto"
    pyramid_levels: int = 1
    axes: Axes = "zyx"

    def __post_init__(self) -> None:
        for holds, rule in (
            (min(self.chunk_shape) >= 1, "chunks must be at least 1"),
            (_are_multiples(self.shards, self.chunk_shape), "shards must be whole multiples of chunks"),
            (0 <= self.level <= 9, "level must be from 0 to 9"),
            (self.pyramid_levels >= 1, "pyramid_levels must be at least 1"),
            (self.pyramid_levels <= 12, "pyramid_levels must be at most 12"),
        ):
            if not holds:
                raise ValueError(rule)

    @property
    def chunk_shape(self) -> Zyx[int]:
        """The shape of a chunk of an array that is large enough."""
        return CHUNKS if self.chunks == "auto" else Zyx(*self.chunks)

    @property
    def of_labels(self) -> "StoreOptions":
        """The options of masks and labels: long runs of one number, which Zstandard makes smallest."""
        return self if self.codec == "zstd_plain" else replace(self, codec="zstd")


def _are_multiples(shards: Literal["auto"] | tuple[int, int, int] | None, chunks: tuple[int, int, int]) -> bool:
    if shards is None or shards == "auto":
        return True
    return all(shard >= chunk >= 1 and shard % chunk == 0 for shard, chunk in zip(shards, chunks, strict=True))


MOST_SHARDS = 5
"""The most shards of array ``0``, and of the mask: together at most ten data files per store."""

SMALL_SHARD_BYTES = 32 * 2**20
"""Layers of chunks share a shard up to this size before compression: many small files slow a shared file system."""

MASK_CHUNKS = 4
"""The chunks of the image along y and along x that one chunk of the mask covers: the mask is small once compressed."""


@dataclass(frozen=True)
class Layout:
    """Chunks and shards of an array [z, y, x], or of each channel's; ``shards`` is None where each chunk is a file."""

    chunks: Zyx[int]
    shards: Zyx[int] | None

    @classmethod
    def of(cls, shape: tuple[int, ...], dtype: np.dtype[Any], options: StoreOptions) -> "Layout":
        """Return the layout of an array with these options; no chunk is larger than the array."""
        spatial = Zyx(*shape[-3:])
        chunks = Zyx(*(min(n, chunk) for n, chunk in zip(spatial, options.chunk_shape, strict=True)))
        return cls(chunks, _choose_shards(shape, dtype.itemsize, chunks, options))

    @property
    def depth(self) -> int:
        """The number of planes in one file: those of a shard, or of a layer of chunks."""
        return (self.shards or self.chunks).z


def _choose_shards(shape: tuple[int, ...], itemsize: int, chunks: Zyx[int], options: StoreOptions) -> Zyx[int] | None:
    """Return the shape of a shard: the one given, or whole layers of chunks in at most ``MOST_SHARDS`` shards."""
    if options.shards is None:
        return None
    n_chunks = Zyx(*(ceil(n / chunk) for n, chunk in zip(shape[-3:], chunks, strict=True)))
    if options.shards == "auto":
        layer_bytes = itemsize * prod(shape) // n_chunks.z
        per_shard = Zyx(max(ceil(n_chunks.z / MOST_SHARDS), SMALL_SHARD_BYTES // layer_bytes), n_chunks.y, n_chunks.x)
    else:
        per_shard = Zyx(*(shard // chunk for shard, chunk in zip(options.shards, options.chunk_shape, strict=True)))
    return Zyx(*(min(n, k) * chunk for n, k, chunk in zip(n_chunks, per_shard, chunks, strict=True)))


def choose_mask_layout(image: Layout, shape: Zyx[int]) -> Layout:
    """Return the layout of a mask: along z that of its image, along y and x larger chunks."""
    sides = (min(MASK_CHUNKS * chunk, n) for chunk, n in zip(image.chunks[1:], shape[1:], strict=True))
    chunks = Zyx(image.chunks.z, *sides)
    whole = (ceil(n / chunk) * chunk for n, chunk in zip(shape[1:], chunks[1:], strict=True))
    return Layout(chunks, Zyx(image.depth, *whole))


def buffer_bytes(shape: tuple[int, ...], dtype: str, options: StoreOptions) -> int:
    """Return the bytes of the planes buffered until a layer of chunks is full, and of the encoded chunks."""
    depth = Layout.of(shape, np.dtype(dtype), options).chunks.z
    plane = shape[-2] * shape[-1]
    n_channels = shape[0] if len(shape) == 4 else 1
    return 2 * depth * plane * (n_channels * np.dtype(dtype).itemsize + 1)
