import pytest
from dicom_bytes import delimiter, element, endless, item, us, walker
from hypothesis import example, given, settings
from hypothesis import strategies as st

from pipeline.dicom.files.encoding import (
    EXPLICIT_BIG,
    EXPLICIT_LITTLE,
    FLOAT_PIXEL_DATA,
    IMPLICIT_LITTLE,
    ITEM,
    ITEM_END,
    KEPT_BYTES,
    PIXEL_DATA,
    SEQUENCE_END,
    UNDEFINED,
    Element,
    Encoding,
    StructureError,
)
from pipeline.dicom.files.structure import Walker
from pipeline.vocabulary import Reason

ENCODINGS = {"explicit": EXPLICIT_LITTLE, "implicit": IMPLICIT_LITTLE, "big endian": EXPLICIT_BIG}

PATIENT_ID, ROWS, SOURCE_IMAGES, UID = 0x00100020, 0x00280010, 0x00082112, 0x00081155


def data_set(encoding: Encoding = EXPLICIT_LITTLE) -> bytes:
    """Write a small data set with everything in it: nested sequences of both kinds, and pixels at the end."""
    inner = element(UID, "UI", b"1.2.", encoding=encoding)
    told = element(SOURCE_IMAGES, "SQ", item(inner, encoding=encoding) * 2, encoding=encoding)
    open_item = item(told + inner, length=UNDEFINED, encoding=encoding)
    return b"".join(
        (
            endless(SOURCE_IMAGES, open_item + item(encoding=encoding), encoding=encoding),
            element(PATIENT_ID, "LO", b"P-1 ", encoding=encoding),
            element(ROWS, "US", us(32), encoding=encoding),
            element(PIXEL_DATA, "OW", bytes(range(64)), encoding=encoding),
        )
    )


WHOLE = data_set()


def refusal(content: bytes, **options: int) -> Reason:
    with pytest.raises(StructureError) as caught:
        walker(content, **options).walk()
    return caught.value.reason


@pytest.mark.parametrize("encoding", ENCODINGS.values(), ids=ENCODINGS)
def test_a_data_set_is_read_alike_in_every_encoding(encoding: Encoding) -> None:
    elements = walker(data_set(encoding), encoding).walk()
    assert list(elements) == [SOURCE_IMAGES, PATIENT_ID, ROWS, PIXEL_DATA]
    assert [each.vr for each in elements.values()] == ["SQ", "LO", "US", "OW" if encoding.explicit else "OB or OW"]
    assert elements[PATIENT_ID].value == b"P-1 "
    full, empty = elements[SOURCE_IMAGES].items
    assert empty == {}
    assert full[UID].value == b"1.2."
    assert [inner[UID].value for inner in full[SOURCE_IMAGES].items] == [b"1.2.", b"1.2."]


def test_pixels_stay_in_the_file_and_their_place_is_kept() -> None:
    pixels = walker(WHOLE).walk()[PIXEL_DATA]
    assert pixels.value == b""
    assert not pixels.encapsulated
    assert WHOLE[pixels.offset :][: pixels.length] == bytes(range(64))


def test_fragments_are_stepped_over_to_what_follows() -> None:
    fragments = endless(PIXEL_DATA, item() + item(b"abcd"), vr="OB")
    elements = walker(fragments + element(0xFFFCFFFC, "OB", b"pad ")).walk()
    assert elements[PIXEL_DATA].encapsulated
    assert fragments[elements[PIXEL_DATA].offset :][:8] == item()
    assert elements[0xFFFCFFFC].value == b"pad "


def test_an_unknown_sequence_is_written_in_implicit_vr() -> None:
    hidden = item(element(UID, "UI", b"1.2.", encoding=IMPLICIT_LITTLE), encoding=IMPLICIT_LITTLE)
    elements = walker(endless(0x00091001, hidden, vr="UN") + element(PATIENT_ID, "LO", b"P-1 ")).walk()
    assert elements[0x00091001].vr == "SQ"
    assert elements[0x00091001].items[0][UID] == Element(UID, "UI", 28, 4, b"1.2.")
    assert elements[PATIENT_ID].value == b"P-1 "


def test_of_a_long_value_only_the_beginning_is_kept() -> None:
    elements = walker(element(0x00420011, "OB", b"a" * (KEPT_BYTES + 10)) + element(ROWS, "US", us(1))).walk()
    assert (elements[0x00420011].length, len(elements[0x00420011].value)) == (KEPT_BYTES + 10, KEPT_BYTES)
    assert elements[ROWS].value == us(1)


def test_one_group_is_read_and_the_next_left_alone() -> None:
    after = element(PATIENT_ID, "LO", b"P-1 ") + WHOLE
    reader = walker(element(0x00020010, "UI", b"1.2.") + after)
    assert list(reader.walk_group(2)) == [0x00020010]
    assert reader.window.rest().read() == after


def test_a_sequence_in_a_group_does_not_lead_beyond_the_group() -> None:
    meta = endless(0x00020026, item(element(UID, "UI", b"1.2.", encoding=IMPLICIT_LITTLE)), vr="UN")
    after = element(PATIENT_ID, "LO", b"P-1 ") + WHOLE
    reader = walker(meta + element(0x00020031, "UI", b"1.2.") + after)
    assert list(reader.walk_group(2)) == [0x00020026, 0x00020031]
    assert reader.window.rest().read() == after


def test_a_group_that_ends_the_file_is_read_to_its_end() -> None:
    assert list(walker(element(0x00020010, "UI", b"1.2.")).walk_group(2)) == [0x00020010]
    assert walker(b"").walk_group(2) == {}


@pytest.mark.parametrize("n", [1, 3, 4, 8, 4096, 200_000])
def test_zero_bytes_after_the_data_set_are_counted_as_padding(n: int) -> None:
    reader = walker(WHOLE + bytes(n))
    assert list(reader.walk()) == list(walker(WHOLE).walk())
    assert reader.is_repaired


PATIENT = element(PATIENT_ID, "LO", b"P-1 ")
FRAGMENTS = endless(PIXEL_DATA, item() + item(b"abcd"), vr="OB")


@pytest.mark.parametrize(
    "rest", [b"", b"\xfe\xff", b"\xfe\xff\xdd\xe0", b"\xfe\xff\xdd\xe0\0\0", bytes(8), bytes(5), bytes(4096)]
)
def test_whole_fragments_may_lack_their_delimiter(rest: bytes) -> None:
    reader = walker(PATIENT + FRAGMENTS[:-8] + rest)
    assert list(reader.walk()) == [PATIENT_ID, PIXEL_DATA]
    assert reader.is_repaired
    assert not walker(PATIENT + FRAGMENTS).is_repaired


@pytest.mark.parametrize("rest", [FRAGMENTS[-16:-12], b"\xfe\xff\0\xe0\2\0\0\0a", bytes(8) + b"x", b"x"])
def test_fragments_that_break_off_are_corrupt(rest: bytes) -> None:
    assert refusal(PATIENT + FRAGMENTS[:-8] + rest) is Reason.CORRUPT


@pytest.mark.parametrize("pixels", [element(PIXEL_DATA, "OW", bytes(8)), FRAGMENTS], ids=["native", "fragments"])
@pytest.mark.parametrize("stray", [SEQUENCE_END, ITEM_END])
def test_stray_delimiters_may_follow_the_pixels_and_nothing_else(pixels: bytes, stray: int) -> None:
    reader = walker(PATIENT + pixels + delimiter(stray) + delimiter(SEQUENCE_END) + bytes(20))
    assert list(reader.walk()) == [PATIENT_ID, PIXEL_DATA]
    assert reader.is_repaired
    padded = walker(pixels + delimiter(stray) + element(0xFFFCFFFC, "OB", b"pad."))
    assert list(padded.walk()) == [PIXEL_DATA, 0xFFFCFFFC]
    assert refusal(PATIENT + delimiter(stray) + pixels) is Reason.CORRUPT


def test_an_element_that_is_written_as_un_is_what_the_dictionary_says() -> None:
    rows = walker(element(ROWS, "UN", b"\0\2")).walk()[ROWS]
    assert (rows.vr, rows.value) == ("US", b"\0\2")
    for unknown in (0x00091001, 0x00280120):
        assert walker(element(unknown, "UN", b"\0\2")).walk()[unknown].vr == "UN"


@pytest.mark.parametrize("inner", [IMPLICIT_LITTLE, EXPLICIT_LITTLE], ids=["implicit", "explicit"])
@pytest.mark.parametrize("n_items", [0, 1, 3])
def test_a_sequence_that_is_written_as_un_has_its_items(inner: Encoding, n_items: int) -> None:
    rows = element(ROWS, "US", b"\0\2", encoding=inner)
    content = item(element(PATIENT_ID, "LO", b"P-1 ", encoding=inner) + rows)
    sequence = walker(element(SOURCE_IMAGES, "UN", content * n_items) + PATIENT).walk()[SOURCE_IMAGES]
    assert sequence.vr == "SQ"
    assert [one[PATIENT_ID].value for one in sequence.items] == [b"P-1 "] * n_items
    assert [one[ROWS].value for one in sequence.items] == [b"\0\2"] * n_items


def test_a_sequence_under_un_that_cannot_be_told_stays_bytes() -> None:
    unknown = walker(element(SOURCE_IMAGES, "UN", b"no items at all ") + PATIENT).walk()[SOURCE_IMAGES]
    assert (unknown.vr, unknown.value, unknown.items) == ("UN", b"no items at all ", ())


def test_other_bytes_after_the_data_set_are_corrupt() -> None:
    assert refusal(WHOLE + bytes(70_000) + b"x") is Reason.CORRUPT
    assert refusal(WHOLE + b"x") is Reason.CORRUPT


@pytest.mark.parametrize("depth", [1, 5, 60])
def test_sequences_nest_as_deep_as_the_limit_and_no_deeper(depth: int) -> None:
    content = b""
    for _ in range(depth):
        content = endless(SOURCE_IMAGES, item(content, length=UNDEFINED))
    assert list(walker(content, max_nesting=depth).walk()) == [SOURCE_IMAGES]
    assert refusal(content, max_nesting=depth - 1) is Reason.LIMIT


def test_a_bomb_of_nesting_ends_at_the_limit() -> None:
    assert refusal((element(SOURCE_IMAGES, "SQ", length=UNDEFINED) + OPEN_ITEM) * 100_000) is Reason.LIMIT


OPEN_ITEM = item(length=UNDEFINED)[:8]
BROKEN = {
    "an unknown VR": b"\x10\0\x20\0??\x04\0P-1 ",
    "a value beyond the file": element(PATIENT_ID, "LO", b"P-1 ", length=6),
    "half a tag": b"\x10\0",
    "a tag without length": b"\x10\0\x20\0LO",
    "text of undefined length": element(0x00080119, "UC", b"P-1 ", length=UNDEFINED),
    "a sequence without end": element(SOURCE_IMAGES, "SQ", item(), length=UNDEFINED),
    "an item without end": element(SOURCE_IMAGES, "SQ", OPEN_ITEM),
    "an item without end in a sequence without end": element(SOURCE_IMAGES, "SQ", OPEN_ITEM, length=UNDEFINED),
    "an item beyond the file": element(SOURCE_IMAGES, "SQ", item(length=50)) + bytes(8),
    "an item beyond its sequence": element(SOURCE_IMAGES, "SQ", item(length=12)) + element(PATIENT_ID, "LO", b"P-1 "),
    "an element beyond its item": element(SOURCE_IMAGES, "SQ", item(element(UID, "UI", length=8))) + bytes(16),
    "an item that ends early": element(SOURCE_IMAGES, "SQ", item(delimiter(ITEM_END) + bytes(8))),
    "a sequence that ends early": element(SOURCE_IMAGES, "SQ", delimiter(SEQUENCE_END) + item()),
    "an element in place of an item": endless(SOURCE_IMAGES, element(PATIENT_ID, "LO", b"P-1 ")),
    "an item outside a sequence": delimiter(ITEM),
    "the end of an item outside one": delimiter(ITEM_END) + WHOLE,
    "the end of a sequence outside one": delimiter(SEQUENCE_END),
    "fragments without end": element(PIXEL_DATA, "OB", item(b"abcd"), length=UNDEFINED),
    "a fragment beyond the file": endless(PIXEL_DATA, item(b"abcd", length=400), vr="OB"),
    "native pixels of undefined length": element(PIXEL_DATA, "OW", b"\1\2\3\4" * 8, length=UNDEFINED),
    "an icon's pixels beyond its item": element(SOURCE_IMAGES, "SQ", item(element(PIXEL_DATA, "OW", length=8))) + WHOLE,
}  # fmt: skip


@pytest.mark.parametrize("content", BROKEN.values(), ids=BROKEN)
def test_what_cannot_be_parsed_to_its_end_is_corrupt(content: bytes) -> None:
    assert refusal(content) is Reason.CORRUPT


@pytest.mark.parametrize("tag", [PIXEL_DATA, FLOAT_PIXEL_DATA])
def test_a_file_cut_in_its_pixels_still_says_where_they_began(tag: int) -> None:
    content = element(PATIENT_ID, "LO", b"P-1 ") + element(tag, "OW", bytes(10), length=64)
    reader = walker(content)
    with pytest.raises(StructureError, match="inside the pixel data") as caught:
        reader.walk()
    assert caught.value.reason is Reason.PIXELS_LENGTH
    assert (reader.elements[tag].offset, reader.elements[tag].length) == (len(content) - 10, 64)


@pytest.mark.parametrize("encoding", ENCODINGS.values(), ids=ENCODINGS)
def test_every_cut_gives_whole_elements_or_an_error(encoding: Encoding) -> None:
    content = data_set(encoding)
    whole = walker(content, encoding).walk()
    pixels = whole[PIXEL_DATA].offset
    for n in range(len(content)):
        reader = walker(content[:n], encoding)
        try:
            reader.walk()
        except StructureError as error:
            assert error.reason is (Reason.CORRUPT if n < pixels else Reason.PIXELS_LENGTH)  # noqa: PT017  both may be
        else:
            assert reader.elements.items() < whole.items()


def told(content: bytes, encoding: Encoding) -> tuple[dict[int, Element], str]:
    """Return what comes of a walk, and why it stopped."""
    reader = walker(content, encoding)
    try:
        reader.walk()
    except StructureError as error:
        return reader.elements, f"{error.reason}: {error.detail}"
    return reader.elements, ""


@settings(max_examples=300)
@given(
    st.sampled_from(list(ENCODINGS.values())),
    st.lists(st.tuples(st.integers(0, len(WHOLE) - 1), st.sampled_from([0, 1, 4, 12, 0xE0, 0xFF])), max_size=6),
    st.integers(0, len(WHOLE)),
)
def test_the_short_cut_reads_what_the_long_way_reads(
    encoding: Encoding, flips: list[tuple[int, int]], cut: int
) -> None:
    content = bytearray(data_set(encoding))
    for place, value in flips:
        content[place % len(content)] = value
    spoilt = bytes(content[:cut] or content)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Walker, "_read_plain", lambda *_: None)
        the_long_way = told(spoilt, encoding)
    assert told(spoilt, encoding) == the_long_way


def outcome(reader: Walker) -> Reason | None:
    try:
        reader.walk()
    except StructureError as error:
        return error.reason
    return None


@settings(max_examples=400)
@given(
    st.sampled_from(list(ENCODINGS.values())),
    st.lists(st.tuples(st.integers(0, len(WHOLE) - 1), st.integers(0, 255)), max_size=8),
    st.integers(0, len(WHOLE)),
)
def test_flipped_bytes_and_cuts_end_in_a_reason_or_in_elements(
    encoding: Encoding, flips: list[tuple[int, int]], cut: int
) -> None:
    content = bytearray(data_set(encoding))
    for place, value in flips:
        content[place % len(content)] = value
    assert outcome(walker(bytes(content[:cut]), encoding)) in {None, Reason.CORRUPT, Reason.PIXELS_LENGTH, Reason.LIMIT}


@settings(max_examples=200)
@given(st.binary(max_size=200), st.sampled_from(list(ENCODINGS.values())))
@example(bytes.fromhex("feff0de0") + bytes(4), EXPLICIT_LITTLE)
def test_any_bytes_end_in_a_reason_or_in_elements(content: bytes, encoding: Encoding) -> None:
    assert outcome(walker(content, encoding)) in {None, Reason.CORRUPT, Reason.PIXELS_LENGTH, Reason.LIMIT}
