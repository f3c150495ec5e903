"""Reaching a scheduler that runs already, or finding that none can be reached."""

import time
from pathlib import Path

import pytest
from clusters import Certificate, programs
from engine_jobs import QUICK, identify

import pipeline.cluster.remote
from pipeline.cluster import ClusterOptions
from pipeline.cluster.remote import remote_engine
from pipeline.errors import ClusterError

NOBODY = "127.0.0.1:1"


def test_where_no_scheduler_is_that_is_said_soon(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pipeline.cluster.remote, "CONNECT_SECONDS", 1)
    began = time.monotonic()
    with pytest.raises(ClusterError, match=r"cannot be reached .*no scheduler answers"):
        remote_engine(ClusterOptions("address", address=NOBODY), QUICK, 1, None, ()).__enter__()
    assert time.monotonic() - began < 10


def test_a_scheduler_without_workers_is_waited_for_no_longer_than_asked() -> None:
    with programs(0) as started:
        options = ClusterOptions("address", address=started.address, wait_seconds=1)
        with pytest.raises(ClusterError, match=r"no worker came .* within 1 seconds; start one with: dask worker tcp"):
            remote_engine(options, QUICK, 1, None, ()).__enter__()


def test_jobs_are_worked_over_tls_where_all_folders_are_seen(tmp_path: Path) -> None:
    certificate = Certificate.made(tmp_path / "tls")
    tls = {"ca": certificate.ca, "cert": certificate.cert, "key": certificate.key}
    with programs(1, certificate) as started:
        options = ClusterOptions("address", address=started.address, tls=tls)
        with remote_engine(options, QUICK, 1, None, (tmp_path,)) as engine:
            assert len(list(engine.run(identify, range(5)))) == 5
        missing = tmp_path / "nowhere"
        with pytest.raises(ClusterError, match=r"does not see .*nowhere"):
            remote_engine(options, QUICK, 1, None, (tmp_path, missing)).__enter__()
    assert not list(tmp_path.glob(".seen-*"))
