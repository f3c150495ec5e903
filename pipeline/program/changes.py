"""What a step comes down to: lines, a change of grid, a shear, a warp, or a wait for the whole volume; data only."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TypeGuard

from pipeline.geometry import Geometry, Zyx
from pipeline.program.grid import AxisMap, GridChange
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
        return LineChange(tuple(self.line_of(voxels, volume.measured) for voxels in volume.by_channel), self.scale)


@dataclass(frozen=True)
class Search:
    """A wait for the whole volume, in which a step finds its box; ``working_bytes`` is what that takes beside it."""

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
