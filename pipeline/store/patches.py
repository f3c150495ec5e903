"""What a random patch of a store costs: how much is decoded for it, and whether other chunks would be better."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from math import prod

import numpy as np

from pipeline.store.layout import Layout, StoreOptions

SIDES = (64, 128)
"""Patches that people train on."""

CHUNKS = (32, 48, 64, 96, 128)
"""Sides of chunks that may be better."""

CHUNK_COST_BYTES = 300_000
"""Finding a chunk takes as long as decoding so much of it: 0.3 ms, and 1.1 ms for a megabyte."""

WORTH_IT = 0.8
"""Other chunks are named if they cost less than this share."""

Stored = tuple[tuple[int, ...], str]
"""A volume's shape and dtype."""


@dataclass(frozen=True)
class Touched:
    """What a random patch of a volume touches, on average."""

    chunks: float
    files: float
    n_bytes: float

    @property
    def cost(self) -> float:
        """What it takes, as bytes to decode."""
        return self.n_bytes + CHUNK_COST_BYTES * self.chunks


def advice(volumes: Sequence[Stored], options: StoreOptions) -> str:
    """Return in one line what patches of the middle one of some volumes cost, and which chunks would be better."""
    middle = sorted(volumes, key=lambda stored: prod(stored[0]))[len(volumes) // 2]
    return "random patches: " + "; ".join(_told(middle, side, options) for side in SIDES)


def touched(stored: Stored, side: int, options: StoreOptions) -> Touched:
    """Return what a cube of this side touches; where a volume is smaller, all of it along that axis."""
    shape, dtype = stored
    layout = Layout.of(shape, np.dtype(dtype), options)
    n_channels = prod(shape[:-3])
    n_chunks = n_channels * _mean_count(shape, layout.chunks, side)
    n_files = n_chunks if layout.shards is None else _mean_count(shape, layout.shards, side)
    return Touched(n_chunks, n_files, n_chunks * np.dtype(dtype).itemsize * prod(layout.chunks))


def better_chunks(stored: Stored, side: int, options: StoreOptions) -> int | None:
    """Return the side of the cubic chunks that cost least, None where those that are asked for are about as good."""
    costs = {n: touched(stored, side, replace(options, chunks=(n, n, n), shards="auto")).cost for n in CHUNKS}
    best = min(costs, key=costs.__getitem__)
    return best if costs[best] < WORTH_IT * touched(stored, side, options).cost else None


def _told(stored: Stored, side: int, options: StoreOptions) -> str:
    found, better = touched(stored, side, options), better_chunks(stored, side, options)
    verdict = f"store.chunks {[better] * 3} would be better" if better else "no other chunks are better"
    return (
        f"{side}^3 touches {found.chunks:.1f} chunks in {found.files:.1f} files, "
        f"{found.n_bytes / 1e6:.1f} MB to decode ({verdict})"
    )


def _mean_count(shape: tuple[int, ...], cell: tuple[int, int, int], side: int) -> float:
    """Return how many cells a cube meets, over all the places where it fits in."""
    return prod(_mean_along(n, length, side) for n, length in zip(shape[-3:], cell, strict=True))


def _mean_along(n: int, length: int, side: int) -> float:
    first = np.arange(max(1, n - side + 1))
    last = np.minimum(first + side, n) - 1
    return float((last // length - first // length + 1).mean())
