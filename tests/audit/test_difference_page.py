from pipeline.audit.difference import Difference, ElementComparison, difference_page

SLOPE = Difference("0028,1053", "RescaleSlope", "1", ("1", "2"))
COMMENT = Difference("0020,4000", "ImageComments", None, "<script>alert(1)</script>")


def test_the_page_shows_both_sides_and_what_one_lacks() -> None:
    page = difference_page(ElementComparison((COMMENT, SLOPE), 1, 3, ("B: a note",)), "one.dcm", "series")
    assert "<h1>2 elements differ</h1>" in page
    assert "varies (2 values): 1; 2" in page
    assert "not there" in page
    assert "one.dcm, 1 file<" in page
    assert "series, 3 files<" in page
    assert "B: a note" in page
    assert "1 different, 0 only in A, 1 only in B" in page


def test_what_comes_from_data_is_escaped_and_nothing_is_loaded() -> None:
    page = difference_page(ElementComparison((COMMENT,), 1, 1), "<b>", "b")
    assert page.startswith("<!doctype html>")
    assert "<h1>1 element differs</h1>" in page
    assert "<script" not in page
    assert "<b>" not in page
    assert "default-src 'none'" in page
    assert "http" not in page.replace("http-equiv", "")


def test_without_a_difference_there_is_no_table() -> None:
    assert "<table>" not in difference_page(ElementComparison((), 1, 1), "a", "b")
