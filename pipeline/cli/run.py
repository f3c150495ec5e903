"""``ctprep run``: the main job."""

from argparse import ArgumentParser, Namespace
from typing import TYPE_CHECKING

from pipeline.cli.ahead import workers_ahead
from pipeline.cli.arguments import add_config, add_talk, config_of
from pipeline.cli.words import print_event
from pipeline.vocabulary import ExitCode

if TYPE_CHECKING:
    from pipeline.run.run import Outcome


def add_arguments(parser: ArgumentParser) -> None:
    """Add the command's options."""
    add_config(parser)
    add_talk(parser)


def execute(options: Namespace) -> ExitCode:
    """Run, and say how it ended and where everything is."""
    with workers_ahead() as server:
        from pipeline.cli.progress import listener_for  # noqa: PLC0415  --help shall not wait for these
        from pipeline.run.run import run  # noqa: PLC0415

        config = config_of(options)
        with listener_for(options) as listener:
            outcome = run(config, listener, server)
    return told(outcome, options)


def told(outcome: "Outcome", options: Namespace) -> ExitCode:
    """Print how a run ended, as the options ask, the exit code last, and return that."""
    if options.log_json:
        print_event("ended", **outcome.summary)
        return outcome.exit_code
    if not options.quiet:
        from pipeline.cli.tables import print_outcome  # noqa: PLC0415  as above

        print_outcome(outcome)
    print(f"exit code {int(outcome.exit_code)}", flush=True)
    return outcome.exit_code
