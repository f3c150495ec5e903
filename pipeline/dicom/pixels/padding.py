"""Where a slice is padding: found by a walk from its border, or known from the slice before."""

from dataclasses import dataclass

from pipeline.kernels import walks
from pipeline.kernels.slices import Codes, Places
from pipeline.volume import Mask


@dataclass(frozen=True, eq=False)
class Padding:
    """Where a slice was measured [y, x], and all that was looked at to say so: ``spans`` of padding and of its ends."""

    measured: Mask
    outside: Mask | None
    spans: walks.Spans

    @classmethod
    def of(cls, codes: Codes, candidates: Places, outside: Mask | None) -> "Padding":
        """Find the places that hold a candidate and hang together with the border, or lie outside the circle."""
        seen = walks.seen_from_border(codes, candidates)
        if outside is not None:
            walks.look_at(codes, candidates, outside, seen)
        return cls(seen != walks.OPEN, outside, walks.spans_of(seen))

    def fits(self, codes: Codes, candidates: Places, outside: Mask | None) -> bool:
        """Return whether another slice is padded alike: nothing that was looked at differs."""
        is_comparable = outside is self.outside and codes.shape == self.measured.shape
        return is_comparable and walks.looks_alike(codes, candidates, self.spans)


class PaddingFinder:
    """Finds the padding of one slice after another: it seldom moves, and then the last slice's is returned."""

    def __init__(self) -> None:
        self._last: Padding | None = None

    def find(self, codes: Codes, candidates: Places, outside: Mask | None) -> Padding:
        """Return where codes [y, x] are padding; ``outside`` is what lies beyond the circle, None without one."""
        last = self._last
        if last is None or not last.fits(codes, candidates, outside):
            self._last = last = Padding.of(codes, candidates, outside)
        return last
