"""What a step comes down to: lines, a change of grid, a shear, a warp, or a wait for the whole volume; data only."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TypeGuard

from pipeline.geometry import Geometry, Zyx
from pipeline.program.axis import AxisMap
from pipeline.volume import ClampedLine, Mask, Scale, Volume, VolumeSpec, Voxels


@dataclass(frozen=True)
class LineChange:
    """One clamped line a channel; with ``split``, one line a new channel, all of them over the one there is."""

    lines: tuple[ClampedLine, ...]
    scale: Scale
    split: tuple[str, ...] | None = None

    def after(self, spec: VolumeSpec) -> VolumeSpec:
        """Return what comes out of the change."""
        before = spec.lines * len(self.lines) if self.split else spec.lines
        lines = tuple(first and first.then(second) for first, second in zip(before, self.lines, strict=True))
        return replace(spec, lines=lines, scale=self.scale, channels=self.split or spec.channels)

    def then(self, other: "LineChange") -> "LineChange":
        """Return the one change that does this and then the other."""
        before = self.lines * len(other.lines) if other.split else self.lines
        lines = tuple(first.then(second) for first, second in zip(before, other.lines, strict=True))
        return LineChange(lines, other.scale, other.split or self.split)


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
        has_interpolated = spec.has_interpolated or any(axis.leaves_gaps for axis in self.axes)
        return replace(spec, geometry=self.geometry, has_interpolated=has_interpolated, reach=Zyx(*reach))

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


@dataclass(frozen=True)
class Warp:
    """Trilinear sampling on a grid that is turned against the source's; outside the source lies padding."""

    source: Geometry
    geometry: Geometry

    def after(self, spec: VolumeSpec) -> VolumeSpec:
        """Return what comes out of the change."""
        return replace(spec, geometry=self.geometry, reach=Zyx(None, None, None))


@dataclass(frozen=True)
class Shear:
    """Each slice moved in its own plane: ``slices`` holds its maps of y and x; outside a slice lies padding."""

    slices: tuple[tuple[AxisMap, AxisMap], ...]
    geometry: Geometry

    def after(self, spec: VolumeSpec) -> VolumeSpec:
        """Return what comes out of the change."""
        return replace(spec, geometry=self.geometry)


@dataclass(frozen=True)
class Barrier:
    """A line that depends on a statistic: of this volume's measured voxels, or (``line_of`` None) of the cohort's."""

    scale: Scale
    line_of: Callable[[Voxels, Mask], ClampedLine] | None

    def after(self, spec: VolumeSpec) -> VolumeSpec:
        """Return what comes out of the change: lines that are not known yet."""
        return replace(spec, lines=(None,) * len(spec.lines), scale=self.scale)

    def resolve(self, volume: Volume) -> LineChange:
        """Take the statistic, channel by channel, and return the lines that follow from it."""
        if self.line_of is None:
            msg = "a statistic of the cohort is not found in one volume"
            raise ValueError(msg)
        return LineChange(tuple(self.line_of(voxels, volume.valid) for voxels in volume.by_channel), self.scale)


@dataclass(frozen=True)
class Search:
    """A wait for the whole volume, in which the step finds its parameters: `Step.find` returns the step it becomes.

    ``working_bytes`` is the memory that this takes beside the volume.
    """

    working_bytes: int

    def after(self, spec: VolumeSpec) -> VolumeSpec:
        """Return the most that comes out: as if nothing were cut."""
        return spec


Change = LineChange | GridChange | Shear | Warp | Barrier | Search


def streams(change: Change) -> TypeGuard[LineChange | GridChange | Shear]:
    """Whether a change needs no more than a few planes at a time: it waits for nothing, and keeps z for z."""
    return not isinstance(change, Barrier | Search | Warp) and not (
        isinstance(change, GridChange) and change.order.z != 0
    )
