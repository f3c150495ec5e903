from pathlib import Path

import pytest
from phantoms import write_series
from running import ORIENTED, carry_out

from pipeline.cli import main

pytestmark = pytest.mark.usefixtures("in_this_process")


def test_the_report_is_written_again_and_the_figures_where_asked(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_series(tmp_path / "in")
    carry_out(tmp_path, tmp_path / "in", ORIENTED + "report: {enabled: true}\n")
    (tmp_path / "out/report/index.html").unlink()
    assert main(["report", str(tmp_path / "out"), "--figures", str(tmp_path / "figures")]) == 0
    assert (tmp_path / "out/report/index.html").exists()
    assert (tmp_path / "figures/hounsfield.svg").exists()
    assert str(tmp_path / "figures") in capsys.readouterr().out
