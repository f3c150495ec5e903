"""Two and three defects in one series: the first reason of the vocabulary is named, and repairs add up."""

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pydicom
import pytest
from phantoms import Series, truth_volume, write_series
from pydicom.dataset import Dataset
from running import ORIENTED, carry_out, store_of
from scipy import ndimage

from pipeline.run.run import Outcome
from pipeline.store.read import open_store
from pipeline.vocabulary import Reason

pytestmark = pytest.mark.usefixtures("in_this_process")

Spoil = Callable[[Series], None]


def edited(series: Series, z: int, edit: Callable[[Dataset], Any]) -> None:
    dataset = pydicom.dcmread(series.paths[z])
    edit(dataset)
    dataset.save_as(series.paths[z])


def lose(series: Series) -> None:
    """Leave the second slice out."""
    series.paths[1].unlink()


def cut(series: Series) -> None:
    """Cut a slice in its pixels."""
    series.paths[5].write_bytes(series.paths[5].read_bytes()[:-400])


def double(series: Series) -> None:
    """Put a slice there twice, with other pixels."""
    copy = series.folder / "twice.dcm"
    shutil.copy(series.paths[4], copy)
    dataset = pydicom.dcmread(copy)
    dataset.PixelData = dataset.PixelData[::-1]
    dataset.save_as(copy)


def unscale(series: Series) -> None:
    """Take the rescale from one slice."""
    edited(series, 3, lambda dataset: dataset.__delitem__("RescaleSlope"))


def misplace(series: Series) -> None:
    """Take the position from one slice."""
    edited(series, 2, lambda dataset: dataset.__delitem__("ImagePositionPatient"))


def rename_patient(series: Series) -> None:
    edited(series, 6, lambda dataset: setattr(dataset, "PatientID", "somebody else"))


def density(series: Series) -> None:
    """Call the values something else than HU."""
    edited(series, 7, lambda dataset: setattr(dataset, "RescaleType", "ED"))


def thin(series: Series) -> None:
    """Leave two slices, at one position."""
    for path in series.paths[2:]:
        path.unlink()
    position = pydicom.dcmread(series.paths[0]).ImagePositionPatient
    edited(series, 1, lambda dataset: setattr(dataset, "ImagePositionPatient", position))


@pytest.mark.parametrize(
    ("spoilt", "reason"),
    [
        ((lose, double), Reason.DUPLICATE_POSITION),
        ((double, unscale), Reason.TAG_MISSING),
        ((lose, cut), Reason.PIXELS_LENGTH),
        ((lose, misplace), Reason.POSITION_MISSING),
        ((cut, unscale, rename_patient), Reason.IDENTITY_CONFLICT),
        ((density, cut, lose), Reason.PIXELS_LENGTH),
        ((density, misplace, double), Reason.RESCALE_NOT_HU),
        ((thin,), Reason.TOO_FEW_SLICES),
    ],
    ids=lambda value: value if isinstance(value, str) else "+".join(spoil.__name__ for spoil in value),
)
def test_of_several_defects_the_first_of_the_vocabulary_is_named(
    tmp_path: Path, spoilt: tuple[Spoil, ...], reason: Reason
) -> None:
    series = write_series(tmp_path / "in")
    for spoil in spoilt:
        spoil(series)
    (record,) = carry_out(tmp_path, tmp_path / "in").records
    assert (record.status, record.reason) == ("rejected", reason)
    assert record.store is None


def tilted_with_a_gap_and_padding(folder: Path) -> Series:
    """Write a tilted stack whose corners hold undeclared padding, and whose sixth slice is missing."""
    hu = truth_volume(12, 32, 32)
    y, x = np.mgrid[:32, :32] - 15.5
    hu[:, np.hypot(y, x) > 16] = -2000
    series = write_series(folder, hu=hu, signed=True, bits_stored=16, intercept=0, tilt_deg=12)
    series.paths[5].unlink()
    return series


def repaired(tmp_path: Path) -> Outcome:
    return carry_out(tmp_path, tmp_path / "in", ORIENTED + "geometry: {gap: interpolate}\n")


def test_a_tilted_gap_with_padding_is_refused_by_default(tmp_path: Path) -> None:
    tilted_with_a_gap_and_padding(tmp_path / "in")
    (record,) = carry_out(tmp_path, tmp_path / "in").records
    assert record.reason is Reason.SLICE_GAP


def test_a_tilted_gap_with_padding_is_put_right_where_that_is_asked_for(tmp_path: Path) -> None:
    series = tilted_with_a_gap_and_padding(tmp_path / "in")
    (record,) = (outcome := repaired(tmp_path)).records
    assert {"W_GANTRY_TILT", "W_GAP_INTERPOLATED", "W_PADDING"} <= set(record.warnings)
    store = open_store(store_of(outcome.output, record))
    assert [step["step"] for step in store.attributes["trail"]][:2] == ["correct_tilt", "interpolate_gap"]
    voxels, mask = store.array[:], store.mask[:]
    assert store.mask is not None
    assert voxels.min() >= -1024  # no padding value came near
    assert not mask[5].any()
    inverse = np.linalg.inv(store.geometry.affine_lps)
    for z, (points, values) in world_points(series, mask.shape[0]).items():
        index = (inverse @ points)[:3]
        np.testing.assert_allclose(index[0], z, atol=1e-6)
        there, elsewhere = (sampled(voxels, index + shift) for shift in (0.0, [[0.0], [2.0], [0.0]]))
        assert np.median(np.abs(there - values)) < 15
        assert np.mean(np.abs(there - values)) < np.mean(np.abs(elsewhere - values)) / 2


def sampled(voxels: np.ndarray, index: np.ndarray) -> np.ndarray:
    return ndimage.map_coordinates(voxels.astype(float), index, order=1, mode="nearest")


def world_points(series: Series, n: int) -> dict[int, tuple[np.ndarray, np.ndarray]]:
    """Return the places of a series' body voxels in the patient, and what was measured there, slice by slice."""
    found = {}
    for z in (z for z in range(n) if series.paths[z].exists()):
        dataset = pydicom.dcmread(series.paths[z])
        row, column = np.reshape(dataset.ImageOrientationPatient, (2, 3)).astype(float)
        y, x = np.nonzero(series.truth[z] > -1500)
        start = np.array(dataset.ImagePositionPatient, float)
        places = start[:, None] + column[:, None] * y * 0.8 + row[:, None] * x * 0.7
        found[z] = np.vstack([places, np.ones(len(y))]), series.truth[z][y, x].astype(float)
    return found
