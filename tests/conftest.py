"""Where the shared data lies: beside the project, never in it."""

import signal
from pathlib import Path

import pytest
from running import InThisProcess

if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:  # as in a job that a shell put in the background
    signal.signal(signal.SIGINT, signal.default_int_handler)

SHARED = Path(__file__).resolve().parents[2] / "shared"


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


@pytest.fixture
def in_this_process(monkeypatch: pytest.MonkeyPatch) -> None:
    """Work series without a child process."""
    monkeypatch.setattr("pipeline.run.open_engine", lambda *_: InThisProcess())
