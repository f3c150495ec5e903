import sys

import pytest

from pipeline.errors import UsageError
from pipeline.report.canvas import Canvas, standalone
from pipeline.report.pdf import to_pdf


def test_an_image_becomes_a_page_of_its_own_size() -> None:
    canvas = Canvas(60)
    canvas.rect("mark", (10, 10, 50, 20))
    page = to_pdf(standalone(canvas.svg("x", "a title", "a description")))
    assert page.startswith(b"%PDF-")
    assert b"/MediaBox [ 0 0 423 45 ]" in page  # 564 x 60 px at 96 a inch


def test_without_the_extra_a_person_is_told_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "svglib.svglib", None)
    with pytest.raises(UsageError, match=r"ctprep\[figures\]"):
        to_pdf("<svg/>")
