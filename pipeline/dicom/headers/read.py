"""Files to slices, each with its warnings: a file is opened once, and what several slices share is read once.

The slices of a series differ in a handful of elements.  So equal elements become one `KnownElement`, which keeps what
follows from it, and a part of a slice is read once from the same known elements.  Law: in any order, each header is
read as it is read alone.
"""

import re
from dataclasses import dataclass, field, replace
from datetime import date
from functools import lru_cache
from typing import Any, NamedTuple

from pipeline.dicom.files.encoding import PIXEL_TAGS, Element
from pipeline.dicom.files.part10 import DataSet, read_data_set
from pipeline.dicom.files.values import (
    DECIMAL_VRS,
    REMEMBERED,
    SPECIFIC_CHARACTER_SET,
    TEXT_VRS,
    Flaw,
    Values,
    decode_text,
    is_single_valued,
    keyword_of,
    parse_numbers,
    tag_of,
)
from pipeline.dicom.headers.parts import PARTS, Part, Reader, read_directory_class, split_frames
from pipeline.dicom.headers.slice import MULTIFRAME_CLASSES, Identity, SliceHeader
from pipeline.limits import Limits
from pipeline.privacy import TextVerdict, judge_text
from pipeline.record import ElementValue
from pipeline.sources.files import FoundFile, SourceError
from pipeline.vocabulary import Reason, SeriesWarning

UID = re.compile(r"[0-9]+(\.[0-9]+)*")
LONGEST_UID = 64
TIME_FORM = rb"([01]\d|2[0-3])(:?[0-5]\d(:?([0-5]\d|60)(\.\d*)?)?)?"
DATE_FORMS = {
    "DA": re.compile(rb"(?P<year>\d{4})(?P<dot>\.?)(?P<month>\d\d)(?P=dot)(?P<day>\d\d)"),
    "TM": re.compile(TIME_FORM),
    "DT": re.compile(rb"(?P<year>\d{4})((?P<month>\d\d)((?P<day>\d\d)(" + TIME_FORM + rb")?)?)?([+-]\d{4})?"),
}
DATE_VRS = frozenset(DATE_FORMS)
NO_WARNING: frozenset[SeriesWarning] = frozenset()
REQUIRED = frozenset(
    {"Modality", "Rows", "Columns", "BitsAllocated", "BitsStored", "HighBit", "SamplesPerPixel"}
    | {"PhotometricInterpretation", "PixelRepresentation", "ImageOrientationPatient", "ImagePositionPatient"}
    | {"PixelSpacing", "RescaleSlope", "RescaleIntercept"}
)
"""What a volume cannot do without: a flaw in one of these refuses the series, and is no warning."""

LONGEST_KNOWN = 4096
"""Elements with more bytes are not kept to be recognised again."""
OF_IMAGES = frozenset({Reason.TRANSFER_SYNTAX, Reason.CORRUPT})
"""Reasons against an image that are none against a mask object: it is no image, and is judged where masks are read."""


def check_keywords(reader: Reader) -> frozenset[SeriesWarning]:
    """Return the warnings that certain elements give, found by their keywords."""
    values = reader.values
    found = {
        SeriesWarning.W_ID_MISSING: not values.text("PatientID"),
        SeriesWarning.W_LOSSY: values.text("LossyImageCompression") == "01",
        SeriesWarning.W_MONOCHROME1: values.text("PhotometricInterpretation") == "MONOCHROME1",
        SeriesWarning.W_BURNED_IN: values.text("BurnedInAnnotation") == "YES",
    }
    return frozenset(warning for warning, holds in found.items() if holds)


KEYWORD_WARNINGS = Part(
    "warnings",
    check_keywords,
    tuple(map(tag_of, ("PatientID", "LossyImageCompression", "PhotometricInterpretation", "BurnedInAnnotation"))),
)
SLICE_PARTS = (*PARTS, KEYWORD_WARNINGS)


def check_uids(identity: Identity) -> frozenset[SeriesWarning]:
    """Return a warning where study, series or object have no valid unique identifier."""
    uids = identity.study_instance_uid, identity.series_instance_uid, identity.sop_instance_uid
    return NO_WARNING if all(map(is_uid, uids)) else frozenset({SeriesWarning.W_UID_INVALID})


def check_element(element: Element, encodings: tuple[str, ...]) -> tuple[frozenset[SeriesWarning], TextVerdict]:
    """Return the warnings of a text, date, time or decimal number that cannot be taken as it is, and of text why."""
    if element.vr in DECIMAL_VRS or element.vr in DATE_VRS:
        return frozenset({SeriesWarning.W_TAG_UNPARSED}) if _is_unparsed(element) else NO_WARNING, ""
    if element.vr not in TEXT_VRS:
        return NO_WARNING, ""
    text, fits = decode_text(element.value, encodings)
    verdict = judge_text(text, element.vr, single_valued=is_single_valued(element.tag))
    found = {SeriesWarning.W_CHARSET: not fits, SeriesWarning.W_TEXT_SANITISED: bool(verdict)}
    return frozenset(warning for warning, holds in found.items() if holds), verdict


def _is_unparsed(element: Element) -> bool:
    if not element.value.strip(b" \0") or keyword_of(element.tag) in REQUIRED:
        return False
    if element.vr in DATE_VRS:
        return not all(is_date(part.strip(b" \0"), element.vr) for part in element.value.split(b"\\"))
    return parse_numbers(element, little_endian=True) is None


@lru_cache(maxsize=REMEMBERED)
def is_date(text: bytes, vr: str) -> bool:
    """Report whether a text is empty or a date, a time or both as DA, TM or DT write them (PS3.5 section 6.2).

    Dots in a date and colons in a time, as in the standard before DICOM, are read too.
    """
    found = DATE_FORMS[vr].fullmatch(text)
    if not found or not text:
        return not text
    year, month, day = (found.groupdict().get(name) for name in ("year", "month", "day"))
    try:
        return vr == "TM" or bool(date(int(year or 0), int(month or 1), int(day or 1)))
    except ValueError:
        return False


@lru_cache(maxsize=REMEMBERED)
def is_uid(text: str) -> bool:
    """Report whether a text is a unique identifier (PS3.5 section 9.1)."""
    return len(text) <= LONGEST_UID and UID.fullmatch(text) is not None


class Context(NamedTuple):
    """What decides, beside an element itself, how its bytes are read."""

    transfer_syntax: str
    little_endian: bool
    encodings: tuple[str, ...]


@dataclass(eq=False)
class KnownElement:
    """An element and what follows from it alone; equal elements of one context are the same object.

    ``keyword`` is empty where the manifest does not keep the element; ``text`` is what is to be said of a text.
    """

    element: Element
    warnings: frozenset[SeriesWarning]
    keyword: str
    value: ElementValue
    text: TextVerdict = ""


class KnownElements(NamedTuple):
    """The elements of a data set, by tag, and their values."""

    by_tag: dict[int, KnownElement]
    values: Values


NO_ELEMENTS = KnownElements({}, Values({}))


class PartValue(NamedTuple):
    """A part of a slice, and the required elements that gave no value."""

    value: Any
    flaws: dict[str, Flaw]


@dataclass
class Memory:
    """What was read so far in one context: elements by their content, parts by the elements they were read from."""

    elements: dict[Any, KnownElement] = field(default_factory=dict)
    parts: dict[tuple[Any, ...], PartValue] = field(default_factory=dict)


class SliceReader:
    """Reads one slice after another; ``wanted`` names elements to keep for the manifest."""

    def __init__(self, wanted: frozenset[str]) -> None:
        self._wanted = {tag_of(keyword): keyword for keyword in wanted}
        self._memories: dict[Context, Memory] = {}

    def read(self, found: FoundFile, data_set: DataSet) -> tuple[SliceHeader, KnownElements]:
        """Read the slice that a data set describes; return its elements beside it."""
        values = Values(data_set.elements, data_set.little_endian)
        context = Context(data_set.transfer_syntax, data_set.little_endian, values.encodings)
        memory = self._memories.setdefault(context, Memory())
        known = self._recognise(values, memory)
        parts = {part.field: _read_part(part, known, context, memory) for part in SLICE_PARTS}
        fields = {name: part.value for name, part in parts.items()}
        if not fields["identity"].sop_class_uid:
            directory_class = read_directory_class(Values(data_set.meta))
            fields["identity"] = replace(fields["identity"], sop_class_uid=directory_class)
        fields["warnings"] = fields["warnings"].union(
            check_uids(fields["identity"]), data_set.warnings, *(one.warnings for one in known.values() if one.warnings)
        )
        header = SliceHeader(
            file=found,
            refusal=data_set.refusal,
            flaws={keyword: flaw for part in parts.values() for keyword, flaw in part.flaws.items()},
            elements={one.keyword: one.value for one in known.values() if one.keyword},
            texts={keyword_of(tag) or "a private element": one.text for tag, one in known.items() if one.text},
            **fields,
        )
        return header, KnownElements(known, values)

    def _recognise(self, values: Values, memory: Memory) -> dict[int, KnownElement]:
        """Return the known element for each element of a data set."""
        known = {}
        for tag, element in values.elements.items():
            content = content_of(element)
            one = memory.elements.get(content)
            if one is None:
                one = self._know(element, values)
                if not is_long(element):
                    memory.elements[content] = one
            known[tag] = one
        return known

    def _know(self, element: Element, values: Values) -> KnownElement:
        keyword = self._wanted.get(element.tag, "")
        value = values.verbatim(element) if keyword else None
        warnings, text = check_element(element, values.encodings)
        return KnownElement(element, warnings, keyword, value, text)


def is_long(element: Element) -> bool:
    """Report an element that is not worth remembering; of pixels no bytes are held."""
    return element.length > LONGEST_KNOWN and element.tag not in PIXEL_TAGS


def content_of(element: Element) -> Any:
    """Return the key by which elements are equal; the offset in the file counts only for pixels."""
    if element.items:
        return element.tag, tuple(tuple(map(content_of, item.values())) for item in element.items)
    if element.tag in PIXEL_TAGS:
        return element
    return element.tag, element.vr, element.length, element.value


def _read_part(part: Part, known: dict[int, KnownElement], context: Context, memory: Memory) -> PartValue:
    """Return a part of a slice; one that was read from the same elements before is not read again."""
    sources = (part.field, *map(known.get, part.tags))
    found = memory.parts.get(sources)
    if found is None:
        tags = (*part.tags, SPECIFIC_CHARACTER_SET)
        elements = {tag: known[tag].element for tag in tags if tag in known}
        reader = Reader(Values(elements, context.little_endian), context.transfer_syntax)
        found = memory.parts[sources] = PartValue(part.read(reader), reader.flaws)
    return found


class FileReader:
    """Reads one file after another; ``wanted`` names elements to keep for the manifest."""

    def __init__(self, limits: Limits, wanted: frozenset[str]) -> None:
        self._limits = limits
        self._slices = SliceReader(wanted)

    def read(self, found: FoundFile) -> tuple[tuple[SliceHeader, ...], KnownElements]:
        """Read the slices that a file holds, one, or one per frame; return the file's elements beside them.

        Never raises for what is in the file: a file that is refused gives one slice with its ``refusal``.
        """
        if found.refusal and found.refusal[0] is not Reason.UNSTABLE:
            return (SliceHeader(file=found, refusal=found.refusal),), NO_ELEMENTS
        try:
            data_set = read_data_set(found, self._limits)
        except SourceError as error:
            return (SliceHeader(file=found, refusal=found.refusal or (error.reason, error.detail)),), NO_ELEMENTS
        except OSError as error:
            refusal = found.refusal or (Reason.UNREADABLE, f"reading failed ({type(error).__name__})")
            return (SliceHeader(file=found, refusal=refusal),), NO_ELEMENTS
        header, known = self._slices.read(found, data_set)
        if header.refusal and header.mask_kind and header.refusal[0] in OF_IMAGES:
            header = replace(header, refusal=None)
        slices: tuple[SliceHeader, ...] = (header,)
        if not header.refusal and header.identity.sop_class_uid in MULTIFRAME_CLASSES:
            slices = self._read_frames(header, data_set)
        if found.refusal:  # a file that is still being written is read only to learn which series it belongs to
            slices = tuple(replace(header, refusal=found.refusal) for header in slices)
        return slices, known

    def _read_frames(self, whole: SliceHeader, data_set: DataSet) -> tuple[SliceHeader, ...]:
        if whole.pixels.n_frames > self._limits.max_slices:
            detail = f"{whole.pixels.n_frames} frames are over max_slices {self._limits.max_slices}"
            return (_refuse(whole, Reason.LIMIT, detail),)
        frames = split_frames(data_set.elements)
        if len(frames) != whole.pixels.n_frames:
            detail = f"functional groups describe {len(frames)} of {whole.pixels.n_frames} frames"
            return (_refuse(whole, Reason.MULTIFRAME, detail),)
        headers = []
        for number, elements in enumerate(frames, start=1):
            header, _ = self._slices.read(whole.file, replace(data_set, elements=elements))
            headers.append(replace(header, frame=number, instance_number=number))
        return tuple(headers)


def _refuse(header: SliceHeader, reason: Reason, detail: str) -> SliceHeader:
    return replace(header, refusal=(reason, detail))


def read_headers(found: FoundFile, limits: Limits, wanted: frozenset[str]) -> tuple[SliceHeader, ...]:
    """Read the slices of one file alone: one, or one per frame."""
    return FileReader(limits, wanted).read(found)[0]
