from dataclasses import replace
from typing import Any

import pytest

from pipeline.dicom.files.encoding import EXPLICIT_LE
from pipeline.dicom.headers.slice import Identity, Pixels, Series, SliceHeader
from pipeline.output.state import Finished
from pipeline.plan.plan import (
    PlannedSeries,
    SeriesState,
    Versions,
    compare_with_output,
    count_states,
    is_kept,
    iterate_rounds,
    sort_by_effort,
)
from pipeline.record import SeriesRecord
from pipeline.scan.series import Scan, ScannedSeries
from pipeline.sources.files import FoundFile
from pipeline.vocabulary import Reason, Status

VERSIONS = Versions("config", "stages", "rules", retries=2)
RECORD = SeriesRecord(series_key="a", status=Status.OK, config_hash="config", code_version="1.0")
FILE = FoundFile("/f", 1, 1)
KNOWN = Finished(RECORD, "signature", "rules", stages="stages")
SCANNED = ScannedSeries.of(Series(("uid",), (SliceHeader(file=FILE),)), RECORD, frozenset(), None, "signature")

JPEG_2000 = "1.2.840.10008.1.2.4.90"


def plan_of(known: Finished | None, scanned: ScannedSeries | None = SCANNED) -> PlannedSeries:
    found = compare_with_output(Scan((scanned,) if scanned else (), ()), {"a": known} if known else {}, VERSIONS)
    assert len(found) == 1
    return found[0]


def known(**changes: Any) -> Finished:
    return replace(KNOWN, record=replace(RECORD, **changes))


def failed(n_failures: int) -> Finished:
    return replace(known(status=Status.FAILED, reason=Reason.TIMEOUT), n_failures=n_failures)


@pytest.mark.parametrize(
    ("before", "state"),
    [
        (None, SeriesState.NEW),
        (KNOWN, SeriesState.DONE),
        (replace(KNOWN, has_store=False), SeriesState.NEW),
        (replace(KNOWN, signature="other"), SeriesState.CHANGED),
        (known(config_hash="other"), SeriesState.STALE),
        (known(code_version="0.9"), SeriesState.DONE),
        (replace(KNOWN, stages="other"), SeriesState.STALE),
        (known(status=Status.FAILED, reason=Reason.TIMEOUT), SeriesState.NEW),
        (failed(2), SeriesState.NEW),
        (failed(3), SeriesState.DONE),
        (replace(failed(3), rules="other"), SeriesState.STALE),
        (replace(failed(3), signature="other"), SeriesState.CHANGED),
        (known(status=Status.REJECTED, reason=Reason.SLICE_GAP), SeriesState.DONE),
        (known(status=Status.REJECTED, reason=Reason.UNSTABLE), SeriesState.NEW),
        (known(status=Status.REJECTED, reason=Reason.UNREADABLE), SeriesState.NEW),
        (replace(known(status=Status.REJECTED, reason=Reason.LIMIT), rules="other"), SeriesState.STALE),
        (replace(KNOWN, rules="other"), SeriesState.DONE),
    ],
)
def test_a_series_stands_to_the_output_as_its_files_and_settings_say(
    before: Finished | None, state: SeriesState
) -> None:
    plan = plan_of(before)
    assert plan.state is state
    assert plan.is_work == (state is not SeriesState.DONE)
    assert plan.why


def test_a_failure_says_which_try_is_next_and_the_last_one_what_to_do() -> None:
    assert plan_of(failed(1)).why == "failed last time (TIMEOUT); try 2 of 3"
    assert plan_of(failed(3)).why == "failed 3 times (TIMEOUT); `ctprep retry` runs it again"


def test_a_program_that_changed_says_in_which_stage() -> None:
    assert plan_of(replace(KNOWN, stages="reading 0")).why.startswith("the program changed (reading, ")


def test_the_most_work_comes_first_equal_work_by_its_keys() -> None:
    def plan(key: str, n: int, syntax: str = EXPLICIT_LE) -> PlannedSeries:
        pixels = Pixels(rows=4, columns=5, transfer_syntax=syntax)
        image = SliceHeader(file=FILE, identity=Identity(modality="CT"), pixels=pixels)
        scanned = ScannedSeries.of(Series(("uid",), (image,) * n), RECORD, frozenset(), None, "signature")
        return PlannedSeries(key, SeriesState.NEW, "", scanned)

    plans = [
        plan("a", 1),
        plan("c", 3),
        plan("b", 3),
        PlannedSeries("d", SeriesState.GONE, ""),
        plan("e", 2, JPEG_2000),
    ]
    assert [one.series_key for one in sort_by_effort(plans)] == ["e", "b", "c", "a", "d"]
    assert plans[1].effort == 60


def test_states_are_counted() -> None:
    counts = count_states(
        [
            PlannedSeries("a", SeriesState.NEW, ""),
            PlannedSeries("b", SeriesState.NEW, ""),
            PlannedSeries("c", SeriesState.GONE, ""),
        ]
    )
    assert counts == {"new": 2, "changed": 0, "stale": 0, "done": 0, "gone": 1}


def test_of_a_series_that_is_gone_a_store_is_kept_and_a_refusal_is_not() -> None:
    gone = PlannedSeries("a", SeriesState.GONE, "")
    assert is_kept(gone, KNOWN)
    assert not is_kept(gone, known(status=Status.REJECTED, reason=Reason.SLICE_GAP))
    assert not is_kept(PlannedSeries("a", SeriesState.NEW, ""), None)


def test_a_series_that_has_another_key_now_is_kept_under_that_alone() -> None:
    moved = replace(SCANNED, series_key="new", former_key="a")
    new, old = sorted(compare_with_output(Scan((moved,), ()), {"a": KNOWN}, VERSIONS), key=lambda plan: plan.state)[
        ::-1
    ]
    assert (new.state, old.state) == (SeriesState.NEW, SeriesState.GONE)
    assert not is_kept(old, KNOWN)


def test_a_series_whose_files_are_gone_is_gone_and_no_work() -> None:
    plan = plan_of(KNOWN, None)
    assert plan.state is SeriesState.GONE
    assert not plan.is_work


def test_a_series_refused_by_its_headers_is_no_work() -> None:
    scanned = replace(SCANNED, refusal=(Reason.TAG_MISSING, "Rows"))
    assert not plan_of(None, scanned).is_work


def test_a_refusal_that_is_known_is_done_and_a_new_one_is_not() -> None:
    scanned = replace(SCANNED, refusal=(Reason.TAG_MISSING, "Rows"))
    assert plan_of(known(status=Status.REJECTED, reason=Reason.TAG_MISSING), scanned).state is SeriesState.DONE
    assert plan_of(KNOWN, scanned).state is SeriesState.STALE


def test_plans_are_in_the_order_of_their_keys() -> None:
    others = [replace(SCANNED, series_key=key) for key in "cab"]
    assert [plan.series_key for plan in compare_with_output(Scan(tuple(others), ()), {}, VERSIONS)] == ["a", "b", "c"]


def test_what_follows_from_results_is_processed_and_no_series_twice() -> None:
    first, second = (PlannedSeries(key, SeriesState.NEW, "", SCANNED) for key in "ab")
    later = iter([[first], [first, second], [first, second]])
    rounds = [[one.series_key for one in plans] for plans in iterate_rounds(lambda: next(later))]
    assert rounds == [["a"], ["b"]]
