import pytest
from dicom_bytes import element, item, known, read_element, us, walker

from pipeline.dicom.files.encoding import Element
from pipeline.dicom.headers.observe import LONGEST_TEXT, Observer
from pipeline.elements import Observation

PRIVATE, CREATOR = 0x00291020, 0x00290010


def observed(*elements: Element) -> dict[str, Observation]:
    """Return what one data set holds, by keyword."""
    observer = Observer()
    seen = observer.observe(known(*elements))
    assert len({observer.pool[number].keyword for number in seen}) == len(seen)
    return {observer.pool[number].keyword: observer.pool[number] for number in seen}


def walked(content: bytes) -> dict[str, Observation]:
    """Return what a data set in bytes holds, by keyword."""
    return observed(*walker(content).walk().values())


def test_a_value_is_told_as_written_and_canonical() -> None:
    told = observed(read_element("RescaleSlope", b"1.000000 "))["RescaleSlope"]
    assert told == Observation("0028,1053", "RescaleSlope", "DS", "1.000000", "1")


def test_binary_numbers_are_told_as_text() -> None:
    assert observed(read_element("Rows", us(512)))["Rows"].raw == "512"


@pytest.mark.parametrize("vr", ["US", "SS", "UN", "OW"])
def test_padding_is_read_as_the_pixels_can_hold_it(vr: str) -> None:
    told = observed(read_element("PixelPaddingValue", us(63536), vr), read_element("PixelRepresentation", us(1)))
    assert told["PixelPaddingValue"].canonical == "-2000"
    told = observed(read_element("PixelPaddingValue", us(63536), "US"), read_element("PixelRepresentation", us(0)))
    assert told["PixelPaddingValue"].canonical == "63536"


def test_only_what_may_have_several_values_has_parts() -> None:
    assert observed(read_element("ImageType", b"ORIGINAL"))["ImageType"].has_parts
    assert not observed(read_element("Manufacturer", b"A\\B"))["Manufacturer"].has_parts
    assert not observed(read_element("PatientComments", b"A\\B"))["PatientComments"].has_parts


def test_private_elements_go_by_their_creator_and_low_byte() -> None:
    told = observed(Element(CREATOR, "LO", 0, 4, b"ACME"), Element(PRIVATE, "LO", 0, 2, b"x "))
    assert told["private:ACME:0029,20"].raw == "x"
    assert told["private:ACME:0029,20"].tag == "0029,1020"
    assert "private creator:0029,0010" in told


def test_one_creator_in_two_files_is_not_taken_for_another() -> None:
    observer, private = Observer(), Element(PRIVATE, "LO", 0, 2, b"x ")
    names = []
    for creator in (b"ACME", b"ELSE"):
        elements = Element(CREATOR, "LO", 0, 4, creator), private
        names.append(observer.pool[observer.observe(known(*elements))[1]].keyword)
    assert names == ["private:ACME:0029,20", "private:ELSE:0029,20"]


def test_elements_in_a_sequence_are_told_below_it_and_its_items_together() -> None:
    items = [item(element(0x00081150, "UI", b"1.2\0") + element(0x00081155, "UI", uid)) for uid in (b"1.3\0", b"1.4\0")]
    told = walked(element(0x00081140, "SQ", b"".join(items)))
    assert told["ReferencedImageSequence"].raw == "2 items"
    assert told["ReferencedImageSequence.ReferencedSOPClassUID"].raw == "1.2"
    nested = told["ReferencedImageSequence.ReferencedSOPInstanceUID"]
    assert (nested.tag, nested.raw) == ("0008,1140.0008,1155", "1.3 | 1.4")


def test_pixels_are_told_by_their_length_alone() -> None:
    assert walked(element(0x7FE00010, "OW", bytes(8)))["PixelData"].raw == "8 bytes"


def test_long_values_are_told_by_beginning_length_and_hash() -> None:
    raws = [observed(read_element("ImageComments", b"x" * 9000 + end))["ImageComments"].raw for end in (b"a", b"b")]
    assert raws[0] != raws[1]
    assert all(raw.startswith("x" * LONGEST_TEXT + " ... 9001 characters") for raw in raws)


def test_the_same_bytes_are_observed_once() -> None:
    observer, slope = Observer(), read_element("RescaleSlope", b"1 ")
    first, second = (observer.observe(known(slope)) for _ in range(2))
    assert first == second == [0]
    assert len(observer.pool) == 1


def test_the_same_bytes_in_another_character_set_are_another_text() -> None:
    observer, name = Observer(), read_element("PatientName", b"\xc4\xe9")
    for charset in (b"ISO_IR 100", b"ISO_IR 144"):
        declared = read_element("SpecificCharacterSet", charset)
        observer.observe(known(declared, name))
    assert len({one.raw for one in observer.pool if one.keyword == "PatientName"}) == 2
