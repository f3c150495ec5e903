"""Weighted sums along three axes, plane by plane; in memory are only the source planes that one output plane needs."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from pipeline.geometry import Zyx
from pipeline.kernels import bands
from pipeline.program.axis import AxisMap, Floats, PlaneBand, axis_weights
from pipeline.program.planes import Plane, Planes, drop_full_mask
from pipeline.volume import Mask, Voxels

VALID_SHARE = 0.5 - 1e-6
"""An output voxel is measured if at least half of its weight is; a little less, for the last digits of a sum."""

NO_SHARE = 1e-6
"""At or below this share of measured weight, the values of what was not measured are taken."""

AT_A_TIME = 4096
"""Pixels whose sums are taken together: more than most rims have, and few enough for the nearest cache."""


@dataclass(frozen=True, eq=False)
class FieldOfView:
    """A field of view, as the pixels see it that are made of its samples.

    ``extents`` [y, x] says how many of a pixel's samples were measured.  The pixels of which only some were are its
    ``rim``: only there is what was measured summed by itself, and do ``shares`` [y, x] hold its weight.
    """

    valid: Mask
    extents: bands.Extents
    shares: Voxels
    rim: bands.Pixels


@dataclass(frozen=True, eq=False)
class InPlane:
    """The bands along y and x, applied to planes."""

    y: AxisMap
    x: AxisMap

    @cached_property
    def bands(self) -> bands.Bands:
        """The bands of every row and every column."""
        return (*axis_weights(self.y), *axis_weights(self.x))

    @cached_property
    def within(self) -> Mask | None:
        """Where an output pixel lies between the outermost samples [y, x], None where all do."""
        return drop_full_mask(self.y.within[:, None] & self.x.within)

    @cached_property
    def whole(self) -> FieldOfView:
        """The field of view of a plane that was measured everywhere."""
        return self.field(np.ones((self.y.source_n, self.x.source_n), np.bool_))

    def field(self, valid: Mask) -> FieldOfView:
        """Return what a mask [y, x] comes to on the new grid."""
        extents, shares = np.empty((self.y.n, self.x.n), np.uint8), np.empty((self.y.n, self.x.n), np.float32)
        bands.classify_extents(valid, self.bands, extents)
        field = FieldOfView(valid, extents, shares, _pixels(extents == bands.SOME))
        self.rim_sums(valid.astype(np.float32), field, shares)
        return field

    def sums(self, layer: Voxels, target: Voxels) -> None:
        """Fill ``target`` [y, x] from a layer [y, x]."""
        bands.blend_in_plane(layer, *self.bands, target)

    def rim_sums(self, layer: Voxels, field: FieldOfView, target: Voxels) -> None:
        """Fill the rim of ``target`` [y, x] from what was measured of a layer [y, x]."""
        bands.blend_valid_in_plane(layer, field.valid, self.bands, field.rim, target)


class Blend:
    """A change of grid by weights, as planes: asked for a plane, it reads what it lacks and blends.

    Weights are renormalised over measured samples; where there are none, those that hold a value all the same speak.
    An output voxel is measured if it lies between the outermost samples and at least half of its weight is measured.

    Of most voxels all samples were measured, or none, and there is nothing to renormalise: only the others are dealt
    with one by one.  Which these are, the masks of a voxel's own samples say, and not what was asked for before.
    """

    def __init__(self, planes: Planes, axes: Zyx[AxisMap], channels: int) -> None:
        self._planes = planes
        self._window, self._in_plane = PlaneBand(axes.z), InPlane(axes.y, axes.x)
        self._in_z = axes.z.within
        # Of negative weights the share can be small and the sums large: then half of the weight must be measured.
        self._least = VALID_SHARE if any(axis.method == "cubic" for axis in axes) else NO_SHARE
        self._shape = (axes.y.n, axes.x.n)
        taps = self._window.taps
        self._held: list[int | None] = [None] * taps
        self._fields: list[FieldOfView | None] = [None] * taps
        self._last: FieldOfView | None = None
        self._plain = np.empty((channels, taps, *self._shape), np.float32)
        self._sums = np.empty_like(self._plain)

    def __call__(self, z: int) -> Plane:
        """Return an output plane."""
        needed, weights = self._window.needed(z)
        slots = needed % self._window.taps
        for source_z, slot in zip(needed.tolist(), slots.tolist(), strict=True):
            if self._held[slot] != source_z:
                self._hold(slot, self._planes(source_z))
                self._held[slot] = source_z
        voxels = np.empty((len(self._plain), *self._shape), np.float32)
        for plain, target in zip(self._plain, voxels, strict=True):
            bands.blend_between_planes(_flat(plain), slots, weights, target.ravel())
        return Plane(voxels, self._inside(z, self._renormalise(slots.tolist(), weights.tolist(), voxels)))

    def _hold(self, slot: int, plane: Plane) -> None:
        """Keep a source plane's sums in its own plane; at the rim of its field, of what was measured as well."""
        field = None if plane.valid is None else self._field(plane.valid)
        for layer, plain, sums in zip(plane.voxels, self._plain[:, slot], self._sums[:, slot], strict=True):
            contiguous = np.ascontiguousarray(layer)
            self._in_plane.sums(contiguous, plain)
            if field:
                self._in_plane.rim_sums(contiguous, field, sums)
        self._fields[slot] = field

    def _field(self, valid: Mask) -> FieldOfView:
        """Return a plane's field of view; it is a scanner's own, and seldom changes."""
        last = self._last
        if last is None or not (valid is last.valid or np.array_equal(valid, last.valid)):
            self._last = last = self._in_plane.field(np.ascontiguousarray(valid))
        return last

    def _renormalise(self, slots: list[int], weights: list[float], voxels: Voxels) -> Mask | None:
        """Renormalise the pixels measured in part, and return where enough was; None if all was measured everywhere."""
        if all(self._fields[slot] is None for slot in slots):
            return None
        fields = [self._fields[slot] or self._in_plane.whole for slot in slots]
        parts = list(zip(slots, weights, fields, strict=True))
        pixels, enough = _in_part(fields)
        for start in range(0, len(pixels), AT_A_TIME):
            some = pixels[start : start + AT_A_TIME]
            for channel, target in enumerate(voxels):
                totals = self._totals(channel, parts, some)
                bands.divide_by_weight(totals, (self._least, VALID_SHARE), some, target.ravel(), enough.ravel())
        return enough

    def _totals(self, channel: int, parts: Sequence[tuple[int, float, FieldOfView]], pixels: bands.Pixels) -> Floats:
        """Return the sums of measured values and of their weight [2, k] for pixels [k], from each slot its part."""
        totals = np.zeros((2, len(pixels)))
        for slot, weight, field in parts:
            plain, sums = self._plain[channel, slot].ravel(), self._sums[channel, slot].ravel()
            bands.add_valid(weight, (plain, sums, field.shares.ravel(), field.extents.ravel()), pixels, totals)
        return totals

    def _inside(self, z: int, enough: Mask | None) -> Mask | None:
        """Return the mask of an output plane."""
        if not self._in_z[z]:
            return np.zeros(self._shape, np.bool_)
        within = self._in_plane.within
        if enough is None or within is None:
            return within if enough is None else enough
        return enough & within


def shear_planes(planes: Planes, slices: Callable[[int], InPlane], padding: Voxels) -> Planes:
    """Return planes of which each is moved in its own plane by its own bands.

    As `Blend`, but what lies beyond a slice's outermost samples is padding: ``padding`` holds its value a channel.
    """

    def at(z: int) -> Plane:
        moved = slices(z)
        axes = Zyx(AxisMap(1, 1), moved.y, moved.x)
        plane = Blend(lambda _: planes(z), axes, len(padding))(0)
        if moved.within is None:
            return plane
        return Plane(np.where(moved.within, plane.voxels, padding[:, None, None]), plane.valid)

    return at


def _in_part(fields: Sequence[FieldOfView]) -> tuple[bands.Pixels, Mask]:
    """Return the pixels of which some samples were measured and some not, and where all were [y, x]."""
    first = fields[0]
    if all(field is first for field in fields):
        return first.rim, first.extents == bands.ALL
    extents = [field.extents for field in fields]
    least, most = np.minimum.reduce(extents), np.maximum.reduce(extents)
    return _pixels((least < bands.ALL) & (most > bands.NONE)), least == bands.ALL


def _pixels(where: Mask) -> bands.Pixels:
    return np.flatnonzero(where).astype(np.int32)


def _flat(planes: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return planes [slot, ...] as rows of pixels."""
    return planes.reshape(len(planes), -1)
