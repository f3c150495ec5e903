"""The transfer syntaxes by which pixels come (DICOM PS3.5 chapter 10, PS3.6 annex A)."""

IMPLICIT_LE = "1.2.840.10008.1.2"
EXPLICIT_LE = "1.2.840.10008.1.2.1"
DEFLATED_LE = "1.2.840.10008.1.2.1.99"
EXPLICIT_BE = "1.2.840.10008.1.2.2"
RLE_LOSSLESS = "1.2.840.10008.1.2.5"

NATIVE_SYNTAXES = frozenset({IMPLICIT_LE, EXPLICIT_LE, DEFLATED_LE, EXPLICIT_BE})
JPEG_SYNTAXES = frozenset(f"1.2.840.10008.1.2.4.{number}" for number in (50, 51, 57, 70))
JPEG_LOSSLESS_SYNTAXES = frozenset(f"1.2.840.10008.1.2.4.{number}" for number in (57, 70))
JPEG_LS_SYNTAXES = frozenset(f"1.2.840.10008.1.2.4.{number}" for number in (80, 81))
JPEG_2000_SYNTAXES = frozenset(f"1.2.840.10008.1.2.4.{number}" for number in (90, 91, 201, 202, 203))
COMPRESSED_SYNTAXES = JPEG_SYNTAXES | JPEG_LS_SYNTAXES | JPEG_2000_SYNTAXES | {RLE_LOSSLESS}

LOSSY_SYNTAXES = frozenset(f"1.2.840.10008.1.2.4.{number}" for number in (50, 51, 81))
"""Those that always lose something; JPEG 2000 and its kin may, and then say so in LossyImageCompression."""

EFFORT = (
    dict.fromkeys(JPEG_SYNTAXES | JPEG_LS_SYNTAXES, 3.0)
    | dict.fromkeys(JPEG_LOSSLESS_SYNTAXES, 1.5)
    | dict.fromkeys(JPEG_2000_SYNTAXES, 12.0)
)
"""How much longer a series takes that must be decoded, against 1 for native pixels; good for an order only."""
