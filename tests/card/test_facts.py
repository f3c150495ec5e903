import shutil
from pathlib import Path

import pytest
from card_outputs import described

from pipeline.card.facts import Facts
from pipeline.errors import DamageError, UsageError
from pipeline.output.layout import OutputFolder
from pipeline.store.read import open_store

pytestmark = pytest.mark.usefixtures("in_this_process")


def test_an_output_is_reported_without_its_private_part(tmp_path: Path) -> None:
    output = described(tmp_path)
    before = Facts.of(output)
    shutil.rmtree(output.private)
    facts = Facts.of(output)
    assert facts == before
    assert [table.file.path for table in facts.tables] == [
        "manifest.parquet",
        "slices.parquet",
        "tags.parquet",
        "histograms.parquet",
    ]
    assert {file.path for file in facts.files} == {"manifest.csv", "config.yaml", "findings.json"}
    assert (len(facts.rows), len(facts.ready)) == (3, 2)
    assert [(step.step, step.n_series) for step in facts.processing] == [
        ("correct_tilt", 1),
        ("orient", 2),
        ("clip", 2),
        ("normalise", 2),
    ]
    assert not facts.keeps_identifiers


def test_kept_identifiers_are_noticed(tmp_path: Path) -> None:
    assert Facts.of(described(tmp_path, "manifest: {identifiers: keep}\n")).keeps_identifiers


def test_a_trail_is_the_stores_own(tmp_path: Path) -> None:
    output = described(tmp_path)
    trails = [open_store(output.root / row["store"]).attributes["trail"] for row in Facts.of(output).ready]
    assert sum(len(trail) for trail in trails) == sum(step.n_series for step in Facts.of(output).processing)


def test_a_store_that_is_gone_is_damage(tmp_path: Path) -> None:
    output = described(tmp_path)
    shutil.rmtree(next(output.volumes.iterdir()))
    with pytest.raises(DamageError, match="verify"):
        Facts.of(output)


def test_what_is_no_output_is_reported(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"manifest\.parquet"):
        Facts.of(OutputFolder(tmp_path))
