import json
import sys
from pathlib import Path

import pytest

from pipeline.errors import OutputError, UsageError
from pipeline.run import history as on_finish
from pipeline.run.history import notify_at_end, split_command

SUMMARY = {"exit_code": 3, "counts": {"ok": 2}}


def keeping(path: Path, after: str = "") -> str:
    """Return a command that keeps what it is given."""
    return f'''{sys.executable} -c "import sys; open({str(path)!r}, 'w').write(sys.stdin.read()); {after}"'''


def end_by(error: BaseException, command: str) -> None:
    with notify_at_end(command, print) as notify:
        notify(SUMMARY)
        raise error


def test_the_command_gets_the_summary_once_all_is_done(tmp_path: Path) -> None:
    said: list[str] = []
    with notify_at_end(keeping(tmp_path / "told"), said.append) as notify:
        notify({"exit_code": 1})
        notify(SUMMARY)
        assert not (tmp_path / "told").exists()
    assert json.loads((tmp_path / "told").read_text()) == SUMMARY
    assert said == []


@pytest.mark.parametrize(
    ("error", "ending"),
    [
        (OutputError("full"), {"exit_code": 7, "message": "full"}),
        (OSError("/home/name of a patient"), {"exit_code": 1, "message": "OSError"}),
        (KeyboardInterrupt(), {"exit_code": 130, "message": "KeyboardInterrupt"}),
    ],
)
def test_the_command_hears_of_a_run_that_an_error_ended(
    tmp_path: Path, error: BaseException, ending: dict[str, object]
) -> None:
    with pytest.raises(type(error)):
        end_by(error, keeping(tmp_path / "told"))
    assert json.loads((tmp_path / "told").read_text()) == SUMMARY | ending


def test_the_command_hears_of_a_run_that_ended_before_it_had_a_summary(tmp_path: Path) -> None:
    with pytest.raises(UsageError), notify_at_end(keeping(tmp_path / "told"), print):
        split_command("")
    assert json.loads((tmp_path / "told").read_text()) == {
        "exit_code": 2,
        "message": "on_finish: an empty command; null means none",
    }


def test_nothing_is_run_without_a_command_or_without_a_summary(tmp_path: Path) -> None:
    with notify_at_end(None, print) as notify:
        notify(SUMMARY)
    with notify_at_end(keeping(tmp_path / "told"), print):
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
    with notify_at_end(command, heard.append) as notify:
        notify(SUMMARY)
    assert len(heard) == 1
    assert said in heard[0]


def test_words_are_split_as_a_shell_would_and_no_shell_reads_them() -> None:
    assert split_command("mail -s 'CT night; $HOME' a@b") == ["mail", "-s", "CT night; $HOME", "a@b"]


@pytest.mark.parametrize("text", ["", "  ", "mail 'a"])
def test_what_is_no_command_is_refused(text: str) -> None:
    with pytest.raises(UsageError, match="on_finish"):
        split_command(text)
