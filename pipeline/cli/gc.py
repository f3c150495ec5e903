"""``ctprep gc``: what an output need not keep."""

from argparse import ArgumentParser, Namespace

from pipeline.cli.arguments import add_output
from pipeline.vocabulary import ExitCode


def add_arguments(parser: ArgumentParser) -> None:
    """Add the command's options."""
    add_output(parser)
    parser.add_argument("--delete", action="store_true", help="remove what is listed; without it nothing is changed")


def execute(options: Namespace) -> ExitCode:
    """Print a line for each series that is gone and each folder that no record names, and what they take."""
    from pipeline.audit.gc import collect_garbage, unseen_roots  # noqa: PLC0415  --help shall not wait for these
    from pipeline.output.layout import OutputFolder  # noqa: PLC0415

    output = OutputFolder(options.output)
    garbage = collect_garbage(output, delete=options.delete)
    for root in unseen_roots(output):
        print(f"{root} held no file in the last scan (is it mounted?): while it is an input, no series is called gone")
    for found in garbage:
        print(f"{found.kind} {found.name}: {found.kind.meaning}, {_megabytes(found.n_bytes)}")
    if not garbage:
        print("nothing to remove")
        return ExitCode.OK
    done = "removed" if options.delete else "could be removed with --delete"
    print(f"{len(garbage)} {done}, {_megabytes(sum(found.n_bytes for found in garbage))}")
    return ExitCode.OK


def _megabytes(n_bytes: int) -> str:
    return f"{n_bytes / 2**20:.1f} MB"
