"""How often each value came, within bounds: of too many distinct ones a fair sample is kept, the same in any order."""

from dataclasses import dataclass, field
from hashlib import blake2b

MOST_VALUES = 10_000
"""So many distinct values are counted exactly; of more, those with the smallest hashes are (a bottom-k sketch)."""
HASHES = 1 << 64


@dataclass
class Tally:
    """Counts by value, and ``n``, the count of everything.

    The count of a value that is kept is exact, however the tally came about: a value among the smallest hashes of the
    whole is among those of each part.  Law: adding up parts gives the same in any order.
    """

    n: int = 0
    counts: dict[str, int] = field(default_factory=dict)
    most: int = MOST_VALUES
    largest_hash: int | None = None

    def add(self, value: str, n: int = 1) -> None:
        """Count a value ``n`` times."""
        self.n += n
        if self.largest_hash is None or value in self.counts or _hash(value) <= self.largest_hash:
            self.counts[value] = self.counts.get(value, 0) + n
            if len(self.counts) > 2 * self.most:
                self.settle()

    def merge(self, other: "Tally") -> None:
        """Add another tally's counts."""
        self.n += other.n
        for value, n in other.counts.items():
            self.counts[value] = self.counts.get(value, 0) + n
        if other.largest_hash is not None or len(self.counts) > 2 * self.most:
            self.largest_hash = min(self.largest_hash or HASHES, other.largest_hash or HASHES)
            self.settle()

    def settle(self) -> None:
        """Drop all but the values with the smallest hashes, where there are too many."""
        if len(self.counts) <= self.most and self.largest_hash is None:
            return
        hashed = sorted((_hash(value), value) for value in self.counts)
        limit = HASHES if self.largest_hash is None else self.largest_hash
        kept = [(number, value) for number, value in hashed if number <= limit][: self.most]
        self.largest_hash = kept[-1][0] if len(kept) == self.most else limit
        self.counts = {value: self.counts[value] for _, value in kept}

    @property
    def n_cut(self) -> int:
        """How many of the counted are of values that were not kept."""
        return self.n - sum(self.counts.values())

    @property
    def n_unique(self) -> int:
        """How many distinct values there are: exactly, or estimated from the hashes (within about one in a hundred)."""
        if not self.n_cut or self.largest_hash is None:
            return len(self.counts)
        return max(len(self.counts) + 1, round((len(self.counts) - 1) * HASHES / self.largest_hash))

    def most_common(self, n: int) -> list[tuple[str, int]]:
        """Return the most frequent of the kept values, equally frequent ones by the alphabet."""
        return sorted(self.counts.items(), key=lambda pair: (-pair[1], pair[0]))[:n]


def _hash(value: str) -> int:
    return int.from_bytes(blake2b(value.encode("utf-8", "surrogatepass"), digest_size=8).digest(), "big")
