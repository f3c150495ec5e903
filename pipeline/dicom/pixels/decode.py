"""A compressed frame to its values, by a named decoder for each transfer syntax."""

from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydicom.encaps import encapsulate
from pydicom.pixels.decoders.base import get_decoder
from rle.utils import decode_pixel_data

from pipeline.dicom.files.encoding import (
    JPEG_2000_SYNTAXES,
    JPEG_LOSSLESS_SYNTAXES,
    JPEG_LS_SYNTAXES,
    JPEG_SYNTAXES,
    RLE_LOSSLESS,
)
from pipeline.dicom.headers.slice import Pixels
from pipeline.dicom.pixels.encapsulated import has_end, read_size
from pipeline.dicom.pixels.lossless import decode_lossless, find_scan
from pipeline.errors import SeriesRefusedError
from pipeline.vocabulary import Reason

Frame = NDArray[np.integer[Any]]

DECODERS = dict.fromkeys(JPEG_2000_SYNTAXES, "pylibjpeg") | dict.fromkeys(JPEG_LS_SYNTAXES, "pyjpegls")
"""The decoder that pydicom is to use for a syntax; gdcm for what loses something (benchmarks/decoders.py)."""

OTHER_SIZE = "the codestream has another size than the header"


def decode_frame(codestream: bytes, pixels: Pixels) -> Frame:
    """Decode one frame to [y, x]; whatever a decoder raises means that it refuses.

    Sign and unused bits are the decoder's.  Raises SeriesRefusedError with PIXEL_DECODE.
    """
    decode = _rle if pixels.transfer_syntax == RLE_LOSSLESS else _jpeg
    try:
        frame = decode(codestream, pixels)
    except (KeyboardInterrupt, MemoryError, SystemExit, SeriesRefusedError):
        raise
    except BaseException as error:  # each decoder has its own tree of errors; a panic in Rust is no Exception
        detail = f"the decoder refuses the pixels ({type(error).__name__})"
        raise SeriesRefusedError(Reason.PIXEL_DECODE, detail) from error
    if frame.shape != (pixels.rows, pixels.columns):
        raise SeriesRefusedError(Reason.PIXEL_DECODE, OTHER_SIZE)
    return frame


def _rle(codestream: bytes, pixels: Pixels) -> Frame:
    """Decode RLE (PS3.5 annex G), which tells no size; past pydicom, whose wrapping takes half as long again."""
    flat = decode_pixel_data(
        codestream, version=2, rows=pixels.rows, columns=pixels.columns, bits_allocated=pixels.bits_allocated
    )
    kind = "i" if pixels.signed else "u"
    return np.frombuffer(flat, f"<{kind}{pixels.bits_allocated // 8}").reshape(pixels.rows, pixels.columns)


def _jpeg(codestream: bytes, pixels: Pixels) -> Frame:
    """Decode one of the JPEG family."""
    _check_codestream(codestream, pixels)
    if pixels.transfer_syntax in JPEG_LOSSLESS_SYNTAXES and (scan := find_scan(codestream)):
        return decode_lossless(codestream, scan).view(np.int16 if pixels.signed else np.uint16)
    return _by_pydicom(codestream, pixels)


def _by_pydicom(codestream: bytes, pixels: Pixels) -> Frame:
    """Decode by one of the decoders that pydicom knows."""
    options: dict[str, Any] = {
        "rows": pixels.rows,
        "columns": pixels.columns,
        "samples_per_pixel": 1,
        "photometric_interpretation": pixels.photometric,
        "number_of_frames": 1,
        "bits_allocated": pixels.bits_allocated,
        "bits_stored": pixels.bits_stored,
        "pixel_representation": int(pixels.signed),
        "pixel_keyword": "PixelData",
    }
    decoder, plugin = get_decoder(pixels.transfer_syntax), DECODERS.get(pixels.transfer_syntax, "gdcm")
    frame: Frame = decoder.as_array(
        encapsulate([codestream], has_bot=False), raw=True, decoding_plugin=plugin, **options
    )[0]
    return frame


def _check_codestream(codestream: bytes, pixels: Pixels) -> None:
    """Refuse a frame that tells another size than its header, or breaks off, before a decoder spends time on it.

    And one of more bits than JPEG has (PS3.5, 8.2.1), which makes gdcm abort the process.
    """
    if pixels.transfer_syntax in JPEG_SYNTAXES and pixels.bits_allocated > 16:
        raise SeriesRefusedError(Reason.PIXEL_DECODE, "JPEG has not so many bits as the header tells")
    if read_size(codestream) not in {None, (pixels.rows, pixels.columns)}:
        raise SeriesRefusedError(Reason.PIXEL_DECODE, OTHER_SIZE)
    if pixels.transfer_syntax in JPEG_LS_SYNTAXES and not has_end(codestream):
        raise SeriesRefusedError(Reason.PIXEL_DECODE, "the codestream breaks off")
