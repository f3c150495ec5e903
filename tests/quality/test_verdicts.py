from dataclasses import replace
from typing import Any

import pytest

from pipeline.quality.verdicts import judge_record
from pipeline.record import SeriesRecord
from pipeline.vocabulary import SeriesWarning, Status

PLAIN = SeriesRecord(
    series_key="0" * 20,
    status=Status.OK,
    hu_min=-1024,
    hu_max=1800,
    hu_p50=-300,
    noise_hu=12,
    body_share=0.4,
    metal_share=0,
    fov_truncated_share=0.05,
    coverage_share=1,
    interpolated_share=0,
    blank_slices=0,
    repeated_slices=0,
)


def test_a_plain_series_is_ok_without_a_word() -> None:
    assert (judge_record(PLAIN).qc, judge_record(PLAIN).qc_why) == ("ok", None)


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({"blank_slices": 2}, "blank slices: 2"),
        ({"repeated_slices": 1}, "repeated slices: 1"),
        ({"body_share": 0.001}, "hardly any body: 0.10%"),
        ({"metal_share": 0.01}, "metal: 1.00%"),
        ({"fov_truncated_share": 0.5}, "truncated: 50.00%"),
        ({"coverage_share": 0.1}, "sparse slices: 10.00%"),
        ({"interpolated_share": 0.2}, "interpolated: 20.00%"),
        ({"noise_hu": 150.4}, "noisy: 150 HU"),
    ],
)
def test_each_rule_is_named_with_its_figure(change: dict[str, Any], why: str) -> None:
    assert (judge_record(replace(PLAIN, **change)).qc, judge_record(replace(PLAIN, **change)).qc_why) == ("look", why)


def test_an_odd_range_is_reported_with_its_figures() -> None:
    record = judge_record(replace(PLAIN, warnings=(SeriesWarning.W_HU_RANGE,)))
    assert record.qc == "look"
    assert record.qc_why == "odd range, as it is or was repaired: -1024 to 1800 HU, median -300"


def test_every_rule_that_holds_is_reported() -> None:
    record = judge_record(replace(PLAIN, blank_slices=1, metal_share=0.5))
    assert record.qc_why == "blank slices: 1; metal: 50.00%"


def test_what_is_not_known_is_no_reason_to_look() -> None:
    assert judge_record(SeriesRecord(series_key="0" * 20, status=Status.OK)).qc == "ok"


def test_the_kernel_is_classed_from_its_element() -> None:
    assert judge_record(replace(PLAIN, elements={"ConvolutionKernel": "B70f"})).kernel_class == "sharp"
    assert judge_record(PLAIN).kernel_class is None
