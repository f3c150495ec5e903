from pipeline.output.columns import TABLES
from pipeline.record import RECORD_COLUMNS, SeriesRecord, map_types
from pipeline.vocabulary import Status


def test_each_meaning_is_a_sentence() -> None:
    for table in (RECORD_COLUMNS, *TABLES.values()):
        for column in table.values():
            assert column.meaning.endswith("."), column
            assert column.meaning[0].isupper() or " " in column.meaning, column


def test_the_columns_of_the_manifest_are_the_fields_of_a_record() -> None:
    record = SeriesRecord(series_key="0" * 20, status=Status.OK)
    assert list(RECORD_COLUMNS) == list(record.own_columns())


def test_the_type_of_a_column_follows_from_the_type_of_its_field() -> None:
    types = map_types(RECORD_COLUMNS)
    names = ("series_key", "reason", "warnings", "n_files", "shape_in", "spacing_mm", "shape", "hu_mean")
    assert [types[name] for name in names] == [
        "text", "text", "texts", "integer", "integers", "numbers", "integers", "number",
    ]  # fmt: skip


def test_the_unit_of_a_column_follows_from_its_name() -> None:
    names = ("spacing_mm", "hu_p05", "noise_hu", "tilt_deg", "store_bytes", "duration_s", "peak_memory_mb", "n_files")
    assert [RECORD_COLUMNS[name].unit for name in names] == ["mm", "HU", "HU", "degree", "byte", "s", "MB", None]
