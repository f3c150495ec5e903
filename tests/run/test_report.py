from pathlib import Path

import pytest
from phantoms import write_series
from running import carry_out

from pipeline.errors import UsageError
from pipeline.output.layout import OutputFolder
from pipeline.run.report import rewrite_report, write_figures

pytestmark = pytest.mark.usefixtures("in_this_process")


def test_a_report_that_was_lost_is_written_as_it_was(tmp_path: Path) -> None:
    write_series(tmp_path / "in")
    report = carry_out(tmp_path, tmp_path / "in").output.report
    before = {path.relative_to(report): path.read_bytes() for path in report.rglob("*.html")}
    for path in report.rglob("*.html"):
        path.unlink()
    (report / "made.json").unlink()
    assert rewrite_report(OutputFolder(tmp_path / "out")) == report / "index.html"
    after = {path.relative_to(report): path.read_bytes() for path in report.rglob("*.html")}
    assert after.keys() == before.keys()


def test_every_figure_is_written_as_svg_and_as_pdf(tmp_path: Path) -> None:
    write_series(tmp_path / "in")
    output = carry_out(tmp_path, tmp_path / "in").output
    written = write_figures(output, tmp_path / "figures")
    assert sorted(written) == sorted((tmp_path / "figures").iterdir())
    names = {suffix: {path.stem for path in written if path.suffix == suffix} for suffix in (".svg", ".pdf")}
    assert names[".svg"] == names[".pdf"] >= {"hounsfield", "kvp", "kernels"}
    assert all(path.read_bytes().startswith(b"%PDF-") for path in written if path.suffix == ".pdf")


def test_what_is_no_output_is_told(tmp_path: Path) -> None:
    with pytest.raises(UsageError):
        rewrite_report(OutputFolder(tmp_path))
