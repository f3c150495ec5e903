"""The journal: one line a finished series, on disk before its store has its final name."""

import json
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pipeline.errors import DamageError
from pipeline.output.durable import append_line, write_bytes

Entry = dict[str, Any]
"""``series_key``, ``record`` (as `record.to_json` tells it), ``source`` and what else the run wants to find again."""


@dataclass(frozen=True)
class Journal:
    """An append-only file of JSON lines under ``private/``, with one writer: the process that runs."""

    path: Path

    def append(self, entry: Entry) -> None:
        """Add an entry; it is on disk when this returns."""
        append_line(self.path, _line(entry), private=True)

    def entries(self) -> list[Entry]:
        """Return every entry in the order written; half a line that a kill left at the end does not count.

        Raises DamageError for any other line that is no entry.
        """
        if not self.path.exists():
            return []
        *whole, _torn = self.path.read_bytes().split(b"\n")
        return [_entry(line, number) for number, line in enumerate(whole, start=1)]

    def compact(self, entries: Iterable[Entry]) -> None:
        """Put these entries in place of all that was written."""
        write_bytes(self.path, b"".join(_line(entry) + b"\n" for entry in entries), private=True)


def _line(entry: Entry) -> bytes:
    return json.dumps(entry).encode("ascii")


def _entry(line: bytes, number: int) -> Entry:
    try:
        entry = json.loads(line)
    except ValueError:
        entry = None
    if not isinstance(entry, dict):
        msg = f"journal.jsonl line {number} is damaged: remove the line, and its series is worked again"
        raise DamageError(msg)
    return entry
