"""Fixtures for all tests, and the profile that property tests run under."""

import os
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, settings
from running import InThisProcess

from pipeline.cluster.child import start_fork_server
from pipeline.prepare import PRELOAD

if TYPE_CHECKING:
    from bucket_server import BucketServer

if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:  # as in a job that a shell put in the background
    signal.signal(signal.SIGINT, signal.default_int_handler)

settings.register_profile(
    "project",
    deadline=None,  # a loaded machine is no failure
    suppress_health_check=[HealthCheck.too_slow],
    derandomize="CI" in os.environ,  # a change is judged on the examples that the last one was judged on
    print_blob=True,
)
settings.load_profile("project")

SHARED = Path(__file__).resolve().parents[2] / "shared"
"""Where shared data lies: beside the project, never in it."""


def _folder(path: Path) -> Path:
    if not path.is_dir():
        pytest.skip(f"needs {path.relative_to(SHARED.parent)} beside the project")
    return path


@pytest.fixture(scope="session")
def shared() -> Path:
    """Everything that is shared between projects."""
    return _folder(SHARED)


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """Real DICOM files."""
    return _folder(SHARED / "data")


@pytest.fixture(scope="session")
def bad_inputs() -> Path:
    """Small spoilt series with known answers in ``cases.json``."""
    return _folder(SHARED / "bad_inputs")


@pytest.fixture(scope="session", autouse=True)
def fork_server() -> None:
    """Start what children are copied from once for all tests of this process: later it would import nothing ahead."""
    start_fork_server(PRELOAD)


@pytest.fixture
def in_this_process(monkeypatch: pytest.MonkeyPatch) -> None:
    """Process series, and verify stores, without a child process."""
    for room in ("pipeline.run.session", "pipeline.audit.verify"):
        monkeypatch.setattr(f"{room}.open_cluster", lambda *_, **__: InThisProcess())


@pytest.fixture(scope="session")
def running_bucket_server() -> "Iterator[BucketServer]":
    """Start one server for all tests that need a bucket."""
    from bucket_server import BucketServer

    server = BucketServer()
    server.start()
    yield server
    server.stop()


@pytest.fixture
def server(
    running_bucket_server: "BucketServer", tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> "Iterator[BucketServer]":
    """Give a server with a new bucket, known to this process and those it starts, and an empty cache."""
    running_bucket_server.start()
    running_bucket_server.renew()
    for name, value in running_bucket_server.environment.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("CTPREP_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr("pipeline.sources.bucket.MOST_RETRIES", 2)
    yield running_bucket_server
    running_bucket_server.before = lambda _: None
    running_bucket_server.is_ceph = running_bucket_server.loses_answers = False
