"""Regions, kept slice by slice in a few bits each, to one label map or to a layer each."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from math import prod

import numpy as np
from numpy.typing import NDArray

from pipeline.geometry import Zyx
from pipeline.limits import Limits
from pipeline.masks.contours import PlanePart
from pipeline.masks.drawn import DrawnMask, DrawnRegion
from pipeline.masks.grid import Labels, MaskMismatchError, SourceGrid, smallest_dtype
from pipeline.vocabulary import MaskReason, SeriesWarning

MEMORY_SHARE = 0.25
"""Of the memory that a series may take, the labels on its slices may take this share: the image needs the rest."""

SKIPPED_SLICES = 2
"""A region that lacks at most so many slices between others was hardly meant to end and begin there."""


@dataclass(frozen=True)
class _PackedPart:
    """A part of a plane with eight pixels a byte."""

    y: int
    x: int
    n_columns: int
    bits: NDArray[np.uint8]

    def unpack(self) -> PlanePart:
        marked = np.unpackbits(self.bits, axis=1, count=self.n_columns).view(np.bool_)
        return PlanePart(self.y, self.x, marked)


class RegionVoxels:
    """The voxels of one region: of each slice the rectangle that holds them."""

    def __init__(self, region: DrawnRegion, shape: Zyx[int]) -> None:
        self.region = region
        self.shape = shape
        self.n_voxels = 0
        self._parts: dict[int, _PackedPart] = {}

    @property
    def slices(self) -> list[int]:
        """The slices on which the region has a voxel, in order."""
        return sorted(self._parts)

    @property
    def is_sparse(self) -> bool:
        """Whether slices without the region usually lie between those that have it."""
        steps = np.diff(self._measured)
        return len(steps) >= 2 and bool(np.median(steps) > 1)

    @property
    def has_skipped_slice(self) -> bool:
        """Whether one slice or two lack the region that slices on both sides have at the same place."""
        for before, after in pairwise(self._measured):
            if 1 < after - before <= SKIPPED_SLICES + 1 and self._overlap(before, after):
                return True
        return False

    @property
    def _measured(self) -> list[int]:
        """The slices that were scanned and have a voxel, in order."""
        return [k for k in self.slices if k < self.shape.z]

    def _overlap(self, first: int, second: int) -> bool:
        """Tell whether the region has a voxel at the same place in two slices."""
        one, other = self.part(first), self.part(second)
        plane = np.zeros(self.shape[1:], np.bool_)
        one.paint(plane, 1)
        return bool(np.any(plane[other.window] & other.marked))

    def put(self, k: int, plane: NDArray[np.bool_]) -> None:
        """Set the voxels [y, x] of a slice; what it had before is joined with them."""
        if k in self._parts:
            part = self._parts.pop(k).unpack()
            self.n_voxels -= int(np.count_nonzero(part.marked))
            plane = plane.copy()
            plane[part.window] |= part.marked
        rows, columns = np.flatnonzero(plane.any(axis=1)), np.flatnonzero(plane.any(axis=0))
        if not len(rows):
            return
        y, x, n_columns = int(rows[0]), int(columns[0]), int(columns[-1] - columns[0]) + 1
        marked = plane[y : rows[-1] + 1, x : x + n_columns]
        self.n_voxels += int(np.count_nonzero(marked))
        self._parts[k] = _PackedPart(y, x, n_columns, np.packbits(marked, axis=1))

    def part(self, k: int) -> PlanePart:
        """Return the rectangle of one of the region's slices that holds its voxels."""
        return self._parts[k].unpack()


def compose_mask(
    regions: Sequence[RegionVoxels], grid: SourceGrid, limits: Limits, *, n_layers: int | None = None
) -> DrawnMask:
    """Return regions as one label map, the smaller on top of the larger, or as a layer each, at least ``n_layers``.

    Regions with one number are one; of numbers with equally many voxels the lowest lies on top.  Raises
    MaskMismatchError where the labels would take more memory than masks may.
    """
    n = grid.shape.z
    shape = (len(grid.all_corners), grid.shape.y, grid.shape.x)
    if n_layers is not None:
        labels, lost = _stack_layers(regions, (n_layers, *shape), limits), [0] * len(regions)
    else:
        labels = _paint_labels(regions, shape, limits)
        lost = [_count_lost(region, labels) for region in regions]
    drawn = []
    for region, n_lost in zip(regions, lost, strict=True):
        drawn.append(replace(region.region, n_voxels=region.n_voxels, n_lost=n_lost))
    warnings = {SeriesWarning.W_LABEL_OVERLAP} if any(lost) else set()
    between = {}
    for k, plane in enumerate(grid.missing, start=n):
        if labels[..., k, :, :].any():
            between[plane] = labels[..., k, :, :]
    return DrawnMask(labels[..., :n, :, :], tuple(drawn), frozenset(warnings), between)


def _paint_labels(regions: Sequence[RegionVoxels], shape: tuple[int, ...], limits: Limits) -> Labels:
    """Return labels [z, y, x]; what is painted later lies on top."""
    labels = allocate_labels(shape, _find_highest(regions), limits)
    sizes: Counter[int] = Counter()
    for region in regions:
        sizes[region.region.number] += region.n_voxels
    order = sorted(regions, key=lambda one: (-sizes[one.region.number], -one.region.number))
    for region in order:
        for k in region.slices:
            region.part(k).paint(labels[k], region.region.number)
    return labels


def _stack_layers(regions: Sequence[RegionVoxels], shape: tuple[int, ...], limits: Limits) -> Labels:
    """Return layers [region, z, y, x]: layer i is 1 where the regions with the number i + 1 are."""
    layers = allocate_labels((max(shape[0], _find_highest(regions)), *shape[1:]), 1, limits)
    for region in regions:
        for k in region.slices:
            region.part(k).paint(layers[region.region.number - 1, k], 1)
    return layers


def _count_lost(region: RegionVoxels, labels: Labels) -> int:
    """Return how many of a region's voxels have the number of another."""
    n_lost = 0
    for k in region.slices:
        part = region.part(k)
        n_lost += int(np.count_nonzero(labels[k][part.window][part.marked] != region.region.number))
    return n_lost


def _find_highest(regions: Sequence[RegionVoxels]) -> int:
    return max((region.region.number for region in regions), default=0)


def allocate_labels(shape: tuple[int, ...], highest: int, limits: Limits) -> Labels:
    """Return empty labels in the smallest integers that hold the highest number.

    Raises MaskMismatchError where they would take more than MEMORY_SHARE of what a series may.
    """
    dtype = smallest_dtype(0, highest)
    n_mb = prod(shape) * dtype.itemsize >> 20
    allowed_mb = int(limits.series_memory_mb * MEMORY_SHARE)
    if n_mb > allowed_mb:
        msg = f"the mask would take {n_mb} MiB, more than {allowed_mb}, a quarter of series_memory_mb"
        raise MaskMismatchError(msg, MaskReason.TOO_LARGE)
    return np.zeros(shape, dtype)
