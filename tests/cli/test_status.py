from pathlib import Path

import pytest
from phantoms import write_series
from running import carry_out

from pipeline.cli import main
from pipeline.output.layout import OutputFolder
from pipeline.output.lock import run_lock

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


def test_an_account_that_may_not_read_private_is_answered_from_the_rest(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    write_series(tmp_path / "in", patient_id="p0")
    (record,) = carry_out(
        tmp_path, tmp_path / "in", "report: {enabled: false}\nmanifest: {tags: [PatientName]}\n"
    ).records
    monkeypatch.setattr(OutputFolder, "is_private_readable", False)
    (tmp_path / "out/private").rename(tmp_path / "elsewhere")
    for words in (["status"], ["show", record.series_key], ["verify", "--fast"]):
        assert main([words[0], str(tmp_path / "out"), *words[1:]]) == 0
    assert "compared with the manifest alone" in capsys.readouterr().out
    assert main(["show", str(tmp_path / "out"), "p0"]) == 2
    assert "this account may not read private/, so only a series_key is found" in capsys.readouterr().err


def test_status_answers_during_a_first_run(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    output = OutputFolder(tmp_path)
    output.prepare()
    output.store("a" * 20).mkdir()
    with run_lock(output):
        assert main(["status", str(tmp_path)]) == 0
    assert "a first run is at work: 1 volume finished so far" in capsys.readouterr().out
