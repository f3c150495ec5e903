from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.dicom.select.where import agrees, check_rule, split_values

NUMBERS = st.integers(-(10**20), 10**20) | st.floats(allow_nan=False, allow_infinity=False).map(float)


@pytest.mark.parametrize(
    ("value", "rule"),
    [
        (1.0, 1),
        ("1", 1.0),
        (1, "1.000000"),
        (0.625, "0.6250"),
        ("B30f", "B30f"),
        (" STANDARD ", "STANDARD"),
        ("20200102", 20200102),
        (["ORIGINAL", "PRIMARY", "AXIAL"], "AXIAL"),
        (["-1000", "40"], {"min": 0, "max": 50}),
        ("LUNG", ["BONE", "LUNG"]),
        ("Chest 1.0 B30f", "*B30f"),
        (120.0, "12?"),
        ("a[1]", "a[1]"),
        (1.25, {"max": 1.25}),
        ("061Y", {"min": 18}),
        ("006M", {"max": 1}),
        ("081500", {"min": 80000, "max": 90000}),
        ("HEAD", {"not": "CHEST"}),
        ("HEAD", {"not": ["CHEST", "ABD*"]}),
        (3.0, {"not": {"max": 2}}),
        (None, {"not": "*"}),
    ],
)
def test_a_value_that_is_as_asked_agrees(value: Any, rule: Any) -> None:
    check_rule(rule)
    assert agrees(split_values([value]), rule)


@pytest.mark.parametrize(
    ("value", "rule"),
    [
        ("007", "7"),
        ("b30f", "B30f"),
        ("B30f", "B30"),
        ("12345678901234567890", "12345678901234567891"),
        (1.26, {"max": 1.25}),
        ("FAST", {"min": 0}),
        (["A", "B"], {"not": "B"}),
        (None, "*"),
        ("", "*"),
        ([], "*"),
        (None, {"min": 0}),
        ("nan", {"min": 0}),
    ],
)
def test_a_value_that_is_not_as_asked_does_not(value: Any, rule: Any) -> None:
    check_rule(rule)
    assert not agrees(split_values([value]), rule)


def test_every_image_of_a_series_has_a_say() -> None:
    assert agrees(split_values(["B30f", "B70f"]), "B70f")
    assert not agrees(split_values(["B30f", "B70f"]), {"not": "B70f"})


@given(number=NUMBERS)
def test_a_number_is_itself_however_it_is_held(number: float) -> None:
    assert agrees(split_values([number]), number)
    assert agrees(split_values([number]), f"{Decimal(str(number)):f}")
    assert agrees(split_values([number]), {"min": number, "max": number})
    assert not agrees(split_values([number]), {"not": number})


@pytest.mark.parametrize(
    "rule",
    [
        None,
        True,
        [],
        {},
        [None],
        {"not": None},
        {"like": "B*"},
        {"min": "thin"},
        {"min": None},
        {"min": 2, "max": 1},
        {"not": "A", "min": 1},
        {"max": [1]},
        {"min": False},
    ],
)
def test_what_is_no_rule_is_refused(rule: Any) -> None:
    with pytest.raises(ValueError, match=r"allowed are|must be numbers"):
        check_rule(rule)
