import json
import shutil
from pathlib import Path

import pytest
from card_outputs import described

from pipeline.card import About, write_card
from pipeline.errors import OutputError

pytestmark = pytest.mark.usefixtures("in_this_process")


def test_the_same_output_gives_the_same_bytes_there_and_elsewhere_without_private(tmp_path: Path) -> None:
    output = described(tmp_path)
    first = [path.read_bytes() for path in write_card(output, About())]
    shutil.rmtree(output.private)
    files = write_card(output, About(), tmp_path / "else/where")
    assert [path.read_bytes() for path in files] == first
    assert [path.name for path in files] == ["croissant.json", "DATASET_CARD.md"]


def test_nothing_about_a_person_or_the_input_is_reported(tmp_path: Path) -> None:
    output = described(tmp_path)
    told = "".join(path.read_text() for path in write_card(output, About()))
    for word in ("Nobody", "ANON", str(tmp_path), "IM0001", "20200102", "1.2.826"):
        assert word not in told


def test_json_is_read_by_anyone(tmp_path: Path) -> None:
    croissant, _ = write_card(described(tmp_path), About(name="Köpfe"))
    assert json.loads(croissant.read_text("utf-8"))["name"] == "Köpfe"


def test_a_folder_that_cannot_be_made_is_reported(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(OutputError, match="cannot be made"):
        write_card(described(tmp_path), About(), tmp_path / "file/below")
