from dicom_bytes import element, walker

from pipeline.dicom.files.listing import WITHHELD, name_creators
from pipeline.dicom.files.values import Values

NAME, MAKER, CREATOR, OTHER = 0x00100010, 0x00080070, 0x00290010, 0x00290011


def read_from(*elements: bytes) -> Values:
    return Values(walker(b"".join(elements)).walk())


def told(creator: str, **texts: str) -> str:
    read = read_from(
        element(MAKER, "LO", b"ACME Works"),
        element(NAME, "PN", texts.get("name", "Doe^Jane").encode()),
        element(CREATOR, "LO", creator.encode()),
    )
    return name_creators(read.elements, read)[CREATOR]


def test_a_product_of_the_dictionary_is_told_whatever_else_is_there() -> None:
    assert told("SIEMENS CSA HEADER", name="Siemens^Werner") == "SIEMENS CSA HEADER"


def test_an_unknown_maker_is_told() -> None:
    assert told("ACME 1.0") == "ACME 1.0"


def test_a_creator_that_repeats_a_word_of_a_persons_name_is_not() -> None:
    assert told("data of jane DOE") == WITHHELD
    assert told("JANE-export") == WITHHELD


def test_what_may_be_told_anyway_hides_no_creator() -> None:
    assert told("ACME CT") == "ACME CT"


def test_only_private_creators_are_creators() -> None:
    read = read_from(element(NAME, "PN", b"Doe"), element(OTHER, "LO", b"X"), element(0x00291101, "LO", b"value"))
    assert name_creators(read.elements, read) == {OTHER: "X"}
