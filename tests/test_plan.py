from dataclasses import replace
from typing import Any

import pytest

from pipeline.dicom.headers.slice import Series
from pipeline.ledger import Finished
from pipeline.plan import Planned, State, Versions, planned
from pipeline.record import SeriesRecord
from pipeline.scan import Scan, ScannedSeries
from pipeline.vocabulary import Reason, Status

VERSIONS = Versions("config", "1.0", "rules")
RECORD = SeriesRecord(series_key="a", status=Status.OK, config_hash="config", code_version="1.0")
KNOWN = Finished(RECORD, "signature", "rules")
SCANNED = ScannedSeries(Series(("uid",), ()), RECORD, frozenset(), None, "signature")


def plan_of(known: Finished | None, scanned: ScannedSeries | None = SCANNED) -> Planned:
    found = planned(Scan((scanned,) if scanned else (), ()), {"a": known} if known else {}, VERSIONS)
    assert len(found) == 1
    return found[0]


def known(**changes: Any) -> Finished:
    return replace(KNOWN, record=replace(RECORD, **changes))


@pytest.mark.parametrize(
    ("before", "state"),
    [
        (None, State.NEW),
        (KNOWN, State.DONE),
        (replace(KNOWN, signature="other"), State.CHANGED),
        (known(config_hash="other"), State.STALE),
        (known(code_version="0.9"), State.STALE),
        (known(status=Status.FAILED, reason=Reason.TIMEOUT), State.NEW),
        (known(status=Status.REJECTED, reason=Reason.SLICE_GAP), State.DONE),
        (replace(known(status=Status.REJECTED, reason=Reason.LIMIT), rules="other"), State.STALE),
        (replace(KNOWN, rules="other"), State.DONE),
    ],
)
def test_a_series_stands_to_the_output_as_its_files_and_settings_say(before: Finished | None, state: State) -> None:
    plan = plan_of(before)
    assert plan.state is state
    assert plan.is_work == (state is not State.DONE)
    assert plan.why


def test_a_series_whose_files_are_gone_is_gone_and_no_work() -> None:
    plan = plan_of(KNOWN, None)
    assert plan.state is State.GONE
    assert not plan.is_work


def test_a_series_refused_by_its_headers_is_no_work() -> None:
    scanned = replace(SCANNED, refusal=(Reason.TAG_MISSING, "Rows"))
    assert not plan_of(None, scanned).is_work


def test_a_refusal_that_is_known_is_done_and_a_new_one_is_not() -> None:
    scanned = replace(SCANNED, refusal=(Reason.TAG_MISSING, "Rows"))
    assert plan_of(known(status=Status.REJECTED, reason=Reason.TAG_MISSING), scanned).state is State.DONE
    assert plan_of(KNOWN, scanned).state is State.STALE


def test_plans_are_in_the_order_of_their_keys() -> None:
    others = [replace(SCANNED, record=replace(RECORD, series_key=key)) for key in "cab"]
    assert [plan.series_key for plan in planned(Scan(tuple(others), ()), {}, VERSIONS)] == ["a", "b", "c"]
