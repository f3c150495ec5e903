"""The names of everything a run leaves, in one place."""

import os
from dataclasses import dataclass
from pathlib import Path

from pipeline.errors import OutputError

OWNER_ONLY = 0o700
"""The mode of ``private/``."""


@dataclass(frozen=True)
class OutputFolder:
    """The folder a run writes; what identifies a person lies under ``private`` alone."""

    root: Path

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

    @property
    def private(self) -> Path:
        return self.root / "private"

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
    def scan(self) -> Path:
        return self.private / "scan"

    @property
    def journal(self) -> Path:
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

    def unfinished_store(self, series_key: str) -> Path:
        """Where a store is written until its record is in the journal."""
        return self.volumes / f".{series_key}.unfinished"
