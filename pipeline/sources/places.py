"""Where a file lies now: its archive may be another since it was found, and hold the same member."""

import os
from functools import lru_cache

from pipeline.limits import Limits
from pipeline.sources.archives import list_archive
from pipeline.sources.files import (
    CHANGED,
    INSIDE,
    OBJECT,
    FileExtent,
    FoundFile,
    SourceError,
    State,
)
from pipeline.vocabulary import Reason


def find_present(found: FoundFile, states: dict[str, State] | None = None) -> tuple[FoundFile, FileExtent]:
    """Return a file with where it lies now: an archive may be another that holds the same member.

    What an object of a bucket is now is asked once for all files that share ``states``, and not at all without: it is
    checked where it is read.
    """
    extent = found.extent
    if extent is None:
        raise SourceError(Reason.UNREADABLE, "it lies in no container")
    if extent.is_remote and states is None:
        return found, extent
    states = {} if states is None else states
    if extent.container not in states:
        states[extent.container] = _read_state(extent)
    state = states[extent.container]
    if extent[1:4] == state or (not found.checksum and not extent.is_remote):
        return found, extent
    now = None if extent.packing == OBJECT else _list_container(extent.container, *state).get(found.path)
    if now is None or now.extent is None or (now.checksum, now.size) != (found.checksum, found.size):
        raise SourceError(Reason.UNSTABLE, CHANGED)
    return now, now.extent


def _read_state(extent: FileExtent) -> State:
    if extent.is_remote:
        from pipeline.sources.objects import read_state  # noqa: PLC0415  archives of folders need no buckets

        return read_state(extent.container)
    status = os.stat(extent.container)  # noqa: PTH116  a str path
    return status.st_size, status.st_mtime_ns, status.st_ctime_ns


@lru_cache(maxsize=1)
def _list_container(path: str, size: int, mtime_ns: int, ctime_ns: int) -> dict[str, FoundFile]:
    extent = FileExtent(path, size, mtime_ns, ctime_ns, OBJECT, 0, size)
    container = FoundFile(path, size, mtime_ns, ctime_ns=ctime_ns, extent=extent if extent.is_remote else None)
    return {file.path: file for file in list_archive(container, Limits())}


def find_place(place: str) -> FoundFile:
    """Return the file at a place in an archive; raises FileNotFoundError where there is none."""
    parts = place.split(INSIDE + "/")
    for n in range(1, len(parts)):
        container = (INSIDE + "/").join(parts[:n])
        if os.path.isfile(container):  # noqa: PTH113  a str path
            status = os.stat(container)  # noqa: PTH116  a str path
            files = _list_container(container, status.st_size, status.st_mtime_ns, status.st_ctime_ns)
            if place in files:
                return files[place]
    raise FileNotFoundError(place)
