"""Garbage of an output: series whose source is gone, and stores that no accepted series has."""

import shutil
from collections.abc import Container, Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from pipeline.config import load
from pipeline.errors import OutputError
from pipeline.output.durable import size_of_store
from pipeline.output.layout import OutputFolder
from pipeline.output.lock import run_lock
from pipeline.output.manifest import read_records
from pipeline.output.state import OutputState, open_database
from pipeline.output.tables import read_table
from pipeline.record import SeriesRecord
from pipeline.sources.folders import empty_roots
from pipeline.vocabulary import Status


class GarbageKind(StrEnum):
    """Why something need not be kept."""

    GONE = "gone"
    LEFTOVER = "leftover"
    UNNAMED = "unnamed"
    UNFINISHED = "unfinished"

    @property
    def meaning(self) -> str:
        """The reason in words."""
        return _MEANINGS[self]


_MEANINGS = {
    GarbageKind.GONE: "its files were not in the last scan",
    GarbageKind.LEFTOVER: "its series was refused or left out since",
    GarbageKind.UNNAMED: "no record names this store",
    GarbageKind.UNFINISHED: "a run was killed while it wrote this",
}


@dataclass(frozen=True)
class Garbage:
    """One series (``name`` is its key) or folder of ``volumes/``; ``folder`` is None for a series without a store."""

    kind: GarbageKind
    name: str
    folder: Path | None
    n_bytes: int = 0


def collect_garbage(output: OutputFolder, *, delete: bool = False) -> list[Garbage]:
    """Return what need not be kept; with ``delete`` remove it, its rows in manifest and database first.

    Where the last scan found no series at all, or there are `unseen_roots`, none is called gone.

    Raises UsageError where there is no output, LockedError where a run holds it, OutputError where the system refuses.
    """
    read_records(output)  # refuses what is no output before a lock file is made there
    with run_lock(output) as warning, open_database(output, has_locks=warning is None) as database:
        records, state = read_records(output), OutputState.load(output, database)
        gone = list(_gone(output, records, state))
        garbage = [*gone, *_leftovers(output, records, state, {found.folder for found in gone})]
        if delete:
            if gone:
                _forget(output, records, state, {found.name for found in gone})
            for found in garbage:
                _remove(found)
    return garbage


def unseen_roots(output: OutputFolder) -> list[str]:
    """Return the roots of which the last scan saw no file: they may not have been mounted."""
    if not (output.private_config.exists() and output.files.exists()):
        return []
    return empty_roots(load(output.private_config).input, (row["path"] for row in read_table(output.files, ["path"])))


def _gone(output: OutputFolder, records: Sequence[SeriesRecord], state: OutputState) -> Iterator[Garbage]:
    seen = {row["series_key"] for row in read_table(output.index)} if output.index.exists() else set()
    known = {record.series_key for record in records} | state.finished.keys()
    missing = sorted(known - seen) if seen else []
    for key in missing if missing and not unseen_roots(output) else ():
        store = output.store(key)
        has_store = store.exists()
        yield Garbage(GarbageKind.GONE, key, store if has_store else None, size_of_store(store) if has_store else 0)


def _leftovers(
    output: OutputFolder, records: Sequence[SeriesRecord], state: OutputState, gone: Container[Path | None]
) -> Iterator[Garbage]:
    """Yield the folders that neither the manifest nor the database names: a kill may have parted the two."""
    known = [*records, *(found.record for found in state.finished.values())]
    named = {output.store(record.series_key) for record in known if record.status is Status.OK}
    refused = {output.store(record.series_key) for record in known} - named
    for folder in sorted(output.volumes.glob("*")):
        if folder.suffix == ".unfinished" and not state.adopts(folder):
            yield Garbage(GarbageKind.UNFINISHED, folder.name, folder, size_of_store(folder))
        elif folder.suffix == ".zarr" and folder not in named and folder not in gone:
            kind = GarbageKind.LEFTOVER if folder in refused else GarbageKind.UNNAMED
            yield Garbage(kind, folder.name, folder, size_of_store(folder))


def _forget(output: OutputFolder, records: Sequence[SeriesRecord], state: OutputState, gone: Container[str]) -> None:
    """Take series out of the manifest, then out of the database; killed in between, this is done again."""
    identifiers = load(output.private_config).manifest.identifiers
    state.publish([record for record in records if record.series_key not in gone], identifiers)
    state.forget([key for key in state.finished if key in gone])


def _remove(found: Garbage) -> None:
    try:
        if found.folder and found.folder.is_dir() and not found.folder.is_symlink():
            shutil.rmtree(found.folder)
        elif found.folder:
            found.folder.unlink()
    except OSError as error:
        msg = f"cannot remove volumes/{found.name}: {error.strerror}"
        raise OutputError(msg) from error
