from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from pipeline.output.layout import OutputFolder
from pipeline.output.summary import add_times, exit_code_of, last_summary, summarise_run, write_summary
from pipeline.record import SeriesRecord
from pipeline.vocabulary import ExitCode, Reason, Status

OK = SeriesRecord(series_key="a", status=Status.OK)
REJECTED = SeriesRecord(series_key="b", status=Status.REJECTED, reason=Reason.SLICE_GAP)
FAILED = SeriesRecord(series_key="c", status=Status.FAILED, reason=Reason.TIMEOUT)
BROKEN = SeriesRecord(series_key="e", status=Status.FAILED, reason=Reason.INTERNAL, detail="KeyError at write.py:7")
LEFT_OUT = SeriesRecord(series_key="d", status=Status.EXCLUDED, reason=Reason.NOT_SELECTED)


@pytest.mark.parametrize(
    ("records", "saw_ct", "code"),
    [
        ([OK], True, ExitCode.OK),
        ([LEFT_OUT], True, ExitCode.OK),
        ([OK, REJECTED], True, ExitCode.REJECTED),
        ([OK, REJECTED, FAILED], True, ExitCode.FAILED),
        ([FAILED, replace(FAILED, reason=Reason.OUTPUT_IO)], True, ExitCode.OUTPUT),
        ([], False, ExitCode.NO_INPUT),
        ([OK], False, ExitCode.NO_INPUT),
        ([REJECTED], False, ExitCode.REJECTED),
        ([BROKEN, BROKEN, REJECTED], True, ExitCode.INTERNAL),
        ([BROKEN, replace(BROKEN, detail="KeyError at write.py:7; tried 2 times")], True, ExitCode.INTERNAL),
        ([BROKEN, replace(BROKEN, detail="KeyError at read.py:7")], True, ExitCode.FAILED),
        ([BROKEN, FAILED], True, ExitCode.FAILED),
        ([BROKEN, OK], True, ExitCode.FAILED),
    ],
)
def test_of_several_codes_that_hold_the_gravest_is_given(
    records: list[SeriesRecord], code: ExitCode, *, saw_ct: bool
) -> None:
    assert exit_code_of(records, saw_ct=saw_ct) is code


STARTED = datetime(2026, 3, 1, 12, 30, tzinfo=UTC)


@pytest.fixture
def output(tmp_path: Path) -> OutputFolder:
    output = OutputFolder(tmp_path)
    output.prepare()
    return output


def test_the_summary_counts_and_stands_in_run_json_and_in_the_history(output: OutputFolder) -> None:
    summary = summarise_run([OK, REJECTED, REJECTED], ExitCode.REJECTED, "hash", {"more": 1, "none": None})
    write_summary(output, add_times(summary, STARTED))
    told = last_summary(output)
    assert told["exit_code"] == 3
    assert told["counts"] == {"ok": 1, "rejected": 2, "failed": 0, "excluded": 0}
    assert told["reasons"] == {"SLICE_GAP": 2}
    assert told["config_hash"] == "hash"
    assert told["more"] == 1
    assert "none" not in told
    assert told["started_at"] == "2026-03-01T12:30:00+00:00"
    assert told["duration_s"] > 0
    assert [path.name for path in output.runs.iterdir()] == ["2026-03-01T123000Z.json"]


def test_runs_of_one_second_are_all_in_the_history(output: OutputFolder) -> None:
    for _ in range(3):
        write_summary(output, add_times(summarise_run([], ExitCode.OK, "hash", {}), STARTED))
    names = ["2026-03-01T123000Z-2.json", "2026-03-01T123000Z-3.json", "2026-03-01T123000Z.json"]
    assert sorted(path.name for path in output.runs.iterdir()) == names


@pytest.mark.parametrize("content", [None, "{", "[]"])
def test_a_summary_that_cannot_be_read_is_none(output: OutputFolder, content: str | None) -> None:
    if content is not None:
        output.run.write_text(content)
    assert last_summary(output) == {}
