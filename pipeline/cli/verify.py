"""``ctprep verify``: every store against the manifest."""

from argparse import ArgumentParser, Namespace

from pipeline.cli.arguments import add_output
from pipeline.vocabulary import ExitCode


def add_arguments(parser: ArgumentParser) -> None:
    """Add the command's options."""
    add_output(parser)
    parser.add_argument("--fast", action="store_true", help="compare names and sizes only")


def execute(options: Namespace) -> ExitCode:
    """Print what is missing, extra, changed or swapped; nothing is repaired."""
    from pipeline.output import OutputFolder  # noqa: PLC0415  --help shall not wait for these
    from pipeline.verify import verify  # noqa: PLC0415

    damages = verify(OutputFolder(options.output), fast=options.fast)
    for damage in damages:
        print(f"{damage.kind} {damage.series_key}: {damage.what}")
    print(f"{len(damages)} stores damaged" if damages else "every store is as the manifest says")
    return ExitCode.DAMAGED if damages else ExitCode.OK
