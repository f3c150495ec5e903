import re
from itertools import pairwise
from xml.etree import ElementTree as ET

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.features.statistics import Histogram
from pipeline.features.tissue import TISSUES
from pipeline.report.charts import (
    HIGH_HU,
    LOW_HU,
    MOST_BARS,
    MOST_BINS,
    PLOT_HEIGHT,
    PLOT_TOP,
    STEP_HU,
    WIDTH,
    Canvas,
    bars,
    bin_histogram,
    bin_values,
    cut,
    histogram,
    plot_of,
    scatter,
    shares,
    standalone,
)

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
    tops = [1 - (float(y) - PLOT_TOP) / PLOT_HEIGHT for y in re.findall(r"V([\d.]+)H", outline[1])]
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


def test_tissues_do_not_overlap() -> None:
    assert all(before.high_hu <= after.low_hu for before, after in pairwise(TISSUES))


def test_a_voxel_counts_for_the_tissue_whose_range_holds_it() -> None:
    counts = np.zeros(2001, np.int64)
    counts[[0, 1000, 1040]] = [6, 3, 1]
    told = {tissue.name: (count, share) for tissue, count, share in shares(Histogram(-1000, counts))}
    assert told["air"] == (6, pytest.approx(0.6))
    assert told["water"] == (3, pytest.approx(0.3))
    assert told["soft tissue"] == (1, pytest.approx(0.1))
    assert told["bone"] == (0, 0)


def test_no_voxel_at_all_has_no_tissue() -> None:
    assert {share for *_, share in shares(Histogram.empty())} == {0}


HOSTILE = '"><script>alert(1)</script>'
SVG = "{http://www.w3.org/2000/svg}"


def parsed(svg: str) -> ET.Element:
    return ET.fromstring(svg)  # noqa: S314  drawn here, not received


def test_whatever_is_drawn_is_one_image_with_a_title_and_a_description() -> None:
    canvas = Canvas(100)
    canvas.rect("mark", (1, 2, 3.14159, 4))
    canvas.circle("mark", (5, 6), 2, "a disc")
    canvas.line("axis", (0, 0), (10, 10))
    canvas.text("words", (1, 1), "end")
    drawn = parsed(canvas.svg("x", "Title", "Told"))
    assert drawn.get("viewBox") == f"0 0 {WIDTH} 100"
    assert (drawn.get("role"), drawn.get("aria-labelledby")) == ("img", "x-title x-desc")
    assert [child.tag.removeprefix(SVG) for child in drawn] == ["title", "desc", "rect", "circle", "path", "text"]
    assert drawn.find(f"{SVG}rect").get("width") == "3.1"


def test_what_comes_from_data_stays_text() -> None:
    canvas = Canvas(10)
    canvas.text(HOSTILE, (0, 0))
    canvas.rect("mark", (0, 0, 1, 1), HOSTILE)
    svg = canvas.svg("x", HOSTILE, HOSTILE)
    assert "<script" not in svg
    assert [node.text for node in parsed(svg).iter() if node.text] == [HOSTILE] * 4


def test_a_standalone_image_brings_its_own_colours() -> None:
    canvas = Canvas(10)
    canvas.rect("mark", (0, 0, 1, 1))
    alone = parsed(standalone(canvas.svg("x", "a", "b")))
    assert ".mark{fill:" in alone.find(f"{SVG}style").text
    assert alone.find(f"{SVG}rect").get("fill") == "#fff"


def test_long_words_are_cut_to_length() -> None:
    assert cut("short", 5) == "short"
    assert cut("longer", 5) == "long\u2026"
