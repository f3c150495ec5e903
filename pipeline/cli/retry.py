"""``ctprep retry``: rejected or failed series once more."""

from argparse import ArgumentParser, Namespace

from pipeline.cli.arguments import add_output, add_talk
from pipeline.cli.endings import print_end
from pipeline.vocabulary import ExitCode, Reason, Status

REASONS = [reason.value for reason in Reason if reason.status is not Status.EXCLUDED]


def add_arguments(parser: ArgumentParser) -> None:
    """Add the command's options."""
    add_output(parser)
    add_talk(parser)
    parser.add_argument(
        "--reason",
        metavar="R",
        nargs="+",
        action="extend",
        choices=REASONS,
        default=[],
        help="only series with one of these reasons, as in SLICE_GAP TIMEOUT",
    )


def execute(options: Namespace) -> ExitCode:
    """Run as the last run was configured, and say how it ended."""
    from pipeline.cli.progress import open_listener  # noqa: PLC0415  --help shall not wait for these
    from pipeline.output.layout import OutputFolder  # noqa: PLC0415
    from pipeline.run.run import retry  # noqa: PLC0415

    reasons = {Reason[name] for name in options.reason}
    with open_listener(options) as listener:
        outcome = retry(OutputFolder(options.output), reasons, listener)
    return print_end(outcome, options)
