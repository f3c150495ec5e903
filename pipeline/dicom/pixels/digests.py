"""Hashes of a slice, as stored and in Hounsfield units: its pixels are hashed once where both follow from that."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from blake3 import blake3
from numpy.typing import NDArray

from pipeline.dicom.pixels.stored import StoredSlice
from pipeline.volume import Voxels

MOST_WHOLE = 1 << 62
"""Whole units up to here are hashed as whole numbers."""


@dataclass(frozen=True)
class Digests:
    """BLAKE3 of a slice's pixels, in hexadecimal digits: SHA-256 would take as long as the change of grid.

    ``stored`` is equal for equal stored values, whatever the transfer syntax, the byte order and the bits allocated.
    ``hounsfield`` is equal for equal Hounsfield units, before padding is put in, whatever they were stored as.
    """

    stored: str
    hounsfield: str


def digests_of(stored: StoredSlice, values_hu: Voxels) -> Digests:
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
    """Begin a hash with how far each pixel lies from the least: its code, unless codes have gaps between them."""
    if stored.codes.dtype == np.uint16:
        return _begun(stored.codes.astype("<u2", copy=False))
    return _begun((stored.values - stored.values[0])[stored.codes].astype("<u8"))


def _begun(numbers: NDArray[Any]) -> blake3:
    return blake3(numbers.ravel().view(np.uint8).data)


def _with_least(distances: blake3, least: int) -> str:
    digest = distances.copy()
    digest.update(b"%d" % least)
    return digest.hexdigest()
