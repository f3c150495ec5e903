from io import BytesIO
from pathlib import Path

import pytest
from dicom_bytes import element, endless, file_bytes, item, put_file, walker
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.dicom.files.encoding import (
    EXPLICIT_LITTLE,
    IMPLICIT_LE,
    IMPLICIT_LITTLE,
    PIXEL_DATA,
    UNDEFINED,
    Element,
    Encoding,
    FileWindow,
    StructureError,
)
from pipeline.dicom.files.part10 import read_data_set
from pipeline.dicom.files.repair import find_only_reading
from pipeline.limits import Limits
from pipeline.vocabulary import Reason, SeriesWarning

PATIENT_ID, SOURCE_IMAGES, ROWS = 0x00100020, 0x00082112, 0x00280010
CREATOR = element(0x00270010, "LO", b"ACME")
BEFORE = element(0x00080060, "CS", b"CT") + CREATOR
AFTER = element(ROWS, "US", b"\2\0") + element(PIXEL_DATA, "OW", bytes(range(64)) * 40)


def only_reading(content: bytes, encoding: Encoding = EXPLICIT_LITTLE) -> dict[int, Element] | None:
    return find_only_reading(FileWindow(BytesIO(content)), 0, len(content), encoding, 60)


def private(vr: bytes, number: int = 0x1001) -> bytes:
    return b"\x27\0" + number.to_bytes(2, "little") + vr


ODD = {
    "two spaces": private(b"  \4\0") + b"abcd",
    "two zeros": private(b"\0\0\4\0") + b"abcd",
    "a VR that is none": private(b"??\4\0") + b"abcd",
    "a VR that is none, and a long length": private(b"??\0\0\4\0\0\0") + b"abcd",
    "implicit": private(b"\4\0\0\0") + b"abcd",
    "two implicit": private(b"\4\0\0\0") + b"abcd" + private(b"\2\0\0\0", 0x1002) + b"xy",
    "an implicit creator": private(b"\4\0\0\0", 0x0011) + b"MORE" + private(b"\4\0\0\0", 0x1101) + b"abcd",
    "empty": private(b"  \0\0"),
    "empty, of zeros": private(b"\0\0\0\0"),
    "explicit items under UN": endless(0x00271001, item(element(PATIENT_ID, "LO", b"P-1 ")), vr="UN"),
    "an odd one in an item": element(0x00271001, "SQ", item(CREATOR + private(b"  \4\0") + b"abcd")),
    "an odd one in an item without length": endless(
        0x00271001, item(CREATOR + private(b"??\4\0") + b"abcd", length=UNDEFINED)
    ),
}  # fmt: skip


@pytest.mark.parametrize("odd", ODD.values(), ids=ODD)
def test_an_odd_element_that_can_be_read_in_one_way_is_read(tmp_path: Path, odd: bytes) -> None:
    read = read_data_set(put_file(tmp_path / "1", file_bytes(BEFORE + odd + AFTER)), Limits())
    assert read.refusal is None
    assert read.warnings == {SeriesWarning.W_META_REPAIRED}
    assert read.elements[ROWS].value == b"\2\0"
    assert read.elements[PIXEL_DATA].length == 64 * 40
    assert {0x00271001, 0x00271101} & set(read.elements)


def test_what_is_read_so_has_its_values(tmp_path: Path) -> None:
    odd = private(b"  \4\0") + b"abcd" + endless(0x00271002, item(element(PATIENT_ID, "LO", b"P-1 ")), vr="UN")
    read = read_data_set(put_file(tmp_path / "1", file_bytes(BEFORE + odd + AFTER)), Limits())
    assert read.warnings == {SeriesWarning.W_META_REPAIRED}
    assert read.elements[0x00271001].value == b"abcd"
    assert read.elements[0x00271002].items[0][PATIENT_ID].value == b"P-1 "


def test_explicit_elements_in_an_implicit_file_are_read(tmp_path: Path) -> None:
    def implicit(tag: int, value: bytes) -> bytes:
        return element(tag, "UN", value, encoding=IMPLICIT_LITTLE)

    mixed = implicit(0x00080060, b"CT") + element(PATIENT_ID, "LO", b"P-1 ") + implicit(ROWS, b"\2\0")
    read = read_data_set(put_file(tmp_path / "1", file_bytes(mixed, IMPLICIT_LE)), Limits())
    assert (read.refusal, read.warnings) == (None, {SeriesWarning.W_META_REPAIRED})
    assert {tag: one.value for tag, one in read.elements.items()} == {
        0x00080060: b"CT", PATIENT_ID: b"P-1 ", ROWS: b"\2\0",
    }  # fmt: skip


UNCERTAIN = {
    "no creator reserves the block": element(0x00080060, "CS", b"CT") + ODD["two spaces"] + AFTER,
    "no element of the dictionary": BEFORE + b"\x28\0\x99\x99??\4\0abcd" + AFTER,
    "tags that fall": AFTER[:10] + BEFORE + ODD["two spaces"],
    "two ways": BEFORE + private(b"\0\0\2\0") + b"xy" + element(0x00271002, "OB", bytes((2 << 16) - 14)),
    "a length that swallows elements": BEFORE
    + b"\x28\0\x30\0??\x18\0"
    + b"0.5\\0.5 " * 2
    + element(0x00280100, "US", b"\x10\0")[:8]
    + element(0x00280101, "US", b"\x0c\0")
    + element(PIXEL_DATA, "OW", bytes(8)),
    "noise": BEFORE + bytes(range(1, 200)) + AFTER,
    "cut": (BEFORE + ODD["two spaces"] + AFTER)[:-1],
}


@pytest.mark.parametrize("content", UNCERTAIN.values(), ids=UNCERTAIN)
def test_what_cannot_be_read_with_certainty_is_corrupt(tmp_path: Path, content: bytes) -> None:
    read = read_data_set(put_file(tmp_path / "1", file_bytes(content)), Limits())
    assert read.refusal is not None
    assert read.refusal[0] in {Reason.CORRUPT, Reason.PIXELS_LENGTH}


@pytest.mark.parametrize("encoding", [EXPLICIT_LITTLE, IMPLICIT_LITTLE], ids=["explicit", "implicit"])
@pytest.mark.parametrize("nested", [0, 1, 3])
def test_a_sound_data_set_has_the_reading_of_a_walk(encoding: Encoding, nested: int) -> None:
    inner = element(PATIENT_ID, "LO", b"P-1 ", encoding=encoding)
    for length in (None, UNDEFINED, None)[:nested]:
        items = item(inner, length=length, encoding=encoding) + item(b"", encoding=encoding)
        inner = endless(0x00081140, items, encoding=encoding) + element(SOURCE_IMAGES, "SQ", items, encoding=encoding)
    content = element(0x00080005, "CS", b"", encoding=encoding) + inner
    assert only_reading(content, encoding) == walker(content, encoding).walk()


@settings(max_examples=200)
@given(st.binary(max_size=200))
def test_no_bytes_make_a_search_fail_otherwise(noise: bytes) -> None:
    for encoding in (EXPLICIT_LITTLE, IMPLICIT_LITTLE):
        found = only_reading(BEFORE + noise, encoding)
        assert found is None or list(found) == sorted(found)


def test_nesting_ends_at_the_limit() -> None:
    deep = (element(SOURCE_IMAGES, "SQ", length=UNDEFINED) + item(length=UNDEFINED)[:8]) * 100
    with pytest.raises(StructureError) as caught:
        only_reading(deep)
    assert caught.value.reason is Reason.LIMIT


def test_a_search_is_given_up_where_readings_are_endless() -> None:
    ambiguous = b"".join(private(b"\0\0\0\0", number) for number in range(0x1001, 0x10FF))
    bomb = (
        BEFORE + ambiguous + b"".join(bytes([0x29 + 2 * k, 0, 0x10, 0]) + b"LO\2\0xy" for k in range(100)) * 200 + b"x"
    )
    assert only_reading(bomb) is None


def test_what_is_odd_twice_is_read_too(tmp_path: Path) -> None:
    fragments = endless(PIXEL_DATA, item() + item(b"abcd"), vr="OB")
    for pixels in (fragments[:-8], fragments[:-4], fragments[:-8] + bytes(64), fragments + fragments[-8:]):
        content = BEFORE + ODD["implicit"] + element(ROWS, "UN", b"\2\0") + pixels
        read = read_data_set(put_file(tmp_path / "1", file_bytes(content)), Limits())
        assert (read.refusal, read.warnings) == (None, {SeriesWarning.W_META_REPAIRED})
        assert (read.elements[ROWS].vr, read.elements[ROWS].value) == ("US", b"\2\0")
        assert read.elements[PIXEL_DATA].encapsulated


def test_file_meta_information_may_be_implicit_and_lack_its_preamble(tmp_path: Path) -> None:
    meta = element(0x00020010, "UI", b"1.2.840.10008.1.2.1\0", encoding=IMPLICIT_LITTLE)
    for begin in (bytes(128) + b"DICM", b"DICM", b""):
        read = read_data_set(put_file(tmp_path / "1", begin + meta + BEFORE + AFTER), Limits())
        assert (read.refusal, read.warnings) == (None, {SeriesWarning.W_META_REPAIRED})
        assert read.transfer_syntax == "1.2.840.10008.1.2.1"
        assert ROWS in read.elements
