"""A histogram to a chart: counts on a logarithmic scale, the same axis of HU for every series, tissues marked."""

import numpy as np
from numpy.typing import NDArray

from pipeline.features.statistics import Histogram
from pipeline.features.tissue import TISSUES
from pipeline.report.canvas import WIDTH, Canvas
from pipeline.report.charts import Figure
from pipeline.report.windows import shares
from pipeline.report.words import figure, percent

LOW_HU, HIGH_HU = -1200, 2000
STEP_HU = 10
"""The page is read by eye: 1 HU is finer than a screen shows, and a rescale slope of 2 would look like a comb."""

TICKS_HU = (-1000, -500, 0, 500, 1000, 1500, 2000)
LEFT, TOP, HEIGHT = 32.0, 30.0, 150.0
ACROSS = WIDTH - LEFT - 18.0
RAISED = {"water"}
"""Its name stands a line higher: it is too near to its neighbours."""


def plot_of(histogram: Histogram, name: str, title: str) -> Figure:
    """Draw a histogram that holds at least one voxel, with the share of each tissue as its table."""
    counts = bin_histogram(histogram)
    decades = max(int(np.ceil(np.log10(counts.max() + 1))), 1)
    canvas = Canvas(TOP + HEIGHT + 24)
    _draw_tissues(canvas)
    for n in range(1, decades + 1):
        y = TOP + HEIGHT * (1 - n / decades)
        canvas.line("rule", (LEFT, y), (LEFT + ACROSS, y))
        canvas.text(_power_of_ten(n), (LEFT - 5, y + 4), "end", "quiet")
    canvas.path("mark", _outline(TOP + HEIGHT * (1 - np.log10(counts + 1) / decades)))
    canvas.line("axis", (LEFT, TOP + HEIGHT), (LEFT + ACROSS, TOP + HEIGHT))
    for hu in TICKS_HU:
        canvas.text(figure(hu), (_x(hu), TOP + HEIGHT + 16), "middle", "quiet")
    note = in_words(histogram, int(counts.sum()))
    rows = tuple((tissue.name, tissue.low_hu, tissue.high_hu, n, round(s, 6)) for tissue, n, s in shares(histogram))
    columns = ("tissue", "from HU", "to HU", "voxels", "share")
    return Figure(name, title, note, columns, rows, canvas.svg(f"f-{name}", title, note))


def bin_histogram(histogram: Histogram) -> NDArray[np.int64]:
    """Return the counts in steps of ``STEP_HU`` from ``LOW_HU`` to ``HIGH_HU``."""
    counts: NDArray[np.int64] = histogram.count_between(LOW_HU, HIGH_HU).reshape(-1, STEP_HU).sum(axis=1)
    return counts


def in_words(histogram: Histogram, shown: int) -> str:
    """Say where most of a histogram lies, and what of it is not drawn."""
    middle, low, high = (figure(histogram.percentile(share)) for share in (50, 1, 99))
    within = f"Median {middle} HU; 98 % of the voxels lie between {low} and {high} HU"
    if shown == histogram.total:
        return f"{within}."
    beyond = percent(1 - shown / histogram.total)
    return f"{within}; {beyond} lie outside {figure(LOW_HU)} to {figure(HIGH_HU)} HU and are not drawn."


def _draw_tissues(canvas: Canvas) -> None:
    for tissue in TISSUES:
        x, width = _x(tissue.low_hu), _x(tissue.high_hu) - _x(tissue.low_hu)
        canvas.rect("band", (x, TOP, width, HEIGHT), f"{tissue.name}: {tissue.low_hu} to {tissue.high_hu} HU")
    for name, hu, anchor in (
        ("air", -1000, "middle"),
        ("lung", -725, "middle"),
        ("fat", -100, "end"),
        ("water", 0, "middle"),
        ("soft tissue", 20, "start"),
        ("bone", 1125, "middle"),
    ):
        canvas.text(name, (_x(hu), TOP - (16 if name in RAISED else 4)), anchor, "quiet")


def _x(hu: float) -> float:
    return LEFT + ACROSS * (hu - LOW_HU) / (HIGH_HU - LOW_HU)


def _outline(heights: NDArray[np.float64]) -> str:
    """Return the SVG path of a stair, one stair a step of HU, closed along the ground."""
    ground, step = TOP + HEIGHT, ACROSS / heights.size
    stairs = "".join(f"V{height:.1f}H{LEFT + step * (i + 1):.1f}" for i, height in enumerate(heights))
    return f"M{LEFT:.1f} {ground:.1f}{stairs}V{ground:.1f}Z"


def _power_of_ten(n: int) -> str:
    """Return 1, 10, 100, 1k ... 1G: short enough for a margin."""
    return f"{10 ** (n % 3)}{'kMGTP'[n // 3 - 1] if n >= 3 else ''}"
