"""Repairs of irregular stacks against the truth: bodies known by a formula, scanned askew, put right again."""

import shutil
from itertools import accumulate
from math import cos, radians
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import slices
import volumes
from bodies import (
    SIZE,
    assert_is_the_ball,
    assert_is_the_rod,
    ball,
    growing,
    in_blocks,
    repaired,
    rod,
    rotated,
    scanned,
    untold,
)
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from pydicom import Dataset
from running import carry_out
from volumes import apply

from pipeline.dicom.policy import GeometryOptions
from pipeline.dicom.stack.stack import Stack, build_stack
from pipeline.prepare.repairs import list_repairs
from pipeline.vocabulary import Verdict
from pipeline.volume import Volume, VolumeSpec

N = SIZE["n"]
CORRECTED = "steps: []\n"
RESAMPLED = "steps: [{resample: {spacing_mm: [1, 1, 1]}}]\n"

in_this_process = pytest.mark.usefixtures("in_this_process")


ALONG_THE_TABLE = np.array([0.1, -0.05, 1.0]) / np.linalg.norm([0.1, -0.05, 1.0])
TILTS = [
    (5.0, 0.0, None),
    (-5.0, 20.0, None),
    (17.5, -35.0, untold),
    (-17.5, 0.0, untold),
    (30.0, 10.0, None),
    (-30.0, 0.0, None),
]


@in_this_process
@pytest.mark.parametrize(("tilt_deg", "turn_deg", "change"), TILTS)
def test_a_tilted_ball_becomes_a_ball_again(tmp_path: Path, tilt_deg: float, turn_deg: float, change: Any) -> None:
    scanned(tmp_path / "in", ball, tilt_deg=tilt_deg, change=change, **rotated(turn_deg))
    found = repaired(tmp_path, "gantry_tilt: correct")
    assert_is_the_ball(found)
    assert "W_GANTRY_TILT" in found.record.warnings
    assert abs(found.record.tilt_deg or 0) == pytest.approx(abs(tilt_deg), abs=0.01)
    assert found.geometry.spacing_mm.z == pytest.approx(1.5 * cos(radians(tilt_deg)))
    axes = np.array(found.geometry.axes)
    np.testing.assert_allclose(axes @ axes.T, np.eye(3), atol=1e-9)
    assert found.store.attributes["trail"][0]["step"] == "correct_tilt"


@in_this_process
def test_a_corrected_ball_is_one_still_when_it_is_resampled(tmp_path: Path) -> None:
    scanned(tmp_path / "in", ball, tilt_deg=-17.5, **rotated(35.0))
    assert_is_the_ball(repaired(tmp_path, "gantry_tilt: correct", RESAMPLED))


@in_this_process
@pytest.mark.parametrize(("tilt_deg", "turn_deg", "change"), TILTS)
def test_a_straight_rod_stays_straight(tmp_path: Path, tilt_deg: float, turn_deg: float, change: Any) -> None:
    scanned(tmp_path / "in", lambda at: rod(at, ALONG_THE_TABLE), tilt_deg=tilt_deg, change=change, **rotated(turn_deg))
    assert_is_the_rod(repaired(tmp_path, "gantry_tilt: correct"), ALONG_THE_TABLE)


@in_this_process
def test_kept_tilt_is_told_by_the_affine_and_refused_tilt_is_refused(tmp_path: Path) -> None:
    scanned(tmp_path / "in", ball, tilt_deg=12.0)
    found = repaired(tmp_path, "gantry_tilt: keep")
    assert found.amount.shape == (N, 80, 64)
    assert found.mask.all()
    np.testing.assert_allclose(found.amount, ball(found.points), atol=1e-3)
    assert {"W_GANTRY_TILT", "W_NGFF_APPROXIMATE"} <= set(found.record.warnings)
    refused = carry_out(tmp_path, tmp_path / "in", "geometry: {gantry_tilt: reject}\n", "refused")
    assert [record.reason for record in refused.records] == ["GANTRY_TILT"]


@in_this_process
@pytest.mark.parametrize("tilt_deg", [0.0, -12.0])
@pytest.mark.parametrize("positions_mm", [growing(N), in_blocks(N)], ids=["growing", "in blocks"])
def test_an_unevenly_scanned_ball_becomes_a_ball_again(
    tmp_path: Path, positions_mm: tuple[float, ...], tilt_deg: float
) -> None:
    scanned(tmp_path / "in", ball, positions_mm=positions_mm, tilt_deg=tilt_deg)
    found = repaired(tmp_path, "uneven_spacing: resample")
    assert_is_the_ball(found)
    assert found.record.geometry == Verdict.UNEVEN
    assert "W_SPACING_RESAMPLED" in found.record.warnings
    assert [step["step"] for step in found.store.attributes["trail"]][-1] == "resample_slices"


@in_this_process
def test_a_rod_stays_straight_through_uneven_slices(tmp_path: Path) -> None:
    scanned(tmp_path / "in", lambda at: rod(at, ALONG_THE_TABLE), positions_mm=growing(N))
    assert_is_the_rod(repaired(tmp_path, "uneven_spacing: resample"), ALONG_THE_TABLE, rim=1)


@in_this_process
@pytest.mark.parametrize("tilt_deg", [0.0, 15.0])
@pytest.mark.parametrize("steps", [CORRECTED, RESAMPLED], ids=["filled", "resampled"])
def test_a_rod_stays_straight_through_a_gap_and_what_was_invented_is_marked(
    tmp_path: Path, tilt_deg: float, steps: str
) -> None:
    scanned(tmp_path / "in", lambda at: rod(at, ALONG_THE_TABLE), tilt_deg=tilt_deg)
    for plane in (20, 21):
        (tmp_path / "in" / f"IM{N - plane:04d}.dcm").unlink()
    found = repaired(tmp_path, "gap: interpolate", steps)
    assert_is_the_rod(found, ALONG_THE_TABLE, rim=2)
    assert found.record.interpolated_share == pytest.approx(2 / N, abs=1e-6)
    step = cos(radians(tilt_deg))
    assert found.record.coverage_share == pytest.approx((1 + (N - 4) * step) / ((N - 1) * step))
    assert "W_GAP_INTERPOLATED" in found.record.warnings
    if steps == CORRECTED:
        assert np.flatnonzero(~found.mask.any(axis=(1, 2))).tolist() == [20, 21]


@in_this_process
@pytest.mark.parametrize(
    "policy", ["gap: interpolate, max_gap_mm: 4.4", "gap: interpolate, max_missing_share: 0.04", "gap: reject"]
)
def test_a_gap_beyond_what_is_allowed_is_refused(tmp_path: Path, policy: str) -> None:
    scanned(tmp_path / "in", ball)
    for plane in (20, 21):
        (tmp_path / "in" / f"IM{N - plane:04d}.dcm").unlink()
    outcome = carry_out(tmp_path, tmp_path / "in", f"geometry: {{{policy}}}\n")
    assert [record.reason for record in outcome.records] == ["SLICE_GAP"]


@in_this_process
def test_a_regular_stack_is_not_touched_by_any_repair(tmp_path: Path) -> None:
    scanned(tmp_path / "in", lambda at: rod(at, ALONG_THE_TABLE))
    policy = "gantry_tilt: correct, gap: interpolate, uneven_spacing: resample, duplicate_position: split"
    found = repaired(tmp_path, policy)
    assert found.store.attributes["trail"] == []
    assert found.record.warnings == ()
    assert found.record.interpolated_share == 0
    np.testing.assert_allclose(found.amount, rod(found.points, ALONG_THE_TABLE), atol=1e-3)


@in_this_process
def test_a_tag_that_says_another_tilt_is_told_in_the_trail(tmp_path: Path) -> None:
    def misled(dataset: Dataset, _z: int) -> None:
        dataset.GantryDetectorTilt = 3

    scanned(tmp_path / "in", ball, tilt_deg=12.0, change=misled)
    figures = repaired(tmp_path, "gantry_tilt: correct").store.attributes["trail"][0]["parameters"]
    assert figures["told_deg"] == 3
    assert abs(figures["tilt_deg"]) == pytest.approx(12, abs=0.01)


@in_this_process
@pytest.mark.parametrize(("choice", "reason"), [("drop_identical", None), ("reject", "DUPLICATE_POSITION")])
def test_a_copy_of_a_slice_is_dropped_unless_any_duplicate_is_refused(
    tmp_path: Path, choice: str, reason: str | None
) -> None:
    scanned(tmp_path / "in", lambda at: rod(at, ALONG_THE_TABLE))
    shutil.copy(tmp_path / "in" / "IM0020.dcm", tmp_path / "in" / "copy.dcm")
    (record,) = carry_out(tmp_path, tmp_path / "in", f"geometry: {{duplicate_position: {choice}}}\n").records
    assert record.reason == reason
    assert record.warnings == (() if reason else ("W_DUPLICATE_DROPPED",))


@in_this_process
def test_a_gap_in_a_real_series_is_judged_by_what_is_allowed(tmp_path: Path, shared_data: Path) -> None:
    source = shared_data / "dicom2nifti_failing" / "sliceincrement"
    policy = "geometry: {gap: interpolate}\n"
    assert [record.reason for record in carry_out(tmp_path, source, policy).records] == ["SLICE_GAP"]
    policy = "geometry: {gap: interpolate, max_missing_share: 0.25}\n"
    (record,) = carry_out(tmp_path, source, policy, "filled").records
    assert record.reason == "HU_IMPLAUSIBLE"  # the gap is filled, but its pixels were anonymised to 0-255


SLOPE = np.array([1.5, -3.0, 2.0])
drifts = st.floats(-0.6, 0.6).map(lambda drift: 0.0 if abs(drift) < 0.02 else drift)
degrees = st.tuples(*[st.floats(-180, 180)] * 3)


def mended(stack: Stack, options: GeometryOptions) -> tuple[Volume, NDArray[np.bool_]]:
    """Return what repairs make of a ramp that the slices saw, and where every slice that speaks was measured."""
    spec = VolumeSpec(stack.geometry())
    rows, columns = np.indices((slices.ROWS, slices.COLUMNS))
    seen = [
        SLOPE @ np.array(header.plane.position)
        + rows * slices.ROW_MM * (SLOPE @ np.array(header.plane.column_direction))
        + columns * slices.COLUMN_MM * (SLOPE @ np.array(header.plane.row_direction))
        for header in stack.slices
    ]
    volume = volumes.volume(np.array(seen, np.float32), spec.geometry)
    whole = volumes.volume(np.ones_like(volume.voxels), spec.geometry)
    for step in list_repairs(stack, options):
        change = step.change(spec)
        volume = apply(change, volume, spec.padding)
        whole = volumes.volume(apply(change, whole, (0.0,)).voxels, change.geometry)
        spec = step.after(spec)
    return volume, volume.valid & (whole.voxels > 1 - 1e-6)


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.sampled_from([1.0, 1.0, 1.0, 2.0, 2.6, 3.0]), min_size=5, max_size=14),
    st.floats(0.3, 6),
    st.tuples(drifts, drifts),
    degrees,
    st.randoms(use_true_random=False),
    st.sampled_from(["correct", "keep"]),
)
def test_whatever_is_repaired_what_is_measured_lies_where_it_was(
    gaps: list[float],
    step_mm: float,
    drift: tuple[float, float],
    turn: tuple[float, float, float],
    order: Any,
    tilt: Any,
) -> None:
    positions_mm = [step_mm * position for position in accumulate(gaps, initial=0.0)]
    headers = list(slices.leaning(positions_mm, drift, turn))
    order.shuffle(headers)
    stack = build_stack(headers)
    if stack.verdict == Verdict.GAP and not stack.is_even:
        return
    volume, whole = mended(stack, GeometryOptions(gantry_tilt=tilt))
    geometry = volume.geometry
    truth = (np.argwhere(whole) @ geometry.affine_lps[:3, :3].T + np.array(geometry.origin_mm)) @ SLOPE
    jitter_mm = 0.0 if stack.verdict == Verdict.UNEVEN else stack.deviation_mm
    tolerance = 0.05 + 1e-5 * np.abs(truth).max(initial=0) + 1.01 * jitter_mm * np.linalg.norm(SLOPE)
    np.testing.assert_allclose(volume.voxels[whole], truth, atol=tolerance)
    if tilt == "correct" or not stack.is_tilted:
        np.testing.assert_allclose(np.array(geometry.axes) @ np.array(geometry.axes).T, np.eye(3), atol=1e-9)
    assert volume.valid.any(axis=(1, 2)).sum() >= min(len(headers), 4)
