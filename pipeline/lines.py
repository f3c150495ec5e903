"""Clamped lines: what every change of intensity is, and how two of them are one."""

from dataclasses import dataclass
from math import inf, isfinite
from typing import Self

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class ClampedLine:
    """``y = clip(a * x + b, low, high)`` with a > 0.

    Law: ``first.then(second)(x) == second(first(x))``, up to rounding.
    """

    a: float = 1.0
    b: float = 0.0
    low: float = -inf
    high: float = inf

    def __post_init__(self) -> None:
        if not 0 < self.a < inf:
            msg = f"a clamped line rises: a is {self.a}"
            raise ValueError(msg)
        if not isfinite(self.b):
            msg = f"a clamped line has a finite offset: b is {self.b}"
            raise ValueError(msg)
        if not self.low <= self.high:
            msg = f"low {self.low} is above high {self.high}"
            raise ValueError(msg)

    @classmethod
    def between(cls, source: tuple[float, float], target: tuple[float, float]) -> Self:
        """Return the line that maps one interval onto another and clamps at the ends of the second."""
        (x0, x1), (y0, y1) = source, target
        a = (y1 - y0) / (x1 - x0)
        return cls(a, y0 - a * x0, y0, y1)

    @property
    def straight(self) -> bool:
        """Whether values between the clamps pass unchanged."""
        return self.a == 1 and self.b == 0

    @property
    def bounded(self) -> bool:
        """Whether both clamps are finite, so that the range of the result is known."""
        return isfinite(self.low) and isfinite(self.high)

    @property
    def inverse(self) -> tuple[float, float] | None:
        """``(slope, intercept)`` with x = slope * y + intercept between the clamps; None where nothing lies between."""
        return (1 / self.a, -self.b / self.a) if self.low < self.high else None

    def then(self, other: "ClampedLine") -> "ClampedLine":
        """Return the one line that does this and then the other."""
        return ClampedLine(self.a * other.a, other.a * self.b + other.b, other.at(self.low), other.at(self.high))

    def at(self, x: float) -> float:
        """Return what one value becomes."""
        return min(max(self.a * x + self.b, self.low), self.high)

    def __call__(self, array: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return what an array becomes, computed in float32: no more than three roundings of about 1e-7 each.

        The input is not changed; where nothing is to be done it is returned itself, so no bit changes.
        """
        moved = array if self.straight else _moved(array, self.a, self.b)
        if self.low == -inf and self.high == inf:
            return moved
        return np.clip(moved, self.low, self.high, out=None if moved is array else moved)


def _moved(array: NDArray[np.float32], a: float, b: float) -> NDArray[np.float32]:
    """Return ``a * array + b`` with one allocation."""
    moved = np.multiply(array, np.float32(a))
    moved += np.float32(b)
    return moved
