"""One run per output, also from several machines: an object that is only written where it is not there, and renewed."""

import json
import secrets
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from threading import Event, Thread

from pipeline.errors import CtprepError, LockedError
from pipeline.sources.bucket import Bucket, BucketObject

LEASE = "private/lease.json"

LASTS_SECONDS = 180
"""A lease that was not renewed for so long is a dead run's.  Clocks of two machines may differ by less than that."""

RENEWED_SECONDS = 30

NO_CONDITIONS = "The server knows no conditional writes: make sure that no other run writes to this output."


@dataclass
class Lease:
    """A lease that is held: ``check`` looks whether it still is, ``warning`` says that others are not kept out.

    ``quoted`` is the spelling of etags that the server takes.
    """

    bucket: Bucket
    holder: str
    etag: str
    quoted: bool = True
    warning: str | None = None
    renewed: float = field(default_factory=time.monotonic)
    is_lost: bool = False

    def check(self) -> None:
        """Raise LockedError where another run has taken the lease."""
        if self.is_lost or time.monotonic() - self.renewed > LASTS_SECONDS:
            msg = "the lock of this output was lost to another run, or could not be renewed: run again later"
            raise LockedError(msg)

    def renew(self) -> None:
        """Say that this run lives; a server that does not answer is asked again the next time."""
        try:
            self.is_lost = not self.replace()
        except CtprepError:
            return
        if not self.is_lost:
            self.renewed = time.monotonic()

    def replace(self) -> bool:
        """Write the lease in place of the one with this etag; False where another run was faster.

        A server that refuses is asked what is there.  If that is what was to be written, only the answer was lost; if
        it is what was to be replaced, the server wants the other spelling of an etag, which is kept where it helps.
        """
        content = _content(self.holder)
        for quoted in (self.quoted, not self.quoted):
            etag = self.bucket.update(LEASE, content, self.etag, quoted=quoted)
            if etag is None:
                there = self.bucket.read(LEASE)
                if there is None:
                    return False
                now, found = there
                if now == content:
                    etag = found.etag
                elif found.etag != self.etag:
                    return False
            if etag:
                self.etag, self.quoted = etag, quoted
                return True
        return False


@contextmanager
def hold_lease(bucket: Bucket, holder: str) -> Iterator[Lease]:
    """Hold the lease of an output; raises LockedError while another run has it.

    A lease of the same ``holder`` is taken over at once: the caller makes sure that no other process has that name.
    """
    lease = _taken(bucket, holder)
    stop = Event()
    thread = Thread(target=_keep, args=(lease, stop), daemon=True)
    if lease.warning is None:
        thread.start()
    try:
        yield lease
    finally:
        stop.set()
        if thread.ident:
            thread.join()
        if not lease.is_lost:
            _give_back(bucket)


def is_leased(bucket: Bucket) -> bool:
    """Tell whether a run is at work; writes nothing."""
    got = bucket.read(LEASE)
    return got is not None and _seconds_left(got[1]) > 0


def _keep(lease: Lease, stop: Event) -> None:
    while not stop.wait(RENEWED_SECONDS) and not lease.is_lost:
        lease.renew()


def _taken(bucket: Bucket, holder: str) -> Lease:
    etag = bucket.create(LEASE, _content(holder))
    lease = Lease(bucket, holder, etag) if etag else _taken_over(bucket, holder)
    if again := bucket.create(LEASE, _content(holder)):
        return Lease(bucket, holder, again, warning=NO_CONDITIONS, renewed=float("inf"))
    return lease


def _taken_over(bucket: Bucket, holder: str) -> Lease:
    """Take the lease of a run that is dead."""
    if (got := bucket.read(LEASE)) is None:
        raise LockedError(_held(0))
    content, found = got
    left = _seconds_left(found)
    if left > 0 and _holder(content) != holder:
        raise LockedError(_held(left))
    lease = Lease(bucket, holder, found.etag)
    if not lease.replace():
        raise LockedError(_held(LASTS_SECONDS))
    return lease


def _seconds_left(found: BucketObject) -> float:
    return LASTS_SECONDS - (datetime.now(UTC) - found.modified).total_seconds()


def _held(left: float) -> str:
    words = "another run holds the lock of this output: wait for it to end"
    return f"{words}, or if it was killed {left:.0f} s" if left else words


def _holder(content: bytes) -> str | None:
    try:
        lease = json.loads(content)
    except ValueError:
        return None
    return lease.get("holder") if isinstance(lease, dict) else None


def _content(holder: str) -> bytes:
    """Return what a lease holds: never the same twice, so that each has an etag of its own."""
    return json.dumps({"holder": holder, "written": secrets.token_hex(8)}).encode()


def _give_back(bucket: Bucket) -> None:
    try:
        bucket.remove([LEASE])
    except CtprepError:
        return  # it ends by itself
