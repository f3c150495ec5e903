"""The kinds of tissue that a histogram of Hounsfield units is read by."""

from dataclasses import dataclass

from pipeline.features.histogram import Histogram


@dataclass(frozen=True)
class Tissue:
    """A named range of HU, ``high_hu`` not in it."""

    name: str
    low_hu: int
    high_hu: int


TISSUES = (
    Tissue("air", -1050, -950),
    Tissue("lung", -950, -500),
    Tissue("fat", -120, -60),
    Tissue("water", -10, 15),
    Tissue("soft tissue", 15, 80),
    Tissue("bone", 250, 2000),
)
"""Rounded from textbook tables (Hounsfield 1980; Hofer, CT Teaching Manual); what lies between is mixed or contrast."""


def shares(histogram: Histogram) -> list[tuple[Tissue, int, float]]:
    """Return for each tissue how many of the measured voxels lie in its range, and their share."""
    total = max(histogram.total, 1)
    counts = [(tissue, int(histogram.count_between(tissue.low_hu, tissue.high_hu).sum())) for tissue in TISSUES]
    return [(tissue, count, count / total) for tissue, count in counts]
