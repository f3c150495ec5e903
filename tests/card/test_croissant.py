"""Croissant is checked by the validator of those who made it, which also reads the tables through it."""

import json
import logging
from dataclasses import replace
from pathlib import Path

import pytest
from card_outputs import described

from pipeline.card import About
from pipeline.card.croissant import CONTEXT, croissant
from pipeline.card.facts import Facts
from pipeline.card.write import write_card
from pipeline.output.tables import read_table

pytestmark = [
    pytest.mark.usefixtures("in_this_process"),
    pytest.mark.filterwarnings("ignore:ConjunctiveGraph is deprecated"),  # the validator's own, as the next one
    pytest.mark.filterwarnings("ignore:The inplace keyword"),
]

ABOUT = About(
    name="Phantoms",
    licence="https://creativecommons.org/licenses/by/4.0/",
    creator="The House",
    contact="house@example.org",
    citation="The House (2026): Phantoms",
    url="https://example.org",
    published="2026-01-31",
)


def test_the_validator_finds_nothing_and_reads_every_table(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    import mlcroissant

    output = described(tmp_path)
    write_card(output, ABOUT)
    with caplog.at_level(logging.WARNING):
        found = mlcroissant.Dataset(output.root / "croissant.json")
    issues = found.metadata.ctx.issues
    assert (issues.errors, issues.warnings) == (set(), set())
    assert not [record for record in caplog.records if "@context" in record.getMessage()]
    rows = read_table(output.manifest)
    read = list(found.records("manifest"))
    assert [record["manifest/series_key"].decode() for record in read] == [row["series_key"] for row in rows]
    assert [record["manifest/shape_in"] for record in read] == [row["shape_in"] for row in rows]
    for table in ("slices", "tags", "histograms"):
        assert len(list(found.records(table))) == len(read_table(output.root / f"{table}.parquet"))


def test_splits_are_reported_where_they_were_made(tmp_path: Path) -> None:
    import mlcroissant

    facts = Facts.of(described(tmp_path))
    assert "splits" not in {records["@id"] for records in croissant(facts, ABOUT)["recordSet"]}
    rows = [{**row, "split": name} for row, name in zip(facts.rows, ("test", "train", "train"), strict=True)]
    metadata = croissant(replace(facts, rows=tuple(rows)), ABOUT)
    found = mlcroissant.Dataset(jsonld=json.loads(json.dumps(metadata)))
    names = [record["splits/name"] for record in found.records("splits")]
    assert set(names) <= {"train", "test"}
    assert "train" in names


def test_what_nobody_said_is_left_out(tmp_path: Path) -> None:
    metadata = croissant(Facts.of(described(tmp_path)), About())
    assert {"license", "creator", "citeAs", "url", "datePublished"}.isdisjoint(metadata)
    assert metadata["@context"] == CONTEXT


def test_files_are_reported_with_their_hashes(tmp_path: Path) -> None:
    facts = Facts.of(described(tmp_path))
    files = {one["@id"]: one for one in croissant(facts, ABOUT)["distribution"]}
    assert all(len(one["sha256"]) == 64 for name, one in files.items() if name != "volumes")
    assert not [name for name in files if "private" in name]
