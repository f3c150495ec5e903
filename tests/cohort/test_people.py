from pathlib import Path

import pytest

from pipeline.cohort.cohort import load_people, read_people
from pipeline.errors import UsageError


def write(folder: Path, text: str) -> Path:
    path = folder / "people.csv"
    path.write_text(text)
    return path


def test_each_patient_id_means_one_person(tmp_path: Path) -> None:
    path = write(tmp_path, "person,PatientID\nX,A\nX,B\nY,C\nY,C\n,D\n")
    assert read_people(path) == {"A": "X", "B": "X", "C": "Y"}
    assert load_people(str(path)) == read_people(path)


def test_without_a_map_there_is_nobody() -> None:
    assert load_people(None) == {}


@pytest.mark.parametrize(
    "text", ["PatientID\nA\n", "a,b\n1,2\n", "PatientID,a,b\n1,2,3\n", "PatientID,PatientID\n1,2\n"]
)
def test_other_columns_are_refused(tmp_path: Path, text: str) -> None:
    with pytest.raises(UsageError, match="a patient map has PatientID and one more"):
        read_people(write(tmp_path, text))


def test_two_people_for_one_patient_id_are_refused_without_naming_them(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"^people\.csv gives 1 PatientIDs to more than one person$"):
        read_people(write(tmp_path, "PatientID,person\nA,X\nA,Y\n"))
