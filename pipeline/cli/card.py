"""``ctprep card``: what an output is, for those who will find, load and read of it."""

from argparse import ArgumentParser, Namespace
from pathlib import Path

from pipeline.cli.arguments import add_output
from pipeline.vocabulary import ExitCode

ABOUT = {
    "name": "the data set's name",
    "version": "its version, as 1.0.0",
    "licence": "its licence: an SPDX name or an address",
    "creator": "who made it",
    "contact": "a mail address, or another",
    "citation": "how it is cited",
    "url": "where it is found",
    "published": "the day, as 2026-01-31",
}


def add_arguments(parser: ArgumentParser) -> None:
    """Add the command's options."""
    add_output(parser)
    parser.add_argument("--to", metavar="DIR", type=Path, help="write there instead of into OUTPUT")
    for name, sentence in ABOUT.items():
        parser.add_argument(f"--{name}", metavar="TEXT", help=sentence)


def execute(options: Namespace) -> ExitCode:
    """Write, and say where, and what is still to be filled in."""
    from pipeline.card import About, write_card  # noqa: PLC0415  --help shall not wait for these
    from pipeline.output.layout import OutputFolder  # noqa: PLC0415

    about = About(**{name: text for name in ABOUT if (text := getattr(options, name)) is not None})
    for path in write_card(OutputFolder(options.output), about, options.to):
        print(path)
    if about.missing:
        print(f"to be filled in: {' '.join(f'--{name}' for name in about.missing)}")
    return ExitCode.OK
