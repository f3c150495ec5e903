import struct

import pytest
from dicom_bytes import read_element, values
from hypothesis import given
from hypothesis import strategies as st

from pipeline.dicom.files.encoding import Element
from pipeline.dicom.files.values import Values
from pipeline.dicom.headers.parts import DeclaredPadding, read_padding


def padding(
    raw: bytes, vr: str, *, signed: bool = True, limit: tuple[bytes, str] | None = None, bits_stored: int = 16
) -> DeclaredPadding:
    elements = [read_element("PixelPaddingValue", raw, vr)]
    if limit:
        elements.append(read_element("PixelPaddingRangeLimit", *limit))
    return read_padding(values(*elements), signed=signed, bits_stored=bits_stored)


MINUS_2000 = struct.pack("<h", -2000)


def test_nothing_declared_is_no_padding() -> None:
    assert read_padding(values(), signed=True, bits_stored=16) == DeclaredPadding()
    assert padding(b"", "SS") == DeclaredPadding()


def test_padding_in_the_representation_of_the_pixels_is_taken_as_it_is() -> None:
    assert padding(MINUS_2000, "SS") == DeclaredPadding(-2000)
    assert padding(b"\xff\x0f", "US", signed=False) == DeclaredPadding(4095)
    assert padding(MINUS_2000, "US or SS") == DeclaredPadding(-2000)


@pytest.mark.parametrize("vr", ["US", "UN", "OW", "OB"])
def test_minus_2000_is_found_in_any_two_bytes(vr: str) -> None:
    assert padding(MINUS_2000, vr) == DeclaredPadding(-2000, repaired=True)


def test_a_signed_value_beside_unsigned_pixels_is_their_own_two_bytes() -> None:
    assert padding(MINUS_2000, "SS", signed=False) == DeclaredPadding(63536, repaired=True)


def test_zero_bytes_of_the_wrong_representation_are_zero() -> None:
    assert padding(b"\0\0", "OW") == DeclaredPadding(0, repaired=True)


@pytest.mark.parametrize("signed", [False, True])
def test_a_text_read_as_a_number_is_read_as_the_text_it_was(*, signed: bool) -> None:
    assert int.from_bytes(b"0 ", "little") == 8240
    assert padding(b"0 ", "US", bits_stored=12, signed=signed) == DeclaredPadding(0, repaired=True)


def test_what_could_be_a_text_but_fits_the_pixels_is_a_number() -> None:
    assert padding(b"0 ", "US", signed=False, bits_stored=16) == DeclaredPadding(8240)


@pytest.mark.parametrize("vr", ["DS", "IS"])
def test_a_decimal_text_is_read_as_such(vr: str) -> None:
    assert padding(b"-2000 ", vr) == DeclaredPadding(-2000, repaired=True)


def test_what_cannot_be_read_is_no_value_but_a_repair() -> None:
    assert padding(b"none", "DS") == DeclaredPadding(None, repaired=True)


def test_a_range_has_two_ends() -> None:
    assert padding(MINUS_2000, "SS", limit=(struct.pack("<h", -1900), "SS")) == DeclaredPadding(-2000, -1900)
    repaired = padding(MINUS_2000, "SS", limit=(struct.pack("<h", -1900), "US"))
    assert repaired == DeclaredPadding(-2000, -1900, repaired=True)
    assert padding(MINUS_2000, "SS", limit=(b"", "SS")) == DeclaredPadding(-2000)


def test_padding_is_read_in_the_order_of_the_file() -> None:
    element = read_element("PixelPaddingValue", struct.pack(">h", -2000), "SS")
    big = Values({element.tag: element}, little_endian=False)
    assert read_padding(big, signed=True, bits_stored=16) == DeclaredPadding(-2000)


@given(
    st.binary(max_size=6) | st.from_regex(rb"[-+ 0-9\0]{2}", fullmatch=True),
    st.sampled_from(["US", "SS", "UN", "OW", "DS", "IS", "LO", "FD", "UL"]),
    st.booleans(),
    st.booleans(),
    st.integers(0, 65535),
)
def test_no_bytes_make_reading_fail(raw: bytes, vr: str, signed: bool, little: bool, bits: int) -> None:  # noqa: FBT001  drawn
    element = Element(0x00280120, vr, 0, len(raw), raw)
    found = read_padding(Values({element.tag: element}, little_endian=little), signed=signed, bits_stored=bits)
    assert found.value is None or isinstance(found.value, int)
