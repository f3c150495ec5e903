"""Batches to text and back: columns of JSON, for between processes and for the header cache.

Most of a header is the same in every slice of a batch.  So each field is a column, and one value stands for a column of
equal ones.  Law: ``from_text(to_text(batch)) == batch``.
"""

import json
from collections.abc import Callable, Iterable, Sequence
from dataclasses import fields
from itertools import chain, repeat
from typing import Any

from pipeline.dicom.files.values import Flaw
from pipeline.dicom.headers.batch import Batch
from pipeline.dicom.headers.slice import Identity, Pixels, Plane, Rescale, SliceHeader
from pipeline.elements import Observation
from pipeline.geometry import Xyz
from pipeline.sources.folders import FoundFile
from pipeline.vocabulary import Reason, SeriesWarning

PARTS: dict[str, type[Any]] = {"identity": Identity, "pixels": Pixels, "plane": Plane, "rescale": Rescale}
"""The fields of a slice that are nouns of their own."""

Column = list[Any]
"""A value a row, or one value for all of them."""
Table = dict[str, Column]

ABSENT: dict[str, Any] = {}
"""Stands for an element that a slice does not have; no value is a dictionary."""


def _refusal(told: Any) -> Any:
    return (Reason[told[0]], told[1])


def _xyz(told: Any) -> Any:
    return Xyz(*told)


_NOUNS: dict[str, Callable[[Any], Any]] = {
    "refusal": _refusal,
    "warnings": lambda told: frozenset(SeriesWarning[word] for word in told),
    "image_type": tuple,
    "reconstruction": tuple,
    "position": _xyz,
    "row_direction": _xyz,
    "column_direction": _xyz,
    "flaws": lambda told: {keyword: Flaw(flaw) for keyword, flaw in told.items()},
}
"""What a field's plain JSON value becomes again."""
_PLAIN: dict[str, Callable[[Any], Any]] = {"warnings": sorted}
"""What JSON cannot write as it is."""


def to_text(batch: Batch) -> bytes:
    """Return a batch as ASCII JSON."""
    headers = list(chain.from_iterable(batch.slices))
    own = [name for name in _names(SliceHeader) if name not in {"file", "elements", *PARTS}]
    told = {
        "files": _table(batch.files, ["path", "size", "mtime_ns", "refusal"]),
        "n_slices": _packed([len(slices) for slices in batch.slices]),
        "slices": _table(headers, own),
        "parts": {name: _table([getattr(one, name) for one in headers], _names(PARTS[name])) for name in PARTS},
        "elements": _elements(headers),
        "pool": batch.pool,
        "seen": _differences(batch.seen),
    }
    return json.dumps(told, separators=(",", ":")).encode("ascii")


def from_text(text: bytes) -> Batch:
    """Return the batch that `to_text` told of; raises ValueError, KeyError or TypeError for anything else."""
    told = json.loads(text)
    counts = told["n_slices"]
    files = _nouns(FoundFile, told["files"], _n_rows(told["files"]))
    counts = list(_unpacked(counts, len(files)))
    n = sum(counts)
    columns = _read_columns(told["slices"]) | {
        name: _nouns(kind, told["parts"][name], n) for name, kind in PARTS.items()
    }
    columns["file"] = list(chain.from_iterable(map(repeat, files, counts)))
    columns["elements"] = _dicts(told["elements"], n)
    headers = iter(_nouns(SliceHeader, columns, n, is_read=True))
    slices = [tuple(next(headers) for _ in range(count)) for count in counts]
    return Batch(files, slices, [Observation(*one) for one in told["pool"]], _restored(told["seen"]))


def _names(kind: type[Any]) -> list[str]:
    return [field.name for field in fields(kind)]


def _table(rows: Sequence[Any], names: Iterable[str]) -> Table:
    return {name: _packed([_plain(name, getattr(row, name)) for row in rows]) for name in names}


def _plain(name: str, value: Any) -> Any:
    return _PLAIN[name](value) if name in _PLAIN else value


def _packed(values: Column) -> Column:
    """Return the first value alone where all are written alike; 1 and 1.0 are not."""
    if len(values) < 2 or values[0] != values[-1]:
        return values
    first, all_of_them = json.dumps(values[:1])[1:-1], json.dumps(values)
    return values[:1] if all_of_them == f"[{', '.join(repeat(first, len(values)))}]" else values


def _unpacked(column: Column, n: int) -> Iterable[Any]:
    return repeat(column[0], n) if len(column) == 1 else column


def _n_rows(table: Table) -> int:
    return max(len(column) for column in table.values())


def _elements(headers: Sequence[SliceHeader]) -> Table:
    keywords = sorted(set(chain.from_iterable(header.elements for header in headers)))
    return {keyword: _packed([header.elements.get(keyword, ABSENT) for header in headers]) for keyword in keywords}


def _dicts(table: Table, n: int) -> list[dict[str, Any]]:
    """Return the rows of a table as dictionaries, without what is absent."""
    same = {name: column[0] for name, column in table.items() if len(column) == 1 and column[0] != ABSENT}
    others = {name: column for name, column in table.items() if len(column) > 1}
    if not others:
        return list(repeat(same, n))
    names = list(others)
    return [
        same | {name: value for name, value in zip(names, row, strict=True) if value != ABSENT}
        for row in zip(*others.values(), strict=True)
    ]


def _read_columns(table: Table) -> Table:
    return {name: [_read(name, value) for value in column] for name, column in table.items()}


def _read(name: str, value: Any) -> Any:
    return value if value is None or name not in _NOUNS else _NOUNS[name](value)


def _nouns(kind: type[Any], table: Table, n: int, *, is_read: bool = False) -> list[Any]:
    """Return the rows of a table as nouns; the same one for all where no column varies."""
    columns = table if is_read else _read_columns(table)
    names = list(columns)
    n_nouns = min(1, n) if all(len(column) == 1 for column in columns.values()) else n
    rows = zip(*(_unpacked(column, n_nouns) for column in columns.values()), strict=True)
    return list(_unpacked([kind(**dict(zip(names, row, strict=True))) for row in rows], n))


def _differences(lists: Sequence[list[int]]) -> list[list[int]]:
    """Return each list as its differences from the one before (place, value, place, value ...) where they are as long.

    Else as it is, with -1 in front.
    """
    told: list[list[int]] = []
    before: list[int] = []
    for numbers in lists:
        if len(numbers) == len(before):
            changes = [
                (place, now) for place, (now, then) in enumerate(zip(numbers, before, strict=True)) if now != then
            ]
            told.append(list(chain.from_iterable(changes)))
        else:
            told.append([-1, *numbers])
        before = numbers
    return told


def _restored(told: Sequence[list[int]]) -> list[list[int]]:
    lists: list[list[int]] = []
    before: list[int] = []
    for changes in told:
        numbers = changes[1:] if changes[:1] == [-1] else list(before)
        if changes[:1] != [-1]:
            for place, value in zip(changes[::2], changes[1::2], strict=True):
                numbers[place] = value
        lists.append(numbers)
        before = numbers
    return lists
