import json
import sys
from pathlib import Path

import pytest

from pipeline.errors import OutputError, UsageError
from pipeline.run import notify as on_finish
from pipeline.run.notify import command_of, telling

SUMMARY = {"exit_code": 3, "counts": {"ok": 2}}


def keeping(path: Path, after: str = "") -> str:
    """Return a command that keeps what it is given."""
    return f'''{sys.executable} -c "import sys; open({str(path)!r}, 'w').write(sys.stdin.read()); {after}"'''


def end_by(error: BaseException, command: str) -> None:
    with telling(command, print) as tell:
        tell(SUMMARY)
        raise error


def test_the_command_gets_the_summary_once_all_is_done(tmp_path: Path) -> None:
    said: list[str] = []
    with telling(keeping(tmp_path / "told"), said.append) as tell:
        tell({"exit_code": 1})
        tell(SUMMARY)
        assert not (tmp_path / "told").exists()
    assert json.loads((tmp_path / "told").read_text()) == SUMMARY
    assert said == []


def test_a_run_that_ends_by_an_error_is_told_of_too(tmp_path: Path) -> None:
    with pytest.raises(OutputError):
        end_by(OutputError(), keeping(tmp_path / "told"))
    assert (tmp_path / "told").exists()


def test_a_run_that_somebody_stopped_is_not(tmp_path: Path) -> None:
    with pytest.raises(KeyboardInterrupt):
        end_by(KeyboardInterrupt(), keeping(tmp_path / "told"))
    assert not (tmp_path / "told").exists()


def test_nothing_is_run_without_a_command_or_without_a_summary(tmp_path: Path) -> None:
    with telling(None, print) as tell:
        tell(SUMMARY)
    with telling(keeping(tmp_path / "told"), print):
        pass
    assert not (tmp_path / "told").exists()


@pytest.mark.parametrize(
    ("command", "said"),
    [
        (f"{sys.executable} -c 'import sys; sys.exit(7)'", "ended with status 7"),
        ("/no/such/program", "cannot be run (No such file or directory)"),
        (f"{sys.executable} -c 'import time; time.sleep(60)'", "took more than 0.5 seconds and was stopped"),
    ],
)
def test_what_goes_wrong_with_the_command_is_said_and_no_more(
    command: str, said: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(on_finish, "SECONDS", 0.5)
    heard: list[str] = []
    with telling(command, heard.append) as tell:
        tell(SUMMARY)
    assert len(heard) == 1
    assert said in heard[0]


def test_words_are_split_as_a_shell_would_and_no_shell_reads_them() -> None:
    assert command_of("mail -s 'CT night; $HOME' a@b") == ["mail", "-s", "CT night; $HOME", "a@b"]


@pytest.mark.parametrize("text", ["", "  ", "mail 'a"])
def test_what_is_no_command_is_refused(text: str) -> None:
    with pytest.raises(UsageError, match="on_finish"):
        command_of(text)
