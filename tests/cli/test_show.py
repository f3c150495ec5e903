from pathlib import Path

import pytest
from phantoms import write_series
from running import carry_out

from pipeline.cli import main

pytestmark = pytest.mark.usefixtures("in_this_process")


def test_show_tells_record_trail_and_geometry_of_a_patient(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_series(tmp_path / "in", patient_id="Somebody")
    outcome = carry_out(tmp_path, tmp_path / "in")
    assert main(["show", str(tmp_path / "out"), "Somebody"]) == 0
    told = capsys.readouterr().out
    assert outcome.records[0].series_key in told
    assert '"step": "orient"' in told
    assert "affine_lps" in told
    assert "2.5  0.8  0.7" in told


def test_a_refused_series_is_shown_with_advice(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_series(tmp_path / "in", n=2, patient_id="Thin")
    carry_out(tmp_path, tmp_path / "in")
    assert main(["show", str(tmp_path / "out"), "Thin"]) == 0
    assert "what to do" in capsys.readouterr().out


def test_a_picture_is_written_under_the_key_or_the_name_asked_for(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("one", "other"):
        write_series(tmp_path / "in" / name, patient_id="Somebody")
    outcome = carry_out(tmp_path, tmp_path / "in", "report: {enabled: false}\n")
    key, other = (record.series_key for record in outcome.records)
    monkeypatch.chdir(tmp_path)
    assert main(["show", "out", key, "--png", "picture.png"]) == 0
    assert "picture:" in capsys.readouterr().out
    assert main(["show", "out", "Somebody", "--png"]) == 0
    for name in ("picture", key, other):
        assert (tmp_path / f"{name}.png").read_bytes().startswith(b"\x89PNG")
    assert main(["show", "out", "Somebody", "--png", "both.png"]) == 2
    assert "leave out the file's name" in capsys.readouterr().err


def test_without_a_store_there_is_no_picture(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_series(tmp_path / "in", n=2, patient_id="Thin")
    carry_out(tmp_path, tmp_path / "in", "report: {enabled: false}\n")
    assert main(["show", str(tmp_path / "out"), "Thin", "--png"]) == 2
    assert "no store" in capsys.readouterr().err
