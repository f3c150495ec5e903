import re

import numpy as np
import pytest

from pipeline.features.statistics import Histogram
from pipeline.features.tissue import TISSUES
from pipeline.report.plot import HEIGHT, HIGH_HU, LOW_HU, STEP_HU, TOP, bin_histogram, plot_of


def histogram_of(counts: dict[int, int]) -> Histogram:
    first = min(counts)
    bins = np.zeros(max(counts) - first + 1, np.int64)
    for hu, count in counts.items():
        bins[hu - first] = count
    return Histogram(first, bins)


def heights(svg: str) -> dict[int, float]:
    """Return the share of the height that each stair reaches, by the HU at which it begins."""
    outline = re.search(r'class="mark" d="([^"]+)"', svg)
    assert outline
    tops = [1 - (float(y) - TOP) / HEIGHT for y in re.findall(r"V([\d.]+)H", outline[1])]
    return {LOW_HU + i * STEP_HU: top for i, top in enumerate(tops)}


def test_the_outline_has_one_stair_for_every_step_of_the_axis() -> None:
    assert len(heights(plot_of(histogram_of({0: 1}), "h", "HU").svg)) == (HIGH_HU - LOW_HU) / STEP_HU


def test_counts_stand_at_their_logarithm_over_their_own_hu() -> None:
    drawn = heights(plot_of(histogram_of({-1000: 999, 40: 5, 44: 4}), "h", "HU").svg)
    assert {hu: top for hu, top in drawn.items() if top > 1e-9} == {
        -1000: pytest.approx(1),
        40: pytest.approx(1 / 3, abs=0.01),
    }


def test_tissues_are_marked_and_their_shares_are_the_table() -> None:
    figure = plot_of(histogram_of({-1000: 3, 0: 1}), "h", "HU")
    assert figure.svg.count('class="band"') == len(TISSUES)
    assert [row[0] for row in figure.rows] == [tissue.name for tissue in TISSUES]
    assert figure.rows[0] == ("air", -1050, -950, 3, 0.75)


def test_the_words_say_what_is_not_drawn() -> None:
    assert plot_of(histogram_of({0: 99}), "h", "HU").note == "Median 0 HU; 98 % of the voxels lie between 0 and 0 HU."
    assert "10\u202f% lie outside" in plot_of(histogram_of({0: 90, 3000: 10}), "h", "HU").note


def test_a_histogram_that_lies_outside_the_axis_still_has_a_plot() -> None:
    figure = plot_of(histogram_of({5000: 7}), "h", "HU")
    assert max(heights(figure.svg).values()) == pytest.approx(0, abs=1e-9)
    assert "100\u202f% lie outside" in figure.note


def test_steps_hold_every_voxel_on_the_axis() -> None:
    counts = bin_histogram(histogram_of({-1200: 1, 1999: 2, 2000: 4}))
    assert (counts[0], counts[-1], counts.sum()) == (1, 2, 3)
