from pathlib import Path

import pytest
from phantoms import write_series
from running import ORIENTED, carry_out

from pipeline.cli import main

pytestmark = pytest.mark.usefixtures("in_this_process")


@pytest.fixture
def out(tmp_path: Path) -> str:
    write_series(tmp_path / "in" / "a", n=4, rows=16, columns=16)
    carry_out(tmp_path, tmp_path / "in", ORIENTED + "report: {enabled: false}\n")
    return str(tmp_path / "out")


def table(tmp_path: Path, text: str) -> str:
    (tmp_path / "labels.csv").write_text(text)
    return str(tmp_path / "labels.csv")


def test_label_says_what_was_labelled_and_what_was_left_over(
    tmp_path: Path, out: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert (
        main(["label", out, table(tmp_path, "Patient,grade,BirthDate\nP-1,2,\nP-2,3,\n"), "--column", "Patient"]) == 0
    )
    told = capsys.readouterr().out.splitlines()
    assert told[0].startswith("labels.csv: 1 of 1 series have labels, 1 of 2 rows no series; withheld")
    assert told[1:] == [
        "columns: label_grade",
        f"what found no partner is listed in {out}/private/unlabelled.parquet",
        "exit code 0",
    ]


def test_a_table_of_nobody_here_ends_with_code_2(tmp_path: Path, out: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["label", out, table(tmp_path, "PatientID,grade\nP-7,2\n")]) == 2
    assert "nothing was changed" in capsys.readouterr().err


def test_another_identifier_than_there_is_is_a_usage_error(out: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["label", out, "labels.csv", "--on", "PatientName"])
    assert ended.value.code == 2
    assert "StudyInstanceUID" in capsys.readouterr().err
