"""Why a stack cannot become a volume: the checks that need the places of the slices, in the order of the vocabulary.

Identical duplicates are dropped before.  A check returns what is wrong, or None; its docstring is the rule.
"""

from collections.abc import Callable, Collection, Iterable, Sequence
from itertools import pairwise

import numpy as np

from pipeline.dicom.headers.slice import SliceHeader
from pipeline.dicom.policy import GeometryOptions, Policy
from pipeline.dicom.stack.passes import find_passes, take_turns
from pipeline.dicom.stack.stack import GAP_RATIO, NOISE_MM, SAME_MM, Stack, count_decimals, same_tolerance_mm
from pipeline.record import ElementValue
from pipeline.vocabulary import Reason, Refusal, Verdict

RIM_SHARE = 0.1
"""Pixel spacings are one if the outermost pixels, seen from the centre, move by less than this share of a pixel."""
ROUNDED_DECIMALS, ROUNDED_RIM_SHARE = 3, 1.0
"""They are one too if one is the other with fewer decimals, but at least so many, and no pixel moves by one or more."""
A_LITTLE_MORE = 1 + 1e-6
"""What noise of floating point may add to a unit."""

ROUNDING_SHARE = 2e-3
"""Numbers that differ by less are one number, written with other decimals: 0.624 and 0.625, 360 and 359.9999."""
UNKNOWN = (None, None, None, None)

Names = tuple[str, ...]

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


def _reconstructions_alternate(stack: Stack, _: Policy) -> str | None:
    """One reconstruction is not interleaved with another: a value that was left does not come back."""
    for element, values in list_constants(stack.slices).items():
        known = [value for value in values if value]
        changes = sum(one != next_one for one, next_one in pairwise(known))
        distinct = len(set(known))
        if changes > max(0, distinct - 1):
            return f"{distinct} reconstructions alternate along the stack ({element} changes {changes} times)"
        if take_turns([bool(value) for value in values]):
            return f"{element} is given and absent in turn along the stack"
    return None


def _acquisitions_alternate(stack: Stack, _: Policy) -> str | None:
    """One acquisition made the stack, or several that follow each other: none returns along it."""
    if stack.verdict == Verdict.DUPLICATE:
        return None
    passes = find_passes(stack.slices, is_even=stack.has_step)
    return f"{passes.n} acquisitions alternate along the stack, by {passes.element}" if passes else None


def _too_few(stack: Stack, policy: Policy) -> str | None:
    """There are at least select.min_slices slices."""
    n = len(stack.slices)
    return f"{n} slices; select.min_slices is {policy.min_slices}" if n < policy.min_slices else None


def _duplicate_position(stack: Stack, _: Policy) -> str | None:
    """No two slices lie at one position."""
    if stack.verdict != Verdict.DUPLICATE:
        return None
    gaps = np.diff(stack.positions_mm)
    tolerance_mm = same_tolerance_mm(stack.positions_mm)
    close = gaps[gaps <= tolerance_mm]
    n_places = len(stack.slices) - len(close)
    found = f"{len(stack.slices)} slices with different pixels at {n_places} position{'s' * (n_places > 1)}"
    if close.max() < NOISE_MM:
        return found
    return f"{found}: they lie up to {close.max():.3g} mm apart, and up to {tolerance_mm:.3g} mm is one position"


def _slice_gap(stack: Stack, policy: Policy) -> str | None:
    """No slice is missing from an evenly spaced stack, but for gaps that the policy fills."""
    if stack.verdict != Verdict.GAP:
        return None
    found = f"{stack.n_missing} slices missing; {_describe_widest(stack)}"
    if policy.geometry.gap == "reject":
        return found
    if not stack.is_even:
        return f"{found}: no whole number of slices fits"
    over = _over_gap_limits(stack, stack.n_missing, policy.geometry)
    return f"{found}{over}" if over else None


def _describe_widest(stack: Stack) -> str:
    gaps = np.diff(stack.positions_mm)
    widest = int(np.argmax(gaps))
    return f"the widest gap is {gaps[widest]:g} mm, after slice {widest + 1}, where the step is {stack.step_mm:g} mm"


def _over_gap_limits(stack: Stack, n_missing: int, options: GeometryOptions) -> str | None:
    """Say which limit forbids to fill a stack with so many planes that no slice saw; None where none does."""
    if np.diff(stack.positions_mm).max() > options.max_gap_mm + SAME_MM:
        return f"; geometry.max_gap_mm is {options.max_gap_mm:g}"
    missing_share = n_missing / (n_missing + len(stack.slices))
    if missing_share > options.max_missing_share:
        return f": a share of {missing_share:.3g}, and geometry.max_missing_share is {options.max_missing_share:g}"
    return None


def _uneven(stack: Stack, policy: Policy) -> str | None:
    """The step does not change along the stack, where the policy does not resample it."""
    if stack.verdict != Verdict.UNEVEN:
        return None
    gaps = np.diff(stack.positions_mm)
    found = f"slices are {gaps.min():g} to {gaps.max():g} mm apart"
    if policy.geometry.uneven_spacing == "reject":
        return found
    if gaps.max() < GAP_RATIO * stack.step_mm:
        return None
    over = _over_gap_limits(stack, stack.n_in_holes, policy.geometry)
    return f"{found}; {_describe_widest(stack)}{over}" if over else None


def _tilted(stack: Stack, policy: Policy) -> str | None:
    """The gantry was not tilted, where the policy refuses that."""
    if not stack.is_tilted or policy.geometry.gantry_tilt != "reject":
        return None
    return f"slices are tilted by {stack.tilt_deg:.2f} degrees"


STACK_CHECKS: tuple[tuple[Reason, StackCheck], ...] = (
    (Reason.TAG_INVALID, _step_invalid),
    (Reason.MIXED_GEOMETRY, _crooked),
    (Reason.MIXED_GEOMETRY, _reconstructions_alternate),
    (Reason.MIXED_GEOMETRY, _acquisitions_alternate),
    (Reason.TOO_FEW_SLICES, _too_few),
    (Reason.DUPLICATE_POSITION, _duplicate_position),
    (Reason.SLICE_GAP, _slice_gap),
    (Reason.SPACING_NONUNIFORM, _uneven),
    (Reason.GANTRY_TILT, _tilted),
)


def list_constants(slices: Sequence[SliceHeader]) -> dict[str, Names]:
    """Return for each element what each slice says of its reconstruction, as a name; empty where it says nothing."""
    reconstructions = [header.reconstruction or UNKNOWN for header in slices]
    kernels, voltages, thicknesses, agents = zip(*reconstructions, strict=True)
    diameters = [header.reconstruction_diameter for header in slices]
    kinds = ["/".join(header.identity.image_type[2:]) for header in slices]
    return {
        "ConvolutionKernel": _name_texts(kernels),
        "KVP": name_numbers(voltages),
        "SliceThickness": name_numbers(thicknesses),
        "ContrastBolusAgent": _name_texts(agents),
        "ReconstructionDiameter": name_numbers(diameters),
        "ImageType": _name_texts(kinds),
    }


def name_numbers(values: Iterable[ElementValue]) -> Names:
    """Return a name for each number, the same for those that differ by rounding; a text that is no number is a name."""
    texts = _name_texts(values)
    numbers = {text: number for text in set(texts) if (number := _as_number(text)) is not None}
    names, first = {}, None
    for text, number in sorted(numbers.items(), key=lambda item: (item[1], item[0])):
        if first is None or number - numbers[first] > ROUNDING_SHARE * abs(number):
            first = text
        names[text] = first
    return tuple(names.get(text, text) for text in texts)


def _name_texts(values: Iterable[ElementValue]) -> Names:
    return tuple("" if value is None else str(value).strip().casefold() for value in values)


def _as_number(text: str) -> float | None:
    try:
        number = float(text)
    except ValueError:
        return None
    return number if np.isfinite(number) else None


def is_one_spacing(spacings_mm: Collection[float], n_pixels: int) -> bool:
    """Report pixel spacings that differ by rounding at most, such as 0.7421875 and 0.742188, or 0.624 and 0.625."""
    share = measure_rim_share(spacings_mm, n_pixels)
    return share <= RIM_SHARE or (share <= ROUNDED_RIM_SHARE and _are_roundings(spacings_mm))


def measure_rim_share(spacings_mm: Collection[float], n_pixels: int) -> float:
    """Return how far the outermost of ``n_pixels`` moves between two spacings, seen from the centre, in pixels."""
    return (max(spacings_mm) - min(spacings_mm)) * n_pixels / 2 / min(spacings_mm)


def _are_roundings(values: Collection[float]) -> bool:
    """Report values each of which is the finest of them, rounded or cut to fewer decimals, at least ROUNDED_DECIMALS.

    Two that are written with as many decimals may differ by one unit of the last of them.
    """
    finest = max(values, key=count_decimals)
    for value in values:
        unit = 10.0 ** -max(count_decimals(value), ROUNDED_DECIMALS)
        if abs(value - finest) > unit * A_LITTLE_MORE:
            return False
    return max(values) - min(values) <= 10.0**-ROUNDED_DECIMALS * A_LITTLE_MORE


UNSAFE_TEXT, UNUSUAL_TEXT = "unsafe text in", "unusual text in"
"""What the detail of a series begins with, before the elements of such text."""


def describe_texts(slices: Sequence[SliceHeader]) -> str | None:
    """Name the elements whose text is unsafe, then those whose text is only unusual; None where there are none."""
    words = []
    for verdict, beginning in (("unsafe", UNSAFE_TEXT), ("unusual", UNUSUAL_TEXT)):
        names = {name for header in slices for name, found in header.texts.items() if found == verdict}
        words += [f"{beginning} {', '.join(sorted(names))}"] if names else []
    return "; ".join(words) or None


def describe_rounded_spacing(slices: Sequence[SliceHeader]) -> str | None:
    """Say how far the last pixel moves between the pixel spacings of a stack; None where that is not worth a word."""
    pixels = slices[0].pixels
    found = [
        ({header.plane.row_spacing for header in slices}, pixels.rows),
        ({header.plane.column_spacing for header in slices}, pixels.columns),
    ]
    if all(measure_rim_share(spacings, n_pixels) <= RIM_SHARE for spacings, n_pixels in found):
        return None
    edge_mm = max((max(spacings) - min(spacings)) * (n_pixels - 1) for spacings, n_pixels in found)
    return f"PixelSpacing differs by rounding between slices: up to {edge_mm:.2g} mm"
