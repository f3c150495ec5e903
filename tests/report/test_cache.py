from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from pipeline.features.statistics import Histogram
from pipeline.record import SeriesRecord
from pipeline.report.options import ReportOptions
from pipeline.report.page import MARKS_FILE, program_mark, read_marks, series_mark, write_marks
from pipeline.vocabulary import Reason, Status

RECORD = SeriesRecord(series_key="0" * 20, status=Status.OK, sha256="aa", finished_at="now", duration_s=1.0)
HISTOGRAM = Histogram(0, np.array([1, 2]))


def test_marks_are_kept_and_read_again(tmp_path: Path) -> None:
    write_marks(tmp_path, {"b": "2", "a": "1"})
    assert read_marks(tmp_path) == {"a": "1", "b": "2"}


@pytest.mark.parametrize("content", [None, "{", "[]"])
def test_an_unreadable_list_is_as_good_as_none(tmp_path: Path, content: str | None) -> None:
    if content is not None:
        (tmp_path / MARKS_FILE).write_text(content)
    assert read_marks(tmp_path) == {}


def test_a_series_worked_again_with_the_same_outcome_keeps_its_mark() -> None:
    again = replace(RECORD, finished_at="later", duration_s=9.0, peak_memory_mb=3.0)
    assert series_mark("p", again, [], HISTOGRAM) == series_mark("p", RECORD, [], HISTOGRAM)


def test_another_record_histogram_slice_or_program_is_another_mark() -> None:
    marks = {
        series_mark("p", RECORD, [], HISTOGRAM),
        series_mark("q", RECORD, [], HISTOGRAM),
        series_mark("p", replace(RECORD, sha256="bb"), [], HISTOGRAM),
        series_mark("p", replace(RECORD, reason=Reason.SLICE_GAP), [], HISTOGRAM),
        series_mark("p", RECORD, [{"position_mm": 1.0}], HISTOGRAM),
        series_mark("p", RECORD, [], Histogram(1, HISTOGRAM.counts)),
        series_mark("p", RECORD, [], None),
    }
    assert len(marks) == 7


def test_other_options_or_templates_are_another_program(tmp_path: Path) -> None:
    template = tmp_path / "a.j2"
    template.write_text("one")
    before = program_mark(ReportOptions(), [template])
    assert before != program_mark(ReportOptions(pictures=False), [template])
    template.write_text("two")
    assert before != program_mark(ReportOptions(), [template])
