"""Which patch comes next: drawn from a seed, an epoch and an index, the same in every process and in any order."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from itertools import product
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from pipeline.dataset.cohort import Cohort
from pipeline.dataset.volume import CohortVolume
from pipeline.errors import UsageError
from pipeline.geometry import Zyx


@dataclass(frozen=True, eq=False)
class Foreground:
    """A label's voxels above 0, counted chunk by chunk: ``counts`` [n] belong to the chunks at ``corners`` [n, 3]."""

    chunk: tuple[int, ...]
    corners: NDArray[np.int64]
    counts: NDArray[np.int64]

    @classmethod
    def of(cls, array: Any) -> Self:
        """Count an array [z, y, x] or [region, z, y, x], one chunk in memory at a time."""
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
        place = corner + voxels[rng.integers(len(voxels))]
        return Zyx(*(int(at) for at in place[-3:]))


def _chunk(array: Any, corner: NDArray[np.int64]) -> NDArray[Any]:
    return np.asarray(array[tuple(slice(first, first + n) for first, n in zip(corner, array.chunks, strict=True))])


@dataclass(frozen=True, kw_only=True)
class Drawing:
    """How patches are drawn.

    ``shape`` [z, y, x]; ``per_volume`` patches of each series are an epoch.  With ``foreground`` the share
    ``foreground_share`` of the patches is centred on a voxel of that label, each voxel as likely.  With ``balance``
    every value of that column of the manifest is as likely, and series of one value among themselves.
    """

    shape: tuple[int, int, int]
    per_volume: int = 1
    seed: int = 0
    foreground: str | None = None
    foreground_share: float = 0.5
    balance: str | None = None

    def __post_init__(self) -> None:
        for holds, rule in (
            (len(self.shape) == 3 and min(self.shape) >= 1, "shape must be three numbers above 0, for z, y and x"),
            (self.per_volume >= 1, "per_volume must be at least 1"),
            (0 <= self.foreground_share <= 1, "foreground_share must be from 0 to 1"),
        ):
            if not holds:
                raise ValueError(rule)


@dataclass(frozen=True)
class PatchSampler:
    """Patches of a cohort's volumes; law: the same seed, epoch and index give the same patch.

    Raises UsageError where no series has a volume, or one has no value to balance by.
    """

    cohort: Cohort
    drawing: Drawing
    _foregrounds: dict[str, Foreground] = field(default_factory=dict, repr=False, compare=False)

    def __post_init__(self) -> None:
        if not self.cohort.keys:
            msg = "no series of this cohort has a volume"
            raise UsageError(msg)
        self._chances  # noqa: B018  what cannot be balanced is refused at once

    def __len__(self) -> int:
        return len(self.cohort.keys) * self.drawing.per_volume

    def draw(self, epoch: int, index: int) -> tuple[CohortVolume, Zyx[int]]:
        """Return the volume of a patch, and its first voxel [z, y, x], which of a small volume lies outside."""
        if not 0 <= index < len(self):
            msg = f"patch {index} of {len(self)}"
            raise IndexError(msg)
        rng = np.random.default_rng((self.drawing.seed, epoch, index))
        keys = self.cohort.keys
        chosen = index % len(keys) if self._chances is None else int(rng.choice(len(keys), p=self._chances))
        volume = self.cohort.volume(keys[chosen])
        return volume, self._start(volume, rng)

    def _start(self, volume: CohortVolume, rng: np.random.Generator) -> Zyx[int]:
        shape, wanted = volume.geometry.shape, self.drawing.shape
        anywhere = Zyx(*(_anywhere(n, count, rng) for n, count in zip(shape, wanted, strict=True)))
        centre = self._foreground_voxel(volume, rng)
        if centre is None:
            return anywhere
        return Zyx(*(_around(at, n, count) for at, n, count in zip(centre, shape, wanted, strict=True)))

    def _foreground_voxel(self, volume: CohortVolume, rng: np.random.Generator) -> Zyx[int] | None:
        """Return a voxel of the foreground, None where this patch lies anywhere or there is no such voxel."""
        name = self.drawing.foreground
        if name is None or rng.random() >= self.drawing.foreground_share or volume.is_whole(name):
            return None
        array = volume.label(name)
        if volume.key not in self._foregrounds:
            self._foregrounds[volume.key] = Foreground.of(array)
        foreground = self._foregrounds[volume.key]
        return foreground.draw(array, rng) if foreground.n_voxels else None

    @cached_property
    def _chances(self) -> Sequence[float] | None:
        """Return each series' chance, None where all take turns."""
        column = self.drawing.balance
        if column is None:
            return None
        values = self.cohort.where(series_key=self.cohort.keys).column(column)
        if None in values:
            msg = f"{values.count(None)} series have no {column}: leave them out with where"
            raise UsageError(msg)
        counts = Counter(values)
        return [1 / (len(counts) * counts[value]) for value in values]


def _anywhere(n: int, count: int, rng: np.random.Generator) -> int:
    """Return where a stretch begins that lies within n samples, or around them where they are fewer."""
    first = int(rng.integers(max(1, n - count + 1)))
    return first if n >= count else -((count - n) // 2)


def _around(centre: int, n: int, count: int) -> int:
    """Return where a stretch begins that has a sample in its middle, or as near to it as the array's ends allow."""
    return min(max(centre - count // 2, 0), n - count) if n >= count else -((count - n) // 2)
