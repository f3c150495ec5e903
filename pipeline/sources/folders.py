"""Folders to files: everything that lies under the input roots, in one fixed order."""

import os
import stat
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from pipeline.sources.address import parse_address
from pipeline.vocabulary import Reason, Refusal


@dataclass(frozen=True)
class InputOptions:
    """``input:`` of the configuration."""

    roots: tuple[str, ...]
    follow_symlinks: bool = False
    settle_seconds: float = 0

    def __post_init__(self) -> None:
        if not self.roots:
            msg = "roots needs at least one folder"
            raise ValueError(msg)
        if self.settle_seconds < 0:
            msg = "settle_seconds must not be negative"
            raise ValueError(msg)


@dataclass(frozen=True, slots=True)
class FoundFile:
    """A file under a root, or something that cannot be read as one: then ``refusal`` is the reason."""

    path: str
    size: int
    mtime_ns: int
    refusal: Refusal | None = None

    @property
    def folder(self) -> str:
        """The folder that the file lies in."""
        return os.path.dirname(self.path)  # noqa: PTH120  a str path, as everywhere in this room


def find_files(options: InputOptions) -> Iterator[FoundFile]:
    """Yield everything under the roots that is no folder, by any name and at any depth, each path once.

    A folder's files come before its folders, each by name.
    Links are followed only with ``follow_symlinks``, and never out of their root.
    """
    newest_ns = time.time_ns() - int(options.settle_seconds * 1e9) if options.settle_seconds else None
    seen: set[str] = set()
    for root in sorted(os.path.realpath(root) for root in options.roots):
        for path in _walk(root, options, seen):
            yield _found(path, root, newest_ns, follow=options.follow_symlinks)


def empty_roots(options: InputOptions, paths: Iterable[str]) -> list[str]:
    """Return the roots under which none of these files lies; a bucket is never one, as it is not mounted."""
    found = list(paths)
    return [root for root in options.roots if not (parse_address(root) or _holds_any(root, found))]


def _holds_any(root: str, paths: Iterable[str]) -> bool:
    inside = os.path.join(os.path.realpath(root), "")  # noqa: PTH118  as everywhere in this room
    return any(path.startswith(inside) for path in paths)


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
    try:
        status = os.lstat(path)
        if stat.S_ISLNK(status.st_mode) and follow and _stays_inside(path, root):
            status = os.stat(path)  # noqa: PTH116  as above
    except OSError as error:
        return FoundFile(path, 0, 0, (Reason.UNREADABLE, f"the system refuses the file ({type(error).__name__})"))
    refusal = None
    if not stat.S_ISREG(status.st_mode):
        kind = "a link that is not followed" if stat.S_ISLNK(status.st_mode) else "not a regular file"
        refusal = Reason.UNREADABLE, kind
    elif newest_ns is not None and status.st_mtime_ns > newest_ns:
        refusal = Reason.UNSTABLE, "the file is younger than settle_seconds"
    return FoundFile(path, status.st_size, status.st_mtime_ns, refusal)
