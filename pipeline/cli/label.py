"""``ctprep label``: labels joined later, touching no store."""

from argparse import ArgumentParser, Namespace
from pathlib import Path

from pipeline.cli.arguments import add_output
from pipeline.cli.endings import print_code
from pipeline.cohort.options import IDENTIFIERS, TableOptions
from pipeline.vocabulary import ExitCode


def add_arguments(parser: ArgumentParser) -> None:
    """Add the command's options."""
    add_output(parser)
    parser.add_argument("csv", metavar="CSV", type=Path, help="the table; its first line names the columns")
    parser.add_argument(
        "--on",
        metavar="IDENTIFIER",
        choices=IDENTIFIERS,
        default="PatientID",
        help=f"the identifier that a row's series is found by (default PatientID): {', '.join(IDENTIFIERS)}",
    )
    parser.add_argument("--column", metavar="NAME", help="the table's column that holds it, if it is called otherwise")


def execute(options: Namespace) -> ExitCode:
    """Join the table, and say what was labelled and what was left over."""
    from pipeline.output.layout import OutputFolder  # noqa: PLC0415
    from pipeline.run.label import label  # noqa: PLC0415  --help shall not wait for these

    output = OutputFolder(options.output)
    join = label(output, TableOptions(options.csv, options.on, options.column))
    print(join.message)
    print(f"columns: {', '.join(join.table.columns)}")
    if join.alone or join.unlabelled:
        print(f"what found no partner is listed in {output.private / 'unlabelled.parquet'}")
    print_code(ExitCode.OK)
    return ExitCode.OK
