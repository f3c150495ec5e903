import re
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.report.charts import MOST_BARS, MOST_BINS, bars, bin_values, histogram, scatter

NUMBERS = st.lists(st.floats(-1e4, 1e4).map(lambda value: round(value, 3)), min_size=1, max_size=50)


def test_bars_are_as_long_as_their_counts_and_the_table_has_all() -> None:
    figure = bars("kvp", "KVP", "KVP", [("120", 10), ("100", 5)])
    long, short = (float(width) for width in re.findall(r'class="mark".*? width="([\d.]+)"', figure.svg))
    assert long == pytest.approx(2 * short, abs=0.2)
    assert figure.columns == ("KVP", "series")
    assert figure.rows == (("120", 10), ("100", 5))


def test_more_categories_than_can_be_distinguished_are_left_to_the_table() -> None:
    figure = bars("k", "Kernels", "kernel", [(f"K{i}", 1) for i in range(50)])
    assert figure.svg.count("<rect") == MOST_BARS
    assert len(figure.rows) == 50
    assert f"the first {MOST_BARS} are drawn" in figure.note


def test_no_category_at_all_is_an_empty_chart() -> None:
    assert bars("k", "Kernels", "kernel", []).note == "0 values."


@settings(max_examples=60, deadline=None)
@given(NUMBERS)
def test_every_number_falls_into_one_bin_and_bins_join(values: list[float]) -> None:
    bins = bin_values(values)
    assert sum(count for *_, count in bins) == len(values)
    assert len(bins) <= MOST_BINS + 1
    assert all(before[1] == pytest.approx(after[0]) for before, after in pairwise(bins))
    assert bins[0][0] <= min(values) + 1e-6
    assert bins[-1][1] >= max(values) - 1e-6


def test_a_histogram_says_where_its_numbers_lie() -> None:
    figure = histogram("span", "Span", "Span", [1.0, 2.0, 9.0], "mm")
    assert figure.note == "3 series: 1 to 9, median 2 mm."
    assert sum(row[2] for row in figure.rows) == 3


def test_discs_of_a_scatter_plot_grow_with_what_lies_there() -> None:
    figure = scatter("t", "Thickness", ("mm", "slices"), [(1.0, 100.0)] * 4 + [(5.0, 20.0)])
    radii = [float(radius) for radius in re.findall(r' r="([\d.]+)"', figure.svg)]
    assert radii[0] > radii[1]
    assert figure.rows == ((1.0, 100.0, 4), (5.0, 20.0, 1))


def test_a_scatter_plot_of_one_place_can_be_drawn() -> None:
    assert scatter("t", "Thickness", ("mm", "slices"), [(1.0, 1.0)]).rows == ((1.0, 1.0, 1),)
