"""Lists of places as input roots: tables and download lists whose lines name files, folders, archives or buckets."""

import csv
import os
import shlex
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path, PurePath

from pipeline.errors import UsageError
from pipeline.output.tables import read_table
from pipeline.sources.address import Address, is_file_url, parse_address, resolve_file_url
from pipeline.sources.files import BUCKET_URL, is_archive_name, is_list_name

PLACE_COLUMNS = ("series_aws_url", "series_url", "aws_url", "place", "path", "folder", "file", "url", "location")
"""What columns of places are called, the first that is there counts; IDC's tables have the first."""

Line = tuple[int, str]
"""The number of a line, and the place in it."""


def expand_roots(roots: Sequence[str], say: Callable[[str], None]) -> tuple[str, ...]:
    """Return the roots, those that are lists replaced by the places that they name and that are there.

    Raises UsageError for a root in a bucket at which nothing lies, and for a list of which no line finds anything.
    """
    named = [root for root in roots if not is_list_name(root)]
    if missing := _find_empty(filter(None, map(parse_address, named))):
        msg = f"{min(map(str, missing))}: nothing lies there; look at the name, and whether the bucket is the right one"
        raise UsageError(msg)
    for root in roots:
        if is_list_name(root):
            named += _expand_list(Path(root), say)
    return tuple(_drop_nested(named))


def _expand_list(path: Path, say: Callable[[str], None]) -> list[str]:
    lines = [(number, _complete(place, path)) for number, place in _READERS[path.suffix.lower()](path)]
    addresses = {place: address for _, place in lines if (address := _address(place, path))}
    empty = {str(address) for address in _find_empty(addresses.values())}
    found = [(n, one) for n, one in lines if (str(addresses[one]) not in empty if one in addresses else _is_input(one))]
    if not found:
        msg = f"input.roots: no line of {path.name} names anything that is there"
        raise UsageError(msg)
    if n_missing := len(lines) - len(found):
        first = min(set(lines) - set(found))[0]
        say(f"{n_missing} of {len(lines)} lines of {path.name} find nothing; the first is line {first}")
    return [str(addresses[place]) if place in addresses else place for _, place in found]


def _complete(place: str, path: Path) -> str:
    """Return a place as a root is written: without what says that all below it is meant, and from where its list is."""
    place = place.strip().removesuffix("*").rstrip("/") or "/"
    if "://" in place and not is_file_url(place):
        return place
    return os.path.join(path.resolve().parent, resolve_file_url(place) if is_file_url(place) else place)  # noqa: PTH118  text


def _address(place: str, path: Path) -> Address | None:
    try:
        return parse_address(place)
    except UsageError as error:
        msg = f"input.roots: {path.name} names a place that cannot be read; allowed are paths and s3://BUCKET/PREFIX"
        raise UsageError(msg) from error


def _is_input(place: str) -> bool:
    return os.path.exists(place)  # noqa: PTH110  text


def _find_empty(addresses: Iterable[Address]) -> list[Address]:
    if not (wanted := list(addresses)):
        return []
    from pipeline.sources.objects import require_any  # noqa: PLC0415  lists of folders need no buckets

    return require_any(wanted)


def _drop_nested(roots: Sequence[str]) -> Iterator[str]:
    """Yield the roots once each, without those that lie in another."""
    places = {root: PurePath(root if root.startswith(BUCKET_URL) else os.path.realpath(root)) for root in roots}
    there = set(places.values())
    for root, place in places.items():
        if not there.intersection(place.parents):
            yield root


def _read_lines(path: Path) -> Iterator[Line]:
    """Yield the lines of a text, without empty ones and remarks."""
    try:
        text = path.read_text("utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise _unread(path) from error
    for number, line in enumerate(text.splitlines(), start=1):
        if line.strip() and not line.lstrip().startswith("#"):
            yield number, line.strip()


def _read_commands(path: Path) -> Iterator[Line]:
    """Yield what the commands of s5cmd copy."""
    for number, line in _read_lines(path):
        sources = [word for word in shlex.split(line) if word.startswith(BUCKET_URL)]
        if not sources:
            msg = f"input.roots: line {number} of {path.name} copies nothing from a bucket"
            raise UsageError(msg)
        yield number, sources[0]


def _read_csv(path: Path) -> Iterator[Line]:
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            header, *rows = [row for row in csv.reader(file) if row] or [[]]
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise _unread(path) from error
    if len(header) == 1 and _is_place(header[0], path):
        header, rows = ["place"], [header, *rows]
        first = 1
    else:
        first = 2
    column = _find_column(header, path)
    for number, row in enumerate(rows, start=first):
        if column < len(row) and row[column].strip():
            yield number, row[column]


def _read_parquet(path: Path) -> Iterator[Line]:
    try:
        rows = read_table(path)
    except Exception as error:  # damaged tables raise errors of any kind
        raise _unread(path) from error
    names = list(rows[0]) if rows else []
    column = names[_find_column(names, path)]
    for number, row in enumerate(rows, start=1):
        if isinstance(row[column], str) and row[column].strip():
            yield number, row[column]


def _find_column(names: Sequence[str], path: Path) -> int:
    lower = [name.strip().lower() for name in names]
    found = next((lower.index(name) for name in PLACE_COLUMNS if name in lower), 0 if len(lower) == 1 else None)
    if found is None:
        msg = f"input.roots: {path.name} has no column of places; allowed names are {', '.join(PLACE_COLUMNS)}"
        raise UsageError(msg)
    return found


def _is_place(text: str, path: Path) -> bool:
    return text.startswith(BUCKET_URL) or "/" in text or is_archive_name(text) or (path.parent / text).exists()


def _unread(path: Path) -> UsageError:
    return UsageError(f"input.roots: {path.name} cannot be read as a list of places")


_READERS: dict[str, Callable[[Path], Iterator[Line]]] = {
    ".txt": _read_lines,
    ".s5cmd": _read_commands,
    ".csv": _read_csv,
    ".parquet": _read_parquet,
}
