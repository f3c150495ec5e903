import json
from pathlib import Path

import pytest

from pipeline.output.layout import OutputFolder
from pipeline.output.manifest import publish
from pipeline.output.summary import Summary
from pipeline.record import SeriesRecord
from pipeline.run.history import History
from pipeline.vocabulary import ExitCode, Status


@pytest.fixture
def output(tmp_path: Path) -> OutputFolder:
    output = OutputFolder(tmp_path)
    output.prepare()
    return output


def record(key: str) -> SeriesRecord:
    return SeriesRecord(series_key=key, status=Status.OK, patient=key)


def run(output: OutputFolder, *keys: str) -> Summary:
    """Publish these series as a run does, and return its summary."""
    heard: list[Summary] = []
    history = History(output, heard.append)
    publish(output, map(record, keys))
    written = history.write(history.summarise([*map(record, keys)], ExitCode.OK, "hash", {"plan": {"done": 1}}))
    assert heard == [written]
    return written


def test_a_first_run_has_nothing_to_compare_with(output: OutputFolder) -> None:
    assert run(output, "a")["changes"] == {}


def test_a_run_tells_what_came_since_the_last_one(output: OutputFolder) -> None:
    first = run(output, "a")
    changes = run(output, "a", "b", "c")["changes"]
    assert changes["since"] == first["finished_at"]
    assert changes["figures"] == {"ok": ["1", "3"]}
    assert (changes["new_series"], changes["new_patients"]) == (2, 2)


def test_what_is_written_is_what_is_reported_with_its_times(output: OutputFolder) -> None:
    written = run(output, "a")
    assert json.loads(output.run.read_text()) == written
    assert list(written)[-3:] == ["started_at", "finished_at", "duration_s"]


def test_a_run_that_found_all_as_it_was_tells_the_same_and_no_changes(output: OutputFolder) -> None:
    run(output, "a")
    last = run(output, "a", "b")
    history = History(output, lambda _: None)
    quiet = history.repeat(last)
    assert quiet["counts"] == last["counts"]
    assert quiet["changes"]["since"] == last["finished_at"]
    assert quiet["changes"]["figures"] == {}
    assert quiet["changes"]["new_series"] == 0
