"""Files that are complete or absent: written aside, forced to disk, renamed.  Knows no format."""

import errno
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from hashlib import sha256
from pathlib import Path
from typing import BinaryIO

from pipeline.errors import OutputError

PRIVATE_MODE = 0o600
"""Files under ``private/`` are their owner's alone."""

PUBLIC_MODE = 0o666
"""Everything else follows the umask."""


@contextmanager
def replacing(path: Path, *, private: bool = False) -> Iterator[BinaryIO]:
    """Yield a file that takes the place of ``path`` once the block ends well; until then the old one stays.

    Raises OutputError where the system refuses.
    """
    aside = path.with_name(f".{path.name}.unfinished")
    try:
        with open_for(aside, os.O_WRONLY | os.O_TRUNC, private=private) as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        aside.replace(path)
        sync_folder(path.parent)
    except OSError as error:
        raise _refused(path, error) from error
    finally:
        with suppress(OSError):
            aside.unlink(missing_ok=True)


def write_bytes(path: Path, content: bytes, *, private: bool = False) -> None:
    """Write a whole file at once; raises OutputError where the system refuses."""
    with replacing(path, private=private) as file:
        file.write(content)


def make_folder(path: Path, mode: int = 0o777) -> None:
    """Make a folder unless it is there; raises OutputError where the system refuses."""
    try:
        path.mkdir(mode, exist_ok=True)
    except OSError as error:
        raise _refused(path, error) from error


def remove(path: Path) -> None:
    """Remove a file unless it is gone already; raises OutputError where the system refuses."""
    try:
        path.unlink(missing_ok=True)
    except OSError as error:
        raise _refused(path, error) from error


def move_folder(source: Path, target: Path) -> None:
    """Give a finished folder its final name, in place of what has it; raises OutputError where the system refuses.

    A kill between the two renames leaves no ``target``, and ``source`` still whole.
    """
    replaced = target.with_name(f".{target.name}.unfinished")
    try:
        if replaced.exists():
            shutil.rmtree(replaced)
        if target.exists():
            target.rename(replaced)
        source.rename(target)
        sync_folder(target.parent)
        if replaced.exists():
            shutil.rmtree(replaced)
    except OSError as error:
        raise _refused(target, error) from error


def sync_tree(folder: Path) -> None:
    """Force every file and folder under ``folder``, and itself, to disk."""
    for parent, _, names in os.walk(folder, topdown=False):
        for name in names:
            _sync(Path(parent, name))
        sync_folder(Path(parent))


def sync_folder(folder: Path) -> None:
    """Force a folder's names to disk, on the file systems that know how."""
    try:
        _sync(folder)
    except OSError as error:
        if error.errno not in (errno.EINVAL, errno.ENOTSUP):
            raise


def open_for(path: Path, flags: int, *, private: bool) -> BinaryIO:
    """Open a file, made if need be, with the mode of its kind; a link is never followed."""
    flags |= os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC
    descriptor = os.open(path, flags, PRIVATE_MODE if private else PUBLIC_MODE)
    if private:
        os.fchmod(descriptor, PRIVATE_MODE)
    return os.fdopen(descriptor, "r+b" if flags & os.O_RDWR else "wb")


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _refused(path: Path, error: OSError) -> OutputError:
    return OutputError(f"cannot write {path.name}: {error.strerror or error}")


_READ_BYTES = 2**20


def hash_store(path: Path) -> str:
    """Return the SHA-256 over the sorted relative POSIX paths, each followed by NUL and the file's bytes."""
    digest = sha256()
    for name, file_path in sorted((file.relative_to(path).as_posix(), file) for file in _files(path)):
        digest.update(name.encode() + b"\0")
        with file_path.open("rb") as file:
            while block := file.read(_READ_BYTES):
                digest.update(block)
    return digest.hexdigest()


def size_of_store(path: Path) -> int:
    """Return the bytes of all files of a store."""
    return sum(file.stat().st_size for file in _files(path))


def _files(path: Path) -> list[Path]:
    return [file for file in path.rglob("*") if not file.is_dir()]
