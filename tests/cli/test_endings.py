import json

import pytest

from pipeline.cli.endings import print_code, print_error, print_event
from pipeline.vocabulary import ExitCode


def test_an_error_is_reported_on_stderr_and_the_code_last_on_stdout(capsys: pytest.CaptureFixture[str]) -> None:
    assert print_error("the disk is full", ExitCode.OUTPUT, ["run"], "Traceback ...") is ExitCode.OUTPUT
    told = capsys.readouterr()
    assert told.err == "ctprep: the disk is full\n"
    assert told.out == "exit code 7\n"


def test_a_program_gets_one_line_of_json_with_the_traceback(capsys: pytest.CaptureFixture[str]) -> None:
    print_error("broken", ExitCode.INTERNAL, ["run", "--log-json"], "at line 3")
    told = capsys.readouterr()
    assert told.err == ""
    assert json.loads(told.out) == {"event": "error", "message": "broken", "exit_code": 1, "traceback": "at line 3"}


def test_events_are_single_lines(capsys: pytest.CaptureFixture[str]) -> None:
    print_event("message", message="two\nlines")
    print_code(ExitCode.OK)
    assert capsys.readouterr().out.splitlines() == ['{"event": "message", "message": "two\\nlines"}', "exit code 0"]
