"""Execution of a program: planes of the source in, planes to store out.

A change is applied to planes as they pass, or to a whole volume where it needs all planes at once.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from pipeline.geometry import Zyx
from pipeline.kernels import bands
from pipeline.program.axis import AxisMap
from pipeline.program.blend import NO_SHARE, VALID_SHARE, Blend, InPlane, shear_planes
from pipeline.program.changes import Barrier, Blank, GridChange, LineChange, Quantisation, Search, Shear, Warp, streams
from pipeline.program.program import Packing, Program, StoredType, choose_packing, require_voxels
from pipeline.volume import ClampedLine, Mask, Plane, Planes, Volume, VolumeSpec, Voxels, cut_planes, gather_volume

PlaneChange = LineChange | Quantisation | Blank | GridChange | Shear
"""A change of one plane after the other."""

PaddingValues = Sequence[float | None]

Inverse = dict[str, float]


@dataclass(frozen=True, eq=False)
class PreparedVolume:
    """The result of a program: planes to store, computed one by one, and their description.

    ``stored * scale_factor + add_offset`` are the values (both None where values are stored directly).
    ``inverse["a"] * value + inverse["b"]`` is HU, within the limits of the steps; with channels a list of such pairs,
    None where a transform cannot be inverted.  ``fill_value`` is the stored value of padding in the first channel.
    ``program`` is the program as executed: steps that search the volume are replaced by the steps found.
    """

    planes: Planes
    spec: VolumeSpec
    dtype: StoredType
    packed: Packing | None
    program: Program

    def plane(self, z: int) -> tuple[NDArray[np.generic], Mask | None]:
        """Return a plane as it is stored, [c, y, x], and its valid mask, None if valid everywhere.

        If z rises from 0, each source plane is read once.
        """
        plane = self.planes(z)
        return convert_to_stored(plane.voxels, self.dtype, self.packed), plane.valid

    @cached_property
    def whole(self) -> tuple[NDArray[np.generic], Mask]:
        """All planes: the array to store, [z, y, x] or [c, z, y, x], and its valid mask [z, y, x]."""
        shape = self.spec.geometry.shape
        array, valid = np.empty((len(self.spec.lines), *shape), self.dtype), np.ones(shape, np.bool_)
        for z in range(shape.z):
            array[:, z], mask = self.plane(z)
            valid[z] = True if mask is None else mask
        return array.reshape(self.spec.shape), valid

    @property
    def array(self) -> NDArray[np.generic]:
        """The whole array."""
        return self.whole[0]

    @property
    def valid(self) -> Mask:
        """The whole valid mask."""
        return self.whole[1]

    @property
    def scale_factor(self) -> float | None:
        """The factor from stored integers to values."""
        return self.packed.scale_factor if self.packed else None

    @property
    def add_offset(self) -> float | None:
        """The offset from scaled integers to values."""
        return self.packed.add_offset if self.packed else None

    @property
    def fill_value(self) -> float:
        """The stored value of padding."""
        padding = np.full((1, 1, 1), self.spec.padding[0], np.float32)
        return float(convert_to_stored(padding, self.dtype, self.packed)[0, 0, 0])

    @property
    def inverse(self) -> Inverse | list[Inverse | None] | None:
        """The lines from values back to HU."""
        pairs = [_inverse(line.inverse if line else None) for line in self.spec.lines]
        return pairs[0] if self.spec.channels is None else pairs


def execute_on_volume(program: Program, volume: Volume) -> PreparedVolume:
    """Execute a program on a volume in memory; raises as `execute`."""
    if volume.geometry != program.source.geometry:
        msg = "the volume is not the one that this program was compiled for"
        raise ValueError(msg)
    return execute(program, cut_planes(volume))


def execute(program: Program, planes: Planes) -> PreparedVolume:
    """Execute a program up to the last change that needs the whole volume; the rest runs as planes are requested.

    Raises SeriesRefusedError if a statistic of the volume does not exist, or if no voxel is left.
    """
    require_voxels(program)
    spec = program.source
    for change in program.changes:
        if isinstance(change, Search):
            return _execute_after_search(program, gather_volume(planes, spec))
        if streams(change):
            planes, spec = change_planes(change, planes, spec), change.after(spec)
        else:
            volume = gather_volume(planes, spec)
            ready = change.resolve(volume) if isinstance(change, Barrier) else change
            planes, spec = change_volume(ready, volume, spec), ready.after(spec)
    # Lines that waited for a statistic are taken from this run, all others from the description.
    lines = tuple(line or found for line, found in zip(program.result.lines, spec.lines, strict=True))
    final = replace(program.result, lines=lines, fill=spec.fill)
    return PreparedVolume(planes, final, program.dtype, choose_packing(program.dtype, final), program)


def _execute_after_search(program: Program, volume: Volume) -> PreparedVolume:
    """Let the first step that searches find its parameters, then compile and execute the remaining steps."""
    place = program.first_search
    if place is None:
        msg = "no step of this program searches"
        raise ValueError(msg)
    before, searching, after = program.steps[:place], program.steps[place], program.steps[place + 1 :]
    spec = (program.source, *program.specs)[place]
    rest = execute(Program.compile((searching.find(volume), *after), spec, program.dtype), cut_planes(volume))
    return replace(rest, program=Program.compile((*before, *rest.program.steps), program.source, program.dtype))


def _inverse(pair: tuple[float, float] | None) -> Inverse | None:
    """Return the inverse of a line with named coefficients."""
    return {"a": pair[0], "b": pair[1]} if pair else None


def change_planes(change: PlaneChange, planes: Planes, before: VolumeSpec) -> Planes:
    """Return the changed planes; ``before`` describes the planes as they are."""
    if isinstance(change, LineChange):
        return _apply_lines(planes, change)
    if isinstance(change, Quantisation):
        return _apply_quantisation(planes, change)
    if isinstance(change, Blank):
        return _blank_planes(planes, change, before.padding)
    padding = change.padding_of(before) if isinstance(change, GridChange) else before.padding
    if before.has_interpolated:
        return _change_with_interpolated(change, planes, padding)
    result = _change_grid(change, planes, padding)
    if isinstance(change, GridChange) and change.beyond is not None:
        result = _put_beyond(result, change.axes, np.float32(change.beyond))
    if isinstance(change, GridChange) and any(axis.leaves_gaps for axis in change.axes):
        return _unmark_interpolated(result, change.axes)
    return result


def _change_grid(change: GridChange | Shear, planes: Planes, padding: PaddingValues) -> Planes:
    """Return planes on another grid.

    Weights are renormalised over valid voxels; where none is valid, the values of the others are used.
    """
    if isinstance(change, Shear):
        outside = np.array([require_known(value) for value in padding], np.float32)
        return shear_planes(planes, lambda z: InPlane(*change.slices[z]), outside)
    upright = _transpose(planes) if change.order.y == 2 else planes
    if change.exact:
        return _take_samples(upright, change, padding)
    return Blend(upright, change.axes, len(padding), clip=change.clip and change.separate == 0)


def _apply_lines(planes: Planes, change: LineChange) -> Planes:
    """Return planes with one clamped line applied to each channel."""
    lines = [_singles(line) for line in change.lines]

    def at(z: int) -> Plane:
        plane = planes(z)
        sources = np.repeat(plane.voxels, len(change.lines), axis=0) if change.split else plane.voxels
        voxels = np.empty(sources.shape, np.float32)
        for line, source, target in zip(lines, sources, voxels, strict=True):
            bands.apply_line(source.ravel(), line, target.ravel())
        return replace(plane, voxels=voxels)

    return at


def _apply_quantisation(planes: Planes, change: Quantisation) -> Planes:
    def at(z: int) -> Plane:
        plane = planes(z)
        return replace(plane, voxels=change(plane.voxels))

    return at


def _blank_planes(planes: Planes, change: Blank, padding: PaddingValues) -> Planes:
    outside = np.reshape([np.float32(require_known(value)) for value in padding], (-1, 1, 1))

    def at(z: int) -> Plane:
        plane, inside = planes(z), change.inside[z]
        usable = None if plane.usable is None else plane.usable & inside
        return Plane(np.where(inside, plane.voxels, outside), plane.mask & inside, usable)

    return at


def _singles(line: ClampedLine) -> tuple[np.float32, np.float32, np.float32, np.float32]:
    """Return a line's numbers in single precision, as voxels are."""
    return np.float32(line.a), np.float32(line.b), np.float32(line.low), np.float32(line.high)


def _change_with_interpolated(change: GridChange | Shear, planes: Planes, padding: PaddingValues) -> Planes:
    """Change planes that hold interpolated voxels.

    Usable voxels are blended; the valid mask is resampled as one more channel beside them.
    """

    def layered(z: int) -> Plane:
        plane = planes(z)
        return Plane(np.concatenate([plane.voxels, plane.mask[None]], dtype=np.float32), plane.usable)

    moved = _change_grid(change, layered, (*padding, 0.0))

    def at(z: int) -> Plane:
        plane = moved(z)
        return Plane(plane.voxels[:-1], plane.mask & (plane.voxels[-1] >= VALID_SHARE), plane.mask)

    return at


def _unmark_interpolated(planes: Planes, axes: Zyx[AxisMap]) -> Planes:
    """Return planes without the samples in gaps in their valid mask; the values stay usable."""
    in_z, y, x = (axis.supported if axis.leaves_gaps else np.ones(axis.n, np.bool_) for axis in axes)
    in_plane = y[:, None] & x

    def at(z: int) -> Plane:
        plane = planes(z)
        return Plane(plane.voxels, plane.mask & in_plane & in_z[z], plane.mask)

    return at


def _put_beyond(planes: Planes, axes: Zyx[AxisMap], value: np.float32) -> Planes:
    """Return planes that hold a value where a sample lies beyond the outer faces of the source."""
    in_z, y, x = (axis.covered for axis in axes)
    in_plane = y[:, None] & x

    def at(z: int) -> Plane:
        plane = planes(z)
        return replace(plane, voxels=np.where(in_plane & in_z[z], plane.voxels, value))

    return at


def _transpose(planes: Planes) -> Planes:
    """Return planes with x and y exchanged."""

    def at(z: int) -> Plane:
        plane = planes(z)
        mask = None if plane.valid is None else plane.valid.T
        return Plane(plane.voxels.transpose(0, 2, 1), mask)

    return at


def _take_samples(planes: Planes, change: GridChange, padding: PaddingValues) -> Planes:
    """Return planes of samples as they are; views of the source where nothing is padded."""
    z_axis, y_axis, x_axis = change.axes
    source_zs = (z_axis.start + z_axis.step * np.arange(z_axis.n)).astype(int)
    (y_written, y_taken), (x_written, x_taken) = find_overlap(y_axis), find_overlap(x_axis)

    def outside() -> tuple[Voxels, Mask]:
        voxels = np.empty((len(padding), y_axis.n, x_axis.n), np.float32)
        voxels[:] = np.reshape([require_known(value) for value in padding], (-1, 1, 1))
        return voxels, np.zeros((y_axis.n, x_axis.n), np.bool_)

    def at(z: int) -> Plane:
        source_z = int(source_zs[z])
        if not 0 <= source_z < z_axis.source_n:
            return Plane(*outside())
        plane = planes(source_z)
        if y_axis.inside and x_axis.inside:
            mask = None if plane.valid is None else plane.valid[y_taken, x_taken]
            return Plane(plane.voxels[:, y_taken, x_taken], mask)
        voxels, mask = outside()
        voxels[:, y_written, x_written] = plane.voxels[:, y_taken, x_taken]
        mask[y_written, x_written] = plane.mask[y_taken, x_taken]
        return Plane(voxels, mask)

    return at


def require_known(padding: float | None) -> float:
    """Return the value of padding; raises ValueError where a statistic it depends on is not known."""
    if padding is None:
        msg = "padding has no value until the barrier before it is resolved"
        raise ValueError(msg)
    return padding


def find_overlap(axis: AxisMap) -> tuple[slice, slice]:
    """Return the part of an exact map's output that has samples, and those samples of the source."""
    start, step = int(axis.start), int(axis.step)
    inside = np.flatnonzero((axis.positions >= 0) & (axis.positions < axis.source_n))
    if not len(inside):
        return slice(0, 0), slice(0, 0)
    first, end = int(inside[0]), int(inside[-1]) + 1
    stop = start + step * end
    return slice(first, end), slice(start + step * first, None if stop < 0 else stop, step)


def change_volume(change: PlaneChange | Warp, volume: Volume, before: VolumeSpec) -> Planes:
    """Return the planes of a changed volume; ``before`` describes the volume as it is."""
    if isinstance(change, Warp):
        return cut_planes(_warp_volume(change, volume, before.padding))
    if isinstance(change, GridChange):
        return _change_whole_grid(change, volume, before)
    return change_planes(change, cut_planes(volume), before)


def _change_whole_grid(change: GridChange, volume: Volume, before: VolumeSpec) -> Planes:
    """Return the planes of a volume on another grid, clamped to the range that the change names."""
    upright = replace(change, order=Zyx(0, 1, 2))
    if not change.clip or change.separate == 0:
        return change_planes(upright, cut_planes(volume, change.order), before)
    if change.separate is None:
        ranges = [(channel.min(), channel.max()) for channel in volume.by_channel]
        return _clamp_planes(
            change_planes(replace(upright, clip=False), cut_planes(volume, change.order), before), ranges
        )
    # Slices across another axis than z: that axis is made z, and put back.
    turn = Zyx(change.separate, *(axis for axis in range(3) if axis != change.separate))
    turned = replace(
        upright, axes=Zyx(*(change.axes[i] for i in turn)), geometry=change.geometry.permute(turn), separate=0
    )
    planes = change_planes(turned, cut_planes(volume, Zyx(*(change.order[i] for i in turn))), before)
    result = gather_volume(planes, turned.after(before))
    return cut_planes(result, Zyx(*(turn.index(axis) for axis in range(3))))


def _clamp_planes(planes: Planes, ranges: Sequence[tuple[float, float]]) -> Planes:
    """Return planes whose channels are clamped, each to its range."""
    low, high = (np.reshape(np.array(limits, np.float32), (-1, 1, 1)) for limits in zip(*ranges, strict=True))

    def at(z: int) -> Plane:
        plane = planes(z)
        return replace(plane, voxels=np.clip(plane.voxels, low, high))

    return at


def _warp_volume(change: Warp, volume: Volume, padding: PaddingValues) -> Volume:
    """Return the volume on a rotated grid, renormalised over valid voxels as in `Blend`."""
    if volume.usable is not None:  # the valid mask is resampled as one more channel
        layers = np.concatenate([volume.by_channel, volume.valid[None]], dtype=np.float32)
        result = _warp_volume(change, Volume(layers, volume.usable, volume.geometry), (*padding, 0.0))
        valid = result.valid & (result.voxels[-1] >= VALID_SHARE)
        return Volume(_with_axes_of(volume, result.voxels[:-1]), valid, result.geometry, result.valid)
    share = warp_array(volume.valid.astype(np.float32), change, 0.0)
    voxels = np.empty((len(volume.by_channel), *change.geometry.shape), np.float32)
    for channel, (source, outside) in enumerate(zip(volume.by_channel, padding, strict=True)):
        plain = warp_array(source, change, require_known(outside))
        sums = warp_array(source * volume.valid, change, 0.0)
        voxels[channel] = np.divide(sums, share, out=plain, where=share > NO_SHARE)
    return Volume(_with_axes_of(volume, voxels), share >= VALID_SHARE, change.geometry)


def _with_axes_of(volume: Volume, voxels: Voxels) -> Voxels:
    """Return [c, z, y, x] without its c axis where the volume has none."""
    return voxels if volume.voxels.ndim == 4 else voxels[0]


def warp_array(array: NDArray[Any], change: Warp, outside: float, order: Literal[0, 1] = 1) -> NDArray[Any]:
    """Return an array [z, y, x] sampled on the rotated grid: trilinear, or the nearest sample (order 0)."""
    from scipy import ndimage  # noqa: PLC0415  takes half a second, needed for rotated grids only

    affine = np.linalg.solve(change.source.affine_lps, change.geometry.affine_lps)
    target = np.empty(change.geometry.shape, array.dtype)
    ndimage.affine_transform(array, affine, output=target, order=order, mode="constant", cval=outside)
    return target


def convert_to_stored(voxels: Voxels, dtype: StoredType, packed: Packing | None) -> NDArray[np.generic]:
    """Return voxels in the stored dtype: integers rounded to nearest and saturated, floats kept finite."""
    if np.issubdtype(dtype, np.floating):
        return np.clip(voxels, np.finfo(dtype).min, np.finfo(dtype).max).astype(dtype)
    stored = np.empty(voxels.shape, dtype)
    packing = (packed.scale_factor, packed.add_offset) if packed else (1.0, 0.0)
    bands.round_to_integers(voxels.ravel(), packing, stored.ravel())
    return stored
