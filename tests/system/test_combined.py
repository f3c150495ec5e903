"""Two and three defects in one series: the first reason of the vocabulary is named, and repairs add up.

Pairs of what archives hold each have one right end; ``PAIRS`` says which, and why.
"""

import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pydicom
import pytest
from numpy.typing import NDArray
from oddities import (
    Volumes,
    derived,
    ff_and_two_fragments,
    frames_of_two_passes,
    half_a_file_named_in_latin,
    lose_patient,
    monoenergetic_and_spelled,
    no_delimiter_and_cut,
    no_delimiter_and_two_fragments,
    overlay_and_a_gap,
    overlay_and_padding,
    parameter_map,
    passes_and_an_empty_patient,
    passes_named_in_latin,
    passes_of_other_spelling,
    passes_with_a_slice_filled,
    passes_with_a_slice_missing,
    put,
    rounding_and_another_patient,
    rounding_and_two_diameters,
    rounding_and_un,
    sign_and_a_gap,
    sign_and_spelling,
    stacks_out_of_order,
    stacks_with_a_frame_missing,
    unknown_vr_and_empty_patient,
    unknown_vr_and_half_a_file,
)
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


PLAIN = "report: {enabled: false}\n"
SPLIT, FILL = "geometry: {duplicate_position: split}\n", "geometry: {gap: interpolate, max_missing_share: 0.2}\n"
SPLIT_AND_FILL = "geometry: {duplicate_position: split, gap: interpolate, max_missing_share: 0.2}\n"


@dataclass(frozen=True)
class Pair:
    """Two oddities in one folder: the volumes that a run must store, or the reasons that it must give, and why."""

    name: str
    write: Callable[[Path], Volumes]
    why: str
    yaml: str = ""
    reasons: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()
    detail: str = ""


PAIRS = (
    Pair(
        "passes + a slice missing",
        lambda folder: passes_with_a_slice_missing(folder)[:0],
        "two acquisitions are the first fact; which of them lacks a slice cannot be said before they are parted",
        reasons=("MIXED_GEOMETRY",),
        detail="AcquisitionNumber",
    ),
    Pair(
        "passes + a slice missing, gaps filled",
        lambda folder: passes_with_a_slice_missing(folder)[:0],
        "a plane between two acquisitions would be interpolated from both",
        yaml=FILL,
        reasons=("MIXED_GEOMETRY",),
    ),
    Pair(
        "passes + a slice missing, split",
        passes_with_a_slice_missing,
        "the whole acquisition is a volume; the other one lacks a slice",
        yaml=SPLIT,
        reasons=("SLICE_GAP",),
    ),
    Pair(
        "passes + a slice missing, split and filled",
        passes_with_a_slice_filled,
        "each acquisition is repaired from its own slices alone",
        yaml=SPLIT_AND_FILL,
        warnings=("W_GAP_INTERPOLATED",),
    ),
    Pair(
        "passes + empty PatientID, split",
        passes_and_an_empty_patient,
        "an empty identity is that of the other slices, so both volumes belong to one patient",
        yaml=SPLIT,
        warnings=("W_ID_FILLED",),
    ),
    Pair(
        "passes 0.02 mm apart + RescaleType misspelt, split",
        passes_of_other_spelling,
        "so close two slices of one acquisition never lie, and any spelling of the unit is the unit",
        yaml=SPLIT,
        warnings=("W_RESCALE_TYPE",),
    ),
    Pair(
        "passes + names in Latin-1, split",
        passes_named_in_latin,
        "a name says nothing of the slices, in whatever characters",
        yaml=SPLIT,
    ),
    Pair(
        "half a file + its name in Latin-1",
        half_a_file_named_in_latin,
        "the name is read like others, so the file is known and found to be cut",
        reasons=("PIXELS_LENGTH",),
    ),
    Pair(
        "overlay + padding",
        overlay_and_padding,
        "the overlay's bit is no value, and what is left in the corners is the declared padding",
        warnings=("W_HIGH_BITS",),
    ),
    Pair("overlay + a slice missing, filled", overlay_and_a_gap, "a plane is interpolated without overlays", yaml=FILL),
    Pair(
        "sign that runs on + a slice missing, filled",
        sign_and_a_gap,
        "the sign is the sign, and the plane lies between signed values",
        yaml=FILL,
    ),
    Pair(
        "sign that runs on + RescaleType misspelt",
        sign_and_spelling,
        "neither changes a value",
        warnings=("W_RESCALE_TYPE",),
    ),
    Pair(
        "flow map + RescaleType misspelt",
        lambda folder: parameter_map(folder, derived("CBF"), put(RescaleType="Houndsfield")),
        "ImageType names the map; a unit that a person typed says less",
        reasons=("RESCALE_NOT_HU",),
    ),
    Pair(
        "iodine map + PatientID empty, no unit",
        lambda folder: parameter_map(folder, derived("IODINE"), lose_patient, put(RescaleType="")),
        "an identity that is filled in makes no map a scan",
        reasons=("RESCALE_NOT_HU",),
    ),
    Pair(
        "monoenergetic + RescaleType in small letters",
        monoenergetic_and_spelled,
        "monoenergetic images are in Hounsfield units, and hu is one of their spellings",
        warnings=("W_SPECTRAL", "W_RESCALE_TYPE"),
    ),
    Pair("stacks + frames out of order", stacks_out_of_order, "parts of one even scan are one volume, by position"),
    Pair(
        "stacks + a frame missing",
        stacks_with_a_frame_missing,
        "stacks that are no even scan together stay apart: the whole one is a part, the other lacks a slice",
        reasons=("SLICE_GAP",),
        warnings=("W_STACK_PART",),
    ),
    Pair(
        "frames of two passes + out of order",
        frames_of_two_passes,
        "the acquisition of each frame returns along the stack, in whatever order frames lie in the file",
        reasons=("MIXED_GEOMETRY",),
        detail="FrameAcquisitionNumber",
    ),
    Pair(
        "private element without VR + PatientID empty",
        unknown_vr_and_empty_patient,
        "one reading of the element reaches the end of the file, and the identity is that of the other slices",
        warnings=("W_ID_FILLED", "W_META_REPAIRED"),
    ),
    Pair(
        "private element without VR + half a file",
        unknown_vr_and_half_a_file,
        "no reading of the element reaches the end of a file that is cut: it is skipped, and its plane is filled",
        yaml=FILL,
        warnings=("W_FILE_SKIPPED", "W_GAP_INTERPOLATED"),
    ),
    Pair(
        "no delimiter + a stream cut",
        no_delimiter_and_cut,
        "a delimiter may be absent after a whole fragment, not after half of one",
        reasons=("CORRUPT",),
    ),
    Pair(
        "no delimiter + two fragments",
        no_delimiter_and_two_fragments,
        "the file ends with the second fragment, and together they are one whole stream",
    ),
    Pair("0xFF after the end + two fragments", ff_and_two_fragments, "both are one whole stream with a byte to spare"),
    Pair(
        "rounded spacing + another PatientID",
        rounding_and_another_patient,
        "what rounding excuses in numbers it does not excuse in identities",
        reasons=("IDENTITY_CONFLICT",),
    ),
    Pair(
        "rounded spacing + two diameters in turn",
        rounding_and_two_diameters,
        "the spacing may be one, but 360 and 350 mm are two reconstructions",
        reasons=("MIXED_GEOMETRY",),
        detail="ReconstructionDiameter",
    ),
    Pair("rounded spacing + Rows as UN", rounding_and_un, "the dictionary knows the VR, and the spacing is one"),
)


def stored_volumes(outcome: Outcome) -> Volumes:
    """Return the volumes of a run, planes that no slice saw as NaN."""
    volumes = []
    for record in outcome.records:
        if record.store:
            store = open_store(store_of(outcome.output, record))
            volume = np.asarray(store.array[:]).astype(np.float64)
            if store.mask is not None:
                volume[~np.asarray(store.mask[:]).any(axis=(1, 2))] = np.nan
            volumes.append(volume)
    return volumes


def is_among(volume: NDArray[Any], others: Volumes) -> bool:
    return any(np.array_equal(volume, other, equal_nan=True) for other in others)


@pytest.mark.parametrize("pair", PAIRS, ids=lambda pair: pair.name)
def test_a_pair_of_oddities_has_one_right_end(pair: Pair, tmp_path: Path) -> None:
    volumes = [volume.astype(np.float64) for volume in pair.write(tmp_path / "in")]
    outcome = carry_out(tmp_path, tmp_path / "in", PLAIN + pair.yaml)
    refused = [record for record in outcome.records if record.status != "ok"]
    found = {warning for record in outcome.records for warning in record.warnings}
    assert tuple(record.reason for record in refused) == pair.reasons, pair.why
    stored = stored_volumes(outcome)
    assert len(stored) == len(volumes), pair.why
    assert all(is_among(volume, stored) for volume in volumes), pair.why
    assert set(pair.warnings) <= found, pair.why
    details = " ".join(record.detail or "" for record in refused)
    assert pair.detail in details
    assert "missing" not in details or "SLICE_GAP" in pair.reasons
