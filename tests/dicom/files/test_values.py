import struct

import pytest
from dicom_bytes import read_element, us, values
from hypothesis import given
from hypothesis import strategies as st
from pydicom.charset import python_encoding

from pipeline.dicom.files.encoding import Element
from pipeline.dicom.files.values import (
    Flaw,
    Values,
    decode,
    find_encodings,
    is_single_valued,
    keyword_of,
    parse_numbers,
    tag_of,
)

SLOPE = "RescaleSlope"


def number(raw: bytes, vr: str = "DS") -> float | Flaw:
    return values(read_element(SLOPE, raw, vr)).number(SLOPE)


def with_charset(charset: bytes, raw: bytes) -> tuple[str, bool]:
    told = values(read_element("SpecificCharacterSet", charset))
    return told.decode(read_element("PatientName", raw))


@pytest.mark.parametrize(
    ("raw", "expected"),
    [
        (b"1", 1),
        (b" 1 ", 1),
        (b"1\0", 1),
        (b"-1024.", -1024),
        (b"+.5", 0.5),
        (b"1.000244", 1.000244),
        (b"1E3", 1000),
        (b"2e-1 ", 0.2),
    ],
)
def test_a_decimal_string_is_read_as_the_standard_has_it(raw: bytes, expected: float) -> None:
    assert number(raw) == expected


@pytest.mark.parametrize(
    "raw",
    [
        b"nan",
        b"inf",
        b"1e999",
        b"one",
        b"0,8",
        b"1_000",
        b"1 2",
        b"1\\1",
        b"\\",
        b"1\\",
        b"0x10",
        b"--1",
        b".",
        b"\xb2",
    ],
)
def test_what_is_no_finite_number_is_invalid(raw: bytes) -> None:
    assert number(raw) is Flaw.INVALID


@pytest.mark.parametrize("raw", [b"", b"  ", b"\0\0"])
def test_an_empty_number_is_missing(raw: bytes) -> None:
    assert number(raw) is Flaw.MISSING


def test_an_absent_element_is_missing() -> None:
    assert values().number(SLOPE) is Flaw.MISSING
    assert SLOPE not in values()
    assert values().text("PatientID") == ""
    assert values().texts("ImageType") == ()


@pytest.mark.parametrize(
    ("vr", "code", "expected"),
    [
        ("US", "H", 63536),
        ("SS", "h", -2000),
        ("UL", "L", 1 << 31),
        ("SL", "l", -5),
        ("FL", "f", 0.5),
        ("FD", "d", 0.1),
        ("UV", "Q", 1 << 40),
        ("SV", "q", -(1 << 40)),
    ],
)
@pytest.mark.parametrize("order", ["<", ">"])
def test_binary_numbers_are_read_in_the_order_of_the_file(vr: str, code: str, expected: float, order: str) -> None:
    element = read_element(SLOPE, struct.pack(f"{order}{code}", expected), vr)
    assert Values({element.tag: element}, little_endian=order == "<").number(SLOPE) == expected


@pytest.mark.parametrize("raw", [struct.pack("<d", float("nan")), struct.pack("<d", float("-inf")), b"123"])
def test_binary_numbers_that_are_none_are_invalid(raw: bytes) -> None:
    assert number(raw, "FD") is Flaw.INVALID


@pytest.mark.parametrize("raw", [b"2147483649", b"-1e300"])
def test_an_integer_string_has_32_bits(raw: bytes) -> None:
    assert number(raw, "IS") is Flaw.INVALID
    assert number(raw, "DS") == float(raw)


def test_several_numbers_are_counted() -> None:
    spacing = values(read_element("PixelSpacing", b"0.8\\0.7 "))
    assert spacing.numbers("PixelSpacing") == (0.8, 0.7)
    assert spacing.numbers("PixelSpacing", count=2) == (0.8, 0.7)
    assert spacing.numbers("PixelSpacing", count=3) is Flaw.INVALID
    assert spacing.number("PixelSpacing") is Flaw.INVALID


@given(st.lists(st.floats(allow_nan=False, allow_infinity=False, width=32), min_size=1, max_size=6))
def test_numbers_written_as_text_come_back(numbers: list[float]) -> None:
    element = read_element("WindowCenter", "\\".join(repr(number) for number in numbers).encode())
    assert values(element).numbers("WindowCenter") == tuple(numbers)


@given(st.binary(max_size=40), st.sampled_from(["DS", "IS", "US", "SS", "FD", "UN", "OW", "SQ", "LO", "UI", "AT"]))
def test_no_bytes_make_reading_fail(raw: bytes, vr: str) -> None:
    element = read_element(SLOPE, raw, vr)
    told = values(element)
    assert isinstance(told.number(SLOPE), float | Flaw)
    assert isinstance(told.verbatim(element), str | int | float | list | None)


def test_padding_is_no_part_of_a_text() -> None:
    told = values(read_element("PatientID", b" P-1 \0"), read_element("ImageType", b"ORIGINAL\\PRIMARY \\ AXIAL"))
    assert told.text("PatientID") == "P-1"
    assert told.texts("ImageType") == ("ORIGINAL", "PRIMARY", "AXIAL")


CHARSETS = {
    "UTF-8": (b"ISO_IR 192", "Müller^Ünal 山田".encode(), "Müller^Ünal 山田"),
    "Latin-1": (b"ISO_IR 100", b"M\xfcller", "Müller"),
    "Greek": (b"ISO_IR 126", b"\xc4\xe9\xef\xed\xf5\xf3\xe9\xef\xf2", "Διονυσιος"),
    "GB18030": (b"GB18030", "王^小东".encode("gb18030"), "王^小东"),
    "a backslash inside a GBK character": (b"GBK", "誠".encode("gbk"), "誠"),
    "Japanese by extension": (
        b"\\ISO 2022 IR 87",
        b"Yamada^Tarou=\x1b$B;3ED\x1b(B^\x1b$BB@O:\x1b(B",
        "Yamada^Tarou=山田^太郎",
    ),
    "Korean by extension": (b"\\ISO 2022 IR 149", b"Hong=\x1b$)C\xfb\xf3^\x1b$)C\xd1\xce\xd4\xd7", "Hong=洪^吉洞"),
}  # fmt: skip


@pytest.mark.parametrize(("charset", "raw", "expected"), CHARSETS.values(), ids=CHARSETS)
def test_text_is_read_in_its_character_set(charset: bytes, raw: bytes, expected: str) -> None:
    assert with_charset(charset, raw) == (expected, True)


@pytest.mark.parametrize("charset", [b"", b"ISO_IR 6", b"ISO_IR 192", b"UTF-9", b"latin_1", b"rot13", b"a\0b", b"\xff"])
def test_bytes_that_do_not_fit_are_shown_as_latin_1_and_said_so(charset: bytes) -> None:
    assert with_charset(charset, b"M\xfcller") == ("Müller", False)


def test_without_a_character_set_only_ascii_fits() -> None:
    assert values().decode(read_element("PatientName", b"M\xfcller")) == ("Müller", False)
    assert values().decode(read_element("PatientName", b"Mueller")) == ("Mueller", True)


def test_an_escape_to_a_set_that_was_not_declared_does_not_fit() -> None:
    text, fits = with_charset(b"\\ISO 2022 IR 100", b"Yamada=\x1b$B;3ED")
    assert not fits
    assert text.startswith("Yamada=")


@pytest.mark.parametrize("term", sorted(python_encoding))
def test_every_term_of_the_standard_has_a_decoder(term: str) -> None:
    (encoding,) = find_encodings(term)
    assert b"CT".decode(encoding) == "CT"


@given(
    st.lists(st.sampled_from(sorted(python_encoding)) | st.text(max_size=5), max_size=3),
    st.lists(st.sampled_from([b"\x1b$B", b"\x1b(B", b"\x1b-F", b"\x1b"]) | st.binary(max_size=4), max_size=5),
)
def test_no_character_set_makes_decoding_fail(terms: list[str], pieces: list[bytes]) -> None:
    text, fits = decode(b"".join(pieces), find_encodings("\\".join(terms)))
    assert isinstance(text, str)
    assert isinstance(fits, bool)


@pytest.mark.parametrize(
    ("keyword", "raw", "vr", "expected"),
    [
        ("KVP", b"120 ", "DS", 120.0),
        ("InstanceNumber", b"3.0", "IS", 3),
        ("Rows", us(512), "US", 512),
        ("WindowCenter", b"40\\-600", "DS", [40.0, -600.0]),
        ("ImageType", b"ORIGINAL\\PRIMARY", "CS", ["ORIGINAL", "PRIMARY"]),
        ("BodyPartExamined", b"", "CS", None),
        ("KVP", b"abc", "DS", None),
        ("ImageComments", b"a\\b", "LT", "a\\b"),
    ],
)
def test_a_value_is_kept_as_it_is_written(keyword: str, raw: bytes, vr: str, expected: object) -> None:
    element = read_element(keyword, raw, vr)
    kept = values(element).verbatim(element)
    assert kept == expected
    assert type(kept) is type(expected)


def test_numbers_in_a_text_of_the_wrong_representation_are_read() -> None:
    assert parse_numbers(read_element(SLOPE, b"1.5", "UN"), little_endian=True) == (1.5,)


def test_keywords_and_tags_lead_to_each_other() -> None:
    assert keyword_of(tag_of("PixelSpacing")) == "PixelSpacing"
    assert keyword_of(0x00091001) == ""
    with pytest.raises(ValueError, match="PixelSpazing is no DICOM keyword"):
        tag_of("PixelSpazing")


def test_the_dictionary_says_what_may_have_several_values() -> None:
    assert is_single_valued(tag_of("PatientID"))
    assert is_single_valued(0x00091001)
    assert not is_single_valued(tag_of("ImageType"))


def test_text_elements_are_those_a_person_may_have_typed() -> None:
    told = values(read_element("PatientID", b"1"), read_element("Rows", us(1)), read_element("StudyInstanceUID", b"1"))
    assert [keyword_of(element.tag) for element in told.text_elements()] == ["PatientID"]
    assert told.element("Rows") == Element(tag_of("Rows"), "US", 0, 2, us(1))
