import errno
import fcntl
import signal
import stat
import subprocess
import sys
from pathlib import Path
from typing import Any, NoReturn

import pytest

from pipeline.errors import LockedError, OutputError
from pipeline.output.layout import OutputFolder
from pipeline.output.lock import NO_LOCKS, is_held, run_lock

HOLD = """
import sys, time
from pathlib import Path
from pipeline.output.lock import run_lock
from pipeline.output.layout import OutputFolder
with run_lock(OutputFolder(Path(sys.argv[1]))):
    print("held", flush=True)
    time.sleep(60)
"""


@pytest.fixture
def output(tmp_path: Path) -> OutputFolder:
    output = OutputFolder(tmp_path)
    output.prepare()
    return output


def test_the_lock_is_free_again_after_its_block(output: OutputFolder) -> None:
    for _ in range(2):
        with run_lock(output) as warning:
            assert warning is None
    assert stat.S_IMODE(output.lock.stat().st_mode) == 0o600


def test_a_second_run_is_refused_and_the_first_keeps_the_lock(output: OutputFolder) -> None:
    with run_lock(output):
        for _ in range(2):
            with pytest.raises(LockedError, match="another run"), run_lock(output):
                pass


def test_two_outputs_have_two_locks(output: OutputFolder, tmp_path: Path) -> None:
    other = OutputFolder(tmp_path / "other")
    other.prepare()
    with run_lock(output), run_lock(other) as warning:
        assert warning is None


def test_the_kernel_frees_the_lock_of_a_killed_run(output: OutputFolder) -> None:
    with subprocess.Popen([sys.executable, "-c", HOLD, str(output.root)], stdout=subprocess.PIPE) as holder:
        assert holder.stdout.readline() == b"held\n"
        with pytest.raises(LockedError), run_lock(output):
            pass
        assert is_held(output)
        holder.send_signal(signal.SIGKILL)
        holder.wait()
    assert not is_held(output)
    with run_lock(output) as warning:
        assert warning is None


def test_a_file_system_without_locks_is_said_and_not_fatal(
    output: OutputFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: Any) -> NoReturn:
        raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setattr(fcntl, "flock", refuse)
    with run_lock(output) as warning:
        assert warning == NO_LOCKS


def test_asking_whether_a_run_is_at_work_needs_no_lock_file_and_makes_none(output: OutputFolder) -> None:
    assert not is_held(output)
    assert not output.lock.exists()


def test_a_lock_that_cannot_be_opened_is_an_output_error(tmp_path: Path) -> None:
    with pytest.raises(OutputError, match="No such file or directory"), run_lock(OutputFolder(tmp_path / "absent")):
        pass
