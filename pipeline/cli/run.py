"""``ctprep run``: the main job."""

from argparse import ArgumentParser, Namespace

from pipeline.cli.ahead import workers_ahead
from pipeline.cli.arguments import add_config, add_talk, load_config
from pipeline.cli.endings import print_end
from pipeline.vocabulary import ExitCode


def add_arguments(parser: ArgumentParser) -> None:
    """Add the command's options."""
    add_config(parser)
    add_talk(parser)


def execute(options: Namespace) -> ExitCode:
    """Run, and say how it ended and where everything is."""
    with workers_ahead() as server:
        from pipeline.cli.progress import open_listener  # noqa: PLC0415  --help shall not wait for these
        from pipeline.run.run import run  # noqa: PLC0415

        config = load_config(options)
        with open_listener(options) as listener:
            outcome = run(config, listener, server)
    return print_end(outcome, options)
