from pathlib import Path

import pytest
from card_outputs import described

from pipeline.cli import main

pytestmark = pytest.mark.usefixtures("in_this_process")


def test_the_files_and_what_is_to_be_filled_in_are_reported(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    output = described(tmp_path)
    words = ["--to", str(tmp_path / "card"), "--name", "Phantoms", "--licence", "CC-BY-4.0"]
    assert main(["card", str(output.root), *words]) == 0
    assert capsys.readouterr().out.splitlines() == [
        str(tmp_path / "card/croissant.json"),
        str(tmp_path / "card/DATASET_CARD.md"),
        "to be filled in: --creator --contact --citation --url --published",
    ]
    assert (tmp_path / "card/DATASET_CARD.md").read_text().startswith("# Phantoms\n")


def test_nothing_to_fill_in_is_not_mentioned(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    output = described(tmp_path)
    missing = ("licence", "creator", "contact", "citation", "url", "published")
    assert main(["card", str(output.root), *(word for name in missing for word in (f"--{name}", "x"))]) == 0
    assert "filled in" not in capsys.readouterr().out


def test_what_is_no_output_ends_with_2(tmp_path: Path) -> None:
    assert main(["card", str(tmp_path)]) == 2
