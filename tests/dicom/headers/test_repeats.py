from collections.abc import Sequence
from dataclasses import fields, is_dataclass
from math import isnan
from typing import Any

from dicom_bytes import known, read_element, us, values
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.dicom.files.encoding import PIXEL_DATA, Element
from pipeline.dicom.files.part10 import DataSet
from pipeline.dicom.files.values import Flaw, Values, tag_of
from pipeline.dicom.headers.observe import Observer
from pipeline.dicom.headers.read import KnownElements, SliceReader
from pipeline.dicom.headers.slice import SliceHeader
from pipeline.privacy import ALLOWED_ELEMENTS
from pipeline.sources.files import FoundFile
from pipeline.vocabulary import SeriesWarning

KVP = tag_of("KVP")
CREATOR, PRIVATE = 0x00090010, 0x00091001


def sequence(place: int, value: bytes) -> Element:
    inner = read_element("ReferencedSOPInstanceUID", value)
    return Element(tag_of("ReferencedImageSequence"), "SQ", place, 12, items=({inner.tag: inner},))


TEXTS = [b"", b"CT", b"1.2", b"A^B", b"=1+1", b"M\xfcller", b"ACME 1.1"]
NUMBERS = [b"", b"0", b"1", b"-1.50", b"1\\0\\0\\0\\1\\0", b"0.8\\0.8", b"1\\2\\3", b"nan"]
SHORTS = [b"", us(0), us(1), us(12), us(63_536)]
CHOICES = {
    "SpecificCharacterSet": [b"", b"ISO_IR 100", b"ISO_IR 144"],
    **dict.fromkeys(("SOPClassUID", "SOPInstanceUID", "SeriesInstanceUID", "PatientID", "Modality"), TEXTS),
    **dict.fromkeys(("SeriesDescription", "PatientName", "ImageType", "FrameType", "RescaleType"), TEXTS),
    **dict.fromkeys(("PhotometricInterpretation", "AcquisitionTime"), TEXTS),
    **dict.fromkeys(("KVP", "ImagePositionPatient", "ImageOrientationPatient", "PixelSpacing"), NUMBERS),
    **dict.fromkeys(("RescaleSlope", "RescaleIntercept", "InstanceNumber", "SliceThickness"), NUMBERS),
    **dict.fromkeys(("Rows", "BitsStored", "PixelRepresentation"), SHORTS),
    **dict.fromkeys(("PixelPaddingValue", "PixelPaddingRangeLimit"), SHORTS),
}
"""Values that elements are given, sound and spoilt."""
BARE = st.one_of(
    st.builds(lambda raw: Element(CREATOR, "LO", 0, len(raw), raw), st.sampled_from([b"ACME", b"SIEMENS CSA HEADER"])),
    st.builds(lambda raw: Element(PRIVATE, "LO", 0, len(raw), raw), st.sampled_from(TEXTS)),
    st.builds(sequence, st.integers(0, 1), st.sampled_from(TEXTS)),
    st.builds(lambda place, n: Element(PIXEL_DATA, "OW", place, n), st.integers(100, 101), st.sampled_from([0, 2])),
)
NAMED = st.sampled_from(list(CHOICES)).flatmap(
    lambda word: st.builds(read_element, st.just(word), st.sampled_from(CHOICES[word]))
)


def headers(changes: Sequence[Sequence[Element]], order: Sequence[bool]) -> list[Values]:
    """Return headers each of which is the one before, with some elements changed or added, or turned round."""
    elements: dict[int, Element] = {}
    found = []
    for changed, turned in zip(changes, order, strict=False):
        elements = elements | {element.tag: element for element in changed}
        found.append(Values(dict(sorted(elements.items(), reverse=turned))))
    return found


def read(reader: SliceReader, header: Values) -> tuple[SliceHeader, KnownElements]:
    data_set = DataSet(elements=dict(header.elements), transfer_syntax="1.2", little_endian=header.little_endian)
    return reader.read(FoundFile("/in/1", 10, 0), data_set)


def plain(value: Any) -> Any:
    """Return a header as plain data that may be compared: not-a-number is a word, for it equals nothing."""
    if is_dataclass(value):
        return [type(value), *(plain(getattr(value, field.name)) for field in fields(value))]
    if isinstance(value, dict):
        return {name: plain(found) for name, found in value.items()}
    if isinstance(value, list | tuple):
        return [plain(found) for found in value]
    return "nan" if isinstance(value, float) and isnan(value) else value


CHANGES = st.lists(st.lists(NAMED | BARE, max_size=3), min_size=2, max_size=8)
FIRST = st.lists(NAMED | BARE, min_size=20, max_size=40)


@settings(max_examples=150, deadline=None)
@given(FIRST, CHANGES, st.lists(st.just(value=False) | st.booleans(), min_size=9, max_size=9))
def test_each_header_is_read_as_it_is_read_alone(
    first: list[Element], changes: list[list[Element]], order: list[bool]
) -> None:
    reader = SliceReader(ALLOWED_ELEMENTS)
    for header in headers([first, *changes], order):
        assert plain(read(reader, header)[0]) == plain(read(SliceReader(ALLOWED_ELEMENTS), header)[0])


@settings(max_examples=150, deadline=None)
@given(FIRST, CHANGES, st.lists(st.just(value=False) | st.booleans(), min_size=9, max_size=9))
def test_each_header_is_observed_as_it_is_observed_alone(
    first: list[Element], changes: list[list[Element]], order: list[bool]
) -> None:
    reader, observer = SliceReader(frozenset()), Observer()
    for header in headers([first, *changes], order):
        numbers = observer.observe(read(reader, header)[1])
        alone = Observer()
        alone.observe(read(SliceReader(frozenset()), header)[1])
        assert [observer.pool[number] for number in numbers] == alone.pool


def test_another_character_set_has_every_text_read_again() -> None:
    reader, name = SliceReader(frozenset({"Manufacturer"})), "Миша"
    raw = name.encode("iso8859-5")
    texts = [read_element("Modality", b"CT"), *(read_element(word, raw) for word in ("RescaleType", "Manufacturer"))]
    for charset, expected in ((b"", raw.decode("latin-1")), (b"ISO_IR 144", name)):
        header, _ = read(reader, values(read_element("SpecificCharacterSet", charset), *texts))
        assert (header.rescale.kind, header.elements) == (expected, {"Manufacturer": expected})
        assert (SeriesWarning.W_CHARSET in header.warnings) is not bool(charset)


def test_equal_elements_are_one_wherever_they_lie() -> None:
    reader, kvp = SliceReader(frozenset()), read_element("KVP", b"120")
    first, moved, other = (
        known(element, reader=reader).by_tag[KVP]
        for element in (kvp, kvp._replace(offset=9), kvp._replace(value=b"100"))
    )
    assert first is moved
    assert first is not other


def test_pixels_that_lie_elsewhere_are_others() -> None:
    reader = SliceReader(frozenset())
    places = [read(reader, values(Element(PIXEL_DATA, "OW", place, 8)))[0].pixels.offset for place in (100, 102, 100)]
    assert places == [100, 102, 100]


def test_a_part_that_does_not_change_is_one_object() -> None:
    reader = SliceReader(frozenset())
    one, other = (
        read(reader, values(read_element("KVP", kvp), read_element("RescaleSlope", b"0")))[0]
        for kvp in (b"120", b"100")
    )
    assert one.rescale is other.rescale
    assert one.reconstruction != other.reconstruction
    assert one.flaws["RescaleSlope"] == other.flaws["RescaleSlope"] == Flaw.INVALID
