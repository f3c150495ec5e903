"""A program carried out: planes in, planes to store out."""

from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from pipeline.program.apply import change_planes, change_volume
from pipeline.program.changes import Barrier, Search, streams
from pipeline.program.packing import Packing, StoredType, choose_packing, convert_to_stored
from pipeline.program.planes import Planes, cut_planes, gather_volume
from pipeline.program.program import Program, require_voxels
from pipeline.volume import Mask, Volume, VolumeSpec

Inverse = dict[str, float]


@dataclass(frozen=True, eq=False)
class PreparedVolume:
    """What a program leaves: planes to store, one by one, and what describes them.

    ``stored * scale_factor + add_offset`` are the values (both None where values are stored themselves), and
    ``inverse["a"] * value + inverse["b"]`` is HU, between the limits of the steps; a list of such pairs with channels,
    None where the steps left nothing to invert.  ``fill_value`` is padding as it is stored, the first channel's.
    ``program`` is the program as it was carried out: where a step had to find its box, with the box.
    """

    planes: Planes
    spec: VolumeSpec
    dtype: StoredType
    packed: Packing | None
    program: Program

    def plane(self, z: int) -> tuple[NDArray[np.generic], Mask | None]:
        """Return a plane as it is stored, [c, y, x], and where it was measured, None if everywhere.

        Asked for z from 0 on, each source plane is read once.
        """
        plane = self.planes(z)
        return convert_to_stored(plane.voxels, self.dtype, self.packed), plane.valid

    @cached_property
    def whole(self) -> tuple[NDArray[np.generic], Mask]:
        """All planes at once: the array to store, [z, y, x] or [c, z, y, x], and its mask [z, y, x]."""
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
        """The whole mask."""
        return self.whole[1]

    @property
    def scale_factor(self) -> float | None:
        """What stored integers are multiplied with."""
        return self.packed.scale_factor if self.packed else None

    @property
    def add_offset(self) -> float | None:
        """What is added to that."""
        return self.packed.add_offset if self.packed else None

    @property
    def fill_value(self) -> float:
        """What padding is stored as."""
        padding = np.full((1, 1, 1), self.spec.padding[0], np.float32)
        return float(convert_to_stored(padding, self.dtype, self.packed)[0, 0, 0])

    @property
    def inverse(self) -> Inverse | list[Inverse | None] | None:
        """What turns values back into HU."""
        pairs = [_inverse(line.inverse if line else None) for line in self.spec.lines]
        return pairs[0] if self.spec.channels is None else pairs


def execute_on_volume(program: Program, volume: Volume) -> PreparedVolume:
    """Carry a program out on a volume in memory; raises as `execute`."""
    if volume.geometry != program.source.geometry:
        msg = "the volume is not the one that this program was compiled for"
        raise ValueError(msg)
    return execute(program, cut_planes(volume))


def execute(program: Program, planes: Planes) -> PreparedVolume:
    """Carry a program out up to the last change that needs a whole volume; the rest goes as planes are asked for.

    Raises SeriesRefusedError if a statistic of the volume does not exist, or no voxel of it is left.
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
    # The lines that had to wait for a statistic are those of the run, all others as described.
    lines = tuple(line or found for line, found in zip(program.result.lines, spec.lines, strict=True))
    final = replace(program.result, lines=lines)
    return PreparedVolume(planes, final, program.dtype, choose_packing(program.dtype, final), program)


def _execute_after_search(program: Program, volume: Volume) -> PreparedVolume:
    """Let the first step that searches find its parameters, and begin what is left, compiled for the grid there is."""
    place = program.first_search
    if place is None:
        msg = "no step of this program searches"
        raise ValueError(msg)
    before, searching, after = program.steps[:place], program.steps[place], program.steps[place + 1 :]
    spec = (program.source, *program.specs)[place]
    rest = execute(Program.compile((searching.find(volume), *after), spec, program.dtype), cut_planes(volume))
    return replace(rest, program=Program.compile((*before, *rest.program.steps), program.source, program.dtype))


def _inverse(pair: tuple[float, float] | None) -> Inverse | None:
    """Return a line's way back under its names."""
    return {"a": pair[0], "b": pair[1]} if pair else None
