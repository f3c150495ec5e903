"""Folders to files: everything that lies under the input roots, in one fixed order."""

import os
import stat
import time
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from typing import Literal, Protocol

from pipeline.limits import Limits
from pipeline.sources.address import parse_address
from pipeline.sources.files import INSIDE, FoundFile, is_archive_name
from pipeline.vocabulary import Reason

NOT_FOLLOWED = "a link that is not followed"
LEADS_OUT = "a link that leads out of its root"
REFUSED_FILE = "the system refuses the file"
NOT_LISTED = "the system refuses to list the folder"
LISTING_FORMAT = 1
"""Counts up when archives are listed otherwise."""
HIDDEN = "beside the archive lies something named like it with ! at the end, where its members would be"


@dataclass(frozen=True)
class InputOptions:
    """``input:`` of the configuration."""

    roots: tuple[str, ...]
    follow_symlinks: bool = False
    settle_seconds: float = 0
    archives: Literal["read", "ignore"] = "read"
    cache_gb: float = 10

    def __post_init__(self) -> None:
        if not self.roots:
            msg = "roots needs at least one folder"
            raise ValueError(msg)
        if self.settle_seconds < 0:
            msg = "settle_seconds must not be negative"
            raise ValueError(msg)
        if self.cache_gb < 0:
            msg = "cache_gb must not be negative"
            raise ValueError(msg)


NS = 1_000_000_000
CLOCK_GRAIN_NS = NS // 50
"""File systems take the time of a change from a clock that is put on once in up to 10 ms."""
COARSE_GRAIN_NS = 2 * NS
"""The same for file systems that keep whole seconds, or every second one."""


class ArchiveMemory(Protocol):
    """What is known of archives that were listed before."""

    def list_known(self, archive: FoundFile, terms: str) -> Iterable[FoundFile] | None:
        """Return what was found in an archive by these terms, None where it is another since, or never was listed."""

    def remember(self, archive: FoundFile, terms: str, files: Iterable[FoundFile]) -> Iterator[FoundFile]:
        """Yield what is found in an archive, and know it from then on."""


def find_files(
    options: InputOptions, limits: Limits | None = None, memory: ArchiveMemory | None = None
) -> Iterator[FoundFile]:
    """Yield everything under the roots that is no folder, by any name and at any depth, each path once.

    A folder's files come before the files in its archives, and those before its folders, each by name.  Links are
    followed only with ``follow_symlinks``, and never out of their root.  An archive that ``memory`` knows stays closed.
    """
    limits = limits or Limits()
    archives: list[FoundFile] = []
    for file in _find_whole_files(options):
        if archives and file.folder != archives[0].folder:
            yield from _list_archives(archives, limits, memory)
            archives = []
        if options.archives == "read" and file.refusal is None and is_archive_name(file.path):
            archives.append(file)
        else:
            yield file
    yield from _list_archives(archives, limits, memory)


def _list_archives(archives: Iterable[FoundFile], limits: Limits, memory: ArchiveMemory | None) -> Iterator[FoundFile]:
    terms = f"{LISTING_FORMAT} {limits.max_file_mb} {limits.max_inflate_ratio}"
    for archive in archives:
        if os.path.lexists(archive.path + INSIDE):
            yield replace(archive, refusal=(Reason.UNREADABLE, HIDDEN))
            continue
        known = memory.list_known(archive, terms) if memory else None
        if known is not None:
            yield from known
            continue
        from pipeline.sources.archives import list_archive  # noqa: PLC0415  a run over folders needs no archives

        files = list_archive(archive, limits)
        yield from memory.remember(archive, terms, files) if memory else files


def _find_whole_files(options: InputOptions) -> Iterator[FoundFile]:
    """Yield everything under the roots that is no folder, archives as the files that they are."""
    newest_ns = time.time_ns() - int(options.settle_seconds * 1e9) if options.settle_seconds else None
    seen: set[str] = set()
    addresses = [address for root in options.roots if (address := parse_address(root))]
    if addresses:
        from pipeline.sources.objects import find_objects  # noqa: PLC0415  a run over folders needs no buckets

        for address in sorted(addresses, key=str):
            yield from find_objects(address)
    for root in sorted(os.path.realpath(root) for root in options.roots if not parse_address(root)):
        for path in _walk(root, options, seen):
            yield _found(path, root, newest_ns, follow=options.follow_symlinks)


def resolve_root(root: str) -> str:
    """Return what the paths of all files under a root begin with."""
    address = parse_address(root)
    return os.path.realpath(root) if address is None else str(address)


def empty_roots(options: InputOptions, paths: Iterable[str]) -> list[str]:
    """Return the roots under which none of these files lies; a bucket is never one, as it is not mounted."""
    empty = [root for root in options.roots if not parse_address(root)]
    for path in paths:
        empty = [root for root in empty if not _holds_any(root, [path])]
        if not empty:
            break
    return empty


class LinkCounts:
    """Counts, while files are listed, how many links were left alone in each root, and why."""

    def __init__(self, options: InputOptions) -> None:
        self._roots = options.roots
        self._counts: Counter[tuple[str, str]] = Counter()

    def count(self, files: Iterable[FoundFile]) -> Iterator[FoundFile]:
        """Yield the files as they come."""
        for file in files:
            if file.refusal and file.refusal[1] in {LEADS_OUT, NOT_FOLLOWED}:
                root = next(root for root in self._roots if _holds_any(root, [file.path]))
                self._counts[root, file.refusal[1]] += 1
            yield file

    def describe(self) -> Iterator[str]:
        """Yield what was counted in words, root by root; nothing where there are none."""
        for (root, detail), n_links in sorted(self._counts.items()):
            links, lead, are = ("link", "leads", "is") if n_links == 1 else ("links", "lead", "are")
            if detail == LEADS_OUT:
                advice = "name the folder it leads to as a root; input.follow_symlinks only follows links within a root"
                yield f"{n_links} {links} {lead} out of {root} and {are} not followed: {advice}"
            else:
                yield f"{n_links} {links} within {root} {are} not followed: input.follow_symlinks is false"


def _holds_any(root: str, paths: Iterable[str]) -> bool:
    own = resolve_root(root)
    inside = os.path.join(own, ""), f"{own}{INSIDE}/"  # noqa: PTH118  as everywhere in this room
    return any(path == own or path.startswith(inside) for path in paths)


def _walk(root: str, options: InputOptions, seen: set[str]) -> Iterator[str]:
    """Yield the paths below a root; ``seen`` keeps overlapping roots and looping links from coming twice.

    Folders wait in a list, for a tree may be deeper than Python's stack.
    """
    waiting = [root]
    while waiting:
        folder = waiting.pop()
        real = os.path.realpath(folder) if options.follow_symlinks else folder
        if real in seen:
            continue
        seen.add(real)
        try:
            with os.scandir(folder) as found:
                entries = sorted(found, key=lambda entry: entry.name)
        except OSError:
            yield folder
            continue
        folders = []
        for entry in entries:
            if _is_folder(entry, root, options):
                folders.append(entry.path)
            else:
                yield entry.path
        waiting += reversed(folders)


def _is_folder(entry: os.DirEntry[str], root: str, options: InputOptions) -> bool:
    if entry.is_dir(follow_symlinks=False):
        return True
    try:
        return options.follow_symlinks and entry.is_dir() and _stays_inside(entry.path, root)
    except OSError:  # a link that leads to itself
        return False


def _stays_inside(path: str, root: str) -> bool:
    return os.path.commonpath([os.path.realpath(path), root]) == root


def _found(path: str, root: str, newest_ns: int | None, *, follow: bool) -> FoundFile:
    looked_ns, refusal = 0, None
    try:
        status = _status(path, root, follow=follow)
        changed_ns = max(status.st_mtime_ns, status.st_ctime_ns)
        if time.time_ns() - changed_ns < COARSE_GRAIN_NS and (wait_ns := _grain_left_ns(status)):
            time.sleep(wait_ns / NS)  # a little later, every change will leave another time
            status = _status(path, root, follow=follow)
            changed_ns = max(status.st_mtime_ns, status.st_ctime_ns)
            looked_ns = time.time_ns() if _grain_left_ns(status) else 0
    except OSError as error:
        return FoundFile(path, 0, 0, (Reason.UNREADABLE, f"{REFUSED_FILE} ({type(error).__name__})"))
    if not stat.S_ISREG(status.st_mode):
        refusal = Reason.UNREADABLE, _name_kind(path, root, status)
    elif newest_ns is not None and changed_ns > newest_ns:
        refusal = Reason.UNSTABLE, "the file is younger than settle_seconds"
    return FoundFile.of(path, status, refusal, looked_ns)


def _status(path: str, root: str, *, follow: bool) -> os.stat_result:
    status = os.lstat(path)
    if follow and stat.S_ISLNK(status.st_mode) and _stays_inside(path, root):
        return os.stat(path)  # noqa: PTH116  as above
    return status


def _name_kind(path: str, root: str, status: os.stat_result) -> str:
    """Return what something is that is no regular file."""
    if stat.S_ISDIR(status.st_mode):
        return NOT_LISTED
    if not stat.S_ISLNK(status.st_mode):
        return "not a regular file"
    return NOT_FOLLOWED if _stays_inside(path, root) else LEADS_OUT


def _grain_left_ns(status: os.stat_result) -> int:
    """Return how long it takes until a change would leave other times than a file has; 0 for most, at once."""
    if not stat.S_ISREG(status.st_mode):
        return 0
    now_ns = time.time_ns()
    grain_ns = CLOCK_GRAIN_NS if status.st_ctime_ns % NS else COARSE_GRAIN_NS
    ages_ns = (now_ns - status.st_mtime_ns, now_ns - status.st_ctime_ns)
    return max((grain_ns - age_ns for age_ns in ages_ns if abs(age_ns) < grain_ns), default=0)
