"""The pages that are written by programs say what the programs would write today."""

import re
from pathlib import Path

import reasons_page

from pipeline.vocabulary import Reason, SeriesWarning

DOCS = Path(__file__).parents[1] / "docs"
CODE = re.compile(r"^\| `(\w+)` \|", re.MULTILINE)


def test_the_page_of_reasons_is_current() -> None:
    assert (DOCS / "reasons.md").read_text(encoding="utf-8") == reasons_page.page()


def test_every_reason_and_warning_is_on_the_page_once() -> None:
    assert sorted(CODE.findall(reasons_page.page())) == sorted([*Reason, *SeriesWarning])


def test_every_row_says_what_to_do() -> None:
    rows = [line for line in reasons_page.page().splitlines() if CODE.match(line)]
    assert all(len(cell.split()) > 1 for row in rows for cell in row.split("|")[2:4])
