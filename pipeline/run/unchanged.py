"""Skip a scan or a run whose inputs, configuration and outputs have not changed."""

import hashlib
import json
import os
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from pipeline import __version__
from pipeline.config import Config
from pipeline.dicom.headers.slice import SliceHeader
from pipeline.output.durable import make_folder, remove, write_bytes
from pipeline.output.layout import OWNER_ONLY, OutputFolder
from pipeline.output.pseudonym_key import KEY_FILE_VARIABLE
from pipeline.scan.series import Scan
from pipeline.sources.folders import FoundFile
from pipeline.versions import describe_stages
from pipeline.vocabulary import Reason

Result = dict[str, Any]
"""What is remembered: the counts of a scan, the summary of a run."""


class _LastResult:
    """What was found the last time, and a digest of everything that it follows from."""

    name: str

    def __init__(self, config: Config, output: OutputFolder) -> None:
        self.output = output
        named = {path: _input_state(path) for path in _named_by(config)}
        self._terms = repr((__version__, describe_stages(), config, named))

    def read(self, files: Iterable[FoundFile]) -> Result | None:
        """Return what was found, None where a file, the configuration, the program or an output has changed."""
        try:
            kept = json.loads(self._path.read_bytes())
        except (OSError, ValueError):
            return None
        result: Result | None = kept.get("result")
        return result if result and kept["digest"] == self._digest(files) else None

    def write(self, found: Scan, result: Result, *, is_settled: bool = True) -> None:
        """Remember what was found in the files that were scanned, unless the next time may find more in the same."""
        self.remove()
        if is_settled and not any(map(_may_be_read_yet, found.unassigned)):
            make_folder(self._path.parent, OWNER_ONLY)
            kept = {"digest": self._digest(_files_of(found)), "result": result}
            write_bytes(self._path, json.dumps(kept).encode("ascii"), private=True)

    def remove(self) -> None:
        """Make the next time look at everything again."""
        remove(self._path)

    @property
    def _path(self) -> Path:
        return self.output.scan / self.name

    def _written(self) -> Iterable[Path]:
        """Return the outputs that must be as they were; a folder's time changes with what is added or removed."""
        output = self.output
        tables = (output.slices, output.tags, output.findings, output.index, output.files)
        return *tables, output.journal, output.key, output.private / "labels"

    def _digest(self, files: Iterable[FoundFile]) -> str:
        states = list(map(_state, self._written()))
        digest = hashlib.blake2b(repr((self._terms, states)).encode(), digest_size=16)
        for found in sorted(files, key=lambda file: file.path):
            line = f"{found.path}\0{found.state}\0{found.refusal}\n"
            digest.update(line.encode(errors="surrogateescape"))
        return digest.hexdigest()


class LastScan(_LastResult):
    """What the last scan left: its counts."""

    name = "last.json"


class LastRun(_LastResult):
    """What the last run left, where it left nothing to do: its summary."""

    name = "last-run.json"

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


def _files_of(found: Scan) -> Iterable[FoundFile]:
    """Return every file of a scan once, however many frames it holds."""
    headers = [*found.unassigned, *(header for one in found.series for header in one.series.slices)]
    return {header.file.path: header.file for header in headers}.values()


def _named_by(config: Config) -> list[Path]:
    """Return the files beside the images that a run follows from: tables, masks, and a pseudonym key of its own."""
    labels = config.manifest.labels
    names = [labels and labels.csv, config.manifest.patient_map, os.environ.get(KEY_FILE_VARIABLE)]
    masks = [path for mask in (labels.masks if labels else ()) for path in mask.files()]
    return [Path(name) for name in (*names, *masks) if name]


def _may_be_read_yet(header: SliceHeader) -> bool:
    """Report a file that the system refused although nothing about it forbids reading: permissions leave no trace."""
    return header.file.refusal is None and header.refusal is not None and header.refusal[0] is Reason.UNREADABLE


def _input_state(path: Path) -> tuple[int, ...] | None:
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
