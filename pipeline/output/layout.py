"""The names of all files and folders of an output, and its pseudonym key."""

import os
import re
import secrets
import shutil
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from pipeline.errors import OutputError, UsageError
from pipeline.output.durable import write_bytes
from pipeline.privacy import PseudonymKey

KEY_FILE_VARIABLE = "CTPREP_KEY_FILE"
"""Names a file that holds the pseudonym key, for outputs that shall share one."""

KEY_BYTES = 32

OWNER_ONLY = 0o700
"""The mode of ``private/``."""


class RemoteOutput(Protocol):
    """A bucket that holds an output; this machine has a working copy."""

    @property
    def url(self) -> str:
        """The address of the output."""
        ...

    def send(self, series_key: str, result: bytes) -> None:
        """Take over a series that was just put into the database, and the store that it may have."""
        ...

    def list_stored(self) -> set[str]:
        """Return the keys of the series that have a finished store."""
        ...

    def at_hand(self, series_key: str) -> AbstractContextManager[Path]:
        """Fetch a finished store for a while."""
        ...


@dataclass(frozen=True)
class OutputFolder:
    """The folder a run writes; what identifies a person lies under ``private`` alone.

    With ``remote`` it is the working copy of an output that lies there; finished stores do not stay here.
    """

    root: Path
    remote: RemoteOutput | None = field(default=None, compare=False, repr=False)

    def prepare(self) -> None:
        """Make the folders, ``private`` its owner's alone; raises OutputError where they cannot be made or written."""
        try:
            for folder in (self.root, self.volumes, self.runs):
                folder.mkdir(parents=True, exist_ok=True)
            self.private.mkdir(mode=OWNER_ONLY, exist_ok=True)
            self.private.chmod(OWNER_ONLY)
        except OSError as error:
            msg = f"the output folder {self.root} cannot be prepared: {error.strerror}"
            raise OutputError(msg) from error
        for folder in (self.root, self.volumes, self.runs, self.private):
            if not os.access(folder, os.W_OK | os.X_OK):
                msg = f"the output folder {folder} is not writable"
                raise OutputError(msg)

    @property
    def manifest(self) -> Path:
        return self.root / "manifest.parquet"

    @property
    def manifest_csv(self) -> Path:
        return self.root / "manifest.csv"

    @property
    def slices(self) -> Path:
        return self.root / "slices.parquet"

    @property
    def tags(self) -> Path:
        return self.root / "tags.parquet"

    @property
    def findings(self) -> Path:
        return self.root / "findings.json"

    @property
    def histograms(self) -> Path:
        return self.root / "histograms.parquet"

    @property
    def statistics(self) -> Path:
        return self.root / "statistics.json"

    @property
    def run(self) -> Path:
        return self.root / "run.json"

    @property
    def runs(self) -> Path:
        return self.root / "runs"

    @property
    def config(self) -> Path:
        return self.root / "config.yaml"

    @property
    def volumes(self) -> Path:
        return self.root / "volumes"

    @property
    def report(self) -> Path:
        return self.root / "report"

    def series_report(self, series_key: str) -> Path:
        """Where the page and the pictures of a series lie."""
        return self.report / "series" / series_key

    @property
    def private(self) -> Path:
        return self.root / "private"

    @property
    def is_private_readable(self) -> bool:
        """False for an account that may not look into ``private/``; True where there is none."""
        return not self.private.exists() or os.access(self.private, os.R_OK | os.X_OK)

    @property
    def index(self) -> Path:
        return self.private / "index.parquet"

    @property
    def files(self) -> Path:
        return self.private / "files.parquet"

    @property
    def private_config(self) -> Path:
        return self.private / "config.yaml"

    @property
    def private_manifest(self) -> Path:
        return self.private / "manifest.parquet"

    @property
    def masks(self) -> Path:
        return self.private / "masks.parquet"

    @property
    def state(self) -> Path:
        return self.private / "state.sqlite"

    @property
    def former_journal(self) -> Path:
        """What the version before had in place of the database."""
        return self.private / "journal.jsonl"

    @property
    def key(self) -> Path:
        return self.private / "key"

    @property
    def lock(self) -> Path:
        return self.private / "lock"

    def store(self, series_key: str) -> Path:
        """Where a finished store lies."""
        return self.volumes / f"{series_key}.zarr"

    def unfinished_stores(self, series_key: str = "*") -> list[Path]:
        """Return the folders of unfinished stores, also of a run that was killed; without a key, of any series."""
        return sorted(self.volumes.glob(f".{series_key}.*unfinished"))

    def unfinished_store(self, series_key: str) -> Path:
        """Where a store is written until its record is in the database."""
        return self.volumes / f".{series_key}.unfinished"

    def remove_former(self) -> None:
        """Remove what the version before had in place of the database, once that knows it all."""
        shutil.rmtree(self.private / "scan", ignore_errors=True)
        (self.private / "fit.jsonl").unlink(missing_ok=True)
        self.former_journal.unlink(missing_ok=True)

    def send(self, series_key: str, result: bytes) -> None:
        """Hand a series that was just put into the database on to where the output lies, if that is elsewhere."""
        if self.remote:
            self.remote.send(series_key, result)

    def list_stored(self) -> set[str]:
        """Return the keys of the series that have a store under its final name."""
        return self.remote.list_stored() if self.remote else {path.stem for path in self.volumes.glob("*.zarr")}

    @contextmanager
    def at_hand(self, series_key: str) -> Iterator[Path]:
        """Yield the folder of a finished store, for as long as the block takes."""
        if self.remote:
            with self.remote.at_hand(series_key) as folder:
                yield folder
        else:
            yield self.store(series_key)

    def describe_path(self, path: Path) -> str:
        """Return a path of this output as messages name it, a URL in a bucket."""
        return f"{self.remote.url}/{path.relative_to(self.root).as_posix()}" if self.remote else str(path)


def name_try_folder(unfinished: str, name: str) -> str:
    """Return the folder of one try at a store: each has its own, as a worker thought dead may still write."""
    return f"{unfinished.removesuffix('unfinished')}{name}.unfinished"


def load_pseudonym_key(path: Path, environment: Mapping[str, str] = os.environ) -> PseudonymKey:
    """Return the key that CTPREP_KEY_FILE names, else the one at ``path``, made if there is none.

    Raises UsageError for a file that holds no key: a new one in its place would rename every series.
    """
    if named := environment.get(KEY_FILE_VARIABLE):
        return PseudonymKey(_read_key(Path(named), f"the file that {KEY_FILE_VARIABLE} names"))
    if not path.exists():
        write_bytes(path, f"{secrets.token_hex(KEY_BYTES)}\n".encode(), private=True)
    return PseudonymKey(_read_key(path, "private/key"))


def find_pseudonym_key(path: Path, environment: Mapping[str, str] = os.environ) -> PseudonymKey:
    """Return the same key without making one: an empty one where there is none yet.  Raises as `load_pseudonym_key`."""
    is_there = path.exists() or KEY_FILE_VARIABLE in environment
    return load_pseudonym_key(path, environment) if is_there else PseudonymKey()


def _read_key(path: Path, name: str) -> bytes:
    try:
        digits = path.read_text("ascii").strip()
    except (OSError, UnicodeDecodeError) as error:
        msg = f"{name} cannot be read as a pseudonym key: {getattr(error, 'strerror', None) or 'not text'}"
        raise UsageError(msg) from error
    if not re.fullmatch(f"[0-9a-fA-F]{{{2 * KEY_BYTES}}}", digits):
        msg = f"{name} holds no pseudonym key: {2 * KEY_BYTES} hexadecimal digits are due; put the right file back"
        raise UsageError(msg)
    return bytes.fromhex(digits)
