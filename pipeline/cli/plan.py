"""``ctprep plan``: what a run would do, and why."""

from argparse import ArgumentParser, Namespace

from pipeline.cli.arguments import add_config, add_talk, config_of
from pipeline.vocabulary import ExitCode


def add_arguments(parser: ArgumentParser) -> None:
    """Add the command's options."""
    add_config(parser)
    add_talk(parser)
    parser.add_argument("--explain", action="store_true", help="show each series' program, step by step")


def execute(options: Namespace) -> ExitCode:
    """Print a line a series, and with ``--explain`` its steps; nothing is written."""
    from pipeline.rehearse import rehearsed  # noqa: PLC0415  --help shall not wait for it

    for plan in rehearsed(config_of(options)):
        print(f"{plan.series_key} {plan.state}: {plan.why}; {plan.expectation}")
        for line in plan.program if options.explain else ():
            print(f"  {line}")
    return ExitCode.OK
