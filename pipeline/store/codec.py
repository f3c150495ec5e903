"""How chunks are packed."""

from collections.abc import Callable
from math import prod
from typing import Any, Literal

import numpy as np
from numcodecs import Blosc  # type: ignore[import-untyped]  # comes with zarr
from numpy.typing import NDArray
from zarr.codecs import BloscCodec

from pipeline.axes import Zyx
from pipeline.store.options import StoreOptions

LARGEST_BLOCK_BYTES = 512 * 2**10
"""Blosc works on blocks; these still fit the cache of one core."""


def codec(dtype: np.dtype[Any], chunks: Zyx[int], options: StoreOptions) -> BloscCodec:
    """Zstandard behind the shuffle that suits the numbers: by bits for integers, by bytes for floating point.

    A chunk is one block, up to ``LARGEST_BLOCK_BYTES``: blosc's own choice of smaller ones is a third slower.
    """
    shuffle: Literal["shuffle", "bitshuffle"] = "shuffle" if dtype.kind == "f" else "bitshuffle"
    block_bytes = min(dtype.itemsize * prod(chunks), LARGEST_BLOCK_BYTES)
    return BloscCodec(
        typesize=dtype.itemsize, cname="zstd", clevel=options.level, shuffle=shuffle, blocksize=block_bytes
    )


def encoder(described: BloscCodec) -> Callable[[NDArray[Any]], bytes]:
    """Return what packs a chunk as the codec in an array's metadata says; the size of a number is the chunk's own."""
    shuffle = {"shuffle": Blosc.SHUFFLE, "bitshuffle": Blosc.BITSHUFFLE}[described.shuffle.value]
    blosc = Blosc(described.cname.value, described.clevel, shuffle, described.blocksize)
    encode: Callable[[NDArray[Any]], bytes] = blosc.encode
    return encode
