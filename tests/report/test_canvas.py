from xml.etree import ElementTree as ET

from pipeline.report.canvas import WIDTH, Canvas, cut, standalone

HOSTILE = '"><script>alert(1)</script>'
SVG = "{http://www.w3.org/2000/svg}"


def parsed(svg: str) -> ET.Element:
    return ET.fromstring(svg)  # noqa: S314  drawn here, not received


def test_whatever_is_drawn_is_one_image_with_a_title_and_a_description() -> None:
    canvas = Canvas(100)
    canvas.rect("mark", (1, 2, 3.14159, 4))
    canvas.circle("mark", (5, 6), 2, "a disc")
    canvas.line("axis", (0, 0), (10, 10))
    canvas.text("words", (1, 1), "end")
    drawn = parsed(canvas.svg("x", "Title", "Told"))
    assert drawn.get("viewBox") == f"0 0 {WIDTH} 100"
    assert (drawn.get("role"), drawn.get("aria-labelledby")) == ("img", "x-title x-desc")
    assert [child.tag.removeprefix(SVG) for child in drawn] == ["title", "desc", "rect", "circle", "path", "text"]
    assert drawn.find(f"{SVG}rect").get("width") == "3.1"


def test_what_comes_from_data_stays_text() -> None:
    canvas = Canvas(10)
    canvas.text(HOSTILE, (0, 0))
    canvas.rect("mark", (0, 0, 1, 1), HOSTILE)
    svg = canvas.svg("x", HOSTILE, HOSTILE)
    assert "<script" not in svg
    assert [node.text for node in parsed(svg).iter() if node.text] == [HOSTILE] * 4


def test_a_standalone_image_brings_its_own_colours() -> None:
    canvas = Canvas(10)
    canvas.rect("mark", (0, 0, 1, 1))
    alone = parsed(standalone(canvas.svg("x", "a", "b")))
    assert ".mark{fill:" in alone.find(f"{SVG}style").text
    assert alone.find(f"{SVG}rect").get("fill") == "#fff"


def test_long_words_are_cut_to_length() -> None:
    assert cut("short", 5) == "short"
    assert cut("longer", 5) == "long\u2026"
