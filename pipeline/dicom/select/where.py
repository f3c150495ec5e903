"""What a rule asks of an element, and whether its values agree.

Values are compared canonically: 1, 1.0 and '1' are one value; 007 and B30f are text, compared letter for letter.
"""

import re
from collections.abc import Iterable
from decimal import Decimal
from fnmatch import fnmatchcase
from typing import Any

from pipeline.record import ElementValue

Part = Decimal | str
"""One value of an element in canonical form."""

PLAIN_NUMBER = re.compile(r"[+-]?((0|[1-9][0-9]*)(\.[0-9]*)?|\.[0-9]+)")
"""Text that is a number; with leading zeros it is a code, a date or a time, and stays text."""
DIGITS = re.compile(r"[+-]?[0-9]*\.?[0-9]+")
"""Text that may lie in a range: a time such as 081500 too."""
AGE = re.compile(r"([0-9]{3})([DWMY])")
"""An age string (DICOM PS3.5 section 6.2, AS)."""
PER_YEAR = {"D": Decimal("365.25"), "W": Decimal("52.18"), "M": Decimal(12), "Y": Decimal(1)}
GLOB_CHARACTERS = frozenset("*?[")
BOUNDS = ("min", "max")


def check_rule(rule: Any) -> None:
    """Raise ValueError for what is no rule: a value, a list of rules, a glob, {min: a, max: b} or {not: rule}."""
    if isinstance(rule, list) and rule:
        for one in rule:
            check_rule(one)
    elif isinstance(rule, dict) and rule.keys() == {"not"}:
        check_rule(rule["not"])
    elif isinstance(rule, dict) and rule and rule.keys() <= set(BOUNDS):
        _check_range(rule)
    elif not _is_value(rule):
        msg = "allowed are a value, a list of values, a glob, {min: a, max: b} or {not: ...}"
        raise ValueError(msg)


def _is_value(rule: Any) -> bool:
    return isinstance(rule, str | int | float) and not isinstance(rule, bool)


def _check_range(rule: dict[str, Any]) -> None:
    bounds = [_number(_canonical(rule[name])) for name in BOUNDS if _is_value(rule.get(name))]
    numbers = [bound for bound in bounds if bound is not None]
    if len(numbers) < len(rule) or numbers != sorted(numbers):
        msg = "min and max must be numbers, min not above max"
        raise ValueError(msg)


def split_values(values: Iterable[ElementValue]) -> frozenset[Part]:
    """Return every part of an element's values, over the images of a series; nothing where it is absent or empty."""
    parts = (part for value in values for part in (value if isinstance(value, list) else [value]))
    return frozenset(_canonical(part) for part in parts if part not in {None, ""})


def agrees(parts: frozenset[Part], rule: Any) -> bool:
    """Report whether any part is as the rule asks; an absent element agrees with {not: ...} alone."""
    if isinstance(rule, list):
        return any(agrees(parts, one) for one in rule)
    if isinstance(rule, dict) and "not" in rule:
        return not agrees(parts, rule["not"])
    if isinstance(rule, dict):
        return any(_lies_within(part, rule) for part in parts)
    return any(_is_like(part, rule) for part in parts)


def _canonical(value: str | float) -> Part:
    text = str(value).strip()
    return Decimal(text) if not isinstance(value, str) or PLAIN_NUMBER.fullmatch(text) else text


def _lies_within(part: Part, bounds: dict[str, Any]) -> bool:
    number = _number(part)
    low, high = (_number(_canonical(bounds[name])) if name in bounds else None for name in BOUNDS)
    if number is None:
        return False
    return (low is None or low <= number) and (high is None or number <= high)


def _number(part: Part) -> Decimal | None:
    """Return a part as a number, an age in years; None for any other text."""
    if isinstance(part, Decimal):
        return part
    if age := AGE.fullmatch(part):
        return Decimal(age[1]) / PER_YEAR[age[2]]
    return Decimal(part) if DIGITS.fullmatch(part) else None


def _is_like(part: Part, wanted: str | float) -> bool:
    if part == _canonical(wanted):
        return True
    is_glob = isinstance(wanted, str) and not GLOB_CHARACTERS.isdisjoint(wanted)
    return is_glob and fnmatchcase(_shown(part), str(wanted))


def _shown(part: Part) -> str:
    return part if isinstance(part, str) else f"{part.normalize():f}"
