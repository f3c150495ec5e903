"""The Data Package is checked by the validator of those who made it, cell by cell."""

import json
from pathlib import Path

import pytest
from card_outputs import described

from pipeline.card import About
from pipeline.card.datapackage import datapackage
from pipeline.card.facts import Facts
from pipeline.card.write import write_card

pytestmark = pytest.mark.usefixtures("in_this_process")


def test_the_validator_finds_nothing_and_notices_a_changed_cell(tmp_path: Path) -> None:
    import frictionless

    output = described(tmp_path)
    write_card(output, About(licence="CC-BY-4.0", creator="The House", contact="house@example.org"))
    path = str(output.root / "datapackage.json")
    assert frictionless.validate(path).flatten(["type", "note"]) == []
    output.manifest_csv.write_text(output.manifest_csv.read_text().replace("rejected", "ok", 1))
    assert "hash-count" in {error[0] for error in frictionless.validate(path).flatten(["type"])}


def test_every_column_of_the_manifest_has_its_type_and_meaning(tmp_path: Path) -> None:
    facts = Facts.of(described(tmp_path))
    resources = {one["path"]: one for one in datapackage(facts, About())["resources"]}
    fields = {field["name"]: field for field in resources["manifest.csv"]["schema"]["fields"]}
    header = (tmp_path / "out/manifest.csv").read_text().partition("\n")[0]
    assert list(fields) == header.split(",")
    assert [fields[name]["type"] for name in ("status", "n_files", "hu_mean", "shape")] == [
        "string",
        "integer",
        "number",
        "array",
    ]
    assert all(field["description"].endswith(".") for field in fields.values())


@pytest.mark.parametrize(
    ("licence", "told"),
    [("CC-BY-4.0", {"name": "CC-BY-4.0"}), ("https://example.org/l", {"path": "https://example.org/l"})],
)
def test_a_licence_is_a_name_or_an_address(tmp_path: Path, licence: str, told: dict[str, str]) -> None:
    descriptor = datapackage(Facts.of(described(tmp_path)), About(licence=licence))
    assert descriptor["licenses"] == [told]


def test_a_name_becomes_one_that_the_standard_allows(tmp_path: Path) -> None:
    facts = Facts.of(described(tmp_path))
    assert datapackage(facts, About(name="Köpfe, 2026!"))["name"] == "k-pfe-2026"
    assert datapackage(facts, About(name="頭"))["name"] == "ct-volumes"
    assert "contributors" not in json.dumps(datapackage(facts, About()))
