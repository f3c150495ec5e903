import pytest

from pipeline.record import ElementValue
from pipeline.report.words import MISSING, element, figure, percent, product


@pytest.mark.parametrize(
    ("value", "digits", "text"),
    [
        (None, 0, MISSING),
        (0, 0, "0"),
        (-0.2, 0, "0"),
        (100, 0, "100"),
        (-1024, 0, "\u22121\u202f024"),
        (1234567, 0, "1\u202f234\u202f567"),
        (0.9765625, 3, "0.977"),
        (5.0, 3, "5"),
        (10.0, 1, "10"),
    ],
)
def test_a_figure_has_a_real_minus_and_no_idle_zeros(value: float | None, digits: int, text: str) -> None:
    assert figure(value, digits) == text


def test_a_product_keeps_the_order_of_its_values() -> None:
    assert product((5.0, 0.488, 1.0), 3) == "5\u202f\u00d7\u202f0.488\u202f\u00d7\u202f1"
    assert product(None) == MISSING


@pytest.mark.parametrize(
    ("share", "text"),
    [(None, MISSING), (0, "0\u202f%"), (0.0001, "<\u202f0.1\u202f%"), (0.1234, "12.3\u202f%"), (1, "100\u202f%")],
)
def test_a_share_is_written_in_per_cent_and_a_trace_is_not_called_nothing(share: float | None, text: str) -> None:
    assert percent(share) == text


@pytest.mark.parametrize(
    ("value", "text"), [(None, MISSING), ("", MISSING), ("B30f", "B30f"), (0, "0"), (["I30f", "3"], "I30f / 3")]
)
def test_an_element_is_written_as_it_is_and_its_parts_are_set_apart(value: ElementValue, text: str) -> None:
    assert element(value) == text
