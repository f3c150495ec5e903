"""The words of a walk through a file: a window on its bytes, an element, and why the walk stops."""

from typing import BinaryIO, NamedTuple

from pipeline.dicom.files.encoding import UNDEFINED
from pipeline.vocabulary import Reason

WINDOW_BYTES = 1 << 14
"""Read at once: most headers are shorter, and what follows them is pixels, which are not wanted."""


class FileWindow:
    """A stream from its present place on.

    ``at`` is the place that is read next; ``content`` is what lies in memory, from the place ``start`` on.
    """

    def __init__(self, stream: BinaryIO) -> None:
        self.stream = stream
        self.at = self.start = stream.tell()
        self.content = stream.read(WINDOW_BYTES)

    def peek(self, n: int) -> bytes:
        """Return the next ``n`` bytes, fewer where the stream ends."""
        if not self.start <= self.at <= self.start + len(self.content) - n:
            self._fill(n)
        begin = self.at - self.start
        return self.content[begin : begin + n]

    def take(self, n: int) -> bytes:
        """Return the next ``n`` bytes, fewer where the stream ends, and pass them."""
        raw = self.peek(n)
        self.at += len(raw)
        return raw

    def rest(self) -> BinaryIO:
        """Return the stream, set to the place that is read next."""
        self.stream.seek(self.at)
        return self.stream

    def _fill(self, n: int) -> None:
        self.content = self.rest().read(max(n, WINDOW_BYTES))
        self.start = self.at


KEPT_BYTES = 1 << 20
"""Of a longer value only its beginning is kept; nothing that is read by keyword comes near."""


class StructureError(Exception):
    """The walk stopped: the elements so far are kept by the walker."""

    def __init__(self, reason: Reason, detail: str) -> None:
        super().__init__(detail)
        self.reason = reason
        self.detail = detail


class Element(NamedTuple):
    """One element as it stands in the file; ``offset`` and ``length`` are of its value, ``items`` of a sequence."""

    tag: int
    vr: str
    offset: int
    length: int
    value: bytes = b""
    items: tuple[dict[int, "Element"], ...] = ()

    @property
    def encapsulated(self) -> bool:
        """True for pixel data in fragments (PS3.5 annex A.4)."""
        return self.length == UNDEFINED
