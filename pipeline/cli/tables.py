"""Counts and records as a person reads them on a terminal."""

from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from pipeline.dicom.stack.checks import UNSAFE_TEXT
from pipeline.output.manifest import count_mask_reasons
from pipeline.record import SeriesRecord
from pipeline.run.run import Outcome
from pipeline.vocabulary import Reason, SeriesWarning, Status, format_count

CONSOLE = Console(highlight=False, markup=False, emoji=False)


def print_outcome(outcome: Outcome) -> None:
    """Print how a run ended, what was refused and what to do about it, and where everything lies."""
    print_counts(outcome.records)
    print_unreadable(outcome.summary)
    root = outcome.output.root
    places = {
        "manifest": outcome.output.manifest,
        "stores": outcome.output.volumes,
        "report": root / "report/index.html",
    }
    for what, path in places.items():
        if path.exists():
            print_path(what, outcome.output.describe_path(path))


def print_counts(records: Sequence[SeriesRecord]) -> None:
    """Print the counts by status, then a line per reason with its advice, then the warnings."""
    counts = Counter(record.status for record in records)
    CONSOLE.print(", ".join(f"{counts[status]} {status.value}" for status in Status))
    if n_gone := sum(not record.present for record in records):
        CONSOLE.print(f"{n_gone} of them no longer in the input: their stores are kept, `ctprep gc` lists them")
    reasons = Counter(record.reason for record in records if record.reason)
    if reasons:
        _print_table(
            ("series", "reason", "what to do"), [(n, reason, reason.advice) for reason, n in _ordered(reasons)]
        )
    warnings = Counter(warning for record in records for warning in record.warnings)
    if warnings:
        _print_table(
            ("series", "warning", "means"),
            [(n, word, _describe_warning(word, records)) for word, n in sorted(warnings.items())],
        )
    masks = [
        (n, name, reason, reason.meaning)
        for name, reasons in count_mask_reasons(records).items()
        for reason, n in reasons.items()
    ]
    if masks:
        _print_table(("series", "mask", "reason", "means"), masks)


def _describe_warning(word: SeriesWarning, records: Sequence[SeriesRecord]) -> str:
    """Return what a warning means; of texts, in how many series they are unsafe, as the others are only unusual."""
    meaning = SeriesWarning[word].meaning
    if word is not SeriesWarning.W_TEXT_SANITISED:
        return meaning
    warned = [record for record in records if word in record.warnings]
    n_unsafe = sum(UNSAFE_TEXT in (record.detail or "") for record in warned)
    return f"{meaning} Unsafe in {n_unsafe} series, only unusual in {len(warned) - n_unsafe}."


def print_unreadable(summary: Mapping[str, Any]) -> None:
    """Print how many files and folders the last run was refused by the system, if any."""
    refused = summary.get("unreadable", {})
    counts = [format_count(refused[f"n_{noun}s"], noun) for noun in ("file", "folder") if refused.get(f"n_{noun}s")]
    if counts:
        message = f"{' and '.join(counts)} of the input cannot be read: check the permissions and run again"
        CONSOLE.print(f"{message}; private/files.parquet lists them", soft_wrap=True)


def _ordered(reasons: Counter[Reason]) -> list[tuple[Reason, int]]:
    return sorted(reasons.items(), key=lambda pair: pair[0].order)


def _print_table(header: Sequence[str], rows: Sequence[Sequence[object]]) -> None:
    table = Table(box=None, header_style="dim", pad_edge=False)
    for n, name in enumerate(header):
        table.add_column(name, justify="right" if n == 0 else "left", overflow="fold")
    for row in rows:
        table.add_row(*(str(cell) for cell in row))
    CONSOLE.print(table)


def print_fields(fields: Sequence[tuple[str, object]]) -> None:
    """Print names and values, a line each."""
    table = Table(box=None, show_header=False, pad_edge=False)
    table.add_column(style="dim")
    table.add_column(overflow="fold")
    for name, value in fields:
        table.add_row(name, str(value))
    CONSOLE.print(table)


def print_path(what: str, path: Path | str) -> None:
    """Print where something lies."""
    CONSOLE.print(f"{what + ':':<10}{path}", soft_wrap=True)
