"""``report:`` of the configuration."""

from dataclasses import dataclass
from typing import Literal

MOST_PAGES = 2000
"""Of a larger cohort, `auto` makes pages of so many series."""
KEY_DIGITS = 8


@dataclass(frozen=True)
class ReportOptions:
    """Whether a report is written, and with what in it."""

    enabled: bool = True
    pictures: bool = True
    animations: Literal["webp", "gif", "none"] = "none"
    pages: Literal["auto", "all"] | int = "auto"

    def __post_init__(self) -> None:
        if isinstance(self.pages, int) and self.pages < 0:
            msg = "pages must not be negative"
            raise ValueError(msg)

    def count_pages(self, n_series: int) -> int:
        """Return how many of so many series have a page of their own."""
        if self.pages == "all":
            return n_series
        return min(n_series, MOST_PAGES if self.pages == "auto" else self.pages)

    def is_in_sample(self, series_key: str, n_series: int) -> bool:
        """Report whether a series of so many is in the sample that pages are made of.

        Keys are hashes: the lowest ones are a sample that stays the same between runs.
        """
        share = int(series_key[:KEY_DIGITS], 16) / (1 << 4 * KEY_DIGITS)
        return share * n_series < self.count_pages(n_series)


@dataclass(frozen=True)
class PictureRequest:
    """The folder that a worker draws a series' pictures into, while its volume passes, and with what in it."""

    folder: str
    animations: Literal["webp", "gif", "none"] = "none"
