from collections.abc import Sequence

from dicom_bytes import read_element, us, values
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.dicom.files.encoding import PIXEL_DATA
from pipeline.dicom.files.part10 import DataSet
from pipeline.dicom.files.structure import Element
from pipeline.dicom.files.values import Flaw, Values, tag_of
from pipeline.dicom.headers.observe import Observer
from pipeline.dicom.headers.parts import Reader, read_rescale
from pipeline.dicom.headers.read import SliceReader
from pipeline.dicom.headers.repeats import Each, Latest, Noted, Parts
from pipeline.dicom.headers.slice import SliceHeader
from pipeline.elements import Observation
from pipeline.privacy import ALLOWED_ELEMENTS
from pipeline.sources.folders import FoundFile
from pipeline.vocabulary import SeriesWarning

KVP, ROWS = tag_of("KVP"), tag_of("Rows")
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


def read(reader: SliceReader, latest: Latest, header: Values) -> SliceHeader:
    data_set = DataSet(elements=dict(header.elements), transfer_syntax="1.2")
    return reader.read(FoundFile("/in/1", 10, 0), data_set, latest.change_to(header))


def observed(observer: Observer, latest: Latest, header: Values) -> list[Observation]:
    return [observer.pool[number] for number in observer.seen_in(latest.change_to(header))]


CHANGES = st.lists(st.lists(NAMED | BARE, max_size=3), min_size=2, max_size=8)
FIRST = st.lists(NAMED | BARE, min_size=20, max_size=40)


@settings(max_examples=150)
@given(FIRST, CHANGES, st.lists(st.just(value=False) | st.booleans(), min_size=9, max_size=9))
def test_each_header_is_read_as_it_is_read_alone(
    first: list[Element], changes: list[list[Element]], order: list[bool]
) -> None:
    reader, latest = SliceReader(ALLOWED_ELEMENTS), Latest()
    for header in headers([first, *changes], order):
        assert read(reader, latest, header) == read(SliceReader(ALLOWED_ELEMENTS), Latest(), header)


@settings(max_examples=150)
@given(FIRST, CHANGES, st.lists(st.just(value=False) | st.booleans(), min_size=9, max_size=9))
def test_each_header_is_observed_as_it_is_observed_alone(
    first: list[Element], changes: list[list[Element]], order: list[bool]
) -> None:
    observer, latest = Observer(), Latest()
    for header in headers([first, *changes], order):
        assert observed(observer, latest, header) == observed(Observer(), Latest(), header)


def test_another_character_set_has_every_text_read_again() -> None:
    reader, latest, name = SliceReader(frozenset({"Manufacturer"})), Latest(), "Миша"
    raw = name.encode("iso8859-5")
    texts = [read_element("Modality", b"CT"), *(read_element(word, raw) for word in ("RescaleType", "Manufacturer"))]
    for charset, expected in ((b"", raw.decode("latin-1")), (b"ISO_IR 144", name)):
        header = read(reader, latest, values(read_element("SpecificCharacterSet", charset), *texts))
        assert (header.rescale.kind, header.elements) == (expected, {"Manufacturer": expected})
        assert (SeriesWarning.W_CHARSET in header.warnings) is not bool(charset)


def test_what_looks_only_now_and_then_misses_nothing() -> None:
    observer, latest = Observer(), Latest()
    for number in (b"1", b"2", b"3"):
        changed = values(read_element("KVP", number), read_element("Modality", b"CT"))
        same = values(read_element("KVP", b"3"), read_element("Modality", b"CT"))
        assert observed(observer, latest, changed)[0].raw == number.decode()
        latest.change_to(same)


def test_only_what_differs_is_a_change() -> None:
    latest = Latest()
    kvp, rows = read_element("KVP", b"120"), read_element("Rows", us(4))
    assert latest.change_to(values(kvp, rows)).tags is None
    assert latest.change_to(values(kvp, rows._replace(offset=9))).tags == []
    assert latest.change_to(values(kvp._replace(value=b"100"), rows)).tags == [KVP]
    assert latest.change_to(values(rows, kvp)).tags is None
    assert latest.change_to(Values({ROWS: rows, KVP: kvp}, little_endian=False)).tags is None


def test_pixels_that_lie_elsewhere_are_a_change() -> None:
    latest = Latest()
    for place, changed in ((100, None), (100, []), (102, [PIXEL_DATA])):
        assert latest.change_to(values(Element(PIXEL_DATA, "OW", place, 8))).tags == changed


def test_each_makes_again_only_what_changed() -> None:
    latest, each, made = Latest(), Each[int](), []
    for kvp, context in ((b"120", "a"), (b"100", "a"), (b"100", "a"), (b"100", "b")):
        change = latest.change_to(values(read_element("KVP", kvp), read_element("Rows", us(4))))
        assert list(each.made_of(change, context, lambda one: made.append(one.tag) or [one.tag])) == [KVP, ROWS]
    assert made == [KVP, ROWS, KVP, KVP, ROWS]


def test_a_part_is_read_again_only_where_it_looked() -> None:
    latest, parts, looked = Latest(), Parts(), []

    def kvp_of(reader: Reader) -> float | None:
        looked.append(reader.values.text("KVP"))
        return reader.optional("KVP")

    for kvp, rows in ((b"120", 4), (b"120", 5), (b"100", 5)):
        parts.turn_to(latest.change_to(values(read_element("KVP", kvp), read_element("Rows", us(rows)))))
        assert parts.part(kvp_of) == float(kvp)
    assert looked == ["120", "100"]


def test_flaws_of_a_part_that_is_not_read_again_are_still_told() -> None:
    latest, parts = Latest(), Parts()
    for _ in range(2):
        parts.turn_to(latest.change_to(values(read_element("RescaleSlope", b"0"))))
        parts.part(read_rescale, False, 12)  # noqa: FBT003  as a reader of slices tells it
        assert parts.flaws == {"RescaleSlope": Flaw.INVALID, "RescaleIntercept": Flaw.MISSING}


def test_whatever_is_asked_for_is_noted() -> None:
    kvp = read_element("KVP", b"120")
    noted = Noted({KVP: kvp}, set())
    assert (noted[KVP], noted.get(1), 2 in noted, len(noted)) == (kvp, None, False, 1)
    assert noted.asked == {KVP, 1, 2}
    assert (list(Noted({KVP: kvp}, everything := set())), everything) == ([KVP], {KVP})
