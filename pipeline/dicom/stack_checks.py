"""Why a stack cannot become a volume: the checks that need the places of the slices, in the order of the vocabulary.

Identical duplicates are dropped before; a check says what is wrong, or None, and its docstring is the rule it holds.
"""

from collections.abc import Callable
from itertools import pairwise

import numpy as np

from pipeline.dicom.policy import Policy
from pipeline.dicom.slice import Refusal
from pipeline.dicom.stack import Stack, same_tolerance_mm
from pipeline.vocabulary import Reason, Verdict

SMALLEST_STEP_MM, LARGEST_STEP_MM = 0.01, 100.0
"""Beyond these no scanner moves its table between two slices."""

StackCheck = Callable[[Stack, Policy], str | None]


def stack_refusal(stack: Stack, policy: Policy) -> Refusal | None:
    """Return the first reason that the places of the slices give against a series."""
    for reason, check in STACK_CHECKS:
        if detail := check(stack, policy):
            return reason, detail
    return None


def _step_invalid(stack: Stack, _: Policy) -> str | None:
    """The step between slices is one that a scanner makes."""
    if stack.step_mm == 0 or SMALLEST_STEP_MM <= stack.step_mm <= LARGEST_STEP_MM:
        return None
    return f"slices are {stack.step_mm:g} mm apart; {SMALLEST_STEP_MM:g} to {LARGEST_STEP_MM:g} are allowed"


def _crooked(stack: Stack, _: Policy) -> str | None:
    """In-plane offsets lie on one straight line along the normal."""
    return None if stack.is_straight else f"slices lie up to {stack.bend_mm:.2f} mm off a straight line"


def _interleaved(stack: Stack, _: Policy) -> str | None:
    """One reconstruction is not interleaved with another: a value that was left does not come back."""
    for values in zip(*(header.reconstruction for header in stack.slices), strict=True):
        changes = sum(str(one) != str(next_one) for one, next_one in pairwise(values))
        distinct = len({str(value) for value in values})
        if changes > distinct - 1:
            return f"{distinct} reconstructions alternate along the stack ({changes} changes)"
    return None


def _too_few(stack: Stack, policy: Policy) -> str | None:
    """There are at least select.min_slices slices."""
    n = len(stack.slices)
    return f"{n} slices; select.min_slices is {policy.min_slices}" if n < policy.min_slices else None


def _duplicate_position(stack: Stack, _: Policy) -> str | None:
    """No two slices lie at one position."""
    if stack.verdict != Verdict.DUPLICATE:
        return None
    n_same = int(np.sum(np.diff(stack.positions_mm) <= same_tolerance_mm(stack.positions_mm)))
    n_places = len(stack.slices) - n_same
    return f"{len(stack.slices)} slices with different pixels at {n_places} positions"


def _slice_gap(stack: Stack, _: Policy) -> str | None:
    """No slice is missing from an evenly spaced stack."""
    if stack.verdict != Verdict.GAP:
        return None
    widest = int(np.argmax(np.diff(stack.positions_mm)))
    width = float(np.diff(stack.positions_mm)[widest])
    return (
        f"{stack.n_missing} slices missing; the widest gap is {width:g} mm, after slice {widest + 1}, "
        f"where the step is {stack.step_mm:g} mm"
    )


def _uneven(stack: Stack, _: Policy) -> str | None:
    """The step does not change along the stack."""
    if stack.verdict != Verdict.UNEVEN:
        return None
    gaps = np.diff(stack.positions_mm)
    return f"slices are {gaps.min():g} to {gaps.max():g} mm apart"


def _tilted(stack: Stack, policy: Policy) -> str | None:
    """The gantry was not tilted, where the policy refuses that."""
    if not stack.is_tilted or policy.geometry.gantry_tilt != "reject":
        return None
    return f"slices are tilted by {stack.tilt_deg:.2f} degrees"


STACK_CHECKS: tuple[tuple[Reason, StackCheck], ...] = (
    (Reason.TAG_INVALID, _step_invalid),
    (Reason.MIXED_GEOMETRY, _crooked),
    (Reason.MIXED_GEOMETRY, _interleaved),
    (Reason.TOO_FEW_SLICES, _too_few),
    (Reason.DUPLICATE_POSITION, _duplicate_position),
    (Reason.SLICE_GAP, _slice_gap),
    (Reason.SPACING_NONUNIFORM, _uneven),
    (Reason.GANTRY_TILT, _tilted),
)
