"""Extremes, mean and standard deviation of values that come in parts."""

from dataclasses import dataclass
from functools import reduce
from math import inf, sqrt


@dataclass(frozen=True)
class Spread:
    """Of ``n`` values the least, the greatest, the mean, and the sum of the squared distances from it.

    Law: merging gives what all values together would, and the empty spread changes nothing.
    """

    n: int = 0
    low: float = inf
    high: float = -inf
    mean: float = 0.0
    squares: float = 0.0

    @property
    def is_flat(self) -> bool:
        """True where all values are one, or there is none."""
        return not self.low < self.high

    @property
    def std(self) -> float:
        """The standard deviation; that of no value is 0."""
        return sqrt(self.squares / self.n) if self.n else 0.0

    def merge(self, other: "Spread") -> "Spread":
        """Return the spread of both sets of values together (Chan, Golub and LeVeque 1979)."""
        if not self.n or not other.n:
            return self if self.n else other
        n, shift = self.n + other.n, other.mean - self.mean
        squares = self.squares + other.squares + shift**2 * self.n * other.n / n
        mean = self.mean + shift * other.n / n
        return Spread(n, min(self.low, other.low), max(self.high, other.high), mean, squares)


def merged(parts: list[Spread]) -> Spread:
    """Return the spread of all parts together."""
    return reduce(Spread.merge, parts, Spread())
