"""The cache folder: local copies of what lies in buckets, with one process at a time in each."""

import fcntl
import hashlib
import os
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from tempfile import NamedTemporaryFile, TemporaryFile
from typing import BinaryIO, cast

from pipeline.errors import LockedError, OutputError
from pipeline.output.durable import open_for
from pipeline.sources.address import Address

CACHE_VARIABLE = "CTPREP_CACHE"
"""Names the folder in which series from buckets are kept for a while, and outputs have their working copies."""

OWNER_ONLY = 0o700


def cache_folder(environment: Mapping[str, str] = os.environ) -> Path:
    """Return the folder that ``CTPREP_CACHE`` names, else ctprep's own in the user's cache."""
    if named := environment.get(CACHE_VARIABLE):
        return Path(named).absolute()
    usual = Path.home() / ("Library/Caches" if sys.platform == "darwin" else ".cache")
    return Path(environment.get("XDG_CACHE_HOME") or usual).absolute() / "ctprep"


def output_folder(address: Address, environment: Mapping[str, str] = os.environ) -> Path:
    """Return where an output has its working copy: a place of its own for each address at each endpoint."""
    endpoint = environment.get("AWS_ENDPOINT_URL_S3") or environment.get("AWS_ENDPOINT_URL", "")
    name = hashlib.blake2b(f"{endpoint}\n{address}".encode(), digest_size=10).hexdigest()
    return make_private_folder(cache_folder() / "outputs" / name)


def make_private_folder(folder: Path) -> Path:
    """Return a folder that is there and its owner's alone; raises OutputError where it cannot be made."""
    try:
        for place in (*reversed(folder.parents), folder):
            if not place.is_dir():
                place.mkdir(mode=OWNER_ONLY, exist_ok=True)
    except OSError as error:
        msg = f"the cache folder {folder} cannot be made: {error.strerror}; {CACHE_VARIABLE} names another"
        raise OutputError(msg) from error
    return folder


@contextmanager
def open_cached(key: str, n_bytes: int, limit_bytes: int, fill: Callable[[BinaryIO], None]) -> Iterator[BinaryIO]:
    """Yield a file of the cache, which ``fill`` has written now or before; what was not used for longest makes room.

    A file that is larger than the limit is a temporary one.  One that is removed meanwhile can still be read.
    """
    if n_bytes > limit_bytes:
        with TemporaryFile() as file:
            fill(file)
            file.seek(0)
            yield file
        return
    folder = make_private_folder(cache_folder() / "series")
    path = folder / key
    if not (path.is_file() and path.stat().st_size == n_bytes):
        _write_aside(path, fill)
        _make_room(folder, limit_bytes, path)
    with path.open("rb") as file:
        os.utime(file.fileno())
        yield file


def _write_aside(path: Path, fill: Callable[[BinaryIO], None]) -> None:
    with NamedTemporaryFile(dir=path.parent, prefix="new-", delete=False) as file:
        aside = Path(file.name)
        try:
            fill(cast("BinaryIO", file))
            file.flush()
            aside.replace(path)
        except BaseException:
            aside.unlink(missing_ok=True)
            raise


def _make_room(folder: Path, limit_bytes: int, newest: Path) -> None:
    """Remove the files that were not used for longest, until the rest is within the limit."""
    files = []
    for path in folder.iterdir():
        with suppress(FileNotFoundError):  # another worker makes room too
            status = path.stat()
            files.append((status.st_mtime_ns, status.st_size, path))
    n_bytes = sum(size for _, size, _ in files)
    for _, size, path in sorted(files):
        if n_bytes <= limit_bytes:
            return
        if path != newest:
            path.unlink(missing_ok=True)
            n_bytes -= size


@contextmanager
def hold_alone(path: Path, *, waits: bool) -> Iterator[None]:
    """Hold a lock that the kernel frees, however the process ends; raises LockedError where another has it."""
    with open_for(path, os.O_RDWR, private=True) as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX if waits else fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            msg = "another run on this machine works on this output: wait for it to end"
            raise LockedError(msg) from error
        yield
