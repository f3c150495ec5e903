"""An output of the version before, which kept a journal and a folder of headers in place of a database."""

import json
from dataclasses import replace
from pathlib import Path

import pytest
from phantoms import write_series
from running import bytes_of_stores, carry_out
from states import finished_in, state_of

from pipeline.config import load
from pipeline.errors import DamageError
from pipeline.output.database import Database
from pipeline.output.layout import OutputFolder
from pipeline.output.state import SeriesTable, open_database, pack_result
from pipeline.run.dry_run import dry_run
from pipeline.run.run import Outcome

YAML = "steps: []\n"
pytestmark = pytest.mark.usefixtures("in_this_process")


def make_former(output: OutputFolder) -> None:
    """Make of an output what the version before would have left: slices and histograms stand in the tables alone."""
    with Database.open(output.state) as database:
        lines = [pack_result(one) for one in SeriesTable(database).read().values()]
    entries = [json.loads(line) for line in lines]
    output.former_journal.write_text(
        "".join(json.dumps({"series_key": entry["record"]["series_key"], **entry}) + "\n" for entry in entries)
    )
    (output.private / "scan").mkdir()
    (output.private / "scan/last-run.json").write_text("{}")
    for path in output.private.glob("state.sqlite*"):
        path.unlink()


@pytest.fixture
def former(tmp_path: Path) -> Outcome:
    for number in range(2):
        write_series(tmp_path / "in" / f"p{number}", patient_id=f"p{number}", seed=number)
    (tmp_path / "in/p1/IM0001.dcm").unlink()
    outcome = carry_out(tmp_path, tmp_path / "in", YAML)
    make_former(outcome.output)
    return outcome


def test_its_stores_are_taken_over_as_they_are(former: Outcome, tmp_path: Path) -> None:
    output = former.output
    stores = bytes_of_stores(former)
    tables = {path: path.read_bytes() for path in (output.slices, output.files, output.histograms, output.index)}
    again = carry_out(tmp_path, tmp_path / "in", YAML)
    assert again.summary["plan"] == {"new": 0, "changed": 0, "stale": 0, "done": 2, "gone": 0}
    assert bytes_of_stores(again) == stores
    assert {path: path.read_bytes() for path in tables} == tables
    assert finished_in(output).keys() == {record.series_key for record in former.records}
    assert not output.former_journal.exists()
    assert not (output.private / "scan").exists()


def test_a_dry_run_knows_it_and_leaves_it_as_it_is(former: Outcome, tmp_path: Path) -> None:
    output = former.output
    before = {path: path.stat().st_mtime_ns for path in output.root.rglob("*")}
    config = load(tmp_path / "out.yaml", inputs=[tmp_path / "in"], output=output.root)
    assert {plan.state for plan in dry_run(config)} == {"done"}
    assert {path: path.stat().st_mtime_ns for path in output.root.rglob("*")} == before


@pytest.mark.parametrize("name", ["files", "slices", "histograms"])
def test_what_its_tables_do_not_complete_is_prepared_again(former: Outcome, tmp_path: Path, name: str) -> None:
    journal, table = former.output.former_journal, getattr(former.output, name)
    entries = [json.loads(line) for line in journal.read_text().splitlines()]
    journal.write_text("".join(json.dumps(entry | {"slices": None, "histogram": None}) + "\n" for entry in entries))
    before = bytes_of_stores(former)
    table.write_bytes(table.read_bytes()[:-9])
    plan = carry_out(tmp_path, tmp_path / "in", YAML).summary["plan"]
    assert plan["done"] < 2
    assert bytes_of_stores(former) == before


def test_what_the_database_knows_better_stays(former: Outcome) -> None:
    key = former.records[0].series_key
    with state_of(former.output) as state:
        known = state.finished[key]
        state.table.write([replace(known, signature="newer")])
    with open_database(former.output) as database:
        assert SeriesTable(database).read()[key].signature == "newer"
        assert len(SeriesTable(database).read()) == 2


def test_half_a_line_that_a_kill_left_does_not_count(former: Outcome, tmp_path: Path) -> None:
    journal = former.output.former_journal
    first, second, _ = journal.read_bytes().split(b"\n")
    journal.write_bytes(first + b"\n" + second[:50])
    plan = carry_out(tmp_path, tmp_path / "in", YAML).summary["plan"]
    assert (plan["new"], plan["done"]) == (1, 1)


def test_a_damaged_line_is_named(former: Outcome, tmp_path: Path) -> None:
    journal = former.output.former_journal
    journal.write_bytes(b"{\n" + journal.read_bytes())
    with pytest.raises(DamageError, match=r"journal\.jsonl line 1 is damaged"):
        carry_out(tmp_path, tmp_path / "in", YAML)
