from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
from headers import slice_at

from pipeline.dicom.headers.slice import SliceHeader
from pipeline.dicom.policy import GeometryOptions, Policy
from pipeline.dicom.stack.checks import STACK_CHECKS, check_stack
from pipeline.dicom.stack.stack import build_stack
from pipeline.geometry import Xyz
from pipeline.vocabulary import Reason

POLICY = Policy()
SHARP, SMOOTH = ("BONE", 120.0, 2.5, None), ("SOFT", 120.0, 2.5, None)


def at(*heights_mm: float, **changes: Any) -> list[SliceHeader]:
    return [slice_at(k, plane={"position": Xyz(0, 0, mm)}, **changes) for k, mm in enumerate(heights_mm)]


def tilted(n: int = 6) -> list[SliceHeader]:
    return [slice_at(k, plane={"position": Xyz(0, k * 0.5, k * 2.5)}) for k in range(n)]


def with_kernels(*kernels: tuple[Any, ...]) -> list[SliceHeader]:
    return [slice_at(k, reconstruction=kernel) for k, kernel in enumerate(kernels)]


def refusal(slices: Sequence[SliceHeader], policy: Policy = POLICY) -> tuple[Reason, str] | None:
    return check_stack(build_stack(slices), policy)


def reason(slices: Sequence[SliceHeader], policy: Policy = POLICY) -> Reason | None:
    found = refusal(slices, policy)
    return None if found is None else found[0]


def test_a_sound_stack_passes() -> None:
    assert refusal(at(0, 2.5, 5, 7.5)) is None


def test_the_checks_stand_in_the_order_of_the_vocabulary() -> None:
    reasons = [reason for reason, _ in STACK_CHECKS]
    assert reasons == sorted(reasons, key=lambda reason: reason.order)


def test_a_step_that_no_scanner_makes_is_invalid() -> None:
    assert reason(at(0, 100, 200, 300)) is None
    assert refusal(at(0, 101, 202, 303)) == (Reason.TAG_INVALID, "slices are 101 mm apart; 0.01 to 100 are allowed")


def test_slices_beside_a_line_are_mixed_geometry() -> None:
    slices = at(0, 2.5, 5, 7.5, 10)
    slices[2] = slice_at(2, plane={"position": Xyz(4, 0, 5)})
    found = refusal(slices)
    assert found is not None
    assert found[0] is Reason.MIXED_GEOMETRY


def test_reconstructions_that_alternate_are_mixed_geometry() -> None:
    found = refusal(with_kernels(SHARP, SMOOTH, SHARP, SMOOTH))
    assert found == (
        Reason.MIXED_GEOMETRY,
        "2 reconstructions alternate along the stack (ConvolutionKernel changes 3 times)",
    )
    assert reason(with_kernels(SHARP, SHARP, SMOOTH, SHARP)) is Reason.MIXED_GEOMETRY


def test_a_reconstruction_may_change_once() -> None:
    assert reason(with_kernels(SHARP, SHARP, SMOOTH, SMOOTH)) is None


def test_too_few_slices_are_told_before_their_places() -> None:
    assert refusal(at(0, 2.5)) == (Reason.TOO_FEW_SLICES, "2 slices; select.min_slices is 3")
    assert reason(at(0, 0)) is Reason.TOO_FEW_SLICES
    assert reason(at(0)) is Reason.TOO_FEW_SLICES
    assert reason(at(0, 2.5), Policy(min_slices=2)) is None
    assert reason(at(0), Policy(min_slices=1)) is None


def test_slices_at_one_position_are_counted() -> None:
    expected = (Reason.DUPLICATE_POSITION, "5 slices with different pixels at 3 positions")
    assert refusal(at(0, 2.5, 2.5, 5, 5)) == expected
    assert reason(at(1, 1, 1)) is Reason.DUPLICATE_POSITION


def test_a_gap_is_told_with_its_place_and_width() -> None:
    found = refusal(at(0, 2.5, 5, 12.5, 15, 17.5))
    assert found is not None
    assert found[0] is Reason.SLICE_GAP
    assert found[1].startswith("2 slices missing; the widest gap is 7.5 mm, after slice 3, where the step is 2.5 mm")


def test_uneven_spacing_is_told_with_its_extremes() -> None:
    expected = (Reason.SPACING_NONUNIFORM, "slices are 2.5 to 5 mm apart")
    assert refusal(at(0, 2.5, 5, 7.5, 12.5, 17.5, 22.5)) == expected


def test_a_tilt_is_refused_only_where_the_policy_says_so() -> None:
    rejecting = Policy(geometry=GeometryOptions(gantry_tilt="reject"))
    assert reason(tilted()) is None
    assert refusal(tilted(), rejecting) == (Reason.GANTRY_TILT, "slices are tilted by 11.31 degrees")
    assert reason(at(0, 2.5, 5, 7.5), rejecting) is None


@pytest.mark.parametrize("turned", [False, True])
def test_the_order_of_the_files_changes_nothing(*, turned: bool) -> None:
    slices = at(0, 2.5, 5, 12.5, 15)
    assert reason(slices[::-1] if turned else slices) is Reason.SLICE_GAP


RESAMPLING = Policy(geometry=GeometryOptions(uneven_spacing="resample"))


def places(*gaps_mm: float) -> list[SliceHeader]:
    return at(0.0, *np.cumsum(gaps_mm).tolist())


def test_a_change_of_step_may_be_resampled() -> None:
    assert refusal(places(*[2.5] * 5, *[5.0] * 6), RESAMPLING) is None
    assert refusal(places(*(2.5 * 1.04**k for k in range(12))), RESAMPLING) is None


def test_a_wide_hole_is_not_resampled() -> None:
    found = refusal(places(*[2.5] * 10, *[5.0] * 4, 115.0, *[5.0] * 6), RESAMPLING)
    assert found is not None
    assert found[0] is Reason.SPACING_NONUNIFORM
    assert found[1].endswith("geometry.max_gap_mm is 10")


def test_many_holes_are_not_resampled() -> None:
    found = refusal(places(*[2.5, 2.6, 2.5, 9.1] * 4, 2.5), RESAMPLING)
    assert found is not None
    assert found[0] is Reason.SPACING_NONUNIFORM
    assert found[1].endswith("geometry.max_missing_share is 0.1")


def test_steps_below_the_smallest_are_no_single_position() -> None:
    expected = (Reason.TAG_INVALID, "slices are 0.009 mm apart; 0.01 to 100 are allowed")
    assert refusal(at(*(0.009 * k for k in range(12)))) == expected
    assert refusal(at(*(0.01 * k for k in range(12)))) is None


def test_slices_that_nearly_share_a_position_are_told_with_their_distance() -> None:
    found = refusal(at(0, 0.009, 3, 3.009, 6, 6.009))
    assert found is not None
    assert found[0] is Reason.DUPLICATE_POSITION
    assert "up to 0.009 mm apart" in found[1]


def with_agents(*agents: str | None) -> list[SliceHeader]:
    return with_kernels(*(("SOFT", 120.0, 2.5, agent) for agent in agents))


def test_an_agent_named_in_some_slices_is_one_reconstruction() -> None:
    assert refusal(with_agents(*[None] * 4, "Agent", None, None, "AGENT", *[None] * 4)) is None
    assert reason(with_agents(*[None, "Agent"] * 6)) is Reason.MIXED_GEOMETRY
    assert reason(with_agents(*["One", "Other"] * 6)) is Reason.MIXED_GEOMETRY


def test_thicknesses_and_diameters_that_differ_by_rounding_are_one() -> None:
    kernels = [("SOFT", 120.0, thickness, None) for thickness in (0.625, 0.624) * 6]
    assert refusal(with_kernels(*kernels)) is None
    slices = [slice_at(k, reconstruction_diameter=(360.0, 359.9999)[k % 2]) for k in range(12)]
    assert refusal(slices) is None
    assert reason(with_kernels(*(("SOFT", 120.0, mm, None) for mm in (3.0, 5.0) * 6))) is Reason.MIXED_GEOMETRY
