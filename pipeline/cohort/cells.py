"""A CSV file as people's programs write it to plain cells: any usual separator, a byte order mark or none."""

import csv
from io import StringIO
from pathlib import Path

from pipeline.errors import UsageError
from pipeline.privacy import cleaned

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
    whole = [[cleaned(cell).strip() for cell in line] for line in lines if any(cell.strip() for cell in line)]
    if not whole:
        msg = f"{path.name} is empty"
        raise UsageError(msg)
    return whole
