"""Two oddities of archives in one mask, or in a mask and its series: each pair has one right end, and says why."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from masked import structures
from numpy.typing import NDArray
from oddities import passes, rounded, scan
from phantoms import Series, uid
from pydicom.dataset import Dataset
from running import Outcome, carry_out, store_of

from pipeline.geometry import Zyx
from pipeline.record import SeriesRecord
from pipeline.store.read import open_store

pytestmark = pytest.mark.usefixtures("in_this_process")

MASKS = "report: {enabled: false}\nmanifest: {labels: {masks: [{name: organs, dicom: RTSTRUCT%s}]}}\n"
DRAWN = (2, 3, 5)
SQUARE, INNER = (3.5, 3.5, 11.5, 11.5), (5.5, 5.5, 8.5, 8.5)
"""Squares between pixels: first and last x and y, as indices."""

Points = NDArray[np.float64]


@dataclass(frozen=True)
class Ended:
    """The records of the images of a run, and the mask [z, y, x] of each series that has one, as they come."""

    records: Sequence[SeriesRecord]
    masks: list[NDArray[np.uint8]]

    @property
    def warnings(self) -> set[str]:
        return {warning for record in self.records for warning in record.warnings}


def square(series: Series, z: float, corners: tuple[float, float, float, float] = SQUARE) -> Points:
    """Return a square on slice ``z``, or between two, in LPS millimetres."""
    x0, y0, x1, y1 = corners
    indices = [(z, y0, x0), (z, y0, x1), (z, y1, x1), (z, y1, x0)]
    return np.array([series.affine_lps[:3] @ [*index, 1] for index in indices])


def draw(series: Series, contours: dict[str, list[Points]], name: str = "rs", *, linked: bool = True) -> Dataset:
    """Return an RTSTRUCT of a series, or one that names no series but its frame of reference."""
    drawn = structures(contours, series.series_uid, uid("frame", series.study_uid))
    drawn.PatientID, drawn.StudyInstanceUID = series.patient_id, series.study_uid
    drawn.SOPInstanceUID = drawn.file_meta.MediaStorageSOPInstanceUID = uid("object", name)
    drawn.SeriesInstanceUID = uid("objects", name)
    if not linked:
        del drawn.ReferencedFrameOfReferenceSequence[0].RTReferencedStudySequence
    return drawn


def ends(tmp_path: Path, *objects: Dataset, more: str = "", yaml: str = "") -> Ended:
    for k, drawn in enumerate(objects):
        drawn.save_as(tmp_path / "in" / f"rs{k}.dcm", enforce_file_format=True)
    outcome: Outcome = carry_out(tmp_path, tmp_path / "in", MASKS % more + yaml)
    stores = [open_store(store_of(outcome.output, record)) for record in outcome.records if record.store]
    images = [record for record in outcome.records if record.status != "excluded"]  # objects have a record too
    return Ended(images, [np.asarray(s.labels["organs"][...]) for s in stores if "organs" in s.labels])


def marked(series: Series, *corners: tuple[float, float, float, float]) -> NDArray[np.bool_]:
    """Return the pixels of squares on the slices of DRAWN; each further square is a hole in the one before."""
    mask = np.zeros(Zyx(*series.truth.shape), bool)
    for is_hole, (x0, y0, x1, y1) in enumerate(corners):
        for z in DRAWN:
            mask[z, int(y0 + 1) : int(y1 + 1), int(x0 + 1) : int(x1 + 1)] = not is_hole
    return mask


def test_a_contour_twice_counts_once_beside_one_without_area(tmp_path: Path) -> None:
    """The copy adds nothing, the point is skipped and counted, and the region is kept."""
    series = scan(tmp_path / "in" / "ct")
    contours = [square(series, z) for z in DRAWN] + [square(series, 3)[::-1], square(series, 4)[:1]]
    ended = ends(tmp_path, draw(series, {"gtv": contours}))
    np.testing.assert_array_equal(ended.masks[0] != 0, marked(series, SQUARE))
    assert "W_LABEL_PARTIAL" in ended.warnings


def test_a_hole_drawn_twice_is_a_hole_on_rounded_slices(tmp_path: Path) -> None:
    """A hole is no contour that cancels itself, and a rounded spacing moves no voxel."""
    series = scan(tmp_path / "in" / "ct", rounded)
    contours = [square(series, z, corners) for z in DRAWN for corners in (SQUARE, INNER, INNER)]
    ended = ends(tmp_path, draw(series, {"gtv": contours}))
    np.testing.assert_array_equal(ended.masks[0] != 0, marked(series, SQUARE, INNER))


def test_a_mask_without_reference_belongs_to_neither_of_two_series(tmp_path: Path) -> None:
    """Both lie in its frame of reference: a guess would be right half of the time; both images stay."""
    series = scan(tmp_path / "in" / "ct")
    scan(tmp_path / "in" / "other", seed=1)
    ended = ends(tmp_path, draw(series, {"gtv": [square(series, z) for z in DRAWN]}, linked=False))
    assert [record.status for record in ended.records] == ["ok", "ok"]
    assert not ended.masks
    assert "W_LABEL_MISSING" in ended.warnings


def test_an_overlap_of_two_objects_is_merged_with_the_smaller_on_top(tmp_path: Path) -> None:
    """Merge asks for both regions; of those that overlap the smaller lies on top, and the loss is counted."""
    series = scan(tmp_path / "in" / "ct")
    body = draw(series, {"BODY": [square(series, z) for z in DRAWN]}, "body")
    tumour = draw(series, {"GTV": [square(series, z, INNER) for z in DRAWN]}, "tumour")
    ended = ends(tmp_path, body, tumour, more=", pick: merge")
    (mask,) = ended.masks
    inner = marked(series, INNER)
    np.testing.assert_array_equal(mask != 0, marked(series, SQUARE))
    assert len(np.unique(mask[inner])) == 1
    assert set(np.unique(mask[inner])).isdisjoint(np.unique(mask[~inner & (mask != 0)]))
    assert "W_LABEL_OVERLAP" in ended.warnings


def test_an_overlap_of_two_objects_is_refused_where_nothing_says_which_counts(tmp_path: Path) -> None:
    """Which of two objects counts is not known without a policy; the image does not suffer from it."""
    series = scan(tmp_path / "in" / "ct")
    body = draw(series, {"BODY": [square(series, z) for z in DRAWN]}, "body")
    tumour = draw(series, {"GTV": [square(series, z, INNER) for z in DRAWN]}, "tumour")
    ended = ends(tmp_path, body, tumour)
    assert ([record.status for record in ended.records], ended.masks) == (["ok"], [])
    assert "W_LABEL_MISMATCH" in ended.warnings


def test_a_mask_of_one_pass_never_lies_on_the_other(tmp_path: Path) -> None:
    """Contours on the slices of the first pass lie half way between those of the second."""
    first, _ = passes(tmp_path / "in")
    contours = [square(first, z) for z in DRAWN]
    ended = ends(tmp_path, draw(first, {"gtv": contours}), yaml="geometry: {duplicate_position: split}\n")
    assert [record.status for record in ended.records] == ["ok", "ok"]
    (mask,) = ended.masks
    np.testing.assert_array_equal(mask != 0, marked(first, SQUARE))
    assert len({record.labels["label_reason_organs"] for record in ended.records}) == 2


def test_a_contour_twice_is_drawn_once_on_a_plane_that_is_filled(tmp_path: Path) -> None:
    """The plane takes the contours of the slice that is missing, each of them once."""
    series = scan(tmp_path / "in" / "ct")
    contours = [square(series, z) for z in (*DRAWN, 3)]
    series.paths[3].unlink()
    fill = "geometry: {gap: interpolate, max_missing_share: 0.2}\n"
    ended = ends(tmp_path, draw(series, {"gtv": contours}), yaml=fill)
    np.testing.assert_array_equal(ended.masks[0] != 0, marked(series, SQUARE))
