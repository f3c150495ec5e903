"""A slice's stored values, with sign and unused bits corrected: the distinct values, and a code for each pixel."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pipeline.dicom.files.encoding import COMPRESSED_SYNTAXES
from pipeline.dicom.headers.slice import Pixels, SliceHeader
from pipeline.dicom.pixels.bits import choose_values, mask_bits
from pipeline.dicom.pixels.decode import decode_frame, read_precision
from pipeline.dicom.pixels.raw import PixelReader
from pipeline.kernels.slices import Codes

Stored = NDArray[np.int64]
Frame = NDArray[np.integer[Any]]

MOST_VALUES = 1 << 16
"""Codes of two bytes stand for so many values; a slice of CT has a few thousand."""


@dataclass(frozen=True, eq=False)
class StoredSlice:
    """One slice: ``values[codes]`` are its stored values [y, x].

    So what is done to a value is done once, not once a pixel.  Values may be among ``values`` that no pixel has.
    ``has_high_bits`` where bits above BitsStored were set.
    """

    codes: Codes
    values: Stored
    has_high_bits: bool = False

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
        return correct_bits(StoredSlice.of(decode_frame(codestream, pixels)), header, read_precision(codestream))
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
