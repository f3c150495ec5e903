from pathlib import Path

from pipeline.cohort.cohort import join_table, list_leftovers
from pipeline.cohort.options import TableOptions
from pipeline.cohort.table import LabelTable, LabelValue

SERIES = {
    "k1": {"PatientID": "Alpha", "SeriesInstanceUID": "1.2.3.1"},
    "k2": {"PatientID": "Alpha ", "SeriesInstanceUID": "1.2.3.2"},
    "k3": {"PatientID": "Beta", "SeriesInstanceUID": "1.2.3.3"},
    "k4": {"PatientID": None, "SeriesInstanceUID": "1.2.3.4"},
}


def table(rows: dict[str, LabelValue], on: str = "PatientID", column: str = "label_x") -> LabelTable:
    options = TableOptions(Path("labels.csv"), on)  # type: ignore[arg-type]  # one of eight words
    return LabelTable(options, {column: "text"}, {key: {column: value} for key, value in rows.items()}, ("name",))


def test_every_series_of_a_patient_gets_the_patients_labels() -> None:
    found = join_table(table({"Alpha": "sick", "Gamma": "well"}), SERIES)
    assert found.labels == {"k1": {"label_x": "sick"}, "k2": {"label_x": "sick"}}


def test_what_is_left_over_on_either_side_is_counted_and_listed() -> None:
    found = join_table(table({"Alpha": "sick", "Gamma": "well"}), SERIES)
    assert (found.alone, found.unlabelled) == (("Gamma",), ("k3", "k4"))
    assert found.summarise() == {
        "on": "PatientID",
        "columns": ["label_x"],
        "withheld": ["name"],
        "labelled": 2,
        "unlabelled": 2,
        "rows_without": 1,
    }
    assert found.message == (
        "labels.csv: 2 of 4 series have labels, 1 of 2 rows no series; "
        "withheld, because they may identify a person: name"
    )
    assert list_leftovers([found]) == [
        {"table": "labels.csv", "on": "PatientID", "key": "Gamma", "without": None},
        {"table": "labels.csv", "on": "PatientID", "key": None, "without": "k3"},
        {"table": "labels.csv", "on": "PatientID", "key": None, "without": "k4"},
    ]


def test_a_column_that_repeats_an_identifier_is_withheld() -> None:
    found = join_table(table({"1.2.3.1": "Alpha", "1.2.3.3": "well"}, on="SeriesInstanceUID"), SERIES)
    assert found.table.columns == {}
    assert found.table.withheld == ("name", "x")
    assert found.labels == {"k1": {}, "k3": {}}


def test_a_label_that_equals_a_short_identifier_by_chance_is_shown() -> None:
    series = {"k1": {"PatientID": "1"}, "k2": {"PatientID": "2"}}
    assert join_table(table({"1": 1, "2": 1}), series).table.columns == {"label_x": "text"}
    assert join_table(table({"1": 1, "2": 2}), series).table.columns == {}


def test_no_series_is_no_label() -> None:
    assert join_table(table({"Alpha": 1}), {}).alone == ("Alpha",)
