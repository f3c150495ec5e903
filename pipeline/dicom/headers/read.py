"""Elements to slices: the one file that reads values by keyword."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from math import nan

from pipeline.axes import Xyz
from pipeline.dicom.files.find import FoundFile
from pipeline.dicom.files.part10 import DataSet, read_data_set
from pipeline.dicom.files.structure import PIXEL_DATA, PIXEL_TAGS, Element
from pipeline.dicom.files.values import LARGEST_INTEGER_STRING, STRING_VRS, Flaw, Values
from pipeline.dicom.headers.frames import frames_of
from pipeline.dicom.headers.notices import header_warnings
from pipeline.dicom.headers.padding import declared_padding
from pipeline.dicom.headers.slice import (
    MULTIFRAME_CLASSES,
    PHASE_ELEMENTS,
    Identity,
    Pixels,
    Plane,
    Rescale,
    SliceHeader,
)
from pipeline.limits import Limits
from pipeline.record import ElementValue
from pipeline.vocabulary import Reason

SMALLEST_SPACING_MM, LARGEST_SPACING_MM = 0.01, 100.0
"""Beyond these no scanner makes an image; it is a unit mistaken or a value lost."""
FARTHEST_MM = 1e7
"""No table moves ten kilometres; a position beyond is a value lost, and would overflow what counts with it."""
LARGEST_US = 0xFFFF
"""All that says how pixels lie is an unsigned short (PS3.6), whatever representation a file may give it."""
RECONSTRUCTION = ("ConvolutionKernel", "KVP", "SliceThickness", "ContrastBolusAgent")
"""What is constant within one reconstruction, beside the geometry."""


@dataclass(frozen=True)
class Reader:
    """Reads values, and keeps a note of each required one that is missing or unusable."""

    values: Values
    flaws: dict[str, Flaw] = field(default_factory=dict)

    def required(
        self, keyword: str, count: int, usable: Callable[[float], bool] = lambda _: True
    ) -> tuple[float, ...] | None:
        """Return so many usable numbers, or None with the flaw noted."""
        numbers = self.values.numbers(keyword, count)
        if not isinstance(numbers, Flaw) and not all(usable(number) for number in numbers):
            numbers = Flaw.INVALID
        if isinstance(numbers, Flaw):
            self.flaws[keyword] = numbers
            return None
        return numbers

    def whole(self, keyword: str, least: int = 0) -> int:
        """Return a required whole number of 16 bits, 0 where it is flawed."""
        numbers = self.required(keyword, 1, lambda number: least <= number <= LARGEST_US and number.is_integer())
        return int(numbers[0]) if numbers else 0

    def optional(self, keyword: str) -> float | None:
        """Return a number that a volume can do without."""
        number = self.values.number(keyword)
        return None if isinstance(number, Flaw) else number

    def required_text(self, keyword: str) -> str:
        """Return a text that must be there."""
        text = self.values.text(keyword)
        if not text:
            self.flaws[keyword] = Flaw.MISSING
        return text


def read_headers(found: FoundFile, limits: Limits, wanted: frozenset[str]) -> tuple[SliceHeader, ...]:
    """Read the slices that a file holds: one, or one a frame; ``wanted`` names elements to keep for the manifest.

    Never raises for what is in the file: a file that is refused gives one slice with its ``refusal``.
    """
    return read_file(found, limits, wanted)[0]


def read_file(found: FoundFile, limits: Limits, wanted: frozenset[str]) -> tuple[tuple[SliceHeader, ...], DataSet]:
    """Read the slices of a file, as `read_headers` does, and return its elements beside them."""
    if found.refusal and found.refusal[0] is not Reason.UNSTABLE:
        return (SliceHeader(file=found, refusal=found.refusal),), DataSet()
    slices, data_set = _read(found, limits, wanted)
    if found.refusal:  # a file that is still being written is read for what it belongs to, and for nothing else
        slices = tuple(replace(header, refusal=found.refusal) for header in slices)
    return slices, data_set


def _read(found: FoundFile, limits: Limits, wanted: frozenset[str]) -> tuple[tuple[SliceHeader, ...], DataSet]:
    try:
        data_set = read_data_set(found, limits)
    except OSError as error:
        refusal = Reason.UNREADABLE, f"reading failed ({type(error).__name__})"
        return (SliceHeader(file=found, refusal=refusal),), DataSet()
    header = slice_header(found, data_set, data_set.elements, wanted)
    if header.refusal or header.identity.sop_class_uid not in MULTIFRAME_CLASSES:
        return (header,), data_set
    return _frame_headers(header, data_set, limits, wanted), data_set


def _frame_headers(
    whole: SliceHeader, data_set: DataSet, limits: Limits, wanted: frozenset[str]
) -> tuple[SliceHeader, ...]:
    if whole.pixels.n_frames > limits.max_slices:
        detail = f"{whole.pixels.n_frames} frames are over max_slices {limits.max_slices}"
        return (replace(whole, refusal=(Reason.LIMIT, detail)),)
    frames = frames_of(data_set.elements)
    if len(frames) != whole.pixels.n_frames:
        detail = f"functional groups describe {len(frames)} of {whole.pixels.n_frames} frames"
        return (replace(whole, refusal=(Reason.MULTIFRAME, detail)),)
    headers = []
    for number, elements in enumerate(frames, start=1):
        header = slice_header(whole.file, data_set, elements, wanted)
        headers.append(replace(header, frame=number, instance_number=number))
    return tuple(headers)


def slice_header(
    found: FoundFile, data_set: DataSet, elements: Mapping[int, Element], wanted: frozenset[str]
) -> SliceHeader:
    """Read one slice from its elements: a file's, or a frame's with the functional groups laid over."""
    reader = Reader(Values(elements, data_set.little_endian))
    pixels = _pixels(reader, data_set)
    return SliceHeader(
        file=found,
        refusal=data_set.refusal,
        warnings=frozenset(data_set.warnings | header_warnings(reader.values)),
        identity=_identity(reader, data_set),
        pixels=pixels,
        plane=_plane(reader),
        rescale=_rescale(reader, pixels),
        instance_number=_instance_number(reader),
        reconstruction=tuple(_verbatim(reader.values, keyword) for keyword in RECONSTRUCTION),
        reconstruction_diameter=reader.optional("ReconstructionDiameter"),
        phase={word: text for word in PHASE_ELEMENTS if (text := _as_text(reader.values, word))},
        flaws=reader.flaws,
        elements={word: _verbatim(reader.values, word) for word in wanted if word in reader.values},
    )


def _verbatim(values: Values, keyword: str) -> ElementValue:
    element = values.element(keyword)
    return None if element is None else values.verbatim(element)


def _as_text(values: Values, keyword: str) -> str:
    """Return a value as one text, the same for the decimals 1 and 1.0; empty where there is none."""
    element = values.element(keyword)
    if element is None:
        return ""
    number = values.number(keyword)
    if element.vr not in STRING_VRS and not isinstance(number, Flaw):
        return f"{number:.17g}"
    return str(values.verbatim(element) or "")


def _instance_number(reader: Reader) -> int | None:
    number = reader.optional("InstanceNumber")
    return None if number is None or abs(number) > LARGEST_INTEGER_STRING else int(number)


def _identity(reader: Reader, data_set: DataSet) -> Identity:
    values = reader.values
    meta = Values(data_set.meta)
    return Identity(
        sop_class_uid=values.text("SOPClassUID") or _directory_class(meta),
        sop_instance_uid=values.text("SOPInstanceUID"),
        series_instance_uid=values.text("SeriesInstanceUID"),
        study_instance_uid=values.text("StudyInstanceUID"),
        frame_of_reference_uid=values.text("FrameOfReferenceUID"),
        patient_id=values.text("PatientID"),
        birth_and_sex="/".join((values.text("PatientBirthDate"), values.text("PatientSex"))),
        series_number=values.text("SeriesNumber"),
        study_date=values.text("StudyDate"),
        modality=reader.required_text("Modality"),
        image_type=values.texts("FrameType") or values.texts("ImageType"),
    )


def _directory_class(meta: Values) -> str:
    """Return the class of a DICOMDIR, which names it in the file meta information alone."""
    uid = meta.text("MediaStorageSOPClassUID")
    return uid if uid == "1.2.840.10008.1.3.10" else ""


def _pixels(reader: Reader, data_set: DataSet) -> Pixels:
    elements = reader.values.elements
    element = next((elements[tag] for tag in PIXEL_TAGS if tag in elements), None)
    n_frames = reader.optional("NumberOfFrames")
    return Pixels(
        transfer_syntax=data_set.transfer_syntax,
        little_endian=data_set.little_endian,
        rows=reader.whole("Rows", least=1),
        columns=reader.whole("Columns", least=1),
        samples=reader.whole("SamplesPerPixel", least=1),
        photometric=reader.required_text("PhotometricInterpretation"),
        bits_allocated=reader.whole("BitsAllocated", least=1),
        bits_stored=reader.whole("BitsStored", least=1),
        high_bit=reader.whole("HighBit"),
        signed=element is not None and _is_signed(reader),
        offset=element.offset if element else -1,
        length=element.length if element else 0,
        encapsulated=element is not None and element.encapsulated,
        integer=element is None or element.tag == PIXEL_DATA,
        n_frames=1 if n_frames is None else int(n_frames),
    )


def _is_signed(reader: Reader) -> bool:
    numbers = reader.required("PixelRepresentation", 1, lambda number: number in {0, 1})
    return bool(numbers and numbers[0] == 1)


def _plane(reader: Reader) -> Plane:
    position = reader.required("ImagePositionPatient", 3, lambda mm: abs(mm) <= FARTHEST_MM)
    orientation = reader.required("ImageOrientationPatient", 6)
    spacing = reader.required("PixelSpacing", 2, lambda mm: SMALLEST_SPACING_MM <= mm <= LARGEST_SPACING_MM)
    return Plane(
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


def _rescale(reader: Reader, pixels: Pixels) -> Rescale:
    slope = reader.required("RescaleSlope", 1, lambda number: number > 0)
    intercept = reader.required("RescaleIntercept", 1)
    padding = declared_padding(reader.values, signed=pixels.signed, bits_stored=pixels.bits_stored)
    return Rescale(
        slope=slope[0] if slope else 1.0,
        intercept=intercept[0] if intercept else 0.0,
        kind=reader.values.text("RescaleType"),
        padding=padding.value,
        padding_limit=padding.limit,
        padding_repaired=padding.repaired,
        has_lut="ModalityLUTSequence" in reader.values,
    )
