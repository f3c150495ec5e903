"""Elements to the parts of a slice, each read from the few elements that it names."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from math import nan
from typing import Any

from pipeline.dicom.files.encoding import PIXEL_DATA, PIXEL_TAGS, Element
from pipeline.dicom.files.values import (
    DECIMAL_VRS,
    LARGEST_INTEGER_STRING,
    STRING_VRS,
    Flaw,
    Values,
    parse_numbers,
    tag_of,
)
from pipeline.dicom.headers.maps import find_kinds
from pipeline.dicom.headers.slice import PHASE_ELEMENTS, Identity, ImagePlane, Pixels, Rescale
from pipeline.geometry import Xyz
from pipeline.record import ElementValue

SHORT_TEXT = re.compile(rb"[+-]?\d+ *|\d[ \0]")


@dataclass(frozen=True)
class DeclaredPadding:
    """The declared padding value and the other end of its range, in stored values."""

    value: int | None = None
    limit: int | None = None
    repaired: bool = False


def read_padding(values: Values, *, signed: bool, bits_stored: int) -> DeclaredPadding:
    """Return the padding that a header declares, as a value that the pixels can hold."""
    element = values.element("PixelPaddingValue")
    if element is None or not element.value:
        return DeclaredPadding()
    value, repaired = _stored(values, element, signed=signed, bits_stored=bits_stored)
    limit_element = values.element("PixelPaddingRangeLimit")
    if limit_element is None or not limit_element.value:
        return DeclaredPadding(value, None, repaired)
    limit, limit_repaired = _stored(values, limit_element, signed=signed, bits_stored=bits_stored)
    return DeclaredPadding(value, limit, repaired or limit_repaired)


def _stored(values: Values, element: Element, *, signed: bool, bits_stored: int) -> tuple[int | None, bool]:
    if element.vr in DECIMAL_VRS or len(element.value) != 2:
        numbers = parse_numbers(element, little_endian=values.little_endian)
        return (int(numbers[0]) if numbers else None), True
    value = int.from_bytes(element.value, "little" if values.little_endian else "big", signed=signed)
    if value >= 1 << bits_stored and SHORT_TEXT.fullmatch(element.value):
        return int(element.value.strip(b" \0")), True
    return value, element.vr not in {"SS" if signed else "US", "US or SS"}


Elements = Mapping[int, Element]


def split_frames(elements: Elements) -> list[dict[int, Element]]:
    """Return each frame's elements as a single-frame image would have them; empty without functional groups.

    A frame's own group wins over the shared one, and both over the object's top level.
    """
    per_frame = _items(elements, "PerFrameFunctionalGroupsSequence")
    shared = _items(elements, "SharedFunctionalGroupsSequence")
    common = dict(elements)
    for group in shared[:1]:
        common |= _flattened(group)
    return [common | _flattened(group) for group in per_frame]


def _items(elements: Elements, keyword: str) -> tuple[Elements, ...]:
    sequence = elements.get(tag_of(keyword))
    return () if sequence is None else sequence.items


def _flattened(group: Elements) -> dict[int, Element]:
    """Take the elements out of a group's macros, each of which is a sequence of one item."""
    return {tag: element for macro in group.values() for item in macro.items[:1] for tag, element in item.items()}


SMALLEST_SPACING_MM, LARGEST_SPACING_MM = 0.01, 100.0
"""Beyond these no scanner makes an image; it is a unit mistaken or a value lost."""
FARTHEST_MM = 1e7
"""No table moves ten kilometres; a position beyond is a value lost, and would overflow what counts with it."""
LARGEST_US = 0xFFFF
"""The elements that describe pixels are unsigned shorts (PS3.6), even if a file has another representation."""
DIRECTORY_CLASS = "1.2.840.10008.1.3.10"
OVERLAY_BIT_POSITIONS = tuple(0x60000102 + (group << 16) for group in range(0, 0x20, 2))
"""OverlayBitPosition of each overlay that an image may have."""
RECONSTRUCTION = ("ConvolutionKernel", "KVP", "SliceThickness", "ContrastBolusAgent")
"""What is constant within one reconstruction, beside the geometry."""


@dataclass(frozen=True)
class Reader:
    """Reads values, and notes each required one that is missing or unusable in ``flaws``."""

    values: Values
    transfer_syntax: str = ""
    flaws: dict[str, Flaw] = field(default_factory=dict)

    def require_numbers(
        self, keyword: str, count: int, usable: Callable[[float], bool] = lambda _: True
    ) -> tuple[float, ...] | None:
        """Return so many usable numbers, or None with the flaw noted."""
        numbers = self.values.numbers(keyword, count)
        if not isinstance(numbers, Flaw) and not all(map(usable, numbers)):
            numbers = Flaw.INVALID
        if isinstance(numbers, Flaw):
            self.flaws[keyword] = numbers
            return None
        return numbers

    def whole(self, keyword: str, least: int = 0) -> int:
        """Return a required whole number of 16 bits, 0 where it is flawed."""
        numbers = self.require_numbers(keyword, 1, lambda number: least <= number <= LARGEST_US and number.is_integer())
        return int(numbers[0]) if numbers else 0

    def optional(self, keyword: str) -> float | None:
        """Return a number that a volume can do without."""
        number = self.values.number(keyword)
        return None if isinstance(number, Flaw) else number

    def require_text(self, keyword: str) -> str:
        """Return a text that must be there."""
        text = self.values.text(keyword)
        if not text:
            self.flaws[keyword] = Flaw.MISSING
        return text


def read_identity(reader: Reader) -> Identity:
    """Read the kind of an object, and its identifiers."""
    values = reader.values
    return Identity(
        sop_class_uid=values.text("SOPClassUID"),
        sop_instance_uid=values.text("SOPInstanceUID"),
        series_instance_uid=values.text("SeriesInstanceUID"),
        study_instance_uid=values.text("StudyInstanceUID"),
        frame_of_reference_uid=values.text("FrameOfReferenceUID"),
        patient_id=values.text("PatientID"),
        birth_and_sex="/".join((values.text("PatientBirthDate"), values.text("PatientSex"))),
        series_number=values.text("SeriesNumber"),
        study_date=values.text("StudyDate"),
        modality=reader.require_text("Modality"),
        image_type=values.texts("FrameType") or values.texts("ImageType"),
        described_kinds=find_kinds(values.text("SeriesDescription")),
    )


def read_directory_class(meta: Values) -> str:
    """Return the class of a DICOMDIR, which names it in the file meta information alone."""
    uid = meta.text("MediaStorageSOPClassUID")
    return uid if uid == DIRECTORY_CLASS else ""


def read_pixels(reader: Reader) -> Pixels:
    """Read how and where the pixels are stored."""
    element = _pixel_element(reader)
    n_frames = reader.optional("NumberOfFrames")
    return Pixels(
        transfer_syntax=reader.transfer_syntax,
        little_endian=reader.values.little_endian,
        rows=reader.whole("Rows", least=1),
        columns=reader.whole("Columns", least=1),
        samples=reader.whole("SamplesPerPixel", least=1),
        photometric=reader.require_text("PhotometricInterpretation"),
        bits_allocated=reader.whole("BitsAllocated", least=1),
        bits_stored=reader.whole("BitsStored", least=1),
        high_bit=reader.whole("HighBit"),
        signed=_is_signed(reader),
        offset=element.offset if element else -1,
        length=element.length if element else 0,
        encapsulated=element is not None and element.encapsulated,
        integer=element is None or element.tag == PIXEL_DATA,
        n_frames=1 if n_frames is None else int(n_frames),
        overlay_bits=_read_overlay_bits(reader),
    )


def _read_overlay_bits(reader: Reader) -> int:
    """Return the bits above BitsStored that hold overlays (PS3.3 C.9.2); those of OverlayData say 0."""
    values, bits = reader.values, 0
    for tag in OVERLAY_BIT_POSITIONS:
        element = values.elements.get(tag)
        if element is None:
            continue
        (position,) = (parse_numbers(element, little_endian=values.little_endian) or (0,))[:1]
        if reader.whole("BitsStored") <= position < reader.whole("BitsAllocated"):
            bits |= 1 << int(position)
    return bits


def _pixel_element(reader: Reader) -> Element | None:
    elements = reader.values.elements
    return next((elements[tag] for tag in PIXEL_TAGS if tag in elements), None)


def _is_signed(reader: Reader) -> bool:
    """Report signed pixels; without pixels PixelRepresentation is not required."""
    if _pixel_element(reader) is None:
        return False
    numbers = reader.require_numbers("PixelRepresentation", 1, lambda number: number in {0, 1})
    return bool(numbers and numbers[0] == 1)


def read_plane(reader: Reader) -> ImagePlane:
    """Read where a slice lies in the patient."""
    position = reader.require_numbers("ImagePositionPatient", 3, lambda mm: abs(mm) <= FARTHEST_MM)
    orientation = reader.require_numbers("ImageOrientationPatient", 6)
    spacing = reader.require_numbers("PixelSpacing", 2, lambda mm: SMALLEST_SPACING_MM <= mm <= LARGEST_SPACING_MM)
    return ImagePlane(
        position=Xyz(*position) if position else None,
        row_direction=Xyz(*orientation[:3]) if orientation else None,
        column_direction=Xyz(*orientation[3:]) if orientation else None,
        row_spacing=spacing[0] if spacing else nan,
        column_spacing=spacing[1] if spacing else nan,
        thickness=reader.optional("SliceThickness"),
        spacing_between_slices=reader.optional("SpacingBetweenSlices"),
        gantry_tilt=reader.optional("GantryDetectorTilt"),
        slice_location=reader.optional("SliceLocation"),
    )


def read_rescale(reader: Reader) -> Rescale:
    """Read what turns stored values into Hounsfield units; padding is read as the pixels can hold it."""
    slope = reader.require_numbers("RescaleSlope", 1, lambda number: number > 0)
    intercept = reader.require_numbers("RescaleIntercept", 1)
    bits_stored = reader.whole("BitsStored", least=1)
    padding = read_padding(reader.values, signed=_is_signed(reader), bits_stored=bits_stored)
    return Rescale(
        slope=slope[0] if slope else 1.0,
        intercept=intercept[0] if intercept else 0.0,
        kind=_read_rescale_type(reader.values),
        padding=padding.value,
        padding_limit=padding.limit,
        padding_repaired=padding.repaired,
        has_lut="ModalityLUTSequence" in reader.values,
    )


def _read_rescale_type(values: Values) -> str:
    """Return RescaleType as it is written, NUL included, which is no padding of a text (PS3.5 section 6.2)."""
    text = values.text("RescaleType")
    element = values.element("RescaleType")
    return f"{text}\0" if text and element and element.value.endswith(b"\0") else text


def read_instance_number(reader: Reader) -> int | None:
    """Read the number of a slice, None where it is none of 32 bits."""
    number = reader.optional("InstanceNumber")
    return None if number is None or abs(number) > LARGEST_INTEGER_STRING else int(number)


def read_reconstruction(reader: Reader) -> tuple[ElementValue, ...]:
    """Read what is constant within one reconstruction."""
    found = map(reader.values.element, RECONSTRUCTION)
    return tuple(None if element is None else reader.values.verbatim(element) for element in found)


def read_reconstruction_diameter(reader: Reader) -> float | None:
    """Read the diameter of the field that was reconstructed, in millimetres."""
    return reader.optional("ReconstructionDiameter")


def read_phase(reader: Reader) -> dict[str, str]:
    """Read what may separate the volumes that share one series."""
    return {word: text for word in PHASE_ELEMENTS if (text := _as_text(reader.values, word))}


def _as_text(values: Values, keyword: str) -> str:
    """Return a value as one text, the same for the decimals 1 and 1.0; empty where there is none."""
    element = values.element(keyword)
    if element is None:
        return ""
    if element.vr not in STRING_VRS and not isinstance(number := values.number(keyword), Flaw):
        return f"{number:.17g}"
    return str(values.verbatim(element) or "")


@dataclass(frozen=True)
class Part:
    """A part of a slice: the field of a SliceHeader, the elements that it is read from, and the function that reads it.

    The function sees no other elements than these and SpecificCharacterSet.
    """

    field: str
    read: Callable[[Reader], Any]
    tags: tuple[int, ...]


def _part(field: str, read: Callable[[Reader], Any], *keywords: str) -> Part:
    return Part(field, read, tuple(tag_of(keyword) for keyword in keywords))


PIXEL_KEYWORDS = ("PixelData", "FloatPixelData", "DoubleFloatPixelData")
DESCRIPTION_OF_PIXELS = (
    *("Rows", "Columns", "SamplesPerPixel", "PhotometricInterpretation", "BitsAllocated", "BitsStored", "HighBit"),
    *("PixelRepresentation", "NumberOfFrames", *PIXEL_KEYWORDS),
)
PARTS = (
    _part(
        "identity",
        read_identity,
        *("SOPClassUID", "SOPInstanceUID", "SeriesInstanceUID", "StudyInstanceUID", "FrameOfReferenceUID"),
        *("PatientID", "PatientBirthDate", "PatientSex", "SeriesNumber", "StudyDate", "Modality"),
        *("FrameType", "ImageType", "SeriesDescription"),
    ),
    Part("pixels", read_pixels, (*map(tag_of, DESCRIPTION_OF_PIXELS), *OVERLAY_BIT_POSITIONS)),
    _part(
        "plane",
        read_plane,
        *("ImagePositionPatient", "ImageOrientationPatient", "PixelSpacing", "SliceThickness"),
        *("SpacingBetweenSlices", "GantryDetectorTilt", "SliceLocation"),
    ),
    _part(
        "rescale",
        read_rescale,
        *("RescaleSlope", "RescaleIntercept", "RescaleType", "ModalityLUTSequence"),
        *("PixelPaddingValue", "PixelPaddingRangeLimit", "BitsStored", "PixelRepresentation", *PIXEL_KEYWORDS),
    ),
    _part("instance_number", read_instance_number, "InstanceNumber"),
    _part("reconstruction", read_reconstruction, *RECONSTRUCTION),
    _part("reconstruction_diameter", read_reconstruction_diameter, "ReconstructionDiameter"),
    _part("phase", read_phase, *PHASE_ELEMENTS),
)
"""All parts of a slice, except warnings and the elements that are kept for the manifest."""
