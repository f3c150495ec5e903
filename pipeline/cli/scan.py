"""``ctprep scan``: headers only."""

from argparse import ArgumentParser, Namespace

from pipeline.cli.arguments import add_config, add_talk, load_config
from pipeline.vocabulary import ExitCode


def add_arguments(parser: ArgumentParser) -> None:
    """Add the command's options."""
    add_config(parser)
    add_talk(parser)


def execute(options: Namespace) -> ExitCode:
    """Read every header, and print what was found."""
    config = load_config(options)
    from pipeline.cli.progress import open_listener  # noqa: PLC0415  mistakes are reported before
    from pipeline.cli.tables import print_fields  # noqa: PLC0415
    from pipeline.run.scan import scan_only  # noqa: PLC0415

    with open_listener(options) as listener:
        counts = scan_only(config, listener)
    print_fields(list(counts.items()))
    return ExitCode.OK
