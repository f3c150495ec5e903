"""A slice's stored values, with sign and unused bits corrected: the distinct values, and a code for each pixel.

Bits above BitsStored are an overlay, a sign that runs on, or part of a value that needs more bits than its header says.
What DICOM calls an overlay is one (PS3.3 C.9.2, OverlayBitPosition).  Otherwise the image decides: of the ways to read
such bits the right one is continuous where they change from one pixel to the next, and the other jumps by a power of
two.  Where that does not decide, the series is refused.
"""

from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pipeline.dicom.files.encoding import COMPRESSED_SYNTAXES
from pipeline.dicom.headers.slice import Pixels, SliceHeader
from pipeline.dicom.pixels.decode import decode_frame, read_precision
from pipeline.dicom.pixels.raw import PixelReader
from pipeline.errors import SeriesRefusedError
from pipeline.features.tissue import DENSE_BONE_HU, PLAUSIBLE_HU
from pipeline.kernels.slices import Codes
from pipeline.vocabulary import Reason

Stored = NDArray[np.int64]
Frame = NDArray[np.integer[Any]]
Places = NDArray[np.bool_]

CONTINUOUS_SHARE = 3 / 8
"""Neighbours that differ by no more than this share of the range of BitsStored are continuous: no edge is steeper."""
MOST, HARDLY_ANY = 0.95, 0.001
"""A reading is right if so large a share of the neighbours is continuous in it, and hardly any in the other."""
MANY = 0.75
"""So many are enough where the bits lie anywhere, for some lie across an edge of the image."""
NOISE_FACTOR, NOISE_SHARE = 3, 1 / 256
"""An overlay lies anywhere: across its outline the median difference is that of all neighbours, times this at most."""
HALF = 0.5
MASKED, WIDE = 0, 1
"""The places of the two readings."""
CLEARLY = 0.2
"""By so much is the share of plausible values in one reading above that in the other."""
PLATEAU = 3
"""Padding fills a corner of so many equal pixels to each side: noise never does."""

MOST_VALUES = 1 << 16
"""Codes of two bytes stand for so many values; a slice of CT has a few thousand."""

ZERO_TAIL = 64
"""No encoder ends a codestream in so many zero bytes; a copy that was given its size and not finished does."""


@dataclass(frozen=True, eq=False)
class StoredSlice:
    """One slice: ``values[codes]`` are its stored values [y, x].

    So what is done to a value is done once, not once a pixel.  Values may be among ``values`` that no pixel has.
    ``has_high_bits`` where bits above BitsStored were set, ``has_zero_tail`` where a codestream ends in zero bytes.
    """

    codes: Codes
    values: Stored
    has_high_bits: bool = False
    has_zero_tail: bool = False

    @classmethod
    def of(cls, frame: Frame) -> "StoredSlice":
        """Count integers [y, x] from the least; where they lie too far apart, give each its number instead."""
        least, most = int(frame.min()), int(frame.max())
        if most - least >= MOST_VALUES:
            values, codes = np.unique(frame, return_inverse=True)
            return cls(codes.reshape(frame.shape).astype(np.uint32), values.astype(np.int64))
        return cls(_counted_from(frame, least), np.arange(least, most + 1))

    @property
    def plane(self) -> Stored:
        """The stored values [y, x]."""
        return self.values[self.codes]


def _counted_from(frame: Frame, least: int) -> Codes:
    if frame.dtype.itemsize == 2:
        native = frame.astype(frame.dtype.newbyteorder("="), copy=False)
        return native.view(np.uint16) - np.uint16(least % MOST_VALUES)  # differences that wrap around come back
    return (frame.astype(np.int64) - least).astype(np.uint16)


def read_stored(header: SliceHeader, reader: PixelReader) -> StoredSlice:
    """Read one slice's stored values.

    Raises SeriesRefusedError with UNREADABLE, UNSTABLE, PIXEL_FORMAT, PIXELS_LENGTH or PIXEL_DECODE.
    """
    pixels = header.pixels
    raw = reader.raw_pixels(header)
    if pixels.transfer_syntax in COMPRESSED_SYNTAXES:
        codestream = bytes(raw)
        stored = correct_bits(StoredSlice.of(decode_frame(codestream, pixels)), header, read_precision(codestream))
        return replace(stored, has_zero_tail=len(codestream) > ZERO_TAIL and not any(codestream[-ZERO_TAIL:]))
    frame = np.frombuffer(raw, _native_dtype(pixels)).reshape(pixels.rows, pixels.columns)
    return correct_bits(StoredSlice.of(frame), header)


def _native_dtype(pixels: Pixels) -> np.dtype[np.integer[Any]]:
    order, kind = "<" if pixels.little_endian else ">", "i" if pixels.signed else "u"
    return np.dtype(f"{order}{kind}{pixels.bits_allocated // 8}")


def correct_bits(stored: StoredSlice, header: SliceHeader, precision: int | None = None) -> StoredSlice:
    """Return a slice whose values have the bits and the sign that they should have.

    A codestream of no more than BitsStored bits (``precision``) says nothing in those above.  Padding is left as it is:
    its value may need more bits than the image (PS3.3 C.7.5.1.1.2).  Raises SeriesRefusedError with PIXEL_FORMAT.
    """
    right = mask_bits(stored.values, header.pixels)
    if header.rescale.padding is not None:
        right = np.where(stored.values == header.rescale.padding, stored.values, right)
    differs = right != stored.values
    if not differs.any() or not differs[stored.codes].any():
        return stored
    if precision is None or precision > header.pixels.bits_stored:
        right = choose_values(stored.codes, stored.values, right, header)
    put = StoredSlice.of(right[stored.codes])
    return StoredSlice(put.codes, put.values, has_high_bits=True)


def mask_bits(values: Stored, pixels: Pixels) -> Stored:
    """Return values of BitsStored bits, with the sign of PixelRepresentation."""
    low = values & ((1 << pixels.bits_stored) - 1)
    if not pixels.signed:
        return low
    sign_bit = 1 << (pixels.bits_stored - 1)
    return (low ^ sign_bit) - sign_bit


def clear_overlays(values: Stored, pixels: Pixels) -> Stored:
    """Return values as if no overlay were declared in their bits: such a bit is 0, or repeats the sign."""
    overlay = np.int64(pixels.overlay_bits)
    is_negative = mask_bits(values, pixels) < 0
    sign = 1 << (pixels.bits_allocated - 1)
    filled = np.where(is_negative, values | overlay, values & ~overlay)
    return (filled & (2 * sign - 1) ^ sign) - sign if pixels.signed else filled


def choose_values(codes: Codes, values: Stored, masked: Stored, header: SliceHeader) -> Stored:
    """Return what ``values`` of a slice [y, x] mean, some of which have bits above BitsStored.

    ``masked`` are the values without these bits; values that are equal in both are as they should be.  Raises
    SeriesRefusedError with PIXEL_FORMAT where neither reading is continuous, or both are.
    """
    cleared = np.where(values == masked, values, clear_overlays(values, header.pixels))
    bits = _HighBits(codes, cleared, masked, header)
    if bits.n_beyond:
        right = bits.find()
    else:  # all of them are overlays, unless the image says that they are not
        bits = _HighBits(codes, values, masked, header)
        right = None if bits.find_continuous() is bits.readings[WIDE] else masked
    if right is None:
        detail = (
            f"{bits.n_beyond} pixels of a slice have bits above BitsStored {header.pixels.bits_stored}, and neither "
            "with nor without them are the values continuous"
        )
        raise SeriesRefusedError(Reason.PIXEL_FORMAT, detail)
    return right


@dataclass(frozen=True, eq=False)
class _HighBits:
    """A slice [y, x]: ``wide[codes]`` are its values with the bits above BitsStored, ``masked[codes]`` without them."""

    codes: Codes
    wide: Stored
    masked: Stored
    header: SliceHeader

    @cached_property
    def beyond(self) -> Stored:
        """The bits above BitsStored of each value, as a number; 0 where masked and wide are equal."""
        return (self.wide - self.masked) >> self.header.pixels.bits_stored

    @cached_property
    def counts(self) -> Stored:
        """How many pixels have each value."""
        return np.bincount(self.codes.ravel(), minlength=self.wide.size)

    @cached_property
    def n_beyond(self) -> int:
        """How many pixels have bits above BitsStored."""
        return int(self.counts[self.beyond != 0].sum())

    @cached_property
    def has_constant_bits(self) -> bool:
        """Report bits above BitsStored that are set in every pixel, and nothing else there."""
        known = self.counts > 0
        constant = int(np.bitwise_and.reduce(self.wide[known])) & -self._range
        pixels = replace(self.header.pixels, overlay_bits=constant & ((1 << self.header.pixels.bits_allocated) - 1))
        return bool((clear_overlays(self.wide, pixels) == self.masked)[known].all())

    @cached_property
    def sign_runs_on(self) -> bool:
        """Report unsigned values whose highest bit of BitsStored runs on, as a sign does."""
        pixels = self.header.pixels
        if pixels.signed or pixels.bits_stored >= pixels.bits_allocated:
            return False
        highest = self.masked >> (pixels.bits_stored - 1) & 1
        runs_on = self.beyond == highest * ((1 << (pixels.bits_allocated - pixels.bits_stored)) - 1)
        return bool((runs_on | self.padding | (self.counts == 0)).all())

    @cached_property
    def readings(self) -> list[Stored]:
        """The values by each reading: masked, and wide, which is signed if unsigned values would have all bits."""
        sign = 1 << (self.header.pixels.bits_allocated - 1)
        has_sign = not self.header.pixels.signed and bool((self.wide[self.counts > 0] >= sign).any())
        return [self.masked, (self.wide ^ sign) - sign if has_sign else self.wide]

    @cached_property
    def padding(self) -> Places:
        """The values that are padding by one reading: nothing follows from their neighbours."""
        found = np.zeros(self.wide.shape, bool)
        if self.header.rescale.padding is not None:
            found |= self.masked == self.header.rescale.padding
        ends = slice(None, PLATEAU), slice(-PLATEAU, None)
        for corner in (self.codes[y, x] for y in ends for x in ends):
            if (corner == corner[0, 0]).all():
                found[corner[0, 0]] |= self.beyond[corner[0, 0]] != 0
        return found

    @cached_property
    def neighbours(self) -> tuple[Codes, Codes]:
        """All pairs of neighbours, along x and along y, without padding."""
        one = np.concatenate([self.codes[:, :-1].ravel(), self.codes[:-1].ravel()])
        other = np.concatenate([self.codes[:, 1:].ravel(), self.codes[1:].ravel()])
        known = ~(self.padding[one] | self.padding[other])
        return one[known], other[known]

    @cached_property
    def edges(self) -> tuple[Codes, Codes]:
        """The pairs of neighbours whose bits above BitsStored differ."""
        one, other = self.neighbours
        differ = self.beyond[one] != self.beyond[other]
        return one[differ], other[differ]

    def find(self) -> Stored | None:
        """Return the values by the right reading, None where it is not certain."""
        if self.has_constant_bits or not self.edges[0].size:
            return self.find_plausible()
        return self.find_continuous()

    def find_continuous(self) -> Stored | None:
        """Return the values by the only reading that is continuous, None where there is none."""
        one, other = self.edges
        if not one.size:
            return None
        limit = CONTINUOUS_SHARE * self._range
        shares = [float(np.mean(np.abs(values[other] - values[one]) <= limit)) for values in self.readings]
        best = int(np.argmax(shares))
        if min(shares) > HARDLY_ANY:
            return None
        if best == MASKED and shares[best] >= MANY and self._lies_anywhere():
            return self.masked
        is_explained = best != MASKED or self.sign_runs_on or self._lacks_sign()
        return self.readings[best] if shares[best] >= MOST and is_explained else None

    @property
    def _range(self) -> int:
        return 1 << self.header.pixels.bits_stored

    def _median_step(self, pairs: tuple[Codes, Codes]) -> float:
        one, other = pairs
        return float(np.median(np.abs(self.masked[other] - self.masked[one])))

    def _lies_anywhere(self) -> bool:
        """Report bits whose outline follows nothing in the image, as an overlay's or a stray bit's."""
        usual = self._median_step(self.neighbours)
        return self._median_step(self.edges) <= max(NOISE_FACTOR * usual, NOISE_SHARE * self._range)

    def _lacks_sign(self) -> bool:
        """Report signed values whose sign does not run on, so that air has no bit above BitsStored, and tissue neither.

        Air lies around the body, or fat and noise anywhere; metal that needs more bits does neither.
        """
        known = (self.counts > 0) & ~self.padding
        if not self.header.pixels.signed or (self.wide[known] < 0).any() or (self.wide[known] >= self._range).any():
            return False
        negative = (self.beyond != 0) & known
        in_hu = self._in_hu(self.masked)
        if self.counts[negative & (in_hu < PLAUSIBLE_HU[0])].sum() > (1 - MOST) * self.counts[negative].sum():
            return False
        border = np.concatenate([self.codes[0], self.codes[-1], self.codes[:, 0], self.codes[:, -1]])
        return bool(np.mean((negative | self.padding)[border]) >= HALF) or self._lies_anywhere()

    def find_plausible(self) -> Stored | None:
        """Return the values by the reading that gives body, air or padding, None where both or none do."""
        shares = [self._plausible_share(values) for values in self.readings]
        is_clear = max(shares) > HALF and max(shares) - min(shares) >= CLEARLY
        return self.readings[int(np.argmax(shares))] if is_clear else None

    def _plausible_share(self, values: Stored) -> float:
        """Return how many of the pixels with bits above BitsStored are body, air or padding."""
        in_hu, doubted = self._in_hu(values), self.counts * (self.beyond != 0)
        plausible = (in_hu >= PLAUSIBLE_HU[0]) & (in_hu <= DENSE_BONE_HU) | self.padding & (in_hu < PLAUSIBLE_HU[0])
        return float(doubted[plausible].sum() / doubted.sum())

    def _in_hu(self, values: Stored) -> NDArray[np.float64]:
        rescale = self.header.rescale
        return np.asarray(values * rescale.slope + rescale.intercept, np.float64)


ROWS_SAMPLED = 64
"""So many rows and columns of a slice are looked at for zeros."""
TAIL_SHARE = 1 / 16
"""Fewer rows of zeros at the end of a slice are no sign of anything."""


def count_data(stored: StoredSlice) -> NDArray[np.int64]:
    """Return how many of the sampled pixels of each sampled row are not stored as 0."""
    rows, columns = (max(1, n // ROWS_SAMPLED) for n in stored.codes.shape)
    return np.asarray(np.count_nonzero(stored.values[stored.codes[::rows, ::columns]], axis=1), np.int64)


def ends_in_zeros(rows: NDArray[np.int64], neighbour: NDArray[np.int64], n_columns: int) -> bool:
    """Report a slice whose last rows are all zeros where its neighbour mostly has data.

    A copy that was given its size and not finished ends so; padding and clipped air are the neighbour's too.  Rows are
    as `count_data` gives them, of ``n_columns`` samples each.
    """
    filled = np.flatnonzero(rows)
    n_zero = rows.size - (int(filled[-1]) + 1 if filled.size else 0)
    if rows.shape != neighbour.shape or n_zero < max(1, rows.size * TAIL_SHARE):
        return False
    return bool(neighbour[-n_zero:].mean() > n_columns / 2)
