"""A window on an array: the part of it that exists, and how that part lies in the window."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class PatchWindow:
    """Where a window of ``shape`` meets an array: ``taken`` of the array becomes ``placed`` of the window."""

    shape: tuple[int, ...]
    taken: tuple[slice, ...]
    placed: tuple[slice, ...]

    @classmethod
    def on(cls, array_shape: Sequence[int], start: Sequence[int], shape: Sequence[int]) -> "PatchWindow":
        """Return the window of ``shape`` that begins at ``start``, which may lie outside the array."""
        sides = zip(array_shape, start, shape, strict=True)
        parts = [(int(first), *_overlap(int(n), int(first), int(count))) for n, first, count in sides]
        return cls(
            shape=tuple(int(count) for count in shape),
            taken=tuple(slice(low, high) for _, low, high in parts),
            placed=tuple(slice(low - first, high - first) for first, low, high in parts),
        )

    @property
    def is_inside(self) -> bool:
        """Whether the array covers the window."""
        return all(part == slice(0, n) for part, n in zip(self.placed, self.shape, strict=True))

    def fill(self, part: NDArray[Any], outside: Sequence[float]) -> NDArray[Any]:
        """Return the window [..., z, y, x] that holds what was taken, and where nothing was ``outside``, a channel."""
        if self.is_inside:
            return part
        window = np.empty((*part.shape[:-3], *self.shape), part.dtype)
        window[...] = np.reshape(np.asarray(outside, part.dtype), (-1, 1, 1, 1)[4 - window.ndim :])
        z, y, x = self.placed
        window[..., z, y, x] = part
        return window


def _overlap(n: int, first: int, count: int) -> tuple[int, int]:
    """Return which samples of an axis of n a stretch of ``count`` takes; none where it misses them."""
    low = min(max(first, 0), n, max(first + count, 0))
    return low, max(low, min(first + count, n))
