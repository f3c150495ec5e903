"""Files to slices: each file is opened once, and what several slices have in common is read once.

The slices of a series differ in a handful of elements.  So equal elements become one `KnownElement`, which keeps what
follows from it, and a part of a slice is read once from the same known elements.  Law: in any order, each header is
read as it is read alone.
"""

from dataclasses import dataclass, field, replace
from typing import Any, NamedTuple

from pipeline.dicom.files.element import Element
from pipeline.dicom.files.encoding import PIXEL_TAGS
from pipeline.dicom.files.part10 import DataSet, read_data_set
from pipeline.dicom.files.values import SPECIFIC_CHARACTER_SET, Flaw, Values, keyword_of, tag_of
from pipeline.dicom.headers.notices import KEYWORD_WARNINGS, check_element, check_uids
from pipeline.dicom.headers.parts import PARTS, Part, Reader, read_directory_class, split_frames
from pipeline.dicom.headers.slice import MULTIFRAME_CLASSES, SliceHeader
from pipeline.limits import Limits
from pipeline.privacy import TextVerdict
from pipeline.record import ElementValue
from pipeline.sources.files import FoundFile, SourceError
from pipeline.vocabulary import Reason, SeriesWarning

LONGEST_KNOWN = 4096
"""Elements with more bytes are not kept to be recognised again."""
OF_IMAGES = frozenset({Reason.TRANSFER_SYNTAX, Reason.CORRUPT})
"""Reasons against an image that are none against a mask object: it is no image, and is judged where masks are read."""
SLICE_PARTS = (*PARTS, KEYWORD_WARNINGS)


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
