"""Why a stack cannot become a volume: the checks that need the places of the slices, in the order of the vocabulary.

Identical duplicates are dropped before.  A check returns what is wrong, or None; its docstring is the rule.
"""

from collections.abc import Callable
from itertools import pairwise

import numpy as np

from pipeline.dicom.headers.slice import SliceHeader
from pipeline.dicom.policy import Policy
from pipeline.dicom.stack.stack import SAME_MM, Stack, same_tolerance_mm
from pipeline.vocabulary import Reason, Refusal, Verdict

SMALLEST_STEP_MM, LARGEST_STEP_MM = 0.01, 100.0
"""Beyond these no scanner moves its table between two slices."""

StackCheck = Callable[[Stack, Policy], str | None]


def check_stack(stack: Stack, policy: Policy) -> Refusal | None:
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
    for values in zip(*(_constants(header) for header in stack.slices), strict=True):
        changes = sum(one != next_one for one, next_one in pairwise(values))
        distinct = len(set(values))
        if changes > distinct - 1:
            return f"{distinct} reconstructions alternate along the stack ({changes} changes)"
    return None


def _constants(header: SliceHeader) -> tuple[str, ...]:
    """Return what is constant within one reconstruction, as text."""
    kinds = header.identity.image_type[2:]
    return *(str(value) for value in header.reconstruction), str(header.reconstruction_diameter), str(kinds)


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
    return f"{len(stack.slices)} slices with different pixels at {n_places} position{'s' * (n_places > 1)}"


def _slice_gap(stack: Stack, policy: Policy) -> str | None:
    """No slice is missing from an evenly spaced stack, but for gaps that the policy fills."""
    if stack.verdict != Verdict.GAP:
        return None
    gaps = np.diff(stack.positions_mm)
    widest = int(np.argmax(gaps))
    found = (
        f"{stack.n_missing} slices missing; the widest gap is {gaps[widest]:g} mm, after slice {widest + 1}, "
        f"where the step is {stack.step_mm:g} mm"
    )
    options = policy.geometry
    if options.gap == "reject":
        return found
    missing_share = stack.n_missing / (stack.n_missing + len(stack.slices))
    if not stack.is_even:
        return f"{found}: no whole number of slices fits"
    if gaps[widest] > options.max_gap_mm + SAME_MM:
        return f"{found}; geometry.max_gap_mm is {options.max_gap_mm:g}"
    if missing_share > options.max_missing_share:
        return (
            f"{found}: a share of {missing_share:.3g}, and geometry.max_missing_share is {options.max_missing_share:g}"
        )
    return None


def _uneven(stack: Stack, policy: Policy) -> str | None:
    """The step does not change along the stack, where the policy does not resample it."""
    if stack.verdict != Verdict.UNEVEN or policy.geometry.uneven_spacing == "resample":
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
