import pytest
from dicom_bytes import element

from pipeline.dicom.files.encoding import (
    EXPLICIT_BIG,
    EXPLICIT_LITTLE,
    IMPLICIT_LITTLE,
    ITEM,
    PIXEL_DATA,
    REMEMBERED_HEADS,
    Encoding,
    PlainHeads,
    dictionary_vr,
    plain_heads,
)

PATIENT_ID, SOURCE_IMAGES = 0x00100020, 0x00082112


def test_whole_numbers_lie_as_the_byte_order_says() -> None:
    assert EXPLICIT_LITTLE.layout("H").pack(1) == b"\1\0"
    assert EXPLICIT_BIG.layout("H").pack(1) == b"\0\1"


def test_the_dictionary_says_what_implicit_elements_are() -> None:
    assert [dictionary_vr(tag) for tag in (PATIENT_ID, 0x00091001)] == ["LO", "UN"]


@pytest.mark.parametrize("encoding", [EXPLICIT_LITTLE, EXPLICIT_BIG, IMPLICIT_LITTLE])
def test_the_head_of_a_plain_element_tells_tag_and_length(encoding: Encoding) -> None:
    assert plain_heads(encoding)[element(PATIENT_ID, "LO", b"P-1 ", encoding=encoding)[:8]] == (PATIENT_ID, "LO", 4)


def test_a_long_length_is_told_by_what_follows_the_head() -> None:
    assert plain_heads(EXPLICIT_LITTLE)[element(0x00420011, "OB", b"1234")[:8]] == (0x00420011, "OB", -1)
    assert plain_heads(IMPLICIT_LITTLE)[element(0x00091001, "UN", b"1234", encoding=IMPLICIT_LITTLE)[:8]] is not None


@pytest.mark.parametrize("encoding", [EXPLICIT_LITTLE, EXPLICIT_BIG, IMPLICIT_LITTLE])
@pytest.mark.parametrize("tag", [0, ITEM, PIXEL_DATA, SOURCE_IMAGES])
def test_padding_delimiters_pixels_and_sequences_are_not_plain(encoding: Encoding, tag: int) -> None:
    vr = "OW" if tag == PIXEL_DATA else "SQ"
    assert plain_heads(encoding)[element(tag, vr, encoding=encoding)[:8]] is None


def test_what_has_no_known_value_representation_is_not_plain() -> None:
    assert plain_heads(EXPLICIT_LITTLE)[b"\x10\0\x20\0??\4\0"] is None


def test_of_another_group_no_head_is_plain() -> None:
    head = element(PATIENT_ID, "LO", b"P-1 ")[:8]
    assert (plain_heads(EXPLICIT_LITTLE, 0x0002)[head], plain_heads(EXPLICIT_LITTLE, 0x0010)[head]) == (
        None,
        (PATIENT_ID, "LO", 4),
    )


def test_heads_are_remembered_within_bounds() -> None:
    heads = PlainHeads(IMPLICIT_LITTLE, None)
    for length in range(REMEMBERED_HEADS + 1):
        assert heads[element(PATIENT_ID, "LO", length=length, encoding=IMPLICIT_LITTLE)] == (PATIENT_ID, "LO", length)
    assert len(heads) == 1
