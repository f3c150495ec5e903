from pathlib import Path

import pytest
from phantoms import write_series
from running import carry_out

from pipeline.cli import main

pytestmark = pytest.mark.usefixtures("in_this_process")


def test_status_counts_and_says_what_to_do_next(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_series(tmp_path / "in" / "good")
    write_series(tmp_path / "in" / "thin", n=2, patient_id="thin")
    carry_out(tmp_path, tmp_path / "in")
    assert main(["status", str(tmp_path / "out")]) == 0
    told = capsys.readouterr().out
    assert "1 ok, 1 rejected, 0 failed, 0 excluded" in told
    assert "TOO_FEW_SLICES" in told
    assert "exit code 3" in told


def test_status_tells_what_the_last_run_found_new(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for name in ("p0", "p1"):
        write_series(tmp_path / "in" / name, patient_id=name)
        carry_out(tmp_path, tmp_path / "in", "report: {enabled: false}\n")
    assert main(["status", str(tmp_path / "out")]) == 0
    assert "1 new series, 1 new patient." in capsys.readouterr().out


def test_a_folder_that_is_no_output_is_reported(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["status", str(tmp_path)]) == 2
    assert "no output of `ctprep run`" in capsys.readouterr().err
