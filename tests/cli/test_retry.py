import json
from pathlib import Path

import pytest
from phantoms import write_series
from running import carry_out

from pipeline.cli import main

pytestmark = pytest.mark.usefixtures("in_this_process")


@pytest.fixture
def out(tmp_path: Path) -> str:
    """Run over a series that is rejected."""
    write_series(tmp_path / "in", n=2)
    carry_out(tmp_path, tmp_path / "in", "report: {enabled: false}\n")
    return str(tmp_path / "out")


def test_retry_says_what_it_tries_again_and_ends_as_a_run(out: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["retry", out, "--reason", "TOO_FEW_SLICES", "SLICE_GAP", "--reason", "TIMEOUT"]) == 3
    told = capsys.readouterr().out
    assert "1 series are tried again" in told
    assert "1 rejected" in told
    assert told.splitlines()[-1] == "exit code 3"


def test_json_lines_are_json_to_the_last(out: str, capsys: pytest.CaptureFixture[str]) -> None:
    main(["retry", out, "--log-json"])
    events = [json.loads(line)["event"] for line in capsys.readouterr().out.splitlines()]
    assert events == ["message", "begins", "series", "ended"]


@pytest.mark.parametrize("reason", ["FRIDAY", "NOT_CT"])
def test_a_reason_that_nothing_can_be_retried_for_is_a_usage_error(
    reason: str, out: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["retry", out, "--reason", reason])
    assert ended.value.code == 2
    assert "SLICE_GAP" in capsys.readouterr().err
