from dataclasses import replace

import pytest
import slices

from pipeline.dicom.headers.slice import Series
from pipeline.dicom.series.outcomes import describe_refused, describe_used
from pipeline.dicom.stack.stack import build_stack
from pipeline.vocabulary import FileStatus, Reason

FIRST, SECOND, THIRD, FOURTH = slices.axial([5.0, 0.0, 2.5, 7.5])
SCOUT = replace(FOURTH, identity=replace(FOURTH.identity, image_type=("ORIGINAL", "PRIMARY", "LOCALIZER")))
DOSE = replace(FOURTH, identity=replace(FOURTH.identity, modality="SR"))


def test_used_slices_know_their_plane_and_the_others_why_they_are_none() -> None:
    series = Series(("1.2",), (FIRST, SECOND, THIRD, SCOUT, DOSE))
    outcomes = describe_used(series, build_stack((FIRST, SECOND, THIRD)), [FOURTH])
    assert [(one.path, one.z_index, one.position_mm) for one in outcomes[:3]] == [
        ("/in/001", 0, 0.0),
        ("/in/002", 1, 2.5),
        ("/in/000", 2, 5.0),
    ]
    assert {one.status for one in outcomes[:3]} == {FileStatus.USED}
    assert [(one.status, one.reason) for one in outcomes[3:]] == [
        (FileStatus.SKIPPED, Reason.DUPLICATE_POSITION),
        (FileStatus.SKIPPED, Reason.LOCALIZER),
        (FileStatus.SKIPPED, Reason.NOT_CT),
    ]


def test_in_a_refused_series_a_slices_own_reason_comes_first() -> None:
    broken = replace(FIRST, refusal=(Reason.CORRUPT, "cut short"))
    outcomes = describe_refused(Series(("1.2",), (broken, SECOND, SCOUT)), Reason.CORRUPT)
    assert [(one.status, one.reason) for one in outcomes] == [
        (FileStatus.REJECTED, Reason.CORRUPT),
        (FileStatus.REJECTED, Reason.CORRUPT),
        (FileStatus.SKIPPED, Reason.LOCALIZER),
    ]
    assert {one.position_mm for one in outcomes} == {None}


def test_a_series_refused_for_its_places_tells_them() -> None:
    outcomes = describe_refused(Series(("1.2",), (FIRST, SECOND, FOURTH, DOSE)), Reason.SLICE_GAP)
    assert [(one.path, one.reason, one.position_mm, one.z_index) for one in outcomes[:3]] == [
        ("/in/001", Reason.SLICE_GAP, 0.0, None),
        ("/in/000", Reason.SLICE_GAP, 5.0, None),
        ("/in/003", Reason.SLICE_GAP, 7.5, None),
    ]
    assert outcomes[3].reason is Reason.NOT_CT


@pytest.mark.parametrize("reason", Reason)
def test_positions_are_kept_where_the_stack_was_checked(reason: Reason) -> None:
    outcomes = describe_refused(Series(("1.2",), (FIRST, SECOND)), reason)
    assert {one.position_mm is not None for one in outcomes} == {
        reason
        in {"TOO_FEW_SLICES", "DUPLICATE_POSITION", "SLICE_GAP", "SPACING_NONUNIFORM", "GANTRY_TILT", "HU_IMPLAUSIBLE"}
    }


def test_a_series_that_was_left_out_has_skipped_files() -> None:
    outcomes = describe_refused(Series(("1.2",), (FIRST, SECOND)), Reason.NOT_SELECTED)
    assert {(one.status, one.reason) for one in outcomes} == {(FileStatus.SKIPPED, Reason.NOT_SELECTED)}
