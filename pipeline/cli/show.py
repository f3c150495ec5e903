"""``ctprep show``: one series."""

import json
from argparse import ArgumentParser, Namespace
from typing import TYPE_CHECKING

from pipeline.cli.arguments import add_output
from pipeline.vocabulary import ExitCode, SeriesWarning

if TYPE_CHECKING:
    from pipeline.inspect import Inspected


def add_arguments(parser: ArgumentParser) -> None:
    """Add the command's options."""
    add_output(parser)
    parser.add_argument("series", metavar="SERIES", help="series_key, PatientID, SeriesInstanceUID or source path")


def execute(options: Namespace) -> ExitCode:
    """Print the record, the geometry, the trail and the warnings."""
    from pipeline.cli.tables import print_fields  # noqa: PLC0415  --help shall not wait for these
    from pipeline.inspect import inspect  # noqa: PLC0415
    from pipeline.output import OutputFolder  # noqa: PLC0415

    for found in inspect(OutputFolder(options.output), options.series):
        print_fields(_fields(found))
        print()
    return ExitCode.OK


def _fields(found: "Inspected") -> list[tuple[str, object]]:
    record = found.record
    own = [(name, _shown(value)) for name, value in record.own_columns().items() if value not in (None, ())]
    warnings = [(word, SeriesWarning[word].meaning) for word in record.warnings]
    advice = [("what to do", record.reason.advice)] if record.reason else []
    elements = [(name, _shown(value)) for name, value in record.elements.items() if value is not None]
    trail = [(f"step {n}", json.dumps(step)) for n, step in enumerate(found.attributes.get("trail", []), start=1)]
    affine = [("affine_lps", _shown(row)) for row in found.attributes.get("affine_lps", [])]
    return [*own, *advice, *warnings, *affine, *trail, *elements]


def _shown(value: object) -> str:
    """Return a value as a person reads it: numbers short, sequences with spaces."""
    if isinstance(value, list | tuple):
        return "  ".join(_shown(item) for item in value)
    return f"{value:.6g}" if isinstance(value, float) else str(value)
