"""Which of several series is the best, by their headers."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from pipeline.dicom.headers.slice import Series, SliceHeader
from pipeline.dicom.policy import Policy
from pipeline.dicom.select.options import MOMENT, Preference
from pipeline.dicom.select.where import agrees, split_values
from pipeline.dicom.stack.checks import check_stack
from pipeline.dicom.stack.stack import Stack, build_stack, same_tolerance_mm
from pipeline.vocabulary import Verdict

LAST = "~"
"""Sorts behind any date: one that is not known is not the earliest."""
MEASURE_DECIMALS = 3
"""Thicknesses are compared to the micrometre: more is rounding of the positions."""


def try_stack(series: Series, policy: Policy) -> Stack | None:
    """Return a series' stack, one slice a position, None where its places refuse it.

    Slices at one position count as copies, which only their pixels can show later.
    """
    try:
        with np.errstate(over="raise", invalid="raise", divide="raise"):
            stack = _distinct(build_stack(series.images), policy)
            return None if check_stack(stack, policy) else stack
    except (ArithmeticError, np.linalg.LinAlgError):  # positions beyond reason: the series' own job says so
        return None


def _distinct(stack: Stack, policy: Policy) -> Stack:
    if stack.verdict is not Verdict.DUPLICATE or policy.geometry.duplicate_position == "reject":
        return stack
    return build_stack(_one_a_position(stack))


def _one_a_position(stack: Stack) -> list[SliceHeader]:
    apart = np.diff(stack.positions_mm) > same_tolerance_mm(stack.positions_mm)
    return [header for header, is_new in zip(stack.slices, (True, *apart), strict=True) if is_new]


def rank_stack(stack: Stack, prefer: Sequence[Preference]) -> tuple[Any, ...]:
    """Return what sorts a better series before a worse one: a measure for each preference, the first one first."""
    return tuple(_measure(stack, preference) for preference in prefer)


def name_preference(preference: Preference) -> str:
    """Return a preference as a message names it: never with the values it asks for."""
    return preference if isinstance(preference, str) else next(iter(preference))


def _measure(stack: Stack, preference: Preference) -> Any:
    if preference == "thinnest":
        return _thickness(stack)
    if preference == "most_slices":
        return -len(stack.slices)
    if preference == "earliest":
        return min(_moment(header) for header in stack.slices)
    (keyword, liked), *_ = preference.items()
    return _place_among(stack, keyword, liked)


def _thickness(stack: Stack) -> tuple[float, float]:
    """Return what one slice stands for, its thickness or the step where that is wider, and then the thickness."""
    thickness = stack.slices[0].plane.thickness or 0.0
    return round(max(thickness, stack.step_mm), MEASURE_DECIMALS), round(thickness, MEASURE_DECIMALS)


def _moment(header: SliceHeader) -> tuple[str, ...]:
    """Return date and time as digits that sort; dates written 2020.01.02 and times written 10:15 occur (PS3.5)."""
    moment = (str(header.elements.get(keyword) or "") for keyword in MOMENT)
    return tuple("".join(filter(str.isdigit, text)) or LAST for text in moment)


def _place_among(stack: Stack, keyword: str, liked: Sequence[str | float]) -> int:
    """Return the place of an element's value in a list, behind all where it is none of them."""
    parts = split_values(header.elements.get(keyword) for header in stack.slices)
    return next((place for place, one in enumerate(liked) if agrees(parts, one)), len(liked))
