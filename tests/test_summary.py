import json
from datetime import UTC, datetime
from pathlib import Path

import pytest

from pipeline.output import OutputFolder
from pipeline.record import SeriesRecord
from pipeline.summary import exit_code_of, summarised, write_summary
from pipeline.vocabulary import ExitCode, Reason, Status

OK = SeriesRecord(series_key="a", status=Status.OK)
REJECTED = SeriesRecord(series_key="b", status=Status.REJECTED, reason=Reason.SLICE_GAP)
FAILED = SeriesRecord(series_key="c", status=Status.FAILED, reason=Reason.TIMEOUT)
LEFT_OUT = SeriesRecord(series_key="d", status=Status.EXCLUDED, reason=Reason.NOT_SELECTED)


@pytest.mark.parametrize(
    ("records", "saw_ct", "code"),
    [
        ([OK], True, ExitCode.OK),
        ([LEFT_OUT], True, ExitCode.OK),
        ([OK, REJECTED], True, ExitCode.REJECTED),
        ([OK, REJECTED, FAILED], True, ExitCode.FAILED),
        ([], False, ExitCode.NO_INPUT),
        ([OK], False, ExitCode.NO_INPUT),
        ([REJECTED], False, ExitCode.REJECTED),
    ],
)
def test_of_several_codes_that_hold_the_gravest_is_given(
    records: list[SeriesRecord], code: ExitCode, *, saw_ct: bool
) -> None:
    assert exit_code_of(records, saw_ct=saw_ct) is code


def test_the_summary_counts_and_stands_in_run_json_and_in_the_history(tmp_path: Path) -> None:
    output = OutputFolder(tmp_path)
    output.prepare()
    started = datetime(2026, 3, 1, 12, 30, tzinfo=UTC)
    summary = summarised([OK, REJECTED, REJECTED], ExitCode.REJECTED, started, "hash", {"more": 1})
    write_summary(output, summary)
    told = json.loads(output.run.read_text())
    assert told["exit_code"] == 3
    assert told["counts"] == {"ok": 1, "rejected": 2, "failed": 0, "excluded": 0}
    assert told["reasons"] == {"SLICE_GAP": 2}
    assert told["config_hash"] == "hash"
    assert told["more"] == 1
    assert [path.name for path in output.runs.iterdir()] == ["2026-03-01T123000Z.json"]
