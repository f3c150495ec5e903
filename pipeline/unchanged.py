"""Whether a scan would find what the last one found: then its tables stand already, and nothing is read again."""

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path

from pipeline import __version__
from pipeline.config import Config
from pipeline.dicom.files.find import find_files
from pipeline.dicom.headers.slice import SliceHeader
from pipeline.durable import write_bytes
from pipeline.output import OutputFolder
from pipeline.scan import Scan
from pipeline.vocabulary import Reason

Counts = dict[str, int]


@dataclass(frozen=True)
class LastScan:
    """What the last scan of an output left: its counts, and a digest of everything that they follow from."""

    config: Config
    output: OutputFolder

    def counts(self) -> Counts | None:
        """Return the counts, None where a file, the configuration, the program or a table is not as it was."""
        try:
            told = json.loads(self._path.read_bytes())
        except (OSError, ValueError):
            return None
        return told["counts"] if told["digest"] == self._digest() else None

    def keep(self, found: Scan, counts: Counts) -> None:
        """Remember a scan whose tables were just written, unless the system may let more be read the next time."""
        self._path.unlink(missing_ok=True)
        if not any(map(_may_be_read_yet, found.strays)):
            told = {"digest": self._digest(), "counts": counts}
            write_bytes(self._path, json.dumps(told).encode("ascii"), private=True)

    @property
    def _path(self) -> Path:
        return self.output.scan / "last.json"

    def _digest(self) -> str:
        """Return a digest of the files under the roots, of the configuration, and of the tables that were written."""
        output = self.output
        written = (output.slices, output.tags, output.findings, output.index, output.files, output.journal, output.key)
        digest = hashlib.blake2b(repr((__version__, self.config, list(map(_state, written)))).encode(), digest_size=16)
        for found in find_files(self.config.input):
            digest.update(
                f"{found.path}\0{found.size}\0{found.mtime_ns}\0{found.refusal}\n".encode(errors="surrogateescape")
            )
        return digest.hexdigest()


def _may_be_read_yet(stray: SliceHeader) -> bool:
    """Report a file that the system refused although nothing about it forbids reading: permissions leave no trace."""
    return stray.file.refusal is None and stray.refusal is not None and stray.refusal[0] is Reason.UNREADABLE


def _state(path: Path) -> tuple[int, int] | None:
    try:
        status = path.stat()
    except OSError:
        return None
    return status.st_size, status.st_mtime_ns
