"""The kinds of change that steps compile to: clamped lines, changes of grid, and waits for the whole volume."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Literal, TypeGuard

import numpy as np

from pipeline.geometry import Geometry, Zyx
from pipeline.program.axis import AxisMap
from pipeline.volume import ClampedLine, Mask, Scale, Volume, VolumeSpec, Voxels


@dataclass(frozen=True)
class LineChange:
    """An intensity transform: one clamped line per channel.

    With ``split``, the single channel becomes several of these names, each with its own line.
    """

    lines: tuple[ClampedLine, ...]
    scale: Scale
    split: tuple[str, ...] | None = None

    def after(self, spec: VolumeSpec) -> VolumeSpec:
        """Return the description of the result."""
        before = spec.lines * len(self.lines) if self.split else spec.lines
        lines = tuple(first and first.then(second) for first, second in zip(before, self.lines, strict=True))
        fill = spec.fill
        if fill is not None:
            values = fill * len(self.lines) if self.split else fill
            fill = tuple(
                None if value is None else line.at(value) for value, line in zip(values, self.lines, strict=True)
            )
        return replace(spec, lines=lines, fill=fill, scale=self.scale, channels=self.split or spec.channels)

    def then(self, other: "LineChange") -> "LineChange":
        """Return the change that is this one followed by the other."""
        before = self.lines * len(other.lines) if other.split else self.lines
        lines = tuple(first.then(second) for first, second in zip(before, other.lines, strict=True))
        return LineChange(lines, other.scale, other.split or self.split)


@dataclass(frozen=True)
class GridChange:
    """A change of grid that is separable: output axis i comes from source axis ``order[i]`` through ``axes[i]``.

    Beyond the source, a change that filters extends the value at the rim, and an exact one puts padding; neither is
    valid.

    With ``clip`` the values are clamped to the range of the volume before or, where an axis is ``separate``, of each
    slice across it, resampled by itself.  ``fill`` is a value of its own for padding, from here on,
    and ``beyond`` one for samples beyond the outer faces of a change that filters.
    """

    order: Zyx[int]
    axes: Zyx[AxisMap]
    geometry: Geometry
    clip: bool = False
    separate: int | None = None
    fill: float | None = None
    beyond: float | None = None

    @property
    def needs_volume(self) -> bool:
        """Whether all planes are needed at once: axis z does not stay axis z, or the range is not that of planes."""
        return self.order.z != 0 or (self.clip and self.separate != 0)

    @property
    def exact(self) -> bool:
        """Whether the change is pure indexing, which changes no bit."""
        return all(axis.exact for axis in self.axes)

    def after(self, spec: VolumeSpec) -> VolumeSpec:
        """Return the description of the result."""
        reach = (spec.reach[source] if axis.exact else None for source, axis in zip(self.order, self.axes, strict=True))
        has_interpolated = spec.has_interpolated or any(axis.leaves_gaps for axis in self.axes)
        return replace(
            spec,
            geometry=self.geometry,
            has_interpolated=has_interpolated,
            reach=Zyx(*reach),
            fill=spec.fill if self.fill is None else (self.fill,) * len(spec.lines),
        )

    def padding_of(self, spec: VolumeSpec) -> tuple[float | None, ...]:
        """Return what is put where the source has nothing, a channel."""
        return spec.padding if self.fill is None else (self.fill,) * len(spec.lines)

    @property
    def leaves_nothing(self) -> bool:
        """Whether no output sample lies within the source."""
        return not all(axis.within.any() for axis in self.axes)

    def then(self, other: "GridChange") -> "GridChange | None":
        """Return the change that is this one followed by the other, or None where both are needed.

        One is enough if the first only turns the grid, or the second only turns and crops it.  Otherwise samples that
        the first has cut off would be used, or rim and padding would be confused.  ``nearest`` is not merged with a
        flip after it: of two samples equally near, the other one would be taken.
        """
        if any(one.clip or (one.fill, one.beyond) != (None, None) for one in (self, other)):
            return None
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


@dataclass(frozen=True)
class Warp:
    """Trilinear sampling on a grid that is rotated against the source's; padding outside the source."""

    source: Geometry
    geometry: Geometry

    def after(self, spec: VolumeSpec) -> VolumeSpec:
        """Return the description of the result."""
        return replace(spec, geometry=self.geometry, reach=Zyx(None, None, None))


@dataclass(frozen=True)
class Shear:
    """Each slice moved in its own plane: ``slices`` holds its maps of y and x; padding outside a slice."""

    slices: tuple[tuple[AxisMap, AxisMap], ...]
    geometry: Geometry

    def after(self, spec: VolumeSpec) -> VolumeSpec:
        """Return the description of the result."""
        return replace(spec, geometry=self.geometry)


@dataclass(frozen=True)
class Barrier:
    """A clamped line that depends on a statistic: of the volume's valid voxels, or of the cohort (``line_of`` None)."""

    scale: Scale
    line_of: Callable[[Voxels, Mask], ClampedLine] | None

    def after(self, spec: VolumeSpec) -> VolumeSpec:
        """Return the description of the result, with lines that are not known yet."""
        unknown = (None,) * len(spec.lines)
        return replace(spec, lines=unknown, fill=spec.fill and unknown, scale=self.scale)

    def resolve(self, volume: Volume) -> LineChange:
        """Compute the statistic of each channel, and return the lines that follow."""
        if self.line_of is None:
            msg = "a statistic of the cohort is not found in one volume"
            raise ValueError(msg)
        return LineChange(tuple(self.line_of(voxels, volume.valid) for voxels in volume.by_channel), self.scale)


@dataclass(frozen=True)
class Search:
    """A wait for the whole volume, in which the step finds its parameters: `Step.find` returns the step it becomes.

    ``working_bytes`` is the memory that this takes beside the volume.  With ``split`` the one channel becomes several,
    with these lines, None where the line is to be found.
    """

    working_bytes: int
    split: tuple[str, ...] | None = None
    lines: tuple[ClampedLine | None, ...] = ()

    def after(self, spec: VolumeSpec) -> VolumeSpec:
        """Return the largest result possible: nothing is cut."""
        if self.split is None:
            return spec
        first = spec.lines[0]
        lines = tuple(first and line and first.then(line) for line in self.lines)
        (value,) = spec.padding
        fill = tuple(None if value is None or line is None else line.at(value) for line in self.lines)
        return replace(spec, lines=lines, fill=spec.fill and fill, channels=self.split)


@dataclass(frozen=True)
class Quantisation:
    """Every value becomes ``start`` plus a whole number of steps: the one below, the nearest, or that towards start."""

    step: float
    start: float
    rule: Literal["floor", "nearest", "truncate"]

    def after(self, spec: VolumeSpec) -> VolumeSpec:
        """Return the description of the result; between the steps its lines are those of the values before."""
        padding = tuple(
            None if value is None else float(self(np.full(1, value, np.float32))[0]) for value in spec.padding
        )
        return spec if padding == spec.padding else replace(spec, fill=padding)

    def __call__(self, array: Voxels) -> Voxels:
        """Return what an array becomes; counted in double precision, so that no whole number of steps is missed."""
        rounding = {"floor": np.floor, "nearest": np.rint, "truncate": np.trunc}[self.rule]
        return (rounding((array.astype(np.float64) - self.start) / self.step) * self.step + self.start).astype(
            np.float32
        )


@dataclass(frozen=True, eq=False)
class Blank:
    """Padding, not valid, wherever ``inside`` [z, y, x] is False."""

    inside: Mask

    def after(self, spec: VolumeSpec) -> VolumeSpec:
        """Return the description of the result."""
        return spec


Change = LineChange | Quantisation | Blank | GridChange | Shear | Warp | Barrier | Search


def streams(change: Change) -> TypeGuard[LineChange | Quantisation | Blank | GridChange | Shear]:
    """Whether a change needs only a few planes at a time: it is no barrier, and no change of grid that needs all."""
    return not isinstance(change, Barrier | Search | Warp) and not (
        isinstance(change, GridChange) and change.needs_volume
    )
