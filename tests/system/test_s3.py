"""Runs whose folders lie in a bucket, against a server on loopback: the same bytes as between folders."""

import json
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from remote_runs import SERIAL, remote_run, stores, stores_here, two_patients
from running import ORIENTED, Quiet, carry_out

from pipeline.cli import main
from pipeline.config import load
from pipeline.errors import LockedError, UsageError
from pipeline.output.layout import KEY_FILE_VARIABLE, OutputFolder
from pipeline.output.manifest import read_records
from pipeline.output.tables import read_table
from pipeline.record import SeriesRecord
from pipeline.run.dry_run import dry_run
from pipeline.run.run import run
from pipeline.run.scan import scan_only
from pipeline.sources.lease import LEASE
from pipeline.vocabulary import ExitCode

if TYPE_CHECKING:
    from bucket_server import BucketServer

REPORTED = ORIENTED + "report: {enabled: true}\n"


@pytest.fixture
def source(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Two patients, and a key for every output of theirs."""
    (tmp_path / "key").write_text("ab" * 32)
    monkeypatch.setenv(KEY_FILE_VARIABLE, str(tmp_path / "key"))
    return two_patients(tmp_path / "in")


@pytest.mark.usefixtures("in_this_process")
class TestARun:
    """As a user would start it."""

    def test_leaves_in_a_bucket_what_it_leaves_in_a_folder(
        self, server: "BucketServer", source: Path, tmp_path: Path
    ) -> None:
        near, far = carry_out(tmp_path, source, REPORTED), remote_run(tmp_path, source, server.url("out"), REPORTED)
        assert far.exit_code == near.exit_code == ExitCode.OK
        assert stores(server) == stores_here(near.output) != {}
        here = {path.relative_to(near.output.root).as_posix() for path in near.output.root.rglob("*") if path.is_file()}
        there = server.tree("out")
        left_here_alone = {"private/lock"}
        assert {name for name in here if not name.startswith("runs/")} - left_here_alone == {
            name for name in there if not name.startswith("runs/")
        }
        page = next(content for name, content in there.items() if name.startswith("report/series/") and "index" in name)
        assert b"thumb.jpg" in page or b"axial-" in page

    def test_keeps_no_finished_store_on_this_machine(
        self, server: "BucketServer", source: Path, tmp_path: Path
    ) -> None:
        outcome = remote_run(tmp_path, source, server.url("out"))
        assert list((tmp_path / "cache").rglob("*.zarr")) == []
        assert outcome.output.describe_path(outcome.output.manifest) == server.url("out/manifest.parquet")

    def test_writes_the_manifest_last_and_a_series_result_after_its_store(
        self, server: "BucketServer", source: Path, tmp_path: Path
    ) -> None:
        key = min(record.series_key for record in remote_run(tmp_path, source, server.url("out")).records)
        written = server.written()
        assert written[-3:] == ["out/private/state.sqlite", "out/manifest.csv", "out/manifest.parquet"]
        begun, done = (n for n, name in enumerate(written) if name == f"out/private/results/{key}.json")
        own = [n for n, name in enumerate(written) if name.startswith(f"out/volumes/{key}.zarr/")]
        assert begun < min(own)
        assert max(own) < done
        assert written[max(own)].endswith(".zarr/zarr.json")
        assert not any(name.startswith("private/results/") for name in server.tree("out"))

    def test_finds_nothing_to_do_a_second_time_on_any_machine(
        self, server: "BucketServer", source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        first = remote_run(tmp_path, source, server.url("out"))
        before = stores(server)
        for cache in ("cache", "another"):
            monkeypatch.setenv("CTPREP_CACHE", str(tmp_path / cache))
            server.seen.clear()
            again = remote_run(tmp_path, source, server.url("out"))
            assert [name for name in server.written() if "/volumes/" in name] == []
            assert again.records == first.records
        assert stores(server) == before

    def test_reads_its_input_from_a_bucket(self, server: "BucketServer", source: Path, tmp_path: Path) -> None:
        near = carry_out(tmp_path, source, SERIAL)
        server.put_tree(source, "in")
        far = remote_run(tmp_path, server.url("in"), server.url("out"))
        assert stores(server) == stores_here(near.output)
        folders = {row["folder"] for row in read_table(far.output.index)}
        assert folders == {server.url(f"in/p{n}") for n in range(2)}
        config = server.tree("out")["private/config.yaml"].decode()
        assert server.url("in") in config
        assert server.url("out") in config
        assert str(tmp_path / "cache") not in config

    def test_of_the_headers_alone_reaches_the_bucket_too(
        self, server: "BucketServer", source: Path, tmp_path: Path
    ) -> None:
        (tmp_path / "far.yaml").write_text(ORIENTED)
        scan_only(load(tmp_path / "far.yaml", inputs=[source], output=server.url("out")))
        assert {"slices.parquet", "tags.parquet"} <= server.tree("out").keys()

    def test_that_is_only_planned_writes_nothing(self, server: "BucketServer", source: Path, tmp_path: Path) -> None:
        remote_run(tmp_path, source, server.url("out"))
        server.seen.clear()
        plans = list(dry_run(load(tmp_path / "far.yaml", inputs=[source], output=server.url("out"))))
        assert [plan.state for plan in plans] == ["done", "done"]
        assert {method for method, _ in server.seen} == {"GET"}

    def test_keeps_out_a_second_one(self, server: "BucketServer", source: Path, tmp_path: Path) -> None:
        server.opened("out").put(LEASE, json.dumps({"holder": "another machine"}).encode())
        with pytest.raises(LockedError, match="another run holds the lock"):
            remote_run(tmp_path, source, server.url("out"))
        assert server.tree("out").keys() == {LEASE}

    def test_that_is_stopped_keeps_what_was_finished(
        self, server: "BucketServer", source: Path, tmp_path: Path
    ) -> None:
        class Stopping(Quiet):
            def finished(self, record: SeriesRecord, folder: str = "") -> None:
                super().finished(record, folder)
                raise KeyboardInterrupt

        (tmp_path / "far.yaml").write_text(ORIENTED)
        config = load(tmp_path / "far.yaml", inputs=[source], output=server.url("out"))
        with pytest.raises(KeyboardInterrupt):
            run(config, Stopping())
        assert len({name.split("/")[0] for name in stores(server)}) == 1
        assert json.loads(server.tree("out")["run.json"])["exit_code"] == ExitCode.INTERRUPTED
        assert remote_run(tmp_path, source, server.url("out")).exit_code == ExitCode.OK
        assert len({name.split("/")[0] for name in stores(server)}) == 2

    def test_does_not_begin_without_its_input(self, server: "BucketServer", tmp_path: Path) -> None:
        with pytest.raises(UsageError, match="nothing lies there"):
            remote_run(tmp_path, server.url("in"), server.url("out"))
        assert server.tree("out") == {}


def test_commands_that_only_look_reach_a_bucket_and_the_others_say_that_they_cannot(
    server: "BucketServer", source: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], in_this_process: None
) -> None:
    del in_this_process
    remote_run(tmp_path, source, server.url("out"))
    for words, told in (
        (("status",), "2 ok, 0 rejected"),
        (("verify",), "every store is as the manifest says"),
        (("verify", "--fast"), "every store is there, by name and size"),
    ):
        assert main([*words, server.url("out")]) == ExitCode.OK
        assert told in capsys.readouterr().out
    before = server.tree("out")
    for command in ("gc", "report", "retry"):
        assert main([command, server.url("out")]) == ExitCode.USAGE
        assert "this command needs an output on this machine" in capsys.readouterr().err
    assert server.tree("out") == before


def test_the_manifest_of_a_bucket_is_read_by_anyone(
    server: "BucketServer", source: Path, tmp_path: Path, in_this_process: None
) -> None:
    del in_this_process
    remote_run(tmp_path, source, server.url("out"))
    output = OutputFolder(tmp_path / "read")
    output.root.mkdir()
    output.manifest.write_bytes(server.tree("out")["manifest.parquet"])
    assert {record.store for record in read_records(output)} == {
        f"volumes/{name}" for name in {name.split("/")[0] for name in stores(server)}
    }
