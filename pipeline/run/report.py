"""The report of a finished output written again from its files, and its figures as images for a paper."""

from pathlib import Path

from pipeline.config import load
from pipeline.errors import OutputError
from pipeline.output.durable import write_bytes
from pipeline.output.layout import OutputFolder
from pipeline.output.manifest import read_records
from pipeline.output.state import OutputState
from pipeline.output.summary import last_summary
from pipeline.report.cohort import figures
from pipeline.report.options import ReportOptions
from pipeline.report.page import write_report


def rewrite_report(output: OutputFolder) -> Path:
    """Write ``report/`` again with the last run's options; return its first page.

    Raises UsageError where there is no output, OutputError where the report cannot be written.
    """
    records = read_records(output)
    summary = last_summary(output)
    options = load(output.private_config).report if output.private_config.exists() else ReportOptions()
    with OutputState.read(output) as state:
        return write_report(output, records, summary, options, state.histograms())


def write_figures(output: OutputFolder, folder: Path) -> list[Path]:
    """Write every figure of the cohort into a folder, as SVG; return the files."""
    written = []
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        msg = f"the folder {folder} cannot be made: {error.strerror}"
        raise OutputError(msg) from error
    with OutputState.read(output) as state:
        drawn = figures(output, read_records(output), state.histograms())
    for name, svg in drawn.items():
        path = folder / f"{name}.svg"
        write_bytes(path, svg.encode())
        written.append(path)
    return written
