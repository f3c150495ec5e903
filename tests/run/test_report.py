from pathlib import Path

import pytest
from phantoms import write_series
from running import ORIENTED, carry_out

from pipeline.errors import UsageError
from pipeline.output.layout import OutputFolder
from pipeline.run.report import rewrite_report, write_figures

WITH_REPORT = ORIENTED + "report: {enabled: true}\n"

pytestmark = pytest.mark.usefixtures("in_this_process")


def test_a_report_that_was_lost_is_written_as_it_was(tmp_path: Path) -> None:
    write_series(tmp_path / "in")
    report = carry_out(tmp_path, tmp_path / "in", WITH_REPORT).output.report
    before = {path.relative_to(report): path.read_bytes() for path in report.rglob("*.html")}
    for path in report.rglob("*.html"):
        path.unlink()
    (report / "made.json").unlink()
    assert rewrite_report(OutputFolder(tmp_path / "out")) == report / "index.html"
    after = {path.relative_to(report): path.read_bytes() for path in report.rglob("*.html")}
    assert after.keys() == before.keys()


def test_every_figure_is_written_as_svg(tmp_path: Path) -> None:
    write_series(tmp_path / "in")
    output = carry_out(tmp_path, tmp_path / "in", WITH_REPORT).output
    written = write_figures(output, tmp_path / "figures")
    assert sorted(written) == sorted((tmp_path / "figures").iterdir())
    assert {path.name for path in written} >= {"hounsfield.svg", "kvp.svg", "kernels.svg"}


def test_what_is_no_output_is_reported(tmp_path: Path) -> None:
    with pytest.raises(UsageError):
        rewrite_report(OutputFolder(tmp_path))
