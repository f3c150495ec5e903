"""Runs into a bucket that are killed, or lose their server: nothing lost, nothing falsely ok, after one more run."""

from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from remote_runs import (
    SERIAL,
    falsely_ok,
    hashes_in_database,
    killed_run,
    remote_run,
    stores,
    stores_here,
    two_patients,
)
from running import carry_out

from pipeline.cli import main
from pipeline.output.layout import KEY_FILE_VARIABLE
from pipeline.sources.lease import LEASE
from pipeline.vocabulary import ExitCode

if TYPE_CHECKING:
    from bucket_server import BucketServer, Request

CLIPPED = "steps: [{clip: {low_hu: -100, high_hu: 100}}]\ncluster: {kind: serial}\nreport: {enabled: false}\n"


@pytest.fixture
def source(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Two patients, and a key for every output of theirs."""
    (tmp_path / "key").write_text("ab" * 32)
    monkeypatch.setenv(KEY_FILE_VARIABLE, str(tmp_path / "key"))
    return two_patients(tmp_path / "in")


LATER = [pytest.param(n, False, marks=pytest.mark.slow) for n in (2, 3, 5, 6, 8, 12, 14, 16, 20, 24, 28)]


@pytest.mark.usefixtures("in_this_process")
@pytest.mark.parametrize(("n", "is_ceph"), [(10, False), (10, True), *LATER])
def test_a_kill_and_a_rerun_leave_what_a_clean_run_leaves(
    server: "BucketServer", source: Path, tmp_path: Path, n: int, *, is_ceph: bool
) -> None:
    server.is_ceph = is_ceph
    clean = carry_out(tmp_path, source, SERIAL)
    killed_run(server, tmp_path / "out.yaml", source, n)
    assert falsely_ok(server, tmp_path) == []
    again = remote_run(tmp_path, source, server.url("out"))
    assert again.exit_code == ExitCode.OK
    assert stores(server) == stores_here(clean.output)
    assert hashes_in_database(server, tmp_path) == {record.series_key: record.sha256 for record in clean.records}
    assert LEASE not in server.tree("out")


def test_a_store_that_was_being_replaced_is_not_called_done(
    server: "BucketServer", source: Path, tmp_path: Path, in_this_process: None
) -> None:
    del in_this_process
    first = remote_run(tmp_path, source, server.url("out"), SERIAL)
    before = stores(server)
    (tmp_path / "clipped.yaml").write_text(CLIPPED)
    killed_run(server, tmp_path / "clipped.yaml", source, 8)
    assert stores(server) != before
    assert falsely_ok(server, tmp_path) == []
    again = remote_run(tmp_path, source, server.url("out"), SERIAL)
    assert stores(server) == before
    assert [record.sha256 for record in again.records] == [record.sha256 for record in first.records]


def test_a_server_that_is_lost_is_said_and_the_next_run_goes_on(
    server: "BucketServer", source: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    config = tmp_path / "far.yaml"
    config.write_text(SERIAL)
    words = ["run", str(config), "--input", str(source), "--output", server.url("out")]

    def lose(request: "Request") -> None:
        if request[0] == "PUT" and request[1].endswith(".zarr/0/zarr.json"):
            server.stop()
            raise ConnectionError

    server.before = lose
    assert main(words) == ExitCode.OUTPUT
    lost = capfd.readouterr()
    assert f"ctprep: {server.url('out')}: the server cannot be reached, or was lost" in lost.err
    assert "Traceback" not in lost.out + lost.err
    server.before = lambda _: None
    server.start()
    assert main(words) == ExitCode.OK
    again = capfd.readouterr().out
    assert f"manifest: {server.url('out/manifest.parquet')}" in again
    assert again.splitlines()[-1] == "exit code 0"
