"""A stack's slices in Hounsfield units, one after another: never the volume."""

from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
from blake3 import blake3
from numpy.typing import NDArray

from pipeline.dicom.pixels.hounsfield import HounsfieldSlice, PaddingFinder, find_unwrap, to_hounsfield, unwrap_slice
from pipeline.dicom.pixels.raw import PixelReader
from pipeline.dicom.pixels.stored import StoredSlice, read_stored
from pipeline.dicom.policy import Policy
from pipeline.dicom.stack.stack import Stack
from pipeline.features.figures import Features, RunningFeatures
from pipeline.features.histogram import Histogram
from pipeline.vocabulary import SeriesWarning
from pipeline.volume import Mask, Voxels

MOST_WHOLE = 1 << 62
"""Whole units up to here are hashed as whole numbers."""


@dataclass(frozen=True)
class Digests:
    """BLAKE3 of a slice's pixels, in hexadecimal digits: SHA-256 would take as long as the change of grid.

    ``stored`` is equal for equal stored values in any transfer syntax, byte order and number of bits allocated.
    ``hounsfield`` is equal for equal Hounsfield units, before padding is put in, in any stored form.
    """

    stored: str
    hounsfield: str


def hash_slice(stored: StoredSlice, values_hu: Voxels) -> Digests:
    """Hash a slice whose ``values_hu[codes]`` are its Hounsfield units.

    Whole numbers are hashed as the least of them and the distances from it.  Units that are the stored values but for
    a whole intercept have the same distances, so they take no second pass over the pixels.
    """
    distances = _distances(stored)
    least = int(stored.values[0])
    shift = values_hu - stored.values
    if float(shift[0]).is_integer() and (shift == shift[0]).all():
        in_hu = _with_least(distances, least + int(shift[0]))
    else:
        in_hu = _hounsfield(values_hu[stored.codes])
    return Digests(_with_least(distances, least), in_hu)


def _hounsfield(plane: Voxels) -> str:
    if not ((np.abs(plane) < MOST_WHOLE) & (plane == np.rint(plane))).all():
        return _begun(plane.astype("<f4")).hexdigest()
    whole = StoredSlice.of(plane.astype(np.int64))
    return _with_least(_distances(whole), int(whole.values[0]))


def _distances(stored: StoredSlice) -> blake3:
    """Begin a hash with the distance of each pixel from the least value: its code, unless codes have gaps."""
    if stored.codes.dtype == np.uint16:
        return _begun(stored.codes.astype("<u2", copy=False))
    return _begun((stored.values - stored.values[0])[stored.codes].astype("<u8"))


def _begun(numbers: NDArray[Any]) -> blake3:
    return blake3(numbers.ravel().view(np.uint8).data)


def _with_least(distances: blake3, least: int) -> str:
    digest = distances.copy()
    digest.update(b"%d" % least)
    return digest.hexdigest()


@dataclass(frozen=True, eq=False)
class HounsfieldPlane:
    """One slice in HU [y, x], and its valid mask: None where every voxel is valid."""

    hu: Voxels
    valid: Mask | None


@dataclass(frozen=True, eq=False)
class SourceFacts:
    """What is known of a stack once its pixels were read; hashes are in the order of its slices.

    ``pixel_hashes`` are of stored values, ``hu_hashes`` of Hounsfield units before padding is put in.  ``repairs`` is
    the provenance of changes to stored values.
    """

    warnings: frozenset[SeriesWarning]
    pixel_hashes: tuple[str, ...]
    hu_hashes: tuple[str, ...]
    repairs: tuple[dict[str, Any], ...]
    histogram: Histogram
    features: Features


class SliceSource:
    """Reads the slices of a stack in any order, and collects facts from each slice when it is read first."""

    def __init__(self, stack: Stack, policy: Policy) -> None:
        """Read all slices once where ``hounsfield.wrapped`` asks for a repair, to find which one; else none yet.

        Raises SeriesRefusedError for pixels that cannot be read.
        """
        self.geometry = stack.geometry()
        self._slices, self._options = stack.slices, policy.hounsfield
        self._reader, self._padding = PixelReader(policy.limits), PaddingFinder()
        self._unwrap = find_unwrap(stack.slices, policy)
        self._warnings = {SeriesWarning.W_HU_RANGE} if self._unwrap else set()
        self._digests: dict[int, Digests] = {}
        self._features = RunningFeatures(len(stack.slices))

    def plane(self, k: int) -> HounsfieldPlane:
        """Read slice ``k`` of the stack.

        Raises SeriesRefusedError with UNREADABLE, UNSTABLE, PIXELS_LENGTH or PIXEL_DECODE.
        """
        header = self._slices[k]
        stored = read_stored(header, self._reader)
        in_hu = to_hounsfield(*unwrap_slice(stored, header, self._unwrap), self._options, self._padding)
        if k not in self._digests:
            self._keep(k, stored, in_hu)
        return HounsfieldPlane(in_hu.hu, in_hu.valid)

    def _keep(self, k: int, stored: StoredSlice, in_hu: HounsfieldSlice) -> None:
        self._digests[k] = hash_slice(stored, in_hu.values_hu)
        self._features.add(k, in_hu.hu, in_hu.valid, in_hu.values_hu, in_hu.counts)
        if stored.has_high_bits:
            self._warnings.add(SeriesWarning.W_HIGH_BITS)
        if in_hu.has_odd_padding:
            self._warnings.add(SeriesWarning.W_PADDING)

    @property
    def unread(self) -> list[int]:
        """The slices that were not read yet."""
        return [k for k in range(len(self._slices)) if k not in self._digests]

    def facts(self) -> SourceFacts:
        """Return the facts of all slices; slices that were not read yet are read now."""
        for k in self.unread:
            self.plane(k)
        digests = [self._digests[k] for k in range(len(self._slices))]
        repeated = sum(before.hounsfield == after.hounsfield for before, after in pairwise(digests))
        return SourceFacts(
            warnings=frozenset(self._warnings | self._reader.warnings),
            pixel_hashes=tuple(digest.stored for digest in digests),
            hu_hashes=tuple(digest.hounsfield for digest in digests),
            repairs=(self._unwrap.trail,) if self._unwrap else (),
            histogram=self._features.histogram(),
            features=self._features.features(repeated),
        )
