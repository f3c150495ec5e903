import pickle
from dataclasses import replace
from pathlib import Path

import pytest
from jobs import RECIPE, job_of
from phantoms import Series, write_series

from pipeline.cluster.jobs import pack_job
from pipeline.prepare.job import refuse
from pipeline.prepare.series import process
from pipeline.steps.orient import Orient
from pipeline.vocabulary import FileStatus, Reason, Status


@pytest.fixture
def series(tmp_path: Path) -> Series:
    return write_series(tmp_path / "in")


def test_a_refusal_keeps_the_record(series: Series) -> None:
    job = job_of(series.folder)
    result = refuse(job.record, job.series, Reason.NOT_SELECTED, "ranked second")
    expected = replace(job.record, status=Status.EXCLUDED, reason=Reason.NOT_SELECTED, detail="ranked second")
    assert result.record == expected


def test_a_refused_series_has_a_reason_for_every_slice(series: Series) -> None:
    job = job_of(series.folder)
    result = refuse(job.record, job.series, Reason.OUTPUT_IO, "")
    assert {outcome.path for outcome in result.slices} == {str(path) for path in series.paths}
    assert {(outcome.status, outcome.reason) for outcome in result.slices} == {(FileStatus.REJECTED, Reason.OUTPUT_IO)}
    assert (result.histogram, result.folder, result.record.status) == (None, None, Status.FAILED)


def test_a_job_and_its_result_can_travel(series: Series) -> None:
    job = pickle.loads(pickle.dumps(job_of(series.folder, replace(RECIPE, steps=(Orient("LPS"),)))))  # noqa: S301  our own
    result = process(job)
    arrived = pickle.loads(pickle.dumps(result))  # noqa: S301  our own
    assert arrived.record == result.record
    assert arrived.slices == result.slices


def test_a_job_is_small(series: Series) -> None:
    job = job_of(series.folder)
    assert len(pack_job(job)) < 12 * 500
    assert len(pickle.dumps(process(job))) < 200_000
