"""``ctprep verify``: every store against the manifest."""

from argparse import ArgumentParser, Namespace
from pathlib import Path

from pipeline.cli.arguments import add_output
from pipeline.sources.address import parse_address, resolve_file_url
from pipeline.vocabulary import ExitCode


def add_arguments(parser: ArgumentParser) -> None:
    """Add the command's options."""
    add_output(parser, remote=True)
    parser.add_argument("--fast", action="store_true", help="compare names and sizes only")


def execute(options: Namespace) -> ExitCode:
    """Print a line for each store that is not as the manifest says, and what to do; nothing is repaired."""
    from pipeline.audit.remote import verify_anywhere  # noqa: PLC0415  --help shall not wait for it

    found = verify_anywhere(options.output, fast=options.fast)
    for mismatch in found:
        print(f"{mismatch.kind} {mismatch.series_key}: {mismatch.what}")
    if _lacks_private(options.output):
        print("private/ may not be read by this account: stores were compared with the manifest alone")
    n_damaged = sum(mismatch.kind.is_damage for mismatch in found)
    if not n_damaged:
        print("every store is there, by name and size" if options.fast else "every store is as the manifest says")
        return ExitCode.OK
    print(f"{n_damaged} damaged: remove these from volumes/ and run again, and what is missing is made again")
    return ExitCode.DAMAGED


def _lacks_private(output: str) -> bool:
    from pipeline.output.layout import OutputFolder  # noqa: PLC0415  as above

    return (
        parse_address(resolve_file_url(output)) is None
        and not OutputFolder(Path(resolve_file_url(output))).is_private_readable
    )
