"""A judge that calls everything right, or its own house right, is worth nothing: each verdict has its example."""

from dataclasses import replace

import numpy as np
import pytest
from hard.judge import Outcome, Result, Verdict, verdict_on
from hard.phantom import Part, hu_at, part_of

STEP_MM, SHAPE = np.array([2.5, 1.2, 1.0]), np.array([20, 48, 48])
START_MM = -(SHAPE - 1) / 2 * STEP_MM
AFFINE = np.array([[0, 0, 1.0, START_MM[2]], [0, 1.2, 0, START_MM[1]], [2.5, 0, 0, START_MM[0]], [0, 0, 0, 1]])
POINTS = np.stack(np.meshgrid(*map(np.arange, SHAPE), indexing="ij"), -1) @ AFFINE[:3, :3].T + AFFINE[:3, 3]
WARNED = "Warning: something is odd"


@pytest.fixture(scope="module")
def part() -> Part:
    return part_of(POINTS)


def result(**changed: np.ndarray) -> Result:
    return replace(Result(hu_at(POINTS), AFFINE), **changed)


def test_the_truth_is_right(part: Part) -> None:
    assert verdict_on(Outcome((result(),)), [part]) is Verdict.RIGHT


def test_the_truth_with_a_warning_is_repaired(part: Part) -> None:
    assert verdict_on(Outcome((result(),), WARNED), [part]) is Verdict.REPAIRED


def test_a_warning_that_is_always_there_is_none(part: Part) -> None:
    outcome = Outcome((result(),), WARNED)
    assert verdict_on(outcome, [part], outcome.notices) is Verdict.RIGHT


def test_the_order_and_direction_of_axes_do_not_matter(part: Part) -> None:
    turned = AFFINE[:, [2, 1, 0, 3]] @ np.array([[-1, 0, 0, 47], [0, 1, 0, 0], [0, 0, 1, 0], [0, 0, 0, 1.0]])
    assert verdict_on(Outcome((Result(hu_at(POINTS).T[::-1], turned),)), [part]) is Verdict.RIGHT


def test_a_slice_left_out_and_the_rest_moved_up_is_wrong(part: Part) -> None:
    closed = np.delete(hu_at(POINTS), 8, axis=0)
    assert verdict_on(Outcome((result(array=closed),)), [part]) is Verdict.WRONG
    assert verdict_on(Outcome((result(array=closed),), WARNED), [part]) is Verdict.WARNED


def test_slices_spread_over_a_gap_are_wrong(part: Part) -> None:
    spread = AFFINE @ np.diag([19 / 18, 1, 1, 1])
    closed = np.delete(hu_at(POINTS), 8, axis=0)
    assert verdict_on(Outcome((result(array=closed, affine=spread),)), [part]) is Verdict.WRONG


def test_a_mirrored_patient_is_wrong(part: Part) -> None:
    assert verdict_on(Outcome((result(array=hu_at(POINTS)[::-1]),)), [part]) is Verdict.WRONG


def test_other_hounsfield_units_are_wrong(part: Part) -> None:
    assert verdict_on(Outcome((result(array=hu_at(POINTS) + 1024),)), [part]) is Verdict.WRONG


def test_a_volume_at_another_place_has_moved(part: Part) -> None:
    elsewhere = AFFINE.copy()
    elsewhere[:3, 3] += (3, -7, 5)
    assert verdict_on(Outcome((result(affine=elsewhere),)), [part]) is Verdict.MOVED


def test_where_no_position_is_known_the_place_does_not_matter(part: Part) -> None:
    elsewhere = AFFINE.copy()
    elsewhere[:3, 3] += (3, -7, 5)
    assert verdict_on(Outcome((result(affine=elsewhere),)), [replace(part, placed=False)]) is Verdict.RIGHT


def test_one_of_two_volumes_is_a_part(part: Part) -> None:
    parts = [part, part_of(POINTS, contrast=1.0)]
    both = (result(), result(array=hu_at(POINTS, contrast=1.0)))
    assert verdict_on(Outcome(both), parts) is Verdict.RIGHT
    assert verdict_on(Outcome(both[1:]), parts) is Verdict.PART


def test_a_mix_of_two_passes_is_wrong_between_their_slices() -> None:
    shift = np.array([0, 0, 1.25])
    parts = [part_of(POINTS, between=True), part_of(POINTS + shift, between=True, contrast=1.0)]
    mix = np.stack([hu_at(POINTS), hu_at(POINTS + shift, contrast=1.0)], axis=1).reshape(-1, *SHAPE[1:])
    mixed = Result(mix, AFFINE @ np.diag([0.5, 1, 1, 1]))
    second = AFFINE.copy()
    second[:3, 3] += shift
    assert verdict_on(Outcome((mixed,)), parts) is Verdict.WRONG
    both = (result(), Result(hu_at(POINTS + shift, contrast=1.0), second))
    assert verdict_on(Outcome(both), parts) is Verdict.RIGHT


def test_a_map_handed_on_is_no_right_volume() -> None:
    assert verdict_on(Outcome((result(),)), []) is Verdict.AS_CT
    assert verdict_on(Outcome(said="error: RESCALE_NOT_HU"), []) is Verdict.REASON


def test_padding_left_in_is_not_masked() -> None:
    hu = hu_at(POINTS)
    hu[:, :3] = -2000
    part = part_of(POINTS, padding=POINTS[:, 1].reshape(-1, 3))
    assert verdict_on(Outcome((result(array=hu),)), [part]) is Verdict.UNMASKED


@pytest.mark.parametrize(
    ("outcome", "verdict"),
    [
        (Outcome(crashed=True), Verdict.CRASHED),
        (Outcome(said="error: SLICE_GAP"), Verdict.REASON),
        (Outcome(said="Done."), Verdict.REFUSED),
        (Outcome((Result(np.zeros((1, 48, 48)), AFFINE),)), Verdict.REFUSED),
    ],
)
def test_an_empty_hand_is_no_success(part: Part, outcome: Outcome, verdict: Verdict) -> None:
    assert verdict_on(outcome, [part]) is verdict


def test_every_verdict_has_a_meaning() -> None:
    assert all(verdict.meaning for verdict in Verdict)
