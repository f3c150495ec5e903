from collections.abc import Iterable, Sequence
from dataclasses import replace
from random import Random

import pytest
from headers import slice_at

from pipeline.dicom.headers.slice import SliceHeader
from pipeline.dicom.policy import GeometryOptions, Policy
from pipeline.dicom.stack.checks import check_stack
from pipeline.dicom.stack.passes import find_passes
from pipeline.dicom.stack.stack import build_stack
from pipeline.geometry import Xyz
from pipeline.vocabulary import Reason

N = 24
LENIENT = Policy(geometry=GeometryOptions(gap="interpolate", uneven_spacing="resample"))


def stack_of(
    heights: Iterable[float], numbers: Sequence[int | None] = (), **phases: Sequence[object]
) -> list[SliceHeader]:
    """Return slices at these heights; a keyword gives each slice's value of an element, None where it has none."""
    slices = []
    for k, height in enumerate(heights):
        phase = {word: str(values[k]) for word, values in phases.items() if values[k] is not None}
        number = numbers[k] if numbers else k + 1
        slices.append(slice_at(k, plane={"position": Xyz(0, k * 0.1, height)}, phase=phase, instance_number=number))
    return slices


def even(step_mm: float = 1.5) -> list[float]:
    return [step_mm * k for k in range(N)]


def clock(seconds: float) -> str:
    """Return a time of day as DICOM writes it."""
    seconds %= 86400
    return f"{int(seconds // 3600):02}{int(seconds // 60 % 60):02}{seconds % 60:09.6f}"


def passes(n: int, pause_s: float = 60, start_s: float = 36000) -> list[str]:
    """Return the times of slices of which every n-th belongs to one pass, half a second each."""
    return [clock(start_s + (k % n) * pause_s + (k // n) * 0.5) for k in range(N)]


def element_of(slices: list[SliceHeader]) -> str | None:
    stack = build_stack(slices)
    found = find_passes(stack.slices, is_even=stack.has_step)
    return found.element if found else None


def refusal(slices: list[SliceHeader], policy: Policy = LENIENT) -> tuple[Reason, str] | None:
    return check_stack(build_stack(slices), policy)


@pytest.mark.parametrize("n", [2, 3])
def test_passes_told_by_number_are_refused_by_name(n: int) -> None:
    slices = stack_of(even(), AcquisitionNumber=[k % n + 1 for k in range(N)])
    assert refusal(slices) == (
        Reason.MIXED_GEOMETRY,
        f"{n} acquisitions alternate along the stack, by AcquisitionNumber",
    )


@pytest.mark.parametrize("element", ["FrameAcquisitionNumber", "TemporalPositionIdentifier"])
def test_other_numbers_tell_passes_too(element: str) -> None:
    assert element_of(stack_of(even(), **{element: [k % 2 + 1 for k in range(N)]})) == element


@pytest.mark.parametrize("n", [2, 3])
@pytest.mark.parametrize("element", ["AcquisitionTime", "ContentTime"])
@pytest.mark.parametrize("turned", [False, True])
def test_passes_told_by_time_are_found(element: str, n: int, *, turned: bool) -> None:
    times = passes(n)
    assert element_of(stack_of(even(), **{element: times[::-1] if turned else times})) in {
        element,
        "AcquisitionDateTime",
    }


def test_one_time_for_each_pass_is_enough() -> None:
    assert element_of(stack_of(even(), ContentTime=["100000", "100100"] * (N // 2))) == "ContentTime"


def test_a_pass_may_come_back_the_other_way() -> None:
    times = [clock(36000 + (k / 2 if k % 2 == 0 else 100 - k / 2)) for k in range(N)]
    assert element_of(stack_of(even(), AcquisitionTime=times)) == "AcquisitionDateTime"


def test_passes_of_many_numbers_are_found_by_their_order() -> None:
    numbers = [k // 2 + 1 if k % 2 == 0 else N + k // 2 for k in range(N)]
    assert element_of(stack_of(even(), AcquisitionNumber=numbers)) == "AcquisitionNumber"


def test_instance_numbers_tell_passes_where_nothing_else_does() -> None:
    numbers = [k // 2 + 1 + (N // 2) * (k % 2) for k in range(N)]
    assert element_of(stack_of(even(), numbers)) == "InstanceNumber"
    assert element_of(stack_of(even(), numbers, AcquisitionTime=[clock(36000 + k) for k in range(N)])) is None


def test_frames_lie_in_any_order_where_their_stacks_number_them() -> None:
    numbers = [k // 2 + 1 + (N // 2) * (k % 2) for k in range(N)]
    half = N // 2
    rising, halves = [k + 1 for k in range(N)], [k % half + 1 for k in range(N)]
    follow, alternate = [1 + k // half for k in range(N)], [1 + k % 2 for k in range(N)]
    in_turn = [k // 2 + 1 for k in range(N)]
    one = [1] * N
    assert element_of(stack_of(even(), numbers, StackID=one, InStackPositionNumber=rising)) is None
    assert element_of(stack_of(even(), numbers, StackID=one, InStackPositionNumber=rising[::-1])) is None
    assert element_of(stack_of(even(), numbers, StackID=follow, InStackPositionNumber=halves)) is None
    for stacks, places in ((one, in_turn), (alternate, in_turn), (one, numbers), (one, [None] * N)):
        slices = stack_of(even(), numbers, StackID=stacks, InStackPositionNumber=places)
        assert element_of(slices) == "InstanceNumber"
    acquired = stack_of(even(), numbers, InStackPositionNumber=rising, FrameAcquisitionNumber=alternate)
    assert element_of(acquired) == "FrameAcquisitionNumber"


@pytest.mark.parametrize("apart_mm", [0.02, 0.3, 0.5, 1.0])
def test_passes_that_lie_close_are_no_missing_slices(apart_mm: float) -> None:
    heights = sorted([3.0 * k for k in range(12)] + [3.0 * k + apart_mm for k in range(12)])
    told = stack_of(heights, AcquisitionNumber=[1, 2] * 12)
    assert refusal(told) is not None
    assert refusal(told)[0] is Reason.MIXED_GEOMETRY  # type: ignore[index]
    silent = refusal(stack_of(heights, [7] * N), Policy())
    assert silent is not None
    if apart_mm < 1:
        assert silent[0] is Reason.SPACING_NONUNIFORM


@pytest.mark.parametrize(
    "numbers",
    [
        list(range(N)),
        list(range(N, 0, -1)),
        [k // 4 for k in range(N)],
        [1] * (N // 2) + [2] * (N // 2),
        [1] * 11 + [2, 1] + [2] * 11,
        [1] * N,
        [1, None] * (N // 2),
    ],
    ids=["table steps", "from the feet", "blocks", "two ranges", "ranges that meet", "equal", "given and absent"],
)
def test_numbers_of_one_sweep_are_sound(numbers: list[int]) -> None:
    assert refusal(stack_of(even(), AcquisitionNumber=numbers)) is None


def test_a_sweep_through_midnight_is_sound() -> None:
    times = [clock(86395 + k) for k in range(N)]
    assert refusal(stack_of(even(), ContentTime=times)) is None


def test_passes_through_midnight_are_found() -> None:
    assert element_of(stack_of(even(), ContentTime=passes(2, start_s=86390, pause_s=20))) == "ContentTime"


def test_times_absent_in_some_slices_are_left_out() -> None:
    times: list[str | None] = [*passes(2)]
    times[5] = times[12] = None
    assert element_of(stack_of(even(), AcquisitionTime=times)) == "AcquisitionDateTime"
    rising = [clock(36000 + k) if k % 3 else None for k in range(N)]
    assert element_of(stack_of(even(), AcquisitionTime=rising)) is None


@pytest.mark.parametrize("n", [8, 12, 24, 60])
@pytest.mark.parametrize("resolution_s", [0.001, 1.0, 5.0])
def test_times_of_an_export_in_any_order_refuse_no_sound_series(n: int, resolution_s: float) -> None:
    chance = Random(n)  # noqa: S311  no secret
    refused = 0
    for _ in range(300):
        order = list(range(n))
        chance.shuffle(order)
        times = [clock(36000 + place * 0.3 // resolution_s * resolution_s) for place in order]
        refused += element_of(stack_of([2.0 * k for k in range(n)], ContentTime=times)) is not None
    assert refused <= 1


def test_files_written_in_the_order_of_their_names_are_sound() -> None:
    names = sorted(range(1, 100), key=str)
    times = [clock(36000 + names.index(k)) for k in range(1, 100)]
    assert element_of(stack_of([2.0 * k for k in range(99)], ContentTime=times)) is None


def test_times_of_the_acquisition_outweigh_those_of_the_file() -> None:
    swept = [clock(36000 + k) for k in range(N)]
    assert element_of(stack_of(even(), AcquisitionTime=swept, ContentTime=passes(2))) is None


def test_a_fast_sweep_in_whole_seconds_outweighs_the_times_of_the_file() -> None:
    swept = [clock(36000 + k // 6) for k in range(N)]
    assert element_of(stack_of(even(), AcquisitionTime=swept, ContentTime=passes(2))) is None


def test_a_few_late_slices_make_no_pass() -> None:
    times = [clock(36000 + k + 100 * (k in {5, 9, 17})) for k in range(N)]
    assert element_of(stack_of(even(), ContentTime=times)) is None


def test_passes_that_meet_in_a_part_are_not_resampled() -> None:
    heights = sorted([3.0 * k for k in range(12)] + [16.5 + 3.0 * k for k in range(12)])
    numbers = [1 if height % 3 == 0 else 2 for height in heights]
    found = refusal(stack_of(heights, AcquisitionNumber=numbers))
    assert found is not None
    assert found[0] is Reason.MIXED_GEOMETRY


def test_repeats_at_one_position_are_no_passes() -> None:
    cine = stack_of([30.0] * N, AcquisitionNumber=[1] * N, ContentTime=[clock(36000 + k) for k in range(N)])
    bolus = stack_of([30.0] * 8 + [60.0] * 16, AcquisitionNumber=[k % 8 + 1 for k in range(N)])
    for slices in (cine, bolus):
        found = check_stack(build_stack([slice_at_height(header) for header in slices]), LENIENT)
        assert found is not None
        assert found[0] is Reason.DUPLICATE_POSITION


def slice_at_height(header: SliceHeader) -> SliceHeader:
    """Return a slice without the drift of a tilted gantry."""
    position = header.plane.position or Xyz(0, 0, 0)
    return replace(header, plane=replace(header.plane, position=Xyz(0, 0, position.z)))
