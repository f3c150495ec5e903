"""``ctprep diff``: two DICOM files or two series, element by element."""

import json
from argparse import ArgumentParser, Namespace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pipeline.vocabulary import ExitCode

if TYPE_CHECKING:
    from pipeline.audit.difference import ElementComparison

COLOURS = {"-": "red", "+": "green"}


def add_arguments(parser: ArgumentParser) -> None:
    """Add the command's options."""
    parser.add_argument("a", metavar="A", type=Path, help="a DICOM file, or the folder of a series")
    parser.add_argument("b", metavar="B", type=Path, help="what it is compared with")
    parser.add_argument("--json", action="store_true", help="print one JSON object: only_a, only_b, different")
    parser.add_argument("--html", metavar="FILE", type=Path, help="write the differences to one offline page")


def execute(options: Namespace) -> ExitCode:
    """Print what differs; that something does is no error."""
    from pipeline.audit.difference import compare  # noqa: PLC0415  --help shall not wait for it

    compared = compare(options.a, options.b)
    if options.json:
        print(json.dumps(_plain(compared), indent=2))
    else:
        _print(compared)
    if options.html:
        from pipeline.audit.difference import difference_page  # noqa: PLC0415
        from pipeline.output.durable import write_bytes  # noqa: PLC0415  as above

        write_bytes(options.html, difference_page(compared, str(options.a), str(options.b)).encode("utf-8", "replace"))
    return ExitCode.OK


def _plain(compared: "ElementComparison") -> dict[str, list[dict[str, Any]]]:
    """Return what ``--json`` prints; a value that varies within a series is a list, null where a file lacks it."""
    return {
        "only_a": [{"tag": one.tag, "name": one.name, "value": one.a} for one in compared.only_a],
        "only_b": [{"tag": one.tag, "name": one.name, "value": one.b} for one in compared.only_b],
        "different": [{"tag": one.tag, "name": one.name, "a": one.a, "b": one.b} for one in compared.different],
    }


def _print(compared: "ElementComparison") -> None:
    """Print the differences in colour on a terminal, then what was not read, then their number."""
    from rich.console import Console  # noqa: PLC0415  as above

    from pipeline.audit.difference import format_value  # noqa: PLC0415

    console = Console(highlight=False, markup=False, emoji=False, soft_wrap=True)
    for difference in compared.differences:
        console.print(f"{difference.tag} {difference.name}")
        for sign, value in (("-", difference.a), ("+", difference.b)):
            if value is not None:
                console.print(f"  {sign} {format_value(value)}", style=COLOURS[sign])
    for note in compared.notes:
        console.print(note)
    counts = len(compared.different), len(compared.only_a), len(compared.only_b)
    console.print("{} different, {} only in A, {} only in B".format(*counts) if any(counts) else "no element differs")
