import json
import os
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from phantoms import write_series
from running import ORIENTED, InThisProcess, Quiet, bytes_of_stores, carry_out

from pipeline.audit.verify import verify
from pipeline.cli.tables import print_outcome
from pipeline.cluster.jobs import JobFailure
from pipeline.config import load
from pipeline.errors import LockedError, OutputError, UsageError
from pipeline.output.layout import OutputFolder
from pipeline.output.lock import run_lock
from pipeline.output.tables import read_table
from pipeline.prepare.job import refuse
from pipeline.run.run import run
from pipeline.sources.files import FoundFile
from pipeline.sources.folders import REFUSED_FILE, find_files
from pipeline.vocabulary import ExitCode, Reason, Status

pytestmark = pytest.mark.usefixtures("in_this_process")


@pytest.fixture
def source(tmp_path: Path) -> Path:
    """Two patients."""
    for number in range(2):
        write_series(tmp_path / "in" / f"p{number}", patient_id=f"p{number}", seed=number)
    return tmp_path / "in"


def test_a_run_leaves_what_the_contract_lists(source: Path, tmp_path: Path) -> None:
    outcome = carry_out(tmp_path, source, ORIENTED + "report: {enabled: true}\n")
    left = {path.relative_to(outcome.output.root).as_posix() for path in outcome.output.root.rglob("*")}
    assert {
        "manifest.parquet", "manifest.csv", "slices.parquet", "histograms.parquet", "run.json", "config.yaml",
        "report/index.html", "private/index.parquet", "private/files.parquet", "private/state.sqlite", "private/key",
        "private/config.yaml",
    } <= left  # fmt: skip
    assert outcome.exit_code == 0
    assert json.loads(outcome.output.run.read_text())["exit_code"] == 0
    assert verify(outcome.output) == []


def test_private_is_its_owners_alone(source: Path, tmp_path: Path) -> None:
    private = carry_out(tmp_path, source).output.private
    assert private.stat().st_mode & 0o777 == 0o700
    assert {path.stat().st_mode & 0o777 for path in private.rglob("*") if path.is_file()} == {0o600}


def test_a_stop_keeps_what_was_finished_and_the_next_run_goes_on(
    source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Stopping(InThisProcess):
        def process(self, function: Any, jobs: Any) -> Any:
            yield from list(super().process(function, jobs))[:1]
            raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr("pipeline.run.session.open_cluster", lambda *_, **__: Stopping())
        with pytest.raises(KeyboardInterrupt):
            carry_out(tmp_path, source)
    output = OutputFolder(tmp_path / "out")
    rows = read_table(output.manifest)
    assert sorted((row["status"], row["reason"]) for row in rows) == [("failed", "CANCELLED"), ("ok", None)]
    assert json.loads(output.run.read_text())["exit_code"] == ExitCode.INTERRUPTED
    again = carry_out(tmp_path, source)
    assert [record.status for record in again.records] == [Status.OK, Status.OK]


def test_a_run_that_is_stopped_while_it_lists_files_says_so_in_its_summary(source: Path, tmp_path: Path) -> None:
    class Impatient(Quiet):
        def says(self, message: str) -> None:
            del message
            raise KeyboardInterrupt

    finished = carry_out(tmp_path, source)
    (source / "link").symlink_to(source)
    config = load(tmp_path / "out.yaml", inputs=[source], output=tmp_path / "out")
    with pytest.raises(KeyboardInterrupt):
        run(config, Impatient())
    summary = json.loads(finished.output.run.read_text())
    assert summary["exit_code"] == ExitCode.INTERRUPTED
    assert summary["counts"] == finished.summary["counts"]


def test_a_lost_series_is_failed_and_tried_again(source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class Losing(InThisProcess):
        def process(self, function: Any, jobs: Any) -> Any:
            for number, (job, result) in enumerate(super().process(function, jobs)):
                yield job, JobFailure(Reason.WORKER_LOST, "killed by signal 9") if number == 0 else result

    with monkeypatch.context() as patch:
        patch.setattr("pipeline.run.session.open_cluster", lambda *_, **__: Losing())
        first = carry_out(tmp_path, source)
    assert first.exit_code == ExitCode.FAILED
    assert sorted(record.status for record in first.records) == ["failed", "ok"]
    assert carry_out(tmp_path, source).exit_code == ExitCode.OK
    assert not list(first.output.volumes.glob(".*"))


def test_a_changed_configuration_makes_stores_again_and_a_report_option_does_not(source: Path, tmp_path: Path) -> None:
    first = carry_out(tmp_path, source)
    stores = bytes_of_stores(first)
    carry_out(tmp_path, source, ORIENTED + "report: {pictures: false}\n")
    assert bytes_of_stores(first) == stores
    carry_out(tmp_path, source, "steps: [{clip: {low_hu: -100, high_hu: 100}}]\n")
    assert bytes_of_stores(first) != stores


def test_a_slice_rewritten_with_its_old_size_and_time_makes_its_store_again(source: Path, tmp_path: Path) -> None:
    before = bytes_of_stores(carry_out(tmp_path, source))
    path = min((source / "p0").iterdir())
    status, content = path.stat(), bytearray(path.read_bytes())
    content[-2] ^= 1
    path.write_bytes(content)
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))
    again = carry_out(tmp_path, source)
    assert again.summary["plan"]["changed"] == 1
    assert bytes_of_stores(again) != before


def test_names_that_are_no_utf8_are_read_like_others(source: Path, tmp_path: Path) -> None:
    plain = bytes_of_stores(carry_out(tmp_path, source))
    folder = tmp_path / "named" / os.fsdecode(b"p\xe9")
    folder.mkdir(parents=True)
    for old in list(source.iterdir()):
        old.rename(folder / f"{old.name}{os.fsdecode(bytes([0x83]))}e")
    first = min(folder.rglob("*.dcm"))
    first.rename(first.with_name(os.fsdecode(b"IM\xe901.dcm")))
    named = carry_out(tmp_path, tmp_path / "named")
    assert named.exit_code == 0
    assert bytes_of_stores(named) == plain
    paths = {row["path"] for row in read_table(named.output.files)}
    assert paths == {str(path) for path in folder.rglob("*.dcm")}
    assert carry_out(tmp_path, tmp_path / "named").summary["plan"]["done"] == 2


def test_a_series_whose_files_are_gone_keeps_its_store(source: Path, tmp_path: Path) -> None:
    first = carry_out(tmp_path, source)
    (source / "p0").rename(tmp_path / "elsewhere")
    second = carry_out(tmp_path, source)
    assert [record.series_key for record in second.records] == [record.series_key for record in first.records]
    assert bytes_of_stores(second) == bytes_of_stores(first)


def test_an_empty_root_deletes_nothing_and_ends_with_5(source: Path, tmp_path: Path) -> None:
    first = carry_out(tmp_path, source)
    (tmp_path / "empty").mkdir()
    manifest = first.output.manifest.read_bytes()
    second = carry_out(tmp_path, tmp_path / "empty")
    assert second.exit_code == ExitCode.NO_INPUT
    assert first.output.manifest.read_bytes() == manifest
    assert verify(first.output) == []


def test_a_missing_root_writes_nothing(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="not a folder that exists"):
        carry_out(tmp_path, tmp_path / "nowhere")
    assert not (tmp_path / "out").exists()


def test_two_runs_at_once_are_one_too_many(source: Path, tmp_path: Path) -> None:
    output = carry_out(tmp_path, source).output
    with run_lock(output), pytest.raises(LockedError):
        carry_out(tmp_path, source)


@pytest.mark.skipif(os.geteuid() == 0, reason="needs a user who is not root: root may write anywhere")
def test_an_output_that_is_not_writable_is_reported(source: Path, tmp_path: Path) -> None:
    (tmp_path / "out").mkdir(mode=0o500)
    with pytest.raises(OutputError):
        carry_out(tmp_path, source)


def test_a_listener_hears_how_much_there_is_and_each_series(source: Path, tmp_path: Path) -> None:
    config = tmp_path / "one.yaml"
    config.write_text(ORIENTED)
    listener = Quiet()
    run(load(config, inputs=[source], output=tmp_path / "out"), listener)
    assert listener.heard[0] == (2, 0)
    assert [record.status for record in listener.heard[1:]] == [Status.OK, Status.OK]


def test_a_store_that_cannot_be_written_is_failed_and_tried_again(
    source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def break_off(*_: Any) -> None:
        raise OSError(5, "Input/output error")

    with monkeypatch.context() as patch:
        patch.setattr("pipeline.prepare.series.create_store", break_off)
        first = carry_out(tmp_path, source)
    assert {(record.status, record.reason) for record in first.records} == {(Status.FAILED, Reason.OUTPUT_IO)}
    assert first.exit_code == ExitCode.OUTPUT
    assert carry_out(tmp_path, source).exit_code == ExitCode.OK


def test_on_finish_hears_of_a_good_run_and_of_a_bad_one(
    source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: Any) -> None:
        raise OutputError

    told = tmp_path / "told"
    yaml = ORIENTED + f"on_finish: dd of={told} status=none\nreport: {{pictures: false}}\n"
    carry_out(tmp_path, source, yaml)
    assert json.loads(told.read_text())["counts"]["ok"] == 2
    (source / "p0").rename(tmp_path / "elsewhere")
    monkeypatch.setattr("pipeline.report.page.write_report", full)
    with pytest.raises(OutputError):
        carry_out(tmp_path, source, yaml)
    assert json.loads(told.read_text())["exit_code"] == ExitCode.OUTPUT


def test_a_series_without_the_files_that_the_system_refuses_is_unreadable(
    source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    refused = {str(path) for path in sorted((source / "p0").iterdir())[3:5]}

    def find(*options: Any) -> Iterator[FoundFile]:
        refusal = (Reason.UNREADABLE, f"{REFUSED_FILE} (PermissionError)")
        return (replace(file, refusal=refusal if file.path in refused else None) for file in find_files(*options))

    monkeypatch.setattr("pipeline.run.session.find_files", find)
    outcome = carry_out(tmp_path, source)
    reasons = [record.reason for record in outcome.records if record.reason]
    assert reasons == [Reason.UNREADABLE]
    assert outcome.summary["unreadable"] == {"n_files": 2, "n_folders": 0}
    print_outcome(outcome)
    assert "2 files of the input cannot be read" in capsys.readouterr().out


def test_a_disk_that_is_too_small_is_said_once_before_the_first_series_and_ends_the_run(
    source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Full(InThisProcess):
        def process(self, function: Any, jobs: Any) -> Any:
            for job, result in super().process(function, jobs):
                yield (
                    job,
                    refuse(result.record, job.series, Reason.OUTPUT_IO, "writing failed: No space left on device"),
                )

    monkeypatch.setattr("pipeline.run.session.open_cluster", lambda *_, **__: Full())
    monkeypatch.setattr("pipeline.run.run.disk_usage", lambda _: SimpleNamespace(free=1000))
    (tmp_path / "config.yaml").write_text(ORIENTED)
    listener = Quiet()
    with pytest.raises(OutputError, match="the disk of the output is full"):
        run(load(tmp_path / "config.yaml", inputs=[source], output=tmp_path / "out"), listener)
    said = [heard if isinstance(heard, str) else type(heard).__name__ for heard in listener.heard]
    assert said[0].startswith("The disk may be too small: the stores will take 0 MB before compression")
    assert said[1:] == ["tuple", "SeriesRecord"]
    reasons = {row["reason"] for row in read_table(tmp_path / "out/manifest.parquet")}
    assert reasons == {Reason.OUTPUT_IO, Reason.CANCELLED}
