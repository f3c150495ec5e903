from pathlib import Path
from typing import Any

import pytest
from phantoms import write_series
from running import InThisProcess, Quiet, bytes_of_stores, carry_out
from states import finished_in

from pipeline.cluster.jobs import JobFailure
from pipeline.errors import LockedError, UsageError
from pipeline.output.layout import OutputFolder
from pipeline.output.lock import run_lock
from pipeline.record import SeriesRecord
from pipeline.run.run import Outcome, retry
from pipeline.vocabulary import Reason

pytestmark = pytest.mark.usefixtures("in_this_process")


class Losing(InThisProcess):
    """An engine whose worker is lost at one patient."""

    def process(self, function: Any, jobs: Any) -> Any:
        for job, result in super().process(function, jobs):
            is_lost = job.series.slices[0].identity.patient_id == "p0"
            yield job, JobFailure(Reason.WORKER_LOST, "killed") if is_lost else result


@pytest.fixture
def outcome(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Outcome:
    """Run over four series: one is ok, one failed, one rejected at its headers and one at its geometry."""
    for number in range(2):
        write_series(tmp_path / "in" / f"p{number}", patient_id=f"p{number}", seed=number)
    write_series(tmp_path / "in" / "thin", patient_id="thin", n=2)
    gap = [0.0, 2.5, 5.0, 10.0, 12.5, 15.0]
    write_series(tmp_path / "in" / "gap", patient_id="gap", n=6, positions_mm=gap)
    with monkeypatch.context() as patch:
        patch.setattr("pipeline.run.session.open_cluster", lambda *_, **__: Losing())
        return carry_out(tmp_path, tmp_path / "in", "report: {enabled: false}\n")


def worked(listener: Quiet) -> list[Reason | None]:
    """Return what became of the series that were worked."""
    records = [heard for heard in listener.heard if isinstance(heard, SeriesRecord)]
    return sorted((record.reason for record in records), key=str)


def test_all_that_was_rejected_or_failed_is_tried_again(outcome: Outcome) -> None:
    refused = sorted(record.reason for record in outcome.records if record.reason)
    assert refused == [Reason.SLICE_GAP, Reason.TOO_FEW_SLICES, Reason.WORKER_LOST]
    listener = Quiet()
    again = retry(outcome.output, [], listener)
    assert listener.heard[0] == "3 series are tried again"
    assert worked(listener) == [None, Reason.SLICE_GAP, Reason.TOO_FEW_SLICES]
    assert sorted(record.status for record in again.records) == ["ok", "ok", "rejected", "rejected"]


def test_a_reason_chooses_which(outcome: Outcome) -> None:
    retry(outcome.output, [], Quiet())
    listener = Quiet()
    retry(outcome.output, [Reason.TOO_FEW_SLICES], listener)
    assert worked(listener) == [Reason.TOO_FEW_SLICES]


def test_what_is_ok_is_left_alone(outcome: Outcome) -> None:
    kept = {name: content for name, content in bytes_of_stores(outcome).items() if ".unfinished" not in name}
    again = bytes_of_stores(retry(outcome.output, [Reason.WORKER_LOST], Quiet()))
    assert len(again) > len(kept) > 0
    assert kept.items() <= again.items()


def test_an_output_that_was_moved_is_run_where_it_is(outcome: Outcome, tmp_path: Path) -> None:
    moved = OutputFolder(tmp_path / "moved")
    outcome.output.root.rename(moved.root)
    assert retry(moved, [], Quiet()).output.root == moved.root
    assert not outcome.output.root.exists()


def test_where_the_input_is_not_there_nothing_is_forgotten(outcome: Outcome, tmp_path: Path) -> None:
    (tmp_path / "in").rename(tmp_path / "elsewhere")
    before = finished_in(outcome.output).keys()
    with pytest.raises(UsageError, match="not a folder that exists"):
        retry(outcome.output, [], Quiet())
    assert finished_in(outcome.output).keys() == before


def test_what_another_run_holds_is_left_alone(outcome: Outcome) -> None:
    with run_lock(outcome.output), pytest.raises(LockedError):
        retry(outcome.output, [], Quiet())


def test_a_folder_that_is_no_output_is_reported(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"private/config\.yaml"):
        retry(OutputFolder(tmp_path), [], Quiet())
