import stat
from pathlib import Path

import pytest

from pipeline.errors import DamageError
from pipeline.output.state import Journal
from pipeline.record import SeriesRecord, from_json, to_json
from pipeline.vocabulary import SeriesWarning, Status


@pytest.fixture
def journal(tmp_path: Path) -> Journal:
    return Journal(tmp_path / "journal.jsonl")


def test_a_journal_that_was_never_written_is_empty(journal: Journal) -> None:
    assert journal.entries() == []


def test_entries_come_back_in_the_order_written(journal: Journal) -> None:
    entries = [{"series_key": "b"}, {"series_key": "a", "source": "line\nbreak \u2028 \ud800"}, {"series_key": "b"}]
    for entry in entries:
        journal.append(entry)
    assert journal.entries() == entries
    assert stat.S_IMODE(journal.path.stat().st_mode) == 0o600


def test_a_record_goes_through_the_journal(journal: Journal) -> None:
    record = SeriesRecord(series_key="a", status=Status.OK, warnings=(SeriesWarning.W_PADDING,), hu_mean=0.1)
    journal.append({"series_key": "a", "record": to_json(record)})
    assert from_json(journal.entries()[0]["record"]) == record


@pytest.mark.parametrize("length", range(1, 20))
def test_a_kill_in_the_middle_of_a_line_loses_that_line_only(journal: Journal, length: int) -> None:
    journal.append({"series_key": "a"})
    whole = journal.path.read_bytes()
    journal.append({"series_key": "b"})
    journal.path.write_bytes(journal.path.read_bytes()[: len(whole) + length])
    assert journal.entries() == [{"series_key": "a"}]
    journal.append({"series_key": "c"})
    assert journal.entries() == [{"series_key": "a"}, {"series_key": "c"}]


@pytest.mark.parametrize("line", [b"{", b"[]", b"\xff\xfe", b""])
def test_a_damaged_line_before_the_end_is_named(journal: Journal, line: bytes) -> None:
    journal.path.write_bytes(b'{"series_key": "a"}\n' + line + b'\n{"series_key": "b"}\n')
    with pytest.raises(DamageError, match="line 2"):
        journal.entries()


def test_compacting_puts_the_given_entries_in_place_of_all(journal: Journal) -> None:
    for n in range(5):
        journal.append({"n": n})
    journal.compact([{"n": 4}])
    assert journal.path.read_bytes() == b'{"n": 4}\n'
    assert stat.S_IMODE(journal.path.stat().st_mode) == 0o600
    journal.append({"n": 5})
    assert journal.entries() == [{"n": 4}, {"n": 5}]
