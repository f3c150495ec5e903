"""Weighted sums along three axes, plane by plane; in memory are only the source planes that one output plane needs."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from pipeline.axes import Zyx
from pipeline.kernels import bands
from pipeline.steps.grid import AxisMap
from pipeline.steps.planes import Plane, Planes, unless_whole
from pipeline.steps.weights import Floats, Indices, Window, axis_weights
from pipeline.volume import Mask, Voxels

MEASURED_SHARE = 0.5 - 1e-6
"""An output voxel is measured if at least half of its weight is; a little less, for the last digits of a sum."""

NO_SHARE = 1e-6
"""At or below this share of measured weight, the values of what was not measured are taken."""


@dataclass(frozen=True, eq=False)
class InPlane:
    """The bands along y and x, applied to planes."""

    y: AxisMap
    x: AxisMap

    @cached_property
    def bands(self) -> tuple[Indices, Floats, Indices, Floats]:
        """The bands of every row and every column."""
        return (*axis_weights(self.y), *axis_weights(self.x))

    @cached_property
    def within(self) -> Mask | None:
        """Where an output pixel lies between the outermost samples [y, x], None where all do."""
        return unless_whole(self.y.within[:, None] & self.x.within)

    def sums(self, layers: Voxels, target: Voxels) -> None:
        """Fill ``target`` [c, y, x] from layers [c, y, x]."""
        for layer, onto in zip(layers, target, strict=True):
            bands.in_plane(np.ascontiguousarray(layer), *self.bands, onto)


class Blend:
    """A change of grid by weights, as planes: asked for a plane, it reads what it lacks and blends.

    Weights are renormalised over measured samples; where there are none, those that hold a value all the same speak.
    An output voxel is measured if it lies between the outermost samples and at least half of its weight is measured.
    """

    def __init__(self, planes: Planes, axes: Zyx[AxisMap], channels: int) -> None:
        self._planes = planes
        self._window, self._in_plane = Window(axes.z), InPlane(axes.y, axes.x)
        self._in_z = axes.z.within
        # Of negative weights the share can be small and the sums large: then half of the weight must be measured.
        self._least = MEASURED_SHARE if any(axis.method == "cubic" for axis in axes) else NO_SHARE
        self._shape = (axes.y.n, axes.x.n)
        taps = self._window.taps
        self._held, self._whole = np.full(taps, -1), np.ones(taps, np.bool_)
        self._plain = np.empty((channels, taps, *self._shape), np.float32)
        self._sums, self._share = np.empty_like(self._plain), np.empty((taps, *self._shape), np.float32)
        self._last: tuple[int, Mask] | None = None

    def __call__(self, z: int) -> Plane:
        """Return an output plane."""
        needed, weights = self._window.needed(z)
        slots = needed % self._window.taps
        for source_z, slot in zip(needed.tolist(), slots.tolist(), strict=True):
            if self._held[slot] != source_z:
                self._hold(slot, self._planes(source_z))
                self._held[slot] = source_z
        voxels = np.empty((len(self._plain), *self._shape), np.float32)
        if self._whole[slots].all():
            for plain, target in zip(self._plain, voxels, strict=True):
                bands.between(_flat(plain), slots, weights, target.ravel())
            return Plane(voxels, self._inside(z, None))
        return Plane(voxels, self._inside(z, self._blend_measured(slots, weights, voxels)))

    def _hold(self, slot: int, plane: Plane) -> None:
        """Keep a source plane's sums in its own plane; of its measured part as well, unless that is all of it."""
        self._in_plane.sums(plane.voxels, self._plain[:, slot])
        self._whole[slot] = plane.measured is None
        if plane.measured is not None:
            mask = plane.measured.astype(np.float32)
            self._in_plane.sums(plane.voxels * mask, self._sums[:, slot])
            self._hold_share(slot, plane.measured, mask)

    def _hold_share(self, slot: int, measured: Mask, mask: Voxels) -> None:
        """Keep the weight of what was measured; the field of view is a scanner's own, and seldom changes."""
        if self._last is not None and np.array_equal(self._last[1], measured):
            self._share[slot] = self._share[self._last[0]]
        else:
            self._in_plane.sums(mask[None], self._share[slot, None])
        self._last = (slot, measured)

    def _blend_measured(self, slots: Indices, weights: Floats, voxels: Voxels) -> Mask:
        """Fill ``voxels``, and return where enough of their weight was measured."""
        share = np.empty(self._shape, np.float32)
        for plain, sums, target in zip(self._plain, self._sums, voxels, strict=True):
            layers = (_flat(plain), _flat(sums), _flat(self._share), self._whole)
            bands.between_measured(layers, slots, weights, self._least, target.ravel(), share.ravel())
        enough: Mask = share >= MEASURED_SHARE
        return enough

    def _inside(self, z: int, enough: Mask | None) -> Mask | None:
        """Return the mask of an output plane."""
        if not self._in_z[z]:
            return np.zeros(self._shape, np.bool_)
        within = self._in_plane.within
        if enough is None or within is None:
            return within if enough is None else enough
        return enough & within


def sheared(planes: Planes, slices: Callable[[int], InPlane], padding: Voxels) -> Planes:
    """Return planes of which each is moved in its own plane by its own bands.

    As `Blend`, but what lies beyond a slice's outermost samples is padding: ``padding`` holds its value a channel.
    """

    def at(z: int) -> Plane:
        moved = slices(z)
        axes = Zyx(AxisMap(1, 1), moved.y, moved.x)
        plane = Blend(lambda _: planes(z), axes, len(padding))(0)
        if moved.within is None:
            return plane
        return Plane(np.where(moved.within, plane.voxels, padding[:, None, None]), plane.measured)

    return at


def _flat(planes: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return planes [slot, ...] as rows of pixels."""
    return planes.reshape(len(planes), -1)
