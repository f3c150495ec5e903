"""A CSV of labels to typed columns by key; columns that look as if they identify a person are withheld."""

import csv
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from io import StringIO
from itertools import pairwise
from math import isfinite
from pathlib import Path

from pipeline.cohort.options import TableOptions
from pipeline.errors import UsageError
from pipeline.privacy import clean_text
from pipeline.record import LABEL_PREFIX, ColumnType, LabelValue

MOST_BYTES = 1 << 30


def read_cells(path: Path) -> tuple[list[str], list[list[str]]]:
    """Return the header and the rows, every cell stripped, rows without any content left out.

    Raises UsageError where the file cannot be read, is no UTF-8, or its rows are not as long as its header.
    """
    header, *rows = _lines(path, _text(path))
    for number, row in enumerate(rows, start=1):
        if len(row) != len(header):
            msg = f"{path.name}: row {number} has {len(row)} cells, the header {len(header)}"
            raise UsageError(msg)
    return header, rows


def _text(path: Path) -> str:
    try:
        with path.open("rb") as file:
            content = file.read(MOST_BYTES + 1)
        text = content.decode("utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        msg = f"{path.name} cannot be read as a CSV file: {getattr(error, 'strerror', None) or 'it is not UTF-8'}"
        raise UsageError(msg) from error
    if len(content) > MOST_BYTES:
        msg = f"{path.name} is larger than {MOST_BYTES} bytes: this is no table of labels"
        raise UsageError(msg)
    return text


def _lines(path: Path, text: str) -> list[list[str]]:
    """Return the lines that have any content, the first of them the header; its commonest separator is the file's."""
    separator = max(",;\t", key=text.partition("\n")[0].count)
    try:
        lines = list(csv.reader(StringIO(text, newline=""), delimiter=separator, strict=True))
    except csv.Error as error:
        msg = f"{path.name} is no CSV file: {error}"
        raise UsageError(msg) from error
    whole = [[clean_text(cell).strip() for cell in line] for line in lines if any(cell.strip() for cell in line)]
    if not whole:
        msg = f"{path.name} is empty"
        raise UsageError(msg)
    return whole


LARGEST_INTEGER = 2**63

PERSONAL_WORDS = frozenset(
    """
    accession address birth birthdate birthday city date dob doctor email firstname fullname lastname mail mrn
    operator phone physician postcode ssn street surname telephone uid zip
    """.split()  # noqa: SIM905  a page of words reads better than a quoted list
)
"""A column with one of these among the words of its name is not shown."""

NAMES = re.compile(r"((patient|subject|person|first|last|full|family|given|middle|maiden) )*(name|id)")
"""Nor is one whose whole name is this, in words."""

DATE = re.compile(r"(19|20)\d\d([-/.]?)(0[1-9]|1[0-2])\2(0[1-9]|[12]\d|3[01])([T ].*)?|\d\d?([./-])\d\d?\6(19|20)\d\d")
UID = re.compile(r"[0-2](\.\d+){4,}")

Labels = Mapping[str, LabelValue]


@dataclass(frozen=True)
class LabelTable:
    """Labels by key; ``columns`` are what the manifest calls them, ``withheld`` what is left out."""

    options: TableOptions
    columns: Mapping[str, ColumnType]
    rows: Mapping[str, Labels]
    withheld: tuple[str, ...] = ()

    def without(self, columns: Iterable[str]) -> "LabelTable":
        """Return the table with some of its columns withheld."""
        hidden = set(columns)
        kept = {name: kind for name, kind in self.columns.items() if name not in hidden}
        rows = {key: {name: labels[name] for name in kept} for key, labels in self.rows.items()}
        names = sorted(name.removeprefix(LABEL_PREFIX) for name in hidden)
        return LabelTable(self.options, kept, rows, (*self.withheld, *names))


def read_labels(options: TableOptions) -> LabelTable:
    """Read a CSV file, its separator a comma, semicolon or tab.

    Columns of whole numbers become integers, of numbers numbers, all others text; an empty cell is null.  Raises
    UsageError where the file cannot be read, lacks the key, or says two things of one key.
    """
    header, rows = read_cells(options.path)
    if options.key_column not in header:
        msg = f"{options.path.name} has no column {options.key_column}; its columns are {', '.join(header)}"
        raise UsageError(msg)
    at = header.index(options.key_column)
    cells = {name: [row[n] for row in rows] for n, name in enumerate(header) if n != at}
    shown = {name: _column_of(name) for name, values in cells.items() if not is_personal(name, values)}
    if len(set(shown.values())) < len(shown):
        msg = f"{options.path.name} has two columns that are both called {_repeated(shown.values())}"
        raise UsageError(msg)
    columns = {shown[name]: _kind(cells[name]) for name in shown}
    typed = {shown[name]: [_value(cell, columns[shown[name]]) for cell in cells[name]] for name in shown}
    labels = [dict(zip(typed, values, strict=True)) for values in zip(*typed.values(), strict=True)]
    keys = [row[at] for row in rows]
    by_key = _by_key(options, zip(keys, labels or [{} for _ in keys], strict=True))
    return LabelTable(options, columns, by_key, tuple(name for name in cells if name not in shown))


def is_personal(name: str, values: Iterable[str]) -> bool:
    """Tell whether a column looks as if it identified a person: by its name, or because it holds dates or UIDs."""
    words = re.sub(r"(?<=[a-z0-9])(?=[A-Z])|[^A-Za-z0-9]+", " ", name).lower().split()
    if PERSONAL_WORDS & set(words) or NAMES.fullmatch(" ".join(words)):
        return True
    return any(DATE.fullmatch(value) or UID.fullmatch(value) for value in values)


def _column_of(name: str) -> str:
    """Return what the manifest calls a column: letters, digits and _ alone."""
    return LABEL_PREFIX + re.sub(r"\W+", "_", name, flags=re.ASCII).strip("_")


def _repeated(names: Iterable[str]) -> str:
    ordered = sorted(names)
    return next(one for one, other in pairwise(ordered) if one == other)


def _kind(cells: Sequence[str]) -> ColumnType:
    """Return the narrowest kind that holds every cell; leading zeros make text, as in an identifier."""
    filled = [cell for cell in cells if cell]
    if filled and all(re.fullmatch(r"[+-]?(0|[1-9]\d*)", cell) and abs(int(cell)) < LARGEST_INTEGER for cell in filled):
        return "integer"
    return "number" if filled and all(map(_is_number, filled)) else "text"


def _is_number(cell: str) -> bool:
    try:
        return isfinite(float(cell)) and not re.match(r"[+-]?0\d", cell) and "_" not in cell
    except ValueError:
        return False


def _value(cell: str, kind: ColumnType) -> LabelValue:
    if not cell:
        return None
    if kind == "integer":
        return int(cell)
    return float(cell) if kind == "number" else cell


def _by_key(options: TableOptions, rows: Iterable[tuple[str, dict[str, LabelValue]]]) -> dict[str, Labels]:
    """Return the labels by key; rows without one, and rows that repeat another, count once."""
    found: dict[str, Labels] = {}
    conflicts = set()
    for key, labels in rows:
        if key and found.setdefault(key, labels) != labels:
            conflicts.add(key)
    if conflicts:
        msg = (
            f"{options.path.name} says different things of one {options.key_column} ({len(conflicts)} times): "
            "leave one row each, or join on what tells the rows apart"
        )
        raise UsageError(msg)
    return found
