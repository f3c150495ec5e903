import re

import numpy as np
import pytest

from pipeline.features import Histogram
from pipeline.report.plot import HIGH_HU, LOW_HU, STEP_HU, plot_of
from pipeline.report.words import MINUS, THIN_SPACE


def histogram_of(counts: dict[int, int]) -> Histogram:
    first = min(counts)
    bins = np.zeros(max(counts) - first + 1, np.int64)
    for hu, count in counts.items():
        bins[hu - first] = count
    return Histogram(first, bins)


def heights(path: str) -> dict[int, float]:
    """Return the height of every stair above the ground, by the HU at which it begins."""
    tops = [100 - float(y) for y in re.findall(r"V([\d.]+)h1", path)]
    return {LOW_HU + i * STEP_HU: top for i, top in enumerate(tops)}


def test_the_outline_has_one_stair_for_every_step_of_the_axis_and_closes_on_the_ground() -> None:
    plot = plot_of(histogram_of({0: 1}))
    assert len(heights(plot.path)) == plot.width == (HIGH_HU - LOW_HU) / STEP_HU
    assert plot.path.startswith("M0 100")
    assert plot.path.endswith("V100Z")


def test_counts_stand_at_their_logarithm_over_their_own_hu() -> None:
    plot = plot_of(histogram_of({-1000: 999, 40: 5, 44: 4}))
    drawn = {hu: top for hu, top in heights(plot.path).items() if top}
    assert drawn == {-1000: pytest.approx(100), 40: pytest.approx(100 / 3, abs=0.1)}


def test_every_series_has_the_same_axis_and_the_ticks_stand_where_they_belong() -> None:
    plots = [plot_of(histogram_of({0: 10})), plot_of(histogram_of({-3000: 10, 9000: 3}))]
    assert plots[0].ticks == plots[1].ticks
    assert [(tick.at, tick.label) for tick in plots[0].ticks][:2] == [(6.25, f"{MINUS}1{THIN_SPACE}000"), (37.5, "0")]


def test_levels_are_powers_of_ten_from_the_ground_to_the_top() -> None:
    levels = plot_of(histogram_of({0: 2_000_000})).levels
    assert [level.label for level in levels] == ["10", "100", "1k", "10k", "100k", "1M", "10M"]
    assert levels[-1].at == 0


def test_the_words_say_what_is_not_drawn() -> None:
    assert plot_of(histogram_of({0: 99})).description == "Median 0 HU; 98 % of the voxels lie between 0 and 0 HU."
    assert "10\u202f% lie outside" in plot_of(histogram_of({0: 90, 3000: 10})).description


def test_a_histogram_that_lies_outside_the_axis_still_has_a_plot() -> None:
    plot = plot_of(histogram_of({5000: 7}))
    assert not any(heights(plot.path).values())
    assert "100\u202f% lie outside" in plot.description
