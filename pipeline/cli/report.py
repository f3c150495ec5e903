"""``ctprep report``: the report of a finished output once more, and its figures for a paper."""

from argparse import ArgumentParser, Namespace
from pathlib import Path

from pipeline.cli.arguments import add_output
from pipeline.vocabulary import ExitCode


def add_arguments(parser: ArgumentParser) -> None:
    """Add the command's options."""
    add_output(parser)
    parser.add_argument("--figures", metavar="DIR", type=Path, help="write the figures there too, as SVG")


def execute(options: Namespace) -> ExitCode:
    """Write, and say where."""
    from pipeline.output.layout import OutputFolder  # noqa: PLC0415  --help shall not wait for these
    from pipeline.run.report import rewrite_report, write_figures  # noqa: PLC0415

    output = OutputFolder(options.output)
    print(f"report: {rewrite_report(output)}")
    if options.figures:
        print(f"figures: {len(write_figures(output, options.figures))} files in {options.figures}")
    return ExitCode.OK
