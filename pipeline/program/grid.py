"""A change of grid, described axis by axis: where each output sample lies among the source's."""

from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from pipeline.geometry import Geometry, Zyx
from pipeline.volume import VolumeSpec

Method = Literal["linear", "nearest", "cubic"]

RIM_TOLERANCE = 1e-6
"""In source samples: a position this little beyond the first or last sample still lies on it."""

NEAR, CLOSE = 0.5 + 1e-6, 1.5 + 1e-6
"""In usual intervals: how near one sample, or how close together two, speak for a position as measured."""


@dataclass(frozen=True)
class AxisMap:
    """Output index i, of n, lies at source index ``start + step * i``, of source_n; a negative step flips.

    ``samples`` says where the source's samples truly lie, growing, in units of the usual interval between them; where
    it is None they lie on 0, 1, 2 ...  ``reach`` says how far from a sample its measurement speaks, in the same units;
    None where samples touch.
    """

    n: int
    source_n: int
    start: float = 0
    step: float = 1
    method: Method = "linear"
    antialias: bool = True
    samples: tuple[float, ...] | None = None
    reach: float | None = None

    @property
    def exact(self) -> bool:
        """Whether every output sample lies on the lattice of the source, so that taking it is pure indexing."""
        return self.samples is None and abs(self.step) == 1 and float(self.start).is_integer()

    @property
    def inside(self) -> bool:
        """Whether no output sample lies beyond the first or last of the source."""
        last = self.start + self.step * (self.n - 1)
        return min(self.start, last) >= 0 and max(self.start, last) <= self.source_n - 1

    @property
    def whole(self) -> bool:
        """Whether the axis keeps every sample, in this direction or the other."""
        return self.exact and self.inside and self.n == self.source_n

    @property
    def positions(self) -> NDArray[np.float64]:
        """Where the output samples lie, in source index units."""
        return self.start + self.step * np.arange(self.n, dtype=np.float64)

    @property
    def sampled_at(self) -> NDArray[np.float64]:
        """Where the source's samples lie."""
        return np.arange(self.source_n, dtype=np.float64) if self.samples is None else np.array(self.samples)

    @property
    def within(self) -> NDArray[np.bool_]:
        """Which output samples lie between the first and the last of the source."""
        first, last = (0, self.source_n - 1) if self.samples is None else (self.samples[0], self.samples[-1])
        return (self.positions >= first - RIM_TOLERANCE) & (self.positions <= last + RIM_TOLERANCE)

    @property
    def invents(self) -> bool:
        """Whether an output sample may lie where no sample of the source comes near."""
        return not self.exact and (self.samples is not None or self.reach is not None)

    @property
    def spoken_for(self) -> NDArray[np.bool_]:
        """Which output samples lie near one of the source, or between two that are close together; else invented."""
        if self.reach is not None:
            near = max(self.reach, abs(self.step) / 2) + RIM_TOLERANCE
            return self.within & (np.abs(self.positions - np.rint(self.positions)) <= near)
        at = self.sampled_at
        after = np.clip(np.searchsorted(at, self.positions), 1, len(at) - 1)
        below, above = at[after - 1], at[after]
        nearest = np.minimum(np.abs(self.positions - below), np.abs(above - self.positions))
        return self.within & ((nearest <= NEAR) | (above - below <= CLOSE))

    def then(self, other: "AxisMap") -> "AxisMap":
        """Return the one map that does this and then the other; at most one of them may filter."""
        filtering = other if self.exact else self
        start, step = self.start + self.step * other.start, self.step * other.step
        return replace(filtering, n=other.n, source_n=self.source_n, start=start, step=step)


@dataclass(frozen=True)
class GridChange:
    """A change of grid that is separable: output axis i comes from source axis ``order[i]`` through ``axes[i]``.

    Beyond the source, a change that filters takes the value at the rim, and one that is exact puts padding; neither
    counts as measured.
    """

    order: Zyx[int]
    axes: Zyx[AxisMap]
    geometry: Geometry

    @property
    def exact(self) -> bool:
        """Whether the change is pure indexing, which changes no bit."""
        return all(axis.exact for axis in self.axes)

    def after(self, spec: VolumeSpec) -> VolumeSpec:
        """Return what comes out of the change."""
        reach = (spec.reach[source] if axis.exact else None for source, axis in zip(self.order, self.axes, strict=True))
        invented = spec.invented or any(axis.invents for axis in self.axes)
        return replace(spec, geometry=self.geometry, invented=invented, reach=Zyx(*reach))

    @property
    def leaves_nothing(self) -> bool:
        """Whether no output sample lies within the source."""
        return not all(axis.within.any() for axis in self.axes)

    def then(self, other: "GridChange") -> "GridChange | None":
        """Return the one change that does this and then the other, or None where two are needed.

        One is enough if the first only turns the grid, or the second only turns and crops it.  Else something would be
        seen that the first has cut off, or rim and padding would be mixed up.  Nor is a nearest sample turned after it
        was chosen: of two equally near, the other one would be taken.
        """
        if any(axis.samples is not None for axis in (*self.axes, *other.axes)):
            return None
        pairs = [(self.axes[i], axis) for i, axis in zip(other.order, other.axes, strict=True)]
        if any(first.method == "nearest" and second.step < 0 for first, second in pairs):
            return None
        turns = all(axis.whole for axis in self.axes)
        selects = all(axis.exact and axis.inside for axis in other.axes)
        if not (turns or selects):
            return None
        order = Zyx(*(self.order[i] for i in other.order))
        axes = Zyx(*(first.then(second) for first, second in pairs))
        return GridChange(order, axes, other.geometry)
