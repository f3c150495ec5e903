"""What codec and chunks cost, writing and reading: size, encoding, a whole volume, and random patches.

Each series of an output of Hounsfield units (``store.dtype: int16``) is held in memory as every kind of number that a
store may hold, and cut into chunks.  Every figure is processors' time of one core, the least of several rounds; what
reads a patch has the encoded chunks in memory, decodes each that the patch touches, and copies its part.

    python benchmarks/codecs.py OUTPUT [--rounds 3] [--series 4] [--kinds int16 ...] [--chunks 32 ...]
"""

import sys
from argparse import ArgumentParser
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
from cohort.measured import best
from numcodecs import Blosc, Zstd, blosc
from numpy.typing import NDArray

from pipeline.dataset import open_cohort

PATCHES = (64, 128)
N_PATCHES = 20
LOW_HU, HIGH_HU = -1000.0, 400.0


@dataclass(frozen=True)
class Codec:
    """A codec by its name in the table."""

    name: str
    of: Callable[[np.dtype[Any], int], Any]


def blosc_of(cname: str, level: int, block: int | None = 512) -> Callable[[np.dtype[Any], int], Any]:
    """Return what makes Blosc with a block of at most so many KiB, None for Blosc's own choice."""

    def of(dtype: np.dtype[Any], chunk_bytes: int) -> Any:
        shuffle = Blosc.SHUFFLE if dtype.kind == "f" else Blosc.BITSHUFFLE
        return Blosc(cname, level, shuffle, min(chunk_bytes, block * 2**10) if block else 0)

    return of


CODECS = (
    Codec("zstd 1", blosc_of("zstd", 1)),
    Codec("lz4 1", blosc_of("lz4", 1)),
    Codec("lz4 5", blosc_of("lz4", 5)),
    Codec("lz4 5, blocks of 64 kB", blosc_of("lz4", 5, 64)),
    Codec("plain zstd 1", lambda *_: Zstd(1)),
)


def kinds_of(hu: NDArray[np.int16]) -> Iterator[tuple[str, NDArray[Any]]]:
    """Yield a volume as each kind of number: HU, normalised as packed int16, as float16, as uint8."""
    share = (np.clip(hu, LOW_HU, HIGH_HU) - LOW_HU).astype(np.float32) / np.float32(HIGH_HU - LOW_HU)
    yield "int16", hu
    yield "packed int16", np.rint(share * 65534 - 32767).astype(np.int16)
    yield "float16", share.astype(np.float16)
    yield "uint8", np.rint(share * 255).astype(np.uint8)


class Chunked:
    """An encoded volume, its chunks in memory."""

    def __init__(self, array: NDArray[Any], side: int, codec: Codec) -> None:
        self.shape, self.dtype, self.side = array.shape, array.dtype, side
        self.chunk = tuple(min(side, n) for n in array.shape)
        self.codec = codec.of(array.dtype, int(np.prod(self.chunk)) * array.dtype.itemsize)
        self.pieces = dict(self._cut(array))
        self.chunks: dict[tuple[int, ...], bytes] = {}
        self._scratch = np.empty(self.chunk, self.dtype)

    def _cut(self, array: NDArray[Any]) -> Iterator[tuple[tuple[int, ...], NDArray[Any]]]:
        counts = [-(-n // c) for n, c in zip(array.shape, self.chunk, strict=True)]
        for place in product(*map(range, counts)):
            piece = np.full(self.chunk, array.flat[0])
            part = array[tuple(slice(i * c, (i + 1) * c) for i, c in zip(place, self.chunk, strict=True))]
            piece[tuple(slice(n) for n in part.shape)] = part
            yield place, piece

    def encode(self) -> None:
        """Encode every chunk."""
        self.chunks = {place: bytes(self.codec.encode(piece)) for place, piece in self.pieces.items()}

    def read(self, start: tuple[int, ...], shape: tuple[int, ...]) -> NDArray[Any]:
        """Decode the chunks that a box touches, and copy its parts."""
        window = np.empty(shape, self.dtype)
        spans = [
            range(s // c, -(-min(s + n, whole) // c))
            for s, n, c, whole in zip(start, shape, self.chunk, self.shape, strict=True)
        ]
        for place in product(*spans):
            self.codec.decode(self.chunks[place], self._scratch)
            taken, placed = [], []
            for i, c, s, n in zip(place, self.chunk, start, shape, strict=True):
                low, high = max(i * c, s), min((i + 1) * c, s + n)
                taken.append(slice(low - i * c, high - i * c))
                placed.append(slice(low - s, high - s))
            window[tuple(placed)] = self._scratch[tuple(taken)]
        return window

    def read_patches(self, side: int) -> None:
        """Read patches at places that are the same for all."""
        rng = np.random.default_rng(side)
        shape = tuple(min(side, n) for n in self.shape)
        for _ in range(N_PATCHES):
            self.read(tuple(int(rng.integers(n - k + 1)) for n, k in zip(self.shape, shape, strict=True)), shape)


def main(arguments: list[str]) -> None:
    """Print a line a kind of number, chunk and codec: sums over the series, means of the patches."""
    parser = ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("output", type=Path)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--series", type=int, default=4)
    parser.add_argument("--kinds", nargs="+", default=["int16", "packed int16", "float16", "uint8"])
    parser.add_argument("--chunks", type=int, nargs="+", default=[32, 48, 64, 96])
    options = parser.parse_args(arguments)
    blosc.use_threads = False
    cohort = open_cohort(options.output).where(status="ok")
    largest = sorted(cohort.volumes(), key=lambda volume: -np.prod(volume.shape))[: options.series]
    volumes = [np.ascontiguousarray(volume.array[...]) for volume in largest]
    print("series:", ", ".join(" x ".join(map(str, volume.shape)) for volume in volumes))
    print(f"{'':48}{'MB':>7}{'encode s':>10}{'whole s':>9}{'patch 64 ms':>13}{'patch 128 ms':>14}")
    for side, codec in product(options.chunks, CODECS):
        totals = dict.fromkeys(options.kinds, np.zeros(5))
        for volume in volumes:
            for kind, array in kinds_of(volume):
                if kind in totals:
                    totals[kind] = totals[kind] + measure(Chunked(array, side, codec), options.rounds)
        for kind, total in totals.items():
            size, encode, whole, *patches = total
            ms = "".join(f"{1e3 * seconds / N_PATCHES / len(volumes):13.2f}" for seconds in patches)
            print(f"{kind:14}{side:4}  {codec.name:28}{size / 1e6:7.1f}{encode:10.3f}{whole:9.3f}{ms}", flush=True)


def measure(chunked: Chunked, rounds: int) -> NDArray[np.float64]:
    """Return bytes, and seconds to encode, to read whole, and to read the patches of each side."""
    encode = best(chunked.encode, rounds)
    size = sum(map(len, chunked.chunks.values()))
    whole = best(lambda: chunked.read((0, 0, 0), chunked.shape), rounds)
    patches = [best(lambda side=side: chunked.read_patches(side), rounds) for side in PATCHES]  # type: ignore[misc]
    return np.array([size, encode, whole, *patches])


if __name__ == "__main__":
    main(sys.argv[1:])
