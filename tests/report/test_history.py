import json
from pathlib import Path
from typing import Any

import pytest

from pipeline.errors import DamageError
from pipeline.output import OutputFolder
from pipeline.report.history import changes


def summary(started_at: str, ok: int, **reasons: int) -> dict[str, Any]:
    return {
        "started_at": started_at,
        "finished_at": f"{started_at} later",
        "counts": {"ok": ok, "rejected": sum(reasons.values())},
        "reasons": reasons,
        "config_hash": "abc",
        "versions": {"ctprep": "1"},
    }


@pytest.fixture
def output(tmp_path: Path) -> OutputFolder:
    output = OutputFolder(tmp_path)
    output.prepare()
    for told in (summary("2026-01-01", 5), summary("2026-01-02", 7, SLICE_GAP=2), summary("2026-01-03", 9)):
        (output.runs / f"{told['started_at']}.json").write_text(json.dumps(told))
    return output


def test_the_run_before_is_the_newest_that_began_earlier(output: OutputFolder) -> None:
    told = changes(output, summary("2026-01-03", 9))
    assert told is not None
    assert told.since == "2026-01-02 later"
    assert told.rows == (("ok", "7", "9"), ("rejected", "2", "0"), ("SLICE_GAP", "2", "0"))


def test_runs_that_found_the_same_have_no_change(output: OutputFolder) -> None:
    told = changes(output, summary("2026-01-04", 9))
    assert told is not None
    assert told.rows == ()


def test_a_first_run_has_none_before_it(output: OutputFolder) -> None:
    assert changes(output, summary("2026-01-01", 5)) is None
    assert changes(output, {}) is None


def test_a_history_that_is_no_json_is_damage(output: OutputFolder) -> None:
    (output.runs / "2026-01-05.json").write_text("{")
    with pytest.raises(DamageError, match=r"2026-01-05\.json"):
        changes(output, summary("2026-01-06", 5))
