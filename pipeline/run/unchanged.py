"""Skip a scan or a run whose inputs, configuration and outputs have not changed."""

import hashlib
import json
import os
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from pipeline import __version__
from pipeline.config import Config
from pipeline.output.layout import KEY_FILE_VARIABLE
from pipeline.run.session import Session
from pipeline.scan.files import UNCHANGED, FileCounts
from pipeline.scan.series import Scan
from pipeline.sources.files import FoundFile
from pipeline.versions import describe_stages

Result = dict[str, Any]
"""What is remembered: the counts of a scan, the summary of a run."""


class _LastResult:
    """What was found the last time, and a digest of what it follows from beside the files.

    `FileTable.update` drops it where a file changed; where no file is there at all, it does not hold.
    """

    name: str

    def __init__(self, session: Session) -> None:
        self.output, self._database = session.output, session.database
        named = {path: _input_state(path) for path in _named_by(session.config)}
        self._terms = repr((__version__, describe_stages(), session.config, named))

    def read(self, listing: FileCounts) -> Result | None:
        """Return what was found, None where a file, the configuration, the program or an output has changed."""
        kept = json.loads(self._database.fact(self.name) or "{}")
        result: Result | None = kept.get("result")
        is_same = listing.n_files and not listing.n_changed
        return result if result and is_same and kept["digest"] == self._digest() else None

    def write(self, found: Scan, result: Result, *, is_settled: bool = True) -> None:
        """Remember what was found in the files that were scanned, unless the next time may find more in the same."""
        kept = {"digest": self._digest(), "result": result}
        self._database.set_fact(self.name, json.dumps(kept) if is_settled and found.is_settled else None)

    def remove(self) -> None:
        """Make the next time look at everything again."""
        self._database.set_fact(self.name, None)

    def _written(self) -> Iterable[Path]:
        """Return the outputs that must be as they were; a folder's time changes with what is added or removed."""
        output = self.output
        return (
            output.slices,
            output.tags,
            output.findings,
            output.index,
            output.files,
            output.key,
            output.private / "labels",
        )

    def _digest(self) -> str:
        states = list(map(_state, self._written()))
        return hashlib.blake2b(repr((self._terms, states)).encode(), digest_size=16).hexdigest()


class LastScan(_LastResult):
    """What the last scan left: its counts."""

    name = f"{UNCHANGED} scan"


class LastRun(_LastResult):
    """What the last run left, where it left nothing to do: its summary."""

    name = f"{UNCHANGED} run"

    def _written(self) -> Iterator[Path]:
        output = self.output
        yield from super()._written()
        yield from (
            output.manifest,
            output.manifest_csv,
            output.private_manifest,
            output.masks,
            output.histograms,
            output.statistics,
        )
        yield from (output.config, output.private_config, output.volumes, output.report / "index.html")


def _named_by(config: Config) -> list[Path]:
    """Return the files beside the images that a run follows from: tables, masks, and a pseudonym key of its own."""
    labels = config.manifest.labels
    names = [labels and labels.csv, config.manifest.patient_map, os.environ.get(KEY_FILE_VARIABLE)]
    masks = [path for mask in (labels.masks if labels else ()) for path in mask.files()]
    return [Path(name) for name in (*names, *masks) if name]


def _input_state(path: Path) -> tuple[int | str, ...] | None:
    """Return what tells whether a file changed that was not written here: copies keep size and modification time."""
    try:
        return FoundFile.of(str(path), path.stat()).state
    except OSError:
        return None


def _state(path: Path) -> tuple[int, int] | None:
    try:
        status = path.stat()
    except OSError:
        return None
    return status.st_size, status.st_mtime_ns
