import pytest

from pipeline.card import meanings
from pipeline.output.manifest import ELEMENT_COLUMNS, RECORD_COLUMNS
from pipeline.output.state import HISTOGRAM_COLUMNS
from pipeline.run.inventory import FILE_COLUMNS, INDEX_COLUMNS, SLICE_COLUMNS
from pipeline.scan.tag_statistics import TAG_COLUMNS

TABLES = {
    "MANIFEST": RECORD_COLUMNS,
    "SLICES": SLICE_COLUMNS,
    "TAGS": TAG_COLUMNS,
    "HISTOGRAMS": HISTOGRAM_COLUMNS,
    "INDEX": INDEX_COLUMNS,
    "FILES": FILE_COLUMNS,
}


@pytest.mark.parametrize("table", TABLES)
def test_every_column_has_its_meaning_in_the_order_of_the_table(table: str) -> None:
    assert list(getattr(meanings, table)) == list(TABLES[table])


@pytest.mark.parametrize("table", TABLES)
def test_a_meaning_is_a_sentence(table: str) -> None:
    assert all(sentence.endswith(".") for sentence in getattr(meanings, table).values())


def test_an_element_is_told_by_its_place_in_the_standard() -> None:
    assert meanings.meaning_of("KVP", meanings.MANIFEST) == "DICOM element (0018,0060), CT Image."
    assert all(meanings.meaning_of(column, meanings.MANIFEST) != meanings.JOINED for column in ELEMENT_COLUMNS)


def test_anything_else_was_joined() -> None:
    assert meanings.meaning_of("survived", meanings.MANIFEST) == meanings.JOINED
