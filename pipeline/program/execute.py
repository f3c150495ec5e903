"""Execution of a program: planes of the source in, planes to store out."""

from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from pipeline.program.apply import change_planes, change_volume
from pipeline.program.changes import Barrier, Search, streams
from pipeline.program.packing import Packing, StoredType, choose_packing, convert_to_stored
from pipeline.program.program import Program, require_voxels
from pipeline.volume import Mask, Planes, Volume, VolumeSpec, cut_planes, gather_volume

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
    final = replace(program.result, lines=lines)
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
