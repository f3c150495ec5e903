"""Which stored value is padding: as declared, repaired from the wrong representations it comes in.

PixelPaddingValue is written in the representation of the pixels (DICOM PS3.3 C.7.5.1.1.2).  Found in the wild: US 63536
where the pixels are signed and -2000 is meant; the two raw bytes under UN or OW; and the text ``0 `` read as 8240.
"""

import re
from dataclasses import dataclass

from pipeline.dicom.files.structure import Element
from pipeline.dicom.files.values import DECIMAL_VRS, Values, numbers_in

SHORT_TEXT = re.compile(rb"[+-]?\d+ *|\d[ \0]")


@dataclass(frozen=True)
class Padding:
    """The declared padding value and the other end of its range, in stored values."""

    value: int | None = None
    limit: int | None = None
    repaired: bool = False


def declared_padding(values: Values, *, signed: bool, bits_stored: int) -> Padding:
    """Return the padding that a header declares, as a value that the pixels can hold."""
    element = values.element("PixelPaddingValue")
    if element is None or not element.value:
        return Padding()
    value, repaired = _stored(values, element, signed=signed, bits_stored=bits_stored)
    limit_element = values.element("PixelPaddingRangeLimit")
    if limit_element is None or not limit_element.value:
        return Padding(value, None, repaired)
    limit, limit_repaired = _stored(values, limit_element, signed=signed, bits_stored=bits_stored)
    return Padding(value, limit, repaired or limit_repaired)


def _stored(values: Values, element: Element, *, signed: bool, bits_stored: int) -> tuple[int | None, bool]:
    if element.vr in DECIMAL_VRS or len(element.value) != 2:
        numbers = numbers_in(element, little_endian=values.little_endian)
        return (int(numbers[0]) if numbers else None), True
    value = int.from_bytes(element.value, "little" if values.little_endian else "big", signed=signed)
    if value >= 1 << bits_stored and SHORT_TEXT.fullmatch(element.value):
        return int(element.value.strip(b" \0")), True
    return value, element.vr not in {"SS" if signed else "US", "US or SS"}
