"""A stack's slices in Hounsfield units, one after another and never the volume: rescale, padding, hashes, features.

DICOM PS3.3 C.11.1.1.2 (rescale) and C.7.5.1.1.2 (padding).
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from itertools import pairwise
from typing import Any

import numpy as np
from blake3 import blake3
from numpy.typing import NDArray

from pipeline.dicom.headers.slice import Rescale, SliceHeader
from pipeline.dicom.pixels.plausible import Rescaling, Unwrap, find_error
from pipeline.dicom.pixels.raw import PixelReader
from pipeline.dicom.pixels.stored import ROWS_SAMPLED, Stored, StoredSlice, count_data, ends_in_zeros, read_stored
from pipeline.dicom.policy import HounsfieldOptions, Policy
from pipeline.dicom.stack.stack import Stack
from pipeline.features.figures import Features, RunningFeatures
from pipeline.features.statistics import Histogram
from pipeline.features.tissue import AIR_HU, PLAUSIBLE_HU
from pipeline.kernels import flood_fill
from pipeline.kernels.flood_fill import fill_spans
from pipeline.kernels.slices import Codes, Counts, Places, look_up
from pipeline.vocabulary import SeriesWarning
from pipeline.volume import Mask, Voxels

MOST_WHOLE = 1 << 62
"""Whole units up to here are hashed as whole numbers."""


@dataclass(frozen=True, eq=False)
class PaddingRegion:
    """The valid mask [y, x] of a slice, and ``spans``: the padding that was found and the pixels at its ends."""

    valid: Mask
    outside: Mask | None
    spans: flood_fill.Spans

    @classmethod
    def of(cls, codes: Codes, candidates: Places, outside: Mask | None) -> "PaddingRegion":
        """Find the pixels that hold a candidate value and are connected with the border, or lie outside the circle."""
        seen = flood_fill.explore_from_border(codes, candidates)
        if outside is not None:
            flood_fill.mark_open(codes, candidates, outside, seen)
        return cls(seen != flood_fill.OPEN, outside, flood_fill.find_spans(seen))

    def fits(self, codes: Codes, candidates: Places, outside: Mask | None) -> bool:
        """Report whether another slice has the same padding: no pixel of the spans differs."""
        is_comparable = outside is self.outside and codes.shape == self.valid.shape
        return is_comparable and flood_fill.matches_spans(codes, candidates, self.spans)


class PaddingFinder:
    """Finds the padding of one slice after another; while it does not move, the last result is used again."""

    def __init__(self) -> None:
        self._last: PaddingRegion | None = None

    def find(self, codes: Codes, candidates: Places, outside: Mask | None) -> PaddingRegion:
        """Return where codes [y, x] are padding; ``outside`` is what lies beyond the circle, None without one."""
        last = self._last
        if last is None or not last.fits(codes, candidates, outside):
            self._last = last = PaddingRegion.of(codes, candidates, outside)
        return last


PLATEAU = 3
"""So many voxels to each side of a corner must be equal: noise never is."""


@dataclass(frozen=True, eq=False)
class HounsfieldSlice:
    """One slice in HU [y, x], and its valid mask: None where every voxel is valid.

    ``counts`` says how many valid voxels have each of ``values_hu``; ``has_odd_padding`` whether its padding is
    worth a warning.
    """

    hu: Voxels
    valid: Mask | None
    values_hu: Voxels
    counts: Counts
    has_odd_padding: bool = False


def to_hounsfield(
    stored: StoredSlice, header: SliceHeader, options: HounsfieldOptions, finder: PaddingFinder | None = None
) -> HounsfieldSlice:
    """Rescale one slice by its own slope and intercept, and put ``padding_hu`` where it is not valid.

    Rescaling is done in float64 and kept in float32, exact for whole numbers up to 2**24.

    Voxels with a padding value are padding if they are connected with the border or lie outside the circle; inside the
    body they stay.  Padding is odd if it is repaired or undeclared, or if such values stay that are not air.

    The slices of a series may share a ``finder``; its results do not depend on earlier slices.
    """
    rescale = header.rescale
    values_hu = (stored.values * rescale.slope + rescale.intercept).astype(np.float32)
    hu, counts = look_up(stored.codes, values_hu)
    declared = _declared(stored.values, rescale)
    undeclared = _undeclared(stored, values_hu, declared)
    candidates = declared | undeclared
    if not counts[candidates].any():
        return HounsfieldSlice(hu, None, values_hu, counts)
    is_repaired = rescale.padding_repaired and counts[declared].any()
    outside = _outside_circle(header) if header.reconstruction_diameter else None
    padding = (finder or PaddingFinder()).find(stored.codes, candidates, outside)
    fill_spans(stored.codes, padding.spans, float(options.padding_hu), hu, counts)
    is_odd = is_repaired or undeclared.any() or _has_tissue(values_hu[candidates & (counts > 0)])
    return HounsfieldSlice(hu, padding.valid, values_hu, counts, bool(is_odd))


def _has_tissue(kept_hu: Voxels) -> bool:
    low, high = AIR_HU  # such a value is air wherever it is kept, in a bowel or a windpipe, and not worth a warning
    return bool(((kept_hu < low) | (kept_hu > high)).any())


def _declared(values: Stored, rescale: Rescale) -> Mask:
    """Return which values are padding according to the header."""
    if rescale.padding is None:
        return np.zeros(values.shape, bool)
    if rescale.padding_limit is None:
        return np.equal(values, rescale.padding)
    low, high = sorted((rescale.padding, rescale.padding_limit))
    return (values >= low) & (values <= high)


def _undeclared(stored: StoredSlice, values_hu: Voxels, declared: Mask) -> Mask:
    """Return which values are padding because a corner is full of them."""
    found = np.zeros(declared.shape, bool)
    for corner in _corners(stored.codes):
        code = corner[0, 0]
        if values_hu[code] < PLAUSIBLE_HU[0] and not declared[code] and (corner == code).all():
            found[code] = True
    return found


def _corners(plane: NDArray[Any]) -> list[NDArray[Any]]:
    ends = (slice(None, PLATEAU), slice(-PLATEAU, None))
    return [plane[y, x] for y in ends for x in ends]


def _outside_circle(header: SliceHeader) -> Mask:
    """Return where a slice lies beyond the circle of ReconstructionDiameter."""
    pixels, plane, diameter_mm = header.pixels, header.plane, header.reconstruction_diameter or np.inf
    return _outside(pixels.rows, pixels.columns, plane.row_spacing, plane.column_spacing, diameter_mm)


@lru_cache(maxsize=1)
def _outside(rows: int, columns: int, row_spacing_mm: float, column_spacing_mm: float, diameter_mm: float) -> Mask:
    """Return the voxels [y, x] outside a circle; the slices of a series share it."""
    y_mm, x_mm = _from_centre(rows, row_spacing_mm)[:, None], _from_centre(columns, column_spacing_mm)[None, :]
    return np.hypot(y_mm, x_mm) > diameter_mm / 2


def _from_centre(n: int, spacing_mm: float) -> NDArray[np.float64]:
    return (np.arange(n, dtype=np.float64) - (n - 1) / 2) * spacing_mm


def find_unwrap(slices: Sequence[SliceHeader], policy: Policy) -> Unwrap | None:
    """Return the repair that a series' values need, None where they need none or the policy does not repair.

    Reads every slice once more than loading does.  Raises SeriesRefusedError for pixels that cannot be read.
    """
    reading = Rescaling.of(slices)
    if policy.hounsfield.wrapped != "repair" or reading is None or reading.signed:
        return None
    reader = PixelReader(policy.limits)
    counted: Counter[float] = Counter()
    for header in slices:
        plane = to_hounsfield(read_stored(header, reader), header, policy.hounsfield)
        held = plane.counts > 0
        counted.update(dict(zip(plane.values_hu[held].tolist(), plane.counts[held].tolist(), strict=True)))
    found = find_error(np.array(list(counted)), np.array(list(counted.values()), np.int64), reading)
    return found[0].unwrap if found else None


def unwrap_slice(stored: StoredSlice, header: SliceHeader, unwrap: Unwrap | None) -> tuple[StoredSlice, SliceHeader]:
    """Return a slice's stored values and its header as they were before the values wrapped."""
    if unwrap is None:
        return stored, header
    return replace(stored, values=unwrap.values(stored.values)), unwrap.header(header)


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
        self._data: dict[int, NDArray[np.int64]] = {}
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
        self._data[k] = count_data(stored)
        if stored.has_zero_tail:
            self._warnings.add(SeriesWarning.W_PIXELS_SUSPECT)
        if stored.has_high_bits:
            self._warnings.add(SeriesWarning.W_HIGH_BITS)
        if in_hu.has_odd_padding:
            self._warnings.add(SeriesWarning.W_PADDING)

    def _find_zero_tails(self) -> set[SeriesWarning]:
        """Return W_PIXELS_SUSPECT where a slice ends in zeros, and one beside it with the same rescale does not."""
        rescales = [(header.rescale.slope, header.rescale.intercept) for header in self._slices]
        for k, header in enumerate(self._slices):
            n_columns = len(range(0, header.pixels.columns, max(1, header.pixels.columns // ROWS_SAMPLED)))
            near = [other for other in (k - 1, k + 1) if other in self._data and rescales[other] == rescales[k]]
            beside = [self._data[other] for other in near]
            if any(ends_in_zeros(self._data[k], data, n_columns) for data in beside):
                return {SeriesWarning.W_PIXELS_SUSPECT}
        return set()

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
            warnings=frozenset(self._warnings | self._reader.warnings | self._find_zero_tails()),
            pixel_hashes=tuple(digest.stored for digest in digests),
            hu_hashes=tuple(digest.hounsfield for digest in digests),
            repairs=(self._unwrap.trail,) if self._unwrap else (),
            histogram=self._features.histogram(),
            features=self._features.features(repeated),
        )
