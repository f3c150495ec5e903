"""Which patch comes next: drawn from a seed, an epoch and an index, the same in every process and in any order."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from itertools import product
from typing import Any, Literal, Self

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


@dataclass(frozen=True, kw_only=True)
class SliceStacks:
    """Stacks of slices along an axis: of every slice ``neighbours`` around it, or of each volume ``equidistant`` ones.

    ``axis`` names one of the stored array's.  Beyond the ends of a volume its last slice is repeated.
    """

    axis: Literal["z", "y", "x"] = "z"
    neighbours: int = 1
    equidistant: int | None = None

    def __post_init__(self) -> None:
        for holds, rule in (
            (self.axis in "zyx", "axis must be z, y or x"),
            (self.neighbours >= 1 and self.neighbours % 2 == 1, "neighbours must be an odd number from 1"),
            (self.equidistant is None or self.equidistant >= 1, "equidistant must be at least 1"),
            (self.equidistant is None or self.neighbours == 1, "give neighbours or equidistant, not both"),
        ):
            if not holds:
                raise ValueError(rule)


@dataclass(frozen=True)
class SliceSampler:
    """The stacks of slices of a cohort's volumes, in their order; no store is opened to count them."""

    cohort: Cohort
    stacks: SliceStacks

    @cached_property
    def _ends(self) -> NDArray[np.int64]:
        """How many stacks end with each volume."""
        rows = [self.cohort.row(key) for key in self.cohort.keys]
        if self.stacks.equidistant is not None:
            return np.arange(1, len(rows) + 1)
        counts = [row["shape"][-3:][self._axis_of(key)] for key, row in zip(self.cohort.keys, rows, strict=True)]
        return np.cumsum(counts, dtype=np.int64)

    def __len__(self) -> int:
        return int(self._ends[-1]) if len(self._ends) else 0

    def places(self, index: int) -> tuple[CohortVolume, list[int]]:
        """Return the volume of a stack, and where its slices lie along the axis."""
        if not 0 <= index < len(self):
            msg = f"stack {index} of {len(self)}"
            raise IndexError(msg)
        number = int(np.searchsorted(self._ends, index, side="right"))
        key = self.cohort.keys[number]
        volume = self.cohort.volume(key)
        n = volume.geometry.shape[self._axis_of(key)]
        if self.stacks.equidistant is not None:
            share = n / self.stacks.equidistant
            return volume, [int((i + 0.5) * share) for i in range(self.stacks.equidistant)]
        centre, half = index - (int(self._ends[number - 1]) if number else 0), self.stacks.neighbours // 2
        return volume, [min(max(at, 0), n - 1) for at in range(centre - half, centre + half + 1)]

    def read(self, volume: CohortVolume, places: Sequence[int], label: str | None = None) -> NDArray[Any]:
        """Return slices of the values [c, slice, row, column], or of a label; those that follow each other at once."""
        axis, shape = self._axis_of(volume.key), volume.geometry.shape
        slabs = []
        for first, last in _join_places(sorted(set(places))):
            start, size = [0, 0, 0], list(shape)
            start[axis], size[axis] = first, last - first + 1
            slab = volume.patch(start, size) if label is None else volume.label_patch(label, start, size)
            slabs.append(slab.reshape(-1, *slab.shape[-3:]))
        found = np.concatenate(slabs, axis=axis + 1)
        order = np.searchsorted(sorted(set(places)), places)
        return np.moveaxis(found.take(order, axis + 1), axis + 1, 1)

    def source_row(self, volume: CohortVolume, place: int) -> Mapping[str, Any]:
        """Return the row of slices.parquet of the source's slice that lies nearest to a slice of the volume.

        Raises UsageError where slices along the axis are not slices of the source.
        """
        axis = self._axis_of(volume.key)
        centre = (np.array(volume.geometry.shape) - 1) / 2
        centre[axis] = place
        here, beyond = volume.to_pixel(np.stack([centre, centre + np.eye(3)[axis]]))
        if np.argmax(np.abs((beyond - here) * volume.attributes["source_geometry"]["spacing_mm"])) != 0:
            msg = f"series {volume.key}: slices along {self.stacks.axis} are no slices of its source"
            raise UsageError(msg)
        return min(volume.slices, key=lambda row: abs(row["z_index"] - here[0]))

    def _axis_of(self, key: str) -> int:
        return self.cohort.volume(key).axes.index(self.stacks.axis)


def _join_places(places: Sequence[int]) -> Iterator[tuple[int, int]]:
    """Yield first and last of each run of numbers that follow each other."""
    first = last = places[0]
    for place in places[1:]:
        if place != last + 1:
            yield first, last
            first = place
        last = place
    yield first, last
