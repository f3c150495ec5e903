"""``ctprep show``: one series."""

import json
from argparse import ArgumentParser, Namespace
from pathlib import Path
from typing import TYPE_CHECKING

from pipeline.cli.arguments import add_output
from pipeline.errors import UsageError
from pipeline.vocabulary import ExitCode, SeriesWarning

if TYPE_CHECKING:
    from pipeline.audit.show import SeriesDetails
    from pipeline.output.layout import OutputFolder

BY_KEY = Path()
"""``--png`` without a file's name: each picture is called after its series."""


def add_arguments(parser: ArgumentParser) -> None:
    """Add the command's options."""
    add_output(parser)
    parser.add_argument("series", metavar="SERIES", help="series_key, PatientID, SeriesInstanceUID or source path")
    parser.add_argument(
        "--png",
        metavar="FILE",
        type=Path,
        nargs="?",
        const=BY_KEY,
        help="write the three middle planes to one picture, without FILE to SERIES_KEY.png",
    )


def execute(options: Namespace) -> ExitCode:
    """Print the record, the geometry, the trail and the warnings."""
    from pipeline.audit.show import find_series  # noqa: PLC0415
    from pipeline.cli.tables import print_fields  # noqa: PLC0415  --help shall not wait for these
    from pipeline.output.layout import OutputFolder  # noqa: PLC0415

    output = OutputFolder(options.output)
    series = find_series(output, options.series)
    for found in series:
        print_fields(_fields(found))
        print()
    if options.png is not None:
        _write_pictures(output, series, options.png)
    return ExitCode.OK


def _write_pictures(output: "OutputFolder", series: "list[SeriesDetails]", png: Path) -> None:
    from pipeline.audit.show import draw_png  # noqa: PLC0415
    from pipeline.cli.tables import print_path  # noqa: PLC0415  as above
    from pipeline.output.durable import write_bytes  # noqa: PLC0415

    stored = [found.record for found in series if found.record.store]
    if not stored:
        msg = "no picture: the series has no store"
        raise UsageError(msg)
    if png != BY_KEY and len(stored) > 1:
        msg = f"that name means {len(stored)} series, for which one picture is not enough: leave out the file's name"
        raise UsageError(msg)
    for record in stored:
        path = png if png != BY_KEY else Path(f"{record.series_key}.png")
        write_bytes(path, draw_png(output, record))
        print_path("picture", path)


def _fields(found: "SeriesDetails") -> list[tuple[str, object]]:
    record = found.record
    own = [(name, _shown(value)) for name, value in record.own_columns().items() if value not in (None, ())]
    warnings = [(word, SeriesWarning[word].meaning) for word in record.warnings]
    advice = [("what to do", record.reason.advice)] if record.reason else []
    elements = [(name, _shown(value)) for name, value in record.elements.items() if value is not None]
    trail = [(f"step {n}", json.dumps(step)) for n, step in enumerate(found.attributes.get("trail", []), start=1)]
    affine = [("affine_lps", _shown(row)) for row in found.attributes.get("affine_lps", [])]
    folder = [("folder", found.folder)] if found.folder else []
    return [*own, *folder, *advice, *warnings, *affine, *trail, *elements]


def _shown(value: object) -> str:
    """Return a value as a person reads it: numbers short, sequences with spaces."""
    if isinstance(value, list | tuple):
        return "  ".join(_shown(item) for item in value)
    return f"{value:.6g}" if isinstance(value, float) else str(value)
