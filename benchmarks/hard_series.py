"""What ctprep and its peers make of the same hard series, judged against the truth by one rule.

    python benchmarks/hard_series.py [--peer-python PATH] [--only TEXT] [--program TEXT] [--said]

A peer that is not installed is left out, and named below the table.  ``--peer-python`` is the interpreter of an
environment that holds dicom2nifti, highdicom and med-imagetools; dcm2niix is taken from the path.
"""

import argparse
import platform
import sys
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory

sys.path.append(str(Path(__file__).parents[1] / "tests" / "support"))  # the phantom series of the tests

from hard.judge import RULE, Outcome, Verdict, verdict_on
from hard.peers import Peer, peers
from hard.series import CASES, Case

ALL = ("ctprep", "SimpleITK", "dicom2nifti", "highdicom", "dcm2niix", "med-imagetools")

Row = tuple[str, list[Verdict]]


def table(cases: tuple[Case, ...], programs: list[Peer], *, say: bool) -> list[Row]:
    """Run every program over every series; the first is the control, which tells what a program always says."""
    rows = []
    usual: dict[Peer, frozenset[str]] = {}
    with TemporaryDirectory() as scratch:
        for case in cases:
            folder = Path(scratch) / "series"
            parts = case.write(folder)
            verdicts = []
            for peer in programs:
                outcome = in_own_folder(peer, folder)
                verdicts.append(verdict_on(outcome, parts, usual.setdefault(peer, outcome.notices)))
                if say:
                    tell(case, peer, outcome, verdicts[-1], usual[peer])
            rows.append((case.title, verdicts))
            for path in folder.iterdir():
                path.unlink()
    return rows


def in_own_folder(peer: Peer, folder: Path) -> Outcome:
    """Run a program in an empty folder that is gone afterwards."""
    with TemporaryDirectory() as work:
        return peer.run(folder, Path(work))


def tell(case: Case, peer: Peer, outcome: Outcome, verdict: Verdict, usual: frozenset[str]) -> None:
    """Print what a verdict rests on."""
    shapes = [result.array.shape for result in outcome.results]
    print(f"{case.title} | {peer.name} {peer.mode}: {verdict}, {shapes}, {sorted(outcome.notices - usual)}", flush=True)


def markdown(rows: list[Row], programs: list[Peer]) -> str:
    """Return the table, its legend and what it was made with."""
    heads = [f"{peer.name} {peer.mode}" for peer in programs]
    cells = [[title, *map(str, verdicts)] for title, verdicts in rows]
    widths = [max(map(len, column)) for column in zip(["series", *heads], *cells, strict=True)]
    lines = [
        "| " + " | ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)) + " |"
        for row in (["series", *heads], ["-" * width for width in widths], *cells)
    ]
    legend = [f"- `{verdict}`: {verdict.meaning}" for verdict in Verdict]
    versions = sorted({f"{peer.name} {peer.version}" for peer in programs})
    missing = [name for name in ALL if name not in {peer.name for peer in programs}]
    made = f"{datetime.now(UTC):%Y-%m-%d}, Python {platform.python_version()}, {', '.join(versions)}."
    absent = [f"Not installed here: {', '.join(missing)}."] if missing else []
    return "\n".join([*lines, "", RULE, "", *legend, "", made, *absent, ""])


def main() -> None:
    """Print the table."""
    arguments = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    arguments.add_argument("--peer-python", default=sys.executable, metavar="PATH")
    arguments.add_argument(
        "--only", default="", metavar="TEXT", help="only series whose title holds it, and the control"
    )
    arguments.add_argument("--program", default="", metavar="TEXT", help="only programs whose name holds it")
    arguments.add_argument("--said", action="store_true", help="print what each verdict rests on")
    asked = arguments.parse_args()
    programs = [peer for peer in peers(asked.peer_python) if asked.program in peer.name]
    cases = tuple(case for case in CASES if case is CASES[0] or asked.only in case.title)
    print(markdown(table(cases, programs, say=asked.said), programs))


if __name__ == "__main__":
    main()
