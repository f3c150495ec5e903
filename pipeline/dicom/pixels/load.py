"""A stack to a volume in Hounsfield units: identical duplicates dropped, slice by slice read and rescaled."""

import hashlib
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pipeline.dicom.headers.slice import SliceHeader
from pipeline.dicom.pixels.hounsfield import to_hounsfield
from pipeline.dicom.pixels.stored import raw_pixels, read_stored
from pipeline.dicom.pixels.wrapped import unwrap_of, unwrapped
from pipeline.dicom.policy import Policy
from pipeline.dicom.stack.stack import Stack
from pipeline.limits import Limits
from pipeline.vocabulary import SeriesWarning
from pipeline.volume import Volume


@dataclass(frozen=True, eq=False)
class Loaded:
    """A volume in HU, what its pixels gave cause to warn of, and hashes of each slice as stored and in HU.

    ``repairs`` is what was done to stored values, as a trail tells it.
    """

    volume: Volume
    warnings: frozenset[SeriesWarning]
    pixel_hashes: tuple[str, ...]
    hu_hashes: tuple[str, ...]
    repairs: tuple[dict[str, Any], ...] = ()


@dataclass(frozen=True, eq=False)
class Deduplicated:
    """Slices with identical copies dropped; ``dropped`` in the order of their paths."""

    slices: tuple[SliceHeader, ...]
    dropped: tuple[SliceHeader, ...]

    @property
    def warnings(self) -> set[SeriesWarning]:
        """W_DUPLICATE_SERIES where every slice is there again in another folder, else W_DUPLICATE_DROPPED."""
        if not self.dropped:
            return set()
        kept_in = {header.file.folder for header in self.slices}
        elsewhere = all(header.file.folder not in kept_in for header in self.dropped)
        if elsewhere and len(self.dropped) >= len(self.slices):
            return {SeriesWarning.W_DUPLICATE_SERIES}
        return {SeriesWarning.W_DUPLICATE_DROPPED}


def without_copies(slices: Sequence[SliceHeader], limits: Limits) -> Deduplicated:
    """Drop slices that repeat another's position, rescale and pixels; the first by path is kept.

    Pixels are read only where two slices share a position.
    """
    by_place: dict[tuple[object, ...], list[SliceHeader]] = defaultdict(list)
    for header in slices:
        by_place[_place(header)].append(header)
    dropped = set()
    for group in by_place.values():
        seen = set()
        for header in group if len(group) > 1 else ():
            digest = _pixel_hash(header, limits)
            if digest in seen:
                dropped.add(id(header))
            seen.add(digest)
    return Deduplicated(
        tuple(header for header in slices if id(header) not in dropped),
        tuple(header for header in slices if id(header) in dropped),
    )


def _place(header: SliceHeader) -> tuple[object, ...]:
    return header.plane.position, header.rescale.slope, header.rescale.intercept


def _pixel_hash(header: SliceHeader, limits: Limits) -> str:
    frame = header.frame if header.pixels.encapsulated else None
    return hashlib.sha256(repr(frame).encode() + raw_pixels(header, limits)).hexdigest()


def load_volume(stack: Stack, policy: Policy) -> Loaded:
    """Read a stack's slices in their order into one volume.

    Raises SeriesRefusedError for the first slice whose pixels cannot be read.
    """
    geometry = stack.geometry()
    voxels = np.empty(geometry.shape, np.float32)
    measured = np.empty(geometry.shape, bool)
    unwrap = unwrap_of(stack.slices, policy)
    warnings = {SeriesWarning.W_HU_RANGE} if unwrap else set()
    pixel_hashes, hu_hashes = [], []
    for k, header in enumerate(stack.slices):
        stored = read_stored(header, policy.limits)
        slice_hu = to_hounsfield(*unwrapped(stored.values, header, unwrap), policy.hounsfield)
        voxels[k], measured[k] = slice_hu.hu, slice_hu.measured
        pixel_hashes.append(_hash(stored.values, "<i4"))
        hu_hashes.append(_hash(slice_hu.hu, "<f4"))
        if stored.has_high_bits:
            warnings.add(SeriesWarning.W_HIGH_BITS)
        if slice_hu.has_odd_padding:
            warnings.add(SeriesWarning.W_PADDING)
    volume, repairs = Volume(voxels, measured, geometry), (unwrap.trail,) if unwrap else ()
    return Loaded(volume, frozenset(warnings), tuple(pixel_hashes), tuple(hu_hashes), repairs)


def _hash(plane: NDArray[Any], dtype: str) -> str:
    return hashlib.sha256(np.ascontiguousarray(plane, dtype).data).hexdigest()
