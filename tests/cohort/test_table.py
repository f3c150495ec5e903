from pathlib import Path

import pytest

from pipeline.cohort.options import TableOptions
from pipeline.cohort.table import LabelTable, is_personal, read_labels
from pipeline.errors import UsageError


def table(folder: Path, text: str, on: str = "PatientID", column: str | None = None) -> LabelTable:
    path = folder / "labels.csv"
    path.write_text(text)
    return read_labels(TableOptions(path, on, column))  # type: ignore[arg-type]  # one of eight words


def test_columns_are_typed_and_the_key_is_not_among_them(tmp_path: Path) -> None:
    found = table(tmp_path, "PatientID,grade,size mm,code,site\nA,1,2.5,007,x\nB,-3,,010,\nC,,4,,\n")
    assert found.columns == {
        "label_grade": "integer", "label_size_mm": "number", "label_code": "text", "label_site": "text"
    }  # fmt: skip
    assert found.rows["B"] == {
        "label_grade": -3, "label_size_mm": None, "label_code": "010", "label_site": None
    }  # fmt: skip
    assert found.withheld == ()


def test_a_number_stays_what_it_is(tmp_path: Path) -> None:
    found = table(tmp_path, f"PatientID,a,b,c,d\nA,{2**63},1e400,1_000,nan\n")
    assert found.columns == {"label_a": "number", "label_b": "text", "label_c": "text", "label_d": "text"}


def test_the_key_may_have_another_name(tmp_path: Path) -> None:
    found = table(tmp_path, "Patient,FVC\nA,3\n", column="Patient")
    assert found.rows == {"A": {"label_FVC": 3}}


def test_a_key_that_is_not_there_is_refused_with_those_that_are(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"labels\.csv has no column PatientID; its columns are Patient, FVC"):
        table(tmp_path, "Patient,FVC\nA,3\n")


def test_a_row_that_repeats_another_counts_once_and_one_without_key_does_not(tmp_path: Path) -> None:
    assert table(tmp_path, "PatientID,x\nA,1\nA,1\n,2\n").rows == {"A": {"label_x": 1}}


def test_two_things_of_one_key_are_refused_without_naming_it(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"says different things of one PatientID \(1 times\)"):
        table(tmp_path, "PatientID,week,FVC\nSomebody,1,3\nSomebody,2,4\n")


def test_two_columns_of_one_name_are_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="both called label_a_b"):
        table(tmp_path, "PatientID,a b,a-b\nA,1,2\n")


@pytest.mark.parametrize(
    "name",
    [
        "name", "Patient Name", "patientName", "first_name", "surname", "id", "patient_id", "birth_date", "BirthDate",
        "DOB", "mrn", "e mail address", "ReferringPhysician", "StudyInstanceUID", "AccessionNumber",
    ],
)  # fmt: skip
def test_a_column_that_names_a_person_is_withheld(tmp_path: Path, name: str) -> None:
    found = table(tmp_path, f"PatientID,{name},x\nA,?,1\n", column="PatientID")
    assert (list(found.columns), found.withheld) == (["label_x"], (name,))


@pytest.mark.parametrize("name", ["class_name", "pathology", "site", "survival_time", "candidate", "grade", "updated"])
def test_a_column_that_only_sounds_like_it_is_shown(name: str) -> None:
    assert not is_personal(name, ["1", "2"])


@pytest.mark.parametrize(
    "value", ["1950-01-31", "19500131", "31.01.1950", "1/31/1950", "2020-01-31T12:00", "1.2.840.1.5.6"]
)
def test_a_column_that_holds_a_date_or_a_uid_is_withheld(value: str) -> None:
    assert is_personal("x", ["harmless", value])


@pytest.mark.parametrize("value", ["20201", "1.5", "1.2.3", "99999999", "T1a", "12/20"])
def test_a_column_of_other_figures_is_shown(value: str) -> None:
    assert not is_personal("x", [value])


def test_a_table_of_keys_alone_has_no_labels(tmp_path: Path) -> None:
    assert table(tmp_path, "PatientID\nA\nB\n").rows == {"A": {}, "B": {}}
