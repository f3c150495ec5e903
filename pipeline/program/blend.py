"""Resampling by weighted sums along three axes; only the source planes of one output plane are in memory."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from pipeline.geometry import Zyx
from pipeline.kernels import bands
from pipeline.program.axis import AxisMap, Floats, PlaneBand, axis_weights
from pipeline.volume import Mask, Plane, Planes, Voxels, drop_full_mask

VALID_SHARE = 0.5 - 1e-6
"""An output voxel is valid if at least half of its weight is; a little less, to allow for rounding."""

NO_SHARE = 1e-6
"""At or below this share of valid weight, the values of voxels that are not valid are used."""

AT_A_TIME = 4096
"""Pixels summed together: more than most rims have, and few enough for the first-level cache."""


@dataclass(frozen=True, eq=False)
class FieldOfView:
    """The field of view of a plane (its valid mask), related to the output pixels.

    ``extents`` [y, x] says whether none, some or all of a pixel's samples are valid.  ``rim`` lists the pixels with
    only some; valid samples are summed separately, and ``shares`` [y, x] hold their weight, only there.
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
        """The field of view of a plane that is valid everywhere."""
        return self.field(np.ones((self.y.source_n, self.x.source_n), np.bool_))

    def field(self, valid: Mask) -> FieldOfView:
        """Return the field of view of a valid mask [y, x] on the new grid."""
        extents, shares = np.empty((self.y.n, self.x.n), np.uint8), np.empty((self.y.n, self.x.n), np.float32)
        bands.classify_extents(valid, self.bands, extents)
        field = FieldOfView(valid, extents, shares, _pixels(extents == bands.SOME))
        self.rim_sums(valid.astype(np.float32), field, shares)
        return field

    def sums(self, layer: Voxels, target: Voxels) -> None:
        """Fill ``target`` [y, x] from a layer [y, x]."""
        bands.blend_in_plane(layer, *self.bands, target)

    def rim_sums(self, layer: Voxels, field: FieldOfView, target: Voxels) -> None:
        """Fill the rim of ``target`` [y, x] from the valid samples of a layer [y, x]."""
        bands.blend_valid_in_plane(layer, field.valid, self.bands, field.rim, target)


class Blend:
    """Planes resampled by weights: for each output plane, missing source planes are read and blended.

    Weights are renormalised over valid samples; where none is valid, the values of the others are used.  An output
    voxel is valid if it lies between the outermost samples and at least half of its weight is valid.

    Most voxels have only valid samples, or none, and need no renormalisation; only the others are handled one by one.
    Which these are depends on the masks of a voxel's own samples, not on the planes requested before.
    """

    def __init__(self, planes: Planes, axes: Zyx[AxisMap], channels: int, *, clip: bool = False) -> None:
        self._planes, self._clip = planes, clip
        self._window, self._in_plane = PlaneBand(axes.z), InPlane(axes.y, axes.x)
        # A spline takes every value as it is; which voxels are valid is asked as of linear interpolation.
        self._is_spline = any(axis.method == "bspline" for axis in axes)
        self._cover = InPlane(_as_linear(axes.y), _as_linear(axes.x)) if self._is_spline else self._in_plane
        self._cover_window = PlaneBand(_as_linear(axes.z)) if self._is_spline else self._window
        self._in_z = axes.z.within
        # Negative weights can leave a small share and large sums: then half of the weight must be valid.
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
        needed, weights = self._window.find_band(z)
        slots = needed % self._window.taps
        for source_z, slot in zip(needed.tolist(), slots.tolist(), strict=True):
            if self._held[slot] != source_z:
                self._hold(slot, self._planes(source_z))
                self._held[slot] = source_z
        voxels = np.empty((len(self._plain), *self._shape), np.float32)
        for plain, target in zip(self._plain, voxels, strict=True):
            bands.blend_between_planes(_flat(plain), slots, weights, target.ravel())
        if self._is_spline:
            weights = self._cover_window.weights_of(z, needed)
        return Plane(voxels, self._inside(z, self._renormalise(slots.tolist(), weights.tolist(), voxels)))

    def _hold(self, slot: int, plane: Plane) -> None:
        """Store the in-plane sums of a source plane; at the rim of its field of view also those of valid samples."""
        field = None if plane.valid is None else self._field(plane.valid)
        for layer, plain, sums in zip(plane.voxels, self._plain[:, slot], self._sums[:, slot], strict=True):
            contiguous = np.ascontiguousarray(layer)
            self._in_plane.sums(contiguous, plain)
            if self._clip:
                np.clip(plain, contiguous.min(), contiguous.max(), out=plain)
            if field and not self._is_spline:
                self._in_plane.rim_sums(contiguous, field, sums)
        self._fields[slot] = field

    def _field(self, valid: Mask) -> FieldOfView:
        """Return a plane's field of view, the last one again if the mask is the same: it seldom changes."""
        last = self._last
        if last is None or not (valid is last.valid or np.array_equal(valid, last.valid)):
            self._last = last = self._cover.field(np.ascontiguousarray(valid))
        return last

    def _renormalise(self, slots: list[int], weights: list[float], voxels: Voxels) -> Mask | None:
        """Renormalise pixels with some valid samples; return where enough are valid, None if all are everywhere."""
        if all(self._fields[slot] is None for slot in slots):
            return None
        fields = [self._fields[slot] or self._cover.whole for slot in slots]
        parts = list(zip(slots, weights, fields, strict=True))
        pixels, enough = _in_part(fields)
        for start in range(0, len(pixels), AT_A_TIME):
            some = pixels[start : start + AT_A_TIME]
            for channel, target in enumerate(voxels):
                totals = self._totals(channel, parts, some)
                kept = target.copy() if self._is_spline else target
                bands.divide_by_weight(totals, (self._least, VALID_SHARE), some, kept.ravel(), enough.ravel())
        return enough

    def _totals(self, channel: int, parts: Sequence[tuple[int, float, FieldOfView]], pixels: bands.Pixels) -> Floats:
        """Return the sums of valid values and of their weights [2, k] for pixels [k], over all slots."""
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
    """Return planes, each moved in its own plane by its own bands.

    As `Blend`, but beyond a slice's outermost samples lies padding, with a value for each channel.
    """

    def at(z: int) -> Plane:
        moved = slices(z)
        axes = Zyx(AxisMap(1, 1), moved.y, moved.x)
        plane = Blend(lambda _: planes(z), axes, len(padding))(0)
        if moved.within is None:
            return plane
        return Plane(np.where(moved.within, plane.voxels, padding[:, None, None]), plane.valid)

    return at


def _as_linear(axis: AxisMap) -> AxisMap:
    return replace(axis, method="linear", antialias=False) if axis.method == "bspline" else axis


def _in_part(fields: Sequence[FieldOfView]) -> tuple[bands.Pixels, Mask]:
    """Return the pixels with some valid samples, and the mask [y, x] of those with only valid ones."""
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
