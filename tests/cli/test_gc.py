from pathlib import Path

import pytest
from phantoms import write_series
from running import carry_out

from pipeline.cli import main

BARE = "report: {enabled: false}\n"

pytestmark = pytest.mark.usefixtures("in_this_process")


def test_gc_lists_then_removes_then_finds_nothing(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for name in ("one", "other"):
        write_series(tmp_path / "in" / name, patient_id=name)
    carry_out(tmp_path, tmp_path / "in", BARE)
    (tmp_path / "in" / "one").rename(tmp_path / "elsewhere")
    carry_out(tmp_path, tmp_path / "in", BARE)
    out = str(tmp_path / "out")
    assert main(["gc", out]) == 0
    told = capsys.readouterr().out
    assert "its files were not in the last scan" in told
    assert "1 could be removed with --delete" in told
    assert main(["gc", out, "--delete"]) == 0
    assert "1 removed" in capsys.readouterr().out
    assert main(["gc", out]) == 0
    assert capsys.readouterr().out == "nothing to remove\n"
    assert main(["verify", out]) == 0


def test_a_folder_that_is_no_output_is_a_usage_error(tmp_path: Path) -> None:
    assert main(["gc", str(tmp_path)]) == 2
