"""Runs one after another: what is new, changed, stale, failed, not there any more, and nothing else, is worked."""

import os
import shutil
import time
from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import Any, ClassVar

import pytest
from nights import lasting
from phantoms import uid, write_series
from pydicom import dcmread
from pydicom.dataset import Dataset
from running import InThisProcess, Quiet, bytes_of_stores, carry_out
from states import finished_in

from pipeline.cli import main
from pipeline.cluster.dispatcher import open_cluster
from pipeline.cluster.jobs import JobFailure
from pipeline.config import load
from pipeline.output.tables import read_table
from pipeline.prepare.job import PREPARE, Job
from pipeline.run.run import retry, run
from pipeline.versions import STAGES
from pipeline.vocabulary import ExitCode, Reason, Status

pytestmark = pytest.mark.usefixtures("in_this_process")

UNTOLD = "steps: [{orient: {to: LPS}}]\nreport: {enabled: false}\n"


@pytest.fixture
def source(tmp_path: Path) -> Path:
    """Two patients."""
    for number in range(2):
        write_series(tmp_path / "in" / f"p{number}", patient_id=f"p{number}", seed=number)
    return tmp_path / "in"


def test_a_series_that_is_still_being_copied_waits_for_a_later_run(
    source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    long_ago, now_ns = time.time(), time.time_ns() + 1000 * 10**9
    monkeypatch.setattr(time, "time_ns", lambda: now_ns)
    copied = source / "p0/IM0003.dcm"
    os.utime(copied, ns=(now_ns, now_ns))
    settling = UNTOLD + "input: {settle_seconds: 100}\n"
    first = carry_out(tmp_path, source, settling)
    assert sorted((record.status, record.reason) for record in first.records) == [
        (Status.OK, None), (Status.REJECTED, Reason.UNSTABLE),
    ]  # fmt: skip
    os.utime(copied, (long_ago, long_ago))
    assert {record.status for record in carry_out(tmp_path, source, settling).records} == {Status.OK}


def test_a_series_that_fails_again_and_again_is_left_until_it_is_asked_for(
    source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Losing(InThisProcess):
        worked: ClassVar[list[str]] = []

        def process(self, function: Any, jobs: Any) -> Any:
            for job, result in super().process(function, jobs):
                self.worked.append(job.record.series_key)
                is_lost = job.series.slices[0].identity.patient_id == "p0"
                yield job, JobFailure(Reason.TIMEOUT, "more than 9 seconds") if is_lost else result

    monkeypatch.setattr("pipeline.run.session.open_cluster", lambda *_, **__: Losing())
    yaml = UNTOLD + "limits: {retries: 1}\n"
    for _ in range(4):
        outcome = carry_out(tmp_path, source, yaml)
        assert outcome.exit_code == ExitCode.FAILED
    (failed,) = (record for record in outcome.records if record.status is Status.FAILED)
    assert failed.detail == "more than 9 seconds; tried 2 times, `ctprep retry` runs it again"
    assert Losing.worked.count(failed.series_key) == 2
    assert len(Losing.worked) == 3
    retry(outcome.output, [Reason.TIMEOUT], Quiet())
    assert Losing.worked.count(failed.series_key) == 3


def test_a_killer_among_twenty_costs_no_neighbour_a_try(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for number in range(20):
        write_series(tmp_path / "in" / f"p{number}", patient_id=f"p{number}", n=3, rows=8, columns=8, seed=number)
    monkeypatch.setattr("pipeline.run.session.open_cluster", open_cluster)
    monkeypatch.setattr("pipeline.run.run.PREPARE", replace(PREPARE, function="deadly_jobs:deadly"))
    outcome = carry_out(tmp_path, tmp_path / "in", UNTOLD)
    assert Counter(record.status for record in outcome.records) == {Status.OK: 19, Status.FAILED: 1}
    assert {record.reason for record in outcome.records} == {None, Reason.WORKER_LOST}
    assert sorted(found.n_failures for found in finished_in(outcome.output).values()) == [0] * 19 + [1]


def test_one_internal_error_in_every_series_is_a_fault_of_the_program(
    source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("pipeline.run.session.open_cluster", open_cluster)
    monkeypatch.setattr("pipeline.run.run.PREPARE", replace(PREPARE, function="deadly_jobs:raise_key_error"))
    (tmp_path / "out.yaml").write_text(UNTOLD)
    listener = Quiet()
    outcome = run(load(tmp_path / "out.yaml", inputs=[source], output=tmp_path / "out"), listener)
    assert outcome.exit_code == ExitCode.INTERNAL
    (sentence,) = (heard for heard in listener.heard if isinstance(heard, str) and "same internal error" in heard)
    assert "KeyError at deadly_jobs.py:" in sentence
    monkeypatch.undo()
    assert carry_out(tmp_path, source, UNTOLD).exit_code == ExitCode.OK


def test_large_series_are_worked_first_and_tell_what_they_will_take(
    source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Watching(InThisProcess):
        jobs: ClassVar[list[Job]] = []

        def process(self, function: Any, jobs: Any) -> Any:
            for job in jobs:
                self.jobs.append(job)
                yield job, function(job)

    write_series(source / "p2", patient_id="p2", n=24)
    monkeypatch.setattr("pipeline.run.session.open_cluster", lambda *_, **__: Watching())
    carry_out(tmp_path, source, UNTOLD)
    assert [len(job.series.slices) for job in Watching.jobs] == [24, 12, 12]
    assert all(job.memory_mb is not None for job in Watching.jobs)


def test_a_report_option_or_a_new_release_makes_no_store_again(
    source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    carry_out(tmp_path, source, UNTOLD)
    monkeypatch.setattr("pipeline.plan.recipe.__version__", "99.0")
    monkeypatch.setattr("pipeline.run.unchanged.__version__", "99.0")
    again = carry_out(tmp_path, source, UNTOLD.replace("enabled: false", "pictures: false"))
    assert again.summary["plan"] == {"new": 0, "changed": 0, "stale": 0, "done": 2, "gone": 0}
    monkeypatch.setattr("pipeline.versions.STAGES", STAGES | {"steps": 99})
    assert carry_out(tmp_path, source, UNTOLD).summary["plan"]["stale"] == 2


def test_a_second_run_opens_no_file_and_writes_the_summary_alone(
    source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = carry_out(tmp_path, source, UNTOLD)
    before = {path: path.stat().st_mtime_ns for path in first.output.root.rglob("*")}
    with monkeypatch.context() as patch:
        patch.setattr("pipeline.run.session.open_cluster", lambda *_, **__: pytest.fail("there is nothing to do"))
        second = carry_out(tmp_path, source, UNTOLD)
    assert second.exit_code == first.exit_code
    assert second.summary["plan"] == {"new": 0, "changed": 0, "stale": 0, "done": 2, "gone": 0}
    after = {path: path.stat().st_mtime_ns for path in first.output.root.rglob("*")}
    written = {path.relative_to(first.output.root).parts[0] for path in after if after[path] != before.get(path)}
    assert written == {"run.json", "runs"}


def test_a_root_that_is_not_mounted_is_named_and_nothing_of_it_is_deleted(source: Path, tmp_path: Path) -> None:
    write_series(tmp_path / "share" / "p9", patient_id="p9", seed=9)
    config = tmp_path / "two.yaml"
    config.write_text(UNTOLD)
    both = load(config, inputs=[source, tmp_path / "share"], output=tmp_path / "out")
    first = run(both, Quiet())
    (tmp_path / "share").rename(tmp_path / "elsewhere")
    (tmp_path / "share").mkdir()
    listener = Quiet()
    second = run(both, listener)
    assert listener.heard[:2] == [
        f"{tmp_path}/share holds no file at all (is it mounted?)",
        "1 series is gone from the input; its store is kept, and `ctprep gc` lists what is gone",
    ]
    assert bytes_of_stores(second) == bytes_of_stores(first)
    assert len(second.records) == 3


def a_month_earlier(dataset: Dataset, _: int) -> None:
    dataset.StudyDate = "20191202"


def test_what_lies_beside_a_series_is_told_although_its_own_files_did_not_change(source: Path, tmp_path: Path) -> None:
    carry_out(tmp_path, source, UNTOLD + "manifest: {identifiers: keep}\n")
    (source / "p0/notes.txt").write_text("no DICOM")
    write_series(source / "earlier", patient_id="p1", study_uid=uid("earlier"), seed=5, change=a_month_earlier)
    asked = UNTOLD + "manifest: {identifiers: keep, tags: [StudyTime]}\n"
    again, clean = carry_out(tmp_path, source, asked), carry_out(tmp_path, source, asked, "clean")
    assert again.summary["plan"] == {"new": 1, "changed": 0, "stale": 0, "done": 2, "gone": 0}
    assert lasting(again.output) == lasting(clean.output)
    told = [(record.study_day, record.warnings, record.elements.get("StudyTime")) for record in again.records]
    assert Counter(told) == {(0, ("W_FILE_SKIPPED",), "101500"): 1, (31, (), "101500"): 1, (0, (), "101500"): 1}


def test_an_input_that_was_moved_renamed_or_copied_makes_nothing_anew(source: Path, tmp_path: Path) -> None:
    write_series(source / "p2", patient_id="p2", n=2)
    first = carry_out(tmp_path, source, UNTOLD)
    slices = read_table(first.output.slices)
    source.rename(tmp_path / "moved")
    (tmp_path / "moved/p0").rename(tmp_path / "moved/renamed")
    shutil.copytree(tmp_path / "moved/p1", tmp_path / "moved/copied", copy_function=shutil.copyfile)
    shutil.rmtree(tmp_path / "moved/p1")
    second = carry_out(tmp_path, tmp_path / "moved", UNTOLD)
    assert second.summary["plan"] == {"new": 0, "changed": 0, "stale": 0, "done": 3, "gone": 0}
    assert bytes_of_stores(second) == bytes_of_stores(first)
    assert read_table(first.output.slices) == slices
    assert all(record.present for record in second.records)


def test_a_copy_with_another_header_is_made_again(source: Path, tmp_path: Path) -> None:
    carry_out(tmp_path, source, UNTOLD)
    for path in (source / "p0").iterdir():
        dataset = dcmread(path)
        dataset.ImagePositionPatient = [x + 8 for x in dataset.ImagePositionPatient]
        dataset.save_as(path)
    assert carry_out(tmp_path, source, UNTOLD).summary["plan"]["changed"] == 1


def test_the_manifest_says_which_series_are_no_longer_in_the_input(
    source: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    carry_out(tmp_path, source, UNTOLD)
    shutil.rmtree(source / "p0")
    again = carry_out(tmp_path, source, UNTOLD)
    assert sorted(row["present"] for row in read_table(again.output.manifest)) == [False, True]
    main(["status", str(again.output.root)])
    assert "1 of them no longer in the input" in capsys.readouterr().out
