"""The kinds of change that steps compile to: clamped lines, changes of grid, and waits for the whole volume."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TypeGuard

from pipeline.geometry import Geometry, Zyx
from pipeline.program.axis import AxisMap
from pipeline.volume import ClampedLine, Mask, Scale, Volume, VolumeSpec, Voxels


@dataclass(frozen=True)
class LineChange:
    """An intensity transform: one clamped line a channel.

    With ``split``, the single channel becomes several of these names, each with its own line.
    """

    lines: tuple[ClampedLine, ...]
    scale: Scale
    split: tuple[str, ...] | None = None

    def after(self, spec: VolumeSpec) -> VolumeSpec:
        """Return the description of the result."""
        before = spec.lines * len(self.lines) if self.split else spec.lines
        lines = tuple(first and first.then(second) for first, second in zip(before, self.lines, strict=True))
        return replace(spec, lines=lines, scale=self.scale, channels=self.split or spec.channels)

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
    slice across it, resampled by itself.
    """

    order: Zyx[int]
    axes: Zyx[AxisMap]
    geometry: Geometry
    clip: bool = False
    separate: int | None = None

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
        return replace(spec, geometry=self.geometry, has_interpolated=has_interpolated, reach=Zyx(*reach))

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
        if self.clip or other.clip or any(axis.samples is not None for axis in (*self.axes, *other.axes)):
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
        return replace(spec, lines=(None,) * len(spec.lines), scale=self.scale)

    def resolve(self, volume: Volume) -> LineChange:
        """Compute the statistic of each channel, and return the lines that follow."""
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
        """Return the largest result possible: nothing is cut."""
        return spec


Change = LineChange | GridChange | Shear | Warp | Barrier | Search


def streams(change: Change) -> TypeGuard[LineChange | GridChange | Shear]:
    """Whether a change needs only a few planes at a time: it is no barrier, and no change of grid that needs all."""
    return not isinstance(change, Barrier | Search | Warp) and not (
        isinstance(change, GridChange) and change.needs_volume
    )
