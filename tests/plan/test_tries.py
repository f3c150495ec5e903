from dataclasses import replace
from typing import Any

import pytest

from pipeline.output.state import Finished
from pipeline.plan.plan import count_failures
from pipeline.record import SeriesRecord
from pipeline.vocabulary import Reason, Status

RETRIES = 2


def failed(reason: Reason = Reason.TIMEOUT, **terms: Any) -> Finished:
    record = SeriesRecord(series_key="a", status=Status.FAILED, reason=reason, detail="more than 9 seconds")
    return replace(Finished(record, "signature", "rules", stages="stages"), **terms)


def tried(n: int, reason: Reason = Reason.TIMEOUT) -> Finished:
    before = None
    for _ in range(n):
        before = count_failures(failed(reason), before, RETRIES)
    assert before is not None
    return before


@pytest.mark.parametrize("n", [1, 2, 3, 4])
def test_each_failure_counts_one_and_the_last_says_what_to_do(n: int) -> None:
    told = tried(n)
    assert told.n_failures == n
    more = f"; tried {n} times, `ctprep retry` runs it again" if n > RETRIES else ""
    assert told.record.detail == f"more than 9 seconds{more}"


@pytest.mark.parametrize("terms", [{"signature": "other"}, {"rules": "other"}, {"stages": "other"}])
def test_under_other_terms_the_count_begins_again(terms: dict[str, str]) -> None:
    assert count_failures(failed(**terms), tried(3), RETRIES).n_failures == 1


@pytest.mark.parametrize("reason", [Reason.OUTPUT_IO, Reason.CANCELLED])
def test_what_no_series_brings_about_is_not_counted(reason: Reason) -> None:
    assert tried(5, reason).n_failures == 0


def test_what_did_not_fail_has_no_failures() -> None:
    ok = replace(failed(), record=SeriesRecord(series_key="a", status=Status.OK))
    assert count_failures(ok, tried(2), RETRIES) == ok
