"""The bytes of a file one after another, of which those that come next lie in memory already."""

from typing import BinaryIO

WINDOW_BYTES = 1 << 14
"""Read at once: most headers are shorter, and what follows them is pixels, which are not wanted."""


class Window:
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
