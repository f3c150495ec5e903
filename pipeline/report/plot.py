"""A histogram to the outline of a plot: counts on a logarithmic scale, the same axis of HU for every series."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pipeline.features import Histogram
from pipeline.report.words import figure, percent

LOW_HU, HIGH_HU = -1200, 2000
STEP_HU = 10
"""The page is read by eye: 1 HU is finer than a screen shows, and a rescale slope of 2 would look like a comb."""

TICKS_HU = (-1000, 0, 1000, 2000)


@dataclass(frozen=True)
class Tick:
    """A mark on an axis: where it stands, in per cent of the plot, and its words."""

    at: float
    label: str


@dataclass(frozen=True)
class Plot:
    """An area in a box of ``width`` x 100, y downwards, its ticks, and the same thing in words."""

    path: str
    width: int
    ticks: tuple[Tick, ...]
    levels: tuple[Tick, ...]
    description: str


def plot_of(histogram: Histogram) -> Plot:
    """Draw a histogram that holds at least one voxel."""
    width = (HIGH_HU - LOW_HU) // STEP_HU
    counts = histogram.count_between(LOW_HU, HIGH_HU).reshape(width, STEP_HU).sum(axis=1)
    decades = max(int(np.ceil(np.log10(counts.max() + 1))), 1)
    return Plot(
        path=_outline(100 * (1 - np.log10(counts + 1) / decades)),
        width=width,
        ticks=tuple(Tick(100 * (hu - LOW_HU) / (HIGH_HU - LOW_HU), figure(hu)) for hu in TICKS_HU),
        levels=tuple(Tick(100 * (1 - n / decades), _power_of_ten(n)) for n in range(1, decades + 1)),
        description=_in_words(histogram, int(counts.sum())),
    )


def _outline(heights: NDArray[np.float64]) -> str:
    """Return the SVG path of a stair, one unit a bin, closed along the ground."""
    stair = "".join(f"V{height:.1f}h1" for height in heights)
    return f"M0 100{stair}V100Z"


def _power_of_ten(n: int) -> str:
    """Return 1, 10, 100, 1k ... 1G: short enough for a margin."""
    return f"{10 ** (n % 3)}{'kMGT'[n // 3 - 1] if n >= 3 else ''}"


def _in_words(histogram: Histogram, shown: int) -> str:
    middle, low, high = (figure(histogram.percentile(share)) for share in (50, 1, 99))
    within = f"Median {middle} HU; 98 % of the voxels lie between {low} and {high} HU"
    if shown == histogram.total:
        return f"{within}."
    beyond = percent(1 - shown / histogram.total)
    return f"{within}; {beyond} lie outside {figure(LOW_HU)} to {figure(HIGH_HU)} HU and are not drawn."
