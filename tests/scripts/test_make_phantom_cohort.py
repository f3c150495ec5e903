import json
import subprocess
import sys
from collections import defaultdict
from pathlib import Path
from typing import Any

import make_phantom_cohort
import numpy as np
import pydicom
import pytest
from make_phantom_cohort import PATIENTS, TRUTH, Cohort, make
from numpy.typing import NDArray
from scipy.ndimage import map_coordinates

from pipeline.vocabulary import ExitCode, Reason, SeriesWarning, Status

SMALL = Cohort(pixels=64)


@pytest.fixture(scope="module")
def cohort(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("phantom") / "cohort"
    make(out, SMALL)
    return out


def truth_of(cohort: Path) -> dict[str, Any]:
    return json.loads((cohort / TRUTH).read_text())


def slices_of(cohort: Path) -> dict[str, list[pydicom.Dataset]]:
    """Return every file of the cohort but localizers, by series."""
    series = defaultdict(list)
    for path in sorted((cohort / "dicom").rglob("*")):
        if path.is_file() and "LOCALIZER" not in (dataset := pydicom.dcmread(path)).ImageType:
            series[dataset.SeriesInstanceUID].append(dataset)
    return series


def world_of(dataset: pydicom.Dataset) -> NDArray[np.float64]:
    """Return the place of every pixel [row, column, 3], as DICOM PS3.3 C.7.6.2.1.1 says."""
    along_row, down_column = np.array(dataset.ImageOrientationPatient, float).reshape(2, 3)
    row_step, column_step = map(float, dataset.PixelSpacing)
    row, column = np.indices((dataset.Rows, dataset.Columns))[..., None]
    position = np.array(dataset.ImagePositionPatient, float)
    return position + row * row_step * down_column + column * column_step * along_row


def index_of(entry: dict[str, Any], world: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the (fractional) index into the truth of each place [..., 3]."""
    inverse = np.linalg.inv(entry["affine_lps"])
    return world @ inverse[:3, :3].T + inverse[:3, 3]


def hu_of(dataset: pydicom.Dataset) -> NDArray[np.float64]:
    return dataset.pixel_array * float(dataset.RescaleSlope) + float(dataset.RescaleIntercept)


def files(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_the_same_seed_gives_the_same_bytes(tmp_path: Path, cohort: Path) -> None:
    make(tmp_path / "again", SMALL)
    assert files(tmp_path / "again") == files(cohort)


def test_another_seed_gives_other_pixels_and_other_uids(tmp_path: Path, cohort: Path) -> None:
    make(tmp_path / "other", Cohort(seed=1, patients=1, pixels=64))
    (other,) = slices_of(tmp_path / "other").items()
    first = truth_of(cohort)["series"][0]["series_uid"]
    assert other[0] != first
    assert other[1][0].PixelData != slices_of(cohort)[first][0].PixelData


def test_fewer_patients_are_the_first_of_the_same_cohort(tmp_path: Path, cohort: Path) -> None:
    make(tmp_path / "few", Cohort(patients=2, pixels=64))
    few, all_of_them = files(tmp_path / "few" / "dicom"), files(cohort / "dicom")
    assert few.items() < all_of_them.items()
    assert truth_of(tmp_path / "few")["exit_code"] == ExitCode.OK


def test_more_patients_than_the_table_has_are_other_people(tmp_path: Path) -> None:
    make(tmp_path / "many", Cohort(patients=len(PATIENTS) + 1, pixels=16))
    series = truth_of(tmp_path / "many")["series"]
    assert series[-1]["shows"] == series[0]["shows"]
    volumes = [np.load(tmp_path / "many" / "truth" / series[i]["volume"]) for i in (0, -1)]
    assert np.abs(volumes[0] - volumes[1]).max() > 200


def test_the_truth_speaks_the_programs_vocabulary(cohort: Path) -> None:
    truth = truth_of(cohort)
    assert truth["exit_code"] == ExitCode.REJECTED
    for entry in truth["series"]:
        assert [SeriesWarning(warning) for warning in entry["warnings"]] == sorted(entry["warnings"])
        reason = entry["reason"] and Reason(entry["reason"])
        assert Status(entry["status"]) == (reason.status if reason else Status.OK)
        assert all(reason in {"ok", *Reason} for reason in entry["otherwise"].values())


def test_every_series_on_disk_is_in_the_truth_with_its_slices(cohort: Path) -> None:
    series, truth = slices_of(cohort), truth_of(cohort)["series"]
    assert {uid: len(slices) for uid, slices in series.items()} == {e["series_uid"]: e["n_slices"] for e in truth}
    assert {uid: slices[0].PatientID for uid, slices in series.items()} == {
        e["series_uid"]: e["patient"] for e in truth
    }
    assert sum(e["n_files"] for e in truth) == len(files(cohort / "dicom"))


def test_no_two_files_share_an_instance_uid(cohort: Path) -> None:
    uids = [dataset.SOPInstanceUID for slices in slices_of(cohort).values() for dataset in slices]
    assert len(set(uids)) == len(uids)


def test_an_exact_truth_is_what_plain_pydicom_reads(cohort: Path) -> None:
    series = slices_of(cohort)
    exact = [entry for entry in truth_of(cohort)["series"] if entry["exact"] and entry["status"] == "ok"]
    assert len(exact) == 8
    for entry in exact:
        truth = np.load(cohort / "truth" / entry["volume"])
        measured = np.load(cohort / "truth" / entry["measured"])
        seen = np.zeros(truth.shape, int)
        for dataset in series[entry["series_uid"]]:
            index = index_of(entry, world_of(dataset))
            np.testing.assert_allclose(index, np.rint(index), atol=1e-4)
            z, y, x = np.moveaxis(np.rint(index).astype(int), -1, 0)
            seen[z, y, x] += 1
            inside = measured[z, y, x]
            np.testing.assert_allclose(hu_of(dataset)[inside], truth[z, y, x][inside], atol=1e-3)
            assert (dataset.pixel_array[~inside] == -2000).all()
            assert (truth[z, y, x][~inside] == -1024).all()
        assert (seen == 1).all()


def test_the_truth_lies_in_the_patients_axes(cohort: Path) -> None:
    for entry in truth_of(cohort)["series"]:
        affine = np.array(entry["affine_lps"])
        assert (affine[[2, 1, 0], [0, 1, 2]] > 0).all()
        assert np.count_nonzero(affine[:3, :3]) == 3
        _, y, _ = np.argwhere(np.load(cohort / "truth" / entry["volume"]) > 300).mean(axis=0)
        assert y > 32, "bone is mostly the spine, at the back"


def test_the_tilted_slices_cut_the_upright_body_where_they_say(cohort: Path) -> None:
    (entry,) = (entry for entry in truth_of(cohort)["series"] if entry["tilt_deg"])
    truth = np.load(cohort / "truth" / entry["volume"])
    straight, as_written = [], []
    for dataset in slices_of(cohort)[entry["series_uid"]]:
        index = np.moveaxis(index_of(entry, world_of(dataset)), -1, 0)
        inside = np.all([(i >= 0) & (i <= n - 1) for i, n in zip(index, truth.shape, strict=True)], axis=0)
        cut = map_coordinates(truth, index, order=1, mode="nearest")
        as_written.append(np.abs(hu_of(dataset) - cut)[inside])
        z = round(index[0].mean())
        straight.append(np.abs(hu_of(dataset) - truth[z])[inside])
    assert np.percentile(np.concatenate(as_written), 99) < 200, "a tilt to the other side gives 590"
    assert np.concatenate(as_written).mean() < 0.5 * np.concatenate(straight).mean()


def test_the_tilted_table_moves_along_z_alone(cohort: Path) -> None:
    (entry,) = (entry for entry in truth_of(cohort)["series"] if entry["tilt_deg"])
    slices = sorted(slices_of(cohort)[entry["series_uid"]], key=lambda dataset: dataset.InstanceNumber)
    steps = np.diff([np.array(dataset.ImagePositionPatient, float) for dataset in slices], axis=0)
    row, column = np.array(slices[0].ImageOrientationPatient, float).reshape(2, 3)
    np.testing.assert_allclose(steps, np.broadcast_to([0, 0, 2.0], steps.shape), atol=1e-6)
    assert np.degrees(np.arccos(np.cross(row, column)[2])) == pytest.approx(slices[0].GantryDetectorTilt) == 15


def test_the_one_without_position_is_ordered_by_its_slice_location(cohort: Path) -> None:
    (entry,) = (entry for entry in truth_of(cohort)["series"] if entry["reason"] == "POSITION_MISSING")
    slices = sorted(slices_of(cohort)[entry["series_uid"]], key=lambda dataset: dataset.SliceLocation)
    assert not any("ImagePositionPatient" in dataset for dataset in slices)
    np.testing.assert_array_equal([hu_of(dataset) for dataset in slices], np.load(cohort / "truth" / entry["volume"]))


def test_padding_is_written_in_three_ways(cohort: Path) -> None:
    padded = [slices[0] for slices in slices_of(cohort).values() if (slices[0].pixel_array == -2000).any()]
    elements = [dataset["PixelPaddingValue"] for dataset in padded if "PixelPaddingValue" in dataset]
    assert sorted((element.VR, element.value) for element in elements) == [("SS", -2000), ("US", 63536)]
    assert len(padded) == 3


def test_the_twins_share_pixels_and_nothing_else(cohort: Path) -> None:
    uids = [entry["series_uid"] for entry in truth_of(cohort)["series"] if "W_DUPLICATE_CONTENT" in entry["warnings"]]
    first, second = (slices_of(cohort)[uid] for uid in uids)
    assert [dataset.PixelData for dataset in first] == [dataset.PixelData for dataset in second]
    for keyword in ("PatientID", "StudyInstanceUID", "SeriesInstanceUID", "SOPInstanceUID", "FrameOfReferenceUID"):
        assert first[0][keyword].value != second[0][keyword].value


def test_the_cohort_shows_the_habits_it_promises(cohort: Path) -> None:
    firsts = [slices[0] for slices in slices_of(cohort).values()]
    assert {dataset.PatientPosition for dataset in firsts} == {"HFS", "FFS", "HFP"}
    assert {float(dataset.RescaleSlope) for dataset in firsts} == {1, 1.000244, 2}
    assert {float(dataset.RescaleIntercept) for dataset in firsts} == {0, -1000, -1024, -2048}
    assert {(d.PixelRepresentation, d.BitsStored, d.HighBit) for d in firsts} == {(1, 16, 15), (0, 12, 11)}
    assert {d["WindowCenter"].VM for d in firsts} == {1, 2}


def test_a_cohort_that_is_there_is_left_alone(cohort: Path) -> None:
    before = {path: path.stat().st_mtime_ns for path in cohort.rglob("*")}
    assert not make(cohort, SMALL)
    assert {path: path.stat().st_mtime_ns for path in cohort.rglob("*")} == before


def test_what_is_not_this_cohort_is_never_overwritten(tmp_path: Path) -> None:
    (tmp_path / "mine.txt").write_text("mine")
    with pytest.raises(FileExistsError, match="something else"):
        make(tmp_path, SMALL)
    assert [path.name for path in tmp_path.iterdir()] == ["mine.txt"]


@pytest.mark.parametrize("wrong", [{"seed": -1}, {"patients": 0}, {"pixels": 8}])
def test_an_impossible_cohort_is_refused(wrong: dict[str, int]) -> None:
    with pytest.raises(ValueError, match="at least"):
        Cohort(**wrong)


def test_the_program_makes_a_cohort_and_says_where(tmp_path: Path) -> None:
    command = [sys.executable, make_phantom_cohort.__file__, "out", "--patients", "1", "--pixels", "16"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=True)
    assert done.stdout.startswith("out/dicom: phantom cohort made")
    wrong = subprocess.run([*command, "--seed", "1"], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert wrong.returncode == ExitCode.USAGE
    assert "Traceback" not in wrong.stderr
