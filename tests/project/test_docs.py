"""The pages that are written by programs say what the programs would write today."""

import re
import sys
import tomllib
from pathlib import Path
from types import ModuleType
from typing import Any

import api_page
import data_dictionary
import pytest
import reasons_page
from pages import blocks

from pipeline.program.step import Step
from pipeline.vocabulary import Reason, SeriesWarning

DOCS = Path(__file__).parents[2] / "docs"
CODE = re.compile(r"^\| `(\w+)` \|", re.MULTILINE)


def test_the_page_of_reasons_is_current() -> None:
    assert (DOCS / "reasons.md").read_text(encoding="utf-8") == reasons_page.page()


def test_the_data_dictionary_is_current() -> None:
    assert (DOCS / "data-dictionary.md").read_text(encoding="utf-8") == data_dictionary.page(), (
        "write it again: python scripts/data_dictionary.py > docs/data-dictionary.md"
    )


def test_the_api_reference_is_current() -> None:
    assert (DOCS / "api.md").read_text(encoding="utf-8") == api_page.page(), (
        "write it again: python scripts/api_page.py > docs/api.md"
    )


def test_the_step_that_the_page_adds_is_one_and_passes_its_own_tests(monkeypatch: pytest.MonkeyPatch) -> None:
    step, test = (text for language, text in blocks(DOCS / "adding-a-step.md") if language == "python")
    module = ModuleType("pipeline.steps.attenuation")
    monkeypatch.setitem(sys.modules, module.__name__, module)
    exec(compile(step, "attenuation.py", "exec"), module.__dict__)  # noqa: S102  the page's own code
    assert issubclass(module.Attenuation, Step)
    names: dict[str, Any] = {}
    exec(compile(test, "test_attenuation.py", "exec"), names)  # noqa: S102
    tests = [name for name in names if name.startswith("test_")]
    assert len(tests) == 3
    for name in tests:
        names[name]()


def test_every_page_is_in_the_index() -> None:
    for folder in (DOCS, DOCS / "recipes"):
        index = (folder / "README.md").read_text(encoding="utf-8")
        pages = {path.name for path in folder.glob("*.md")} - {"README.md"}
        assert {page for page in pages if f"]({page})" not in index} == set()


def test_every_reason_and_warning_is_on_the_page_once() -> None:
    assert sorted(CODE.findall(reasons_page.page())) == sorted([*Reason, *SeriesWarning])


def test_every_row_says_what_to_do() -> None:
    rows = [line for line in reasons_page.page().splitlines() if CODE.match(line)]
    assert all(len(cell.split()) > 1 for row in rows for cell in row.split("|")[2:4])


def test_the_table_of_floors_is_the_contract() -> None:
    project = tomllib.loads((DOCS.parent / "pyproject.toml").read_text(encoding="utf-8"))
    contract = project["tool"]["importlinter"]["contracts"][0]["layers"]
    rooms = [set(re.findall(r"\w+", re.sub(r"\(\w+\)", "", layer))) for layer in contract]
    table = (DOCS / "architecture.md").read_text(encoding="utf-8").partition("| floor |")[2].partition("\n\n")[0]
    floors: dict[int, set[str]] = {}
    for number, cells, rest in re.findall(r"^\| (\d*) *\| (.*?) \| (.*?) \|$", table, re.MULTILINE):
        floor = int(number) if number else min(floors)
        names = rest.partition(":")[2] if cells == "the root" else cells
        floors.setdefault(floor, set()).update(re.findall(r"`(\w+)", names))
    assert list(floors) == list(range(len(contract), 0, -1))
    assert list(floors.values()) == rooms
