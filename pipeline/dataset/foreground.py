"""Where a label's foreground is: one of its voxels drawn at random, each as likely, by reading one chunk."""

from dataclasses import dataclass
from itertools import product
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from pipeline.axes import Zyx


@dataclass(frozen=True, eq=False)
class Foreground:
    """A label's voxels above 0, counted chunk by chunk: ``counts`` [n] belong to the chunks at ``corners`` [n, 3]."""

    chunk: tuple[int, ...]
    corners: NDArray[np.int64]
    counts: NDArray[np.int64]

    @classmethod
    def of(cls, array: Any) -> Self:
        """Count an array [z, y, x], one chunk in memory at a time."""
        steps = (range(0, n, chunk) for n, chunk in zip(array.shape, array.chunks, strict=True))
        corners = np.array(list(product(*steps)), np.int64)
        counts = [np.count_nonzero(_chunk(array, corner) > 0) for corner in corners]
        return cls(tuple(array.chunks), corners, np.array(counts, np.int64))

    @property
    def n_voxels(self) -> int:
        """How many voxels there are."""
        return int(self.counts.sum())

    def draw(self, array: Any, rng: np.random.Generator) -> Zyx[int]:
        """Return one of the voxels of the array that was counted; there must be one."""
        corner = self.corners[rng.choice(len(self.counts), p=self.counts / self.n_voxels)]
        voxels = np.argwhere(_chunk(array, corner) > 0)
        return Zyx(*(int(at) for at in corner + voxels[rng.integers(len(voxels))]))


def _chunk(array: Any, corner: NDArray[np.int64]) -> NDArray[Any]:
    return np.asarray(array[tuple(slice(first, first + n) for first, n in zip(corner, array.chunks, strict=True))])
