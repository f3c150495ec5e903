"""One run per output: a lock that the kernel frees, however the run ends."""

import errno
import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import BinaryIO

from pipeline.errors import LockedError, OutputError
from pipeline.output.durable import open_for
from pipeline.output.layout import OutputFolder

NO_LOCKS = "The file system of the output has no locks: make sure that no other run writes there."

_HELD = (errno.EWOULDBLOCK, errno.EACCES)
_UNSUPPORTED = (errno.ENOLCK, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOSYS, errno.EINVAL)


@contextmanager
def run_lock(output: OutputFolder) -> Iterator[str | None]:
    """Hold the output's lock; yields None, or a warning where the file system knows no locks.

    ``private/`` must be there.  Raises LockedError while another run holds the lock, OutputError where the lock file
    cannot be opened.
    """
    try:
        file = open_for(output.lock, os.O_RDWR, private=True)
    except OSError as error:
        msg = f"cannot open the lock of the output: {error.strerror}"
        raise OutputError(msg) from error
    with file:
        yield _locked(file)


def is_held(output: OutputFolder) -> bool:
    """Tell whether a run is at work; writes nothing, so that it can be asked of an output that may only be read."""
    try:
        with output.lock.open("rb") as file:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except OSError:
        return False
    return False


def _locked(file: BinaryIO) -> str | None:
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        if error.errno in _HELD:
            msg = "another run holds the lock of this output: wait for it to end"
            raise LockedError(msg) from error
        if error.errno in _UNSUPPORTED:
            return NO_LOCKS
        raise
    return None
