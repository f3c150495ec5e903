from pathlib import Path

import pytest
from jinja2 import UndefinedError

from pipeline.errors import OutputError
from pipeline.report.render import put, render


def test_a_page_that_lacks_a_value_is_an_error_not_a_hole() -> None:
    with pytest.raises(UndefinedError):
        render("figures.html.j2", root="")


def test_what_comes_from_data_is_escaped() -> None:
    rows = {"<script>": []}
    assert b"<script>" not in render("elements.html.j2", root="", modules=rows).split(b"<main")[1]


def test_a_file_is_put_into_folders_that_are_made_for_it(tmp_path: Path) -> None:
    put(tmp_path / "a/b.txt", b"1")
    assert (tmp_path / "a/b.txt").read_bytes() == b"1"


def test_a_refusal_of_the_system_is_an_error_of_the_output(tmp_path: Path) -> None:
    (tmp_path / "a").write_text("a file, no folder")
    with pytest.raises(OutputError, match=r"cannot write b\.txt"):
        put(tmp_path / "a/b.txt", b"1")
