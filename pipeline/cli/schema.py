"""``ctprep schema``: the JSON Schema of the configuration."""

import json
from argparse import ArgumentParser, Namespace

from pipeline.vocabulary import ExitCode


def add_arguments(parser: ArgumentParser) -> None:
    """Add nothing: the command has no options."""
    del parser


def execute(_options: Namespace) -> ExitCode:
    """Print the schema."""
    from pipeline.config import schema  # noqa: PLC0415  --help shall not wait for it

    print(json.dumps(schema(), indent=2))
    return ExitCode.OK
