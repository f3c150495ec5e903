"""An opened output: its configuration checked once, its folders on this machine, prepared and locked."""

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from pipeline.cluster.options import ClusterOptions, Folders
from pipeline.cohort.cohort import CohortMetadata
from pipeline.config import Config
from pipeline.config.paths import check_paths, find_folder_clash
from pipeline.errors import OutputError, UsageError
from pipeline.masks.nifti import has_nifti
from pipeline.output.database import Database
from pipeline.output.layout import OutputFolder, find_pseudonym_key, load_pseudonym_key
from pipeline.output.lock import run_lock
from pipeline.output.state import open_database
from pipeline.plan.recipe import local_roots, resolve_statistics, scan_inputs
from pipeline.privacy import PseudonymKey
from pipeline.record import SeriesRecord
from pipeline.run.history import split_command
from pipeline.scan.files import FileCounts, FileTable
from pipeline.scan.headers import Reading
from pipeline.scan.series import Scan
from pipeline.sources.address import parse_address
from pipeline.sources.folders import LinkCounts, find_files

if TYPE_CHECKING:
    from pipeline.cluster.dispatcher import Dispatcher


class Listener(Protocol):
    """Hears how a run goes on."""

    def begins(self, n_jobs: int, n_done: int, workers: str = "") -> None:
        """Take how many series are to be processed, how many are done, and a description of the workers."""

    def reads(self, n_read: int, n_files: int) -> None:
        """Take how many headers were read, of how many that are new or changed."""

    def finished(self, record: SeriesRecord, folder: str = "") -> None:
        """Take a series that was processed, and the folder of its first file."""

    def publishes(self, what: str) -> None:
        """Take what is being written, once no series is left to be processed."""

    def says(self, message: str) -> None:
        """Take a message for a person."""


class NoListener:
    """A listener that keeps everything to itself."""

    def begins(self, n_jobs: int, n_done: int, workers: str = "") -> None:
        """Do nothing."""

    def reads(self, n_read: int, n_files: int) -> None:
        """Do nothing."""

    def finished(self, record: SeriesRecord, folder: str = "") -> None:
        """Do nothing."""

    def publishes(self, what: str) -> None:
        """Do nothing."""

    def says(self, message: str) -> None:
        """Do nothing."""


@dataclass(frozen=True)
class Session:
    """What every command starts from that changes or plans an output.

    ``asked`` is the configuration as it was given.  In ``config`` the output is a folder of this machine, lists of
    roots are replaced by what they name, and the steps that wait for the cohort have its statistics where they are
    needed.  ``cohort`` is the tables it names, read.  ``database`` is the output's; where nothing is to be written, a
    preview.
    """

    asked: Config
    config: Config
    output: OutputFolder
    database: Database
    cohort: CohortMetadata
    key: PseudonymKey
    listener: Listener

    def open_cluster(self, preload: Sequence[str], *, writes: bool = True) -> "Dispatcher":
        """Return the dispatcher of this session, to be entered; its processes import ``preload`` once.

        What only looks and ``writes`` nothing asks no job queue for workers, and its workers need not see the output.
        """
        options = self.config.cluster if writes or not self.config.cluster.is_queue else ClusterOptions()
        return open_cluster(
            options,
            self.config.limits,
            preload=preload,
            folders=Folders(local_roots(self.config), self.output.private if writes else None),
            announce=self.listener.says,
        )

    def list_files(self) -> FileCounts:
        """Take over into the database which files lie under the input roots, and what changed of them."""
        links = LinkCounts(self.config.input)
        table = FileTable(self.database)
        listing = table.update(links.count(find_files(self.config.input, self.config.limits, table)))
        for message in links.describe():
            self.listener.says(message)
        return listing

    def scan(self, dispatcher: "Dispatcher", listing: FileCounts) -> Scan:
        """Read the header of every file; those that were read before are in the database."""
        reading = Reading(dispatcher, FileTable(self.database), self.listener.reads)
        return scan_inputs(self.config, self.key, reading, people=self.cohort.people, n_files=listing.n_files)


def open_cluster(*options: Any, **how: Any) -> "Dispatcher":
    """Return a dispatcher as `pipeline.cluster.dispatcher.open_cluster` does; Dask is imported by who has jobs."""
    from pipeline.cluster import dispatcher  # noqa: PLC0415  half of the time of a command that finds nothing new

    return dispatcher.open_cluster(*options, **how)


@contextmanager
def open_session(
    config: Config, listener: Listener, *, writes: bool = True, needs_statistics: bool = True
) -> Iterator[Session]:
    """Check a configuration, find its roots, prepare its output, fetched where it lies in a bucket, and hold its lock.

    Without ``writes`` the output stays as it is, and needs no lock.  Raises UsageError where the configuration cannot
    be carried out (nothing was written), LockedError where another run holds the output, OutputError where that cannot
    be reached or written.
    """
    check_config(config)
    roots = find_roots(config, listener)
    with open_output(config.output.folder, listener, writes=writes) as output:
        local = replace(
            config,
            input=replace(config.input, roots=roots),
            output=replace(config.output, folder=str(output.root)),
        )
        _check_reachable(output)
        cohort = CohortMetadata.open(config.manifest, output)
        ready = resolve_statistics(local, output.statistics) if needs_statistics else local
        with _prepare_and_lock(output, listener) if writes else Database.preview(output.state) as database:
            key = load_key(config, output, makes=writes)
            yield Session(config, ready, output, database, cohort, key, listener)


def find_roots(config: Config, listener: Listener) -> tuple[str, ...]:
    """Return the input roots, lists replaced by what they name; raises UsageError where a place cannot be used."""
    roots = config.input.roots
    if all(os.path.isdir(root) for root in roots):  # noqa: PTH112  text, as everywhere
        return roots
    from pipeline.sources.lists import expand_roots  # noqa: PLC0415  folders need neither lists nor buckets

    roots = expand_roots(roots, listener.says)
    if clash := find_folder_clash(replace(config, input=replace(config.input, roots=roots))):
        raise UsageError(clash)
    return roots


@contextmanager
def open_output(folder: str, listener: Listener, *, writes: bool) -> Iterator[OutputFolder]:
    """Yield the output as a folder of this machine; one in a bucket as a working copy, sent back at the end."""
    address = parse_address(folder)
    if address is None:
        yield OutputFolder(Path(folder))
        return
    from pipeline.sources.working_copy import open_working_copy  # noqa: PLC0415  as above

    with open_working_copy(address, listener.says, writes=writes) as output:
        yield output


def check_config(config: Config) -> None:
    """Check everything that can be checked without opening the output; writes nothing.

    Raises UsageError where folders do not fit, or where something is asked for that would be left undone in silence.
    """
    check_paths(config)
    if config.on_finish is not None:
        split_command(config.on_finish)
    if config.cluster != ClusterOptions():
        from pipeline.cluster import dispatcher  # noqa: PLC0415  as above

        dispatcher.check_cluster(config.cluster)
    masks = config.manifest.labels.masks if config.manifest.labels else ()
    if any(mask.nifti for mask in masks) and not has_nifti():
        message = "manifest.labels.masks: NIfTI files need nibabel: pip install 'ctprep[nifti]'"
        raise UsageError(message)


def _check_reachable(output: OutputFolder) -> None:
    """Raise OutputError where the system does not even look at the folder, as where its name is too long."""
    try:
        output.root.stat()
    except (FileNotFoundError, NotADirectoryError):
        return  # `prepare` makes it, or says why not
    except OSError as error:
        msg = f"the output folder {output.root} cannot be used: {error.strerror}"
        raise OutputError(msg) from error


@contextmanager
def _prepare_and_lock(output: OutputFolder, listener: Listener) -> Iterator[Database]:
    """Yield the database of an output that is ready to be written, and locked where its file system knows locks."""
    output.prepare()
    with run_lock(output) as warning:
        if warning:
            listener.says(warning)
        Folders(written=output.private).remove_keys()
        with open_database(output, has_locks=warning is None) as database:
            yield database


def load_key(config: Config, output: OutputFolder, *, makes: bool = True) -> PseudonymKey:
    """Return an output's pseudonym key; where identifiers are kept an empty one: hashes are then the same for all.

    An output that was never written has no key: one is made, or without ``makes`` an empty one returned.
    """
    if config.manifest.identifiers == "keep":
        return PseudonymKey()
    return load_pseudonym_key(output.key) if makes else find_pseudonym_key(output.key)
