import json
import os
import pickle
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from phantoms import Series, uid, write_series
from pydicom.dataset import Dataset
from pydicom.uid import JPEG2000Lossless

from pipeline.axes import Xyz, Zyx
from pipeline.described import fingerprint
from pipeline.dicom.files.find import InputOptions
from pipeline.dicom.policy import HounsfieldOptions, Policy
from pipeline.job import Job, Recipe, SeriesResult, refused
from pipeline.limits import Limits
from pipeline.privacy import PseudonymKey
from pipeline.scan import scan
from pipeline.series import process
from pipeline.steps import Step
from pipeline.steps.clip import Clip
from pipeline.steps.normalise import Normalise
from pipeline.steps.orient import Orient
from pipeline.steps.resample import Resample
from pipeline.store.files import hash_store
from pipeline.store.options import StoreOptions
from pipeline.store.read import open_store
from pipeline.vocabulary import FileStatus, Reason, SeriesWarning, Status, Verdict

KEY = PseudonymKey(b"k" * 32)
RECIPE = Recipe(Policy(), (), StoreOptions(), "config", "1.0", KEY)


def job_of(source: Path, recipe: Recipe = RECIPE, folder: str = "out.zarr") -> Job:
    """Return the job of the only series in a folder, whose store goes beside it."""
    (scanned,) = scan(InputOptions((str(source),)), recipe.policy, KEY).series
    return Job(scanned.series, scanned.record, scanned.warnings, recipe, str(source.parent / folder))


def processed(source: Path, *steps: Step, policy: Policy | None = None, folder: str = "out.zarr") -> SeriesResult:
    job = job_of(source, replace(RECIPE, steps=steps, policy=policy or Policy()), folder)
    result = process(job)
    if result.folder:
        Path(result.folder).rename(job.folder)
    return result


@pytest.fixture
def series(tmp_path: Path) -> Series:
    return write_series(tmp_path / "in")


def test_a_series_becomes_a_store_of_its_true_values(series: Series) -> None:
    record = processed(series.folder).record
    store = open_store(series.folder.parent / "out.zarr")
    np.testing.assert_array_equal(store.array[...], series.truth)
    np.testing.assert_allclose(store.geometry.affine_lps, series.affine_lps, atol=1e-9)
    assert (record.status, record.reason, record.warnings, record.detail) == (Status.OK, None, (), None)
    assert store.array.dtype == record.dtype == "int16"


def test_the_record_describes_source_and_store(series: Series) -> None:
    record = processed(series.folder, Orient("LPS"), Resample(spacing_mm=(5, 1.6, 1.4))).record
    assert (record.n_files, record.n_slices, record.geometry) == (12, 12, Verdict.REGULAR)
    assert (record.shape_in, record.spacing_in_mm) == (Zyx(12, 32, 32), Zyx(2.5, 0.8, 0.7))
    assert (record.shape, record.spacing_mm, record.orientation) == ((6, 16, 16), Zyx(5, 1.6, 1.4), "LPS")
    assert (record.slice_thickness_mm, record.coverage_share, record.span_mm) == (2.5, 1, 27.5)
    assert (record.tilt_deg, record.obliquity_deg) == (0, 0)
    assert (record.hu_min, record.hu_max) == (series.truth.min(), series.truth.max())
    assert record.hu_mean == pytest.approx(series.truth.mean(), abs=1e-3)
    assert record.store == f"volumes/{record.series_key}.zarr"
    assert record.sha256 == hash_store(series.folder.parent / "out.zarr")
    assert (record.config_hash, record.code_version) == ("config", "1.0")
    assert record.duration_s is not None
    assert record.peak_memory_mb is not None
    assert record.finished_at is not None


def test_the_store_tells_its_trail_and_nobody_s_name(series: Series) -> None:
    processed(series.folder, Orient("LPS"), Clip(-1000, 400), Normalise("zero_one"))
    attributes = open_store(series.folder.parent / "out.zarr").attributes
    assert [step["step"] for step in attributes["trail"]] == ["orient", "clip", "normalise"]
    assert attributes["units"] == "normalised"
    assert attributes["source_geometry"]["verdict"] == "regular"
    text = json.dumps(attributes)
    assert not any(
        word in text for word in (series.patient_id, series.series_uid, series.study_uid, str(series.folder))
    )


def test_every_slice_is_accounted_for_in_the_order_of_the_stack(series: Series) -> None:
    outcomes = processed(series.folder).slices
    assert [outcome.path for outcome in outcomes] == [str(path) for path in series.paths]
    assert [outcome.z_index for outcome in outcomes] == list(range(12))
    assert {outcome.status for outcome in outcomes} == {FileStatus.USED}
    positions = [outcome.position_mm for outcome in outcomes]
    np.testing.assert_allclose(positions, -100 + 2.5 * np.arange(12))


def test_the_histogram_counts_the_source_before_any_step(series: Series) -> None:
    histogram = processed(series.folder, Clip(-100, 100)).histogram
    assert histogram is not None
    assert histogram.total == series.truth.size
    values, counts = np.unique(series.truth, return_counts=True)
    np.testing.assert_array_equal(histogram.counts[values - histogram.first_bin_hu], counts)


def test_names_and_order_of_the_files_change_no_byte_of_the_store(tmp_path: Path) -> None:
    hashes = set()
    for number, form in enumerate(({}, {"name": "{}.dcm".format}, {"name": lambda z: f"{z * 7 % 12:02}/x"})):
        folder = tmp_path / str(number) / "in"
        for z in range(12):
            (folder / f"{z:02}").mkdir(parents=True)
        write_series(folder, **form)
        hashes.add(processed(folder, Orient("LPS")).record.sha256)
    assert len(hashes) == 1


def test_equal_content_has_one_hash_whoever_it_is_said_to_be_of(tmp_path: Path) -> None:
    one = write_series(tmp_path / "a" / "in")
    other = write_series(tmp_path / "b" / "in", patient_id="P-2", series_uid=uid("x"), transfer_syntax=JPEG2000Lossless)
    changed = write_series(tmp_path / "c" / "in", seed=1)
    first, second, third = (processed(each.folder).record for each in (one, other, changed))
    assert first.content_hash == second.content_hash != third.content_hash
    assert len({first.fingerprint, second.fingerprint, third.fingerprint}) == 3


def test_a_fingerprint_does_not_depend_on_order_but_on_the_key(series: Series) -> None:
    slices = job_of(series.folder).series.slices
    hashes = [str(k) for k in range(12)]
    turned = fingerprint(slices[::-1], hashes[::-1], KEY)
    assert fingerprint(slices, hashes, KEY) == turned
    assert fingerprint(slices, hashes[::-1], KEY) != turned
    assert fingerprint(slices, hashes, PseudonymKey(b"l" * 32)) != turned


def test_warnings_of_scan_headers_stack_and_pixels_are_joined_in_order(tmp_path: Path) -> None:
    def spoil(dataset: Dataset, z: int) -> None:
        dataset.BurnedInAnnotation = "YES"
        dataset.SpacingBetweenSlices = 7
        if z == 3:
            dataset.PixelData = bytes(len(dataset.PixelData))

    series = write_series(tmp_path / "in", change=spoil)
    (series.folder / "notes.txt").write_text("no scan")
    assert processed(series.folder).record.warnings == (
        SeriesWarning.W_BURNED_IN,
        SeriesWarning.W_FILE_SKIPPED,
        SeriesWarning.W_PIXELS_SUSPECT,
        SeriesWarning.W_SPACING_TAG,
    )


def scout(dataset: Dataset, z: int) -> None:
    if z == 11:
        dataset.ImageType = ["ORIGINAL", "PRIMARY", "LOCALIZER"]
        dataset.ImageOrientationPatient = [1, 0, 0, 0, 0, -1]


def test_what_is_left_out_is_told_with_its_reason(tmp_path: Path) -> None:
    series = write_series(tmp_path / "in", change=scout)
    copy = series.folder / "copy.dcm"
    copy.write_bytes(series.paths[4].read_bytes())
    result = processed(series.folder)
    assert (result.record.status, result.record.n_slices, result.record.n_files) == (Status.OK, 11, 13)
    assert set(result.record.warnings) == {SeriesWarning.W_LOCALIZER_DROPPED, SeriesWarning.W_DUPLICATE_DROPPED}
    aside = {outcome.path: outcome.reason for outcome in result.slices if outcome.status is FileStatus.SKIPPED}
    dropped = max(str(copy), str(series.paths[4]))
    assert aside == {dropped: Reason.DUPLICATE_POSITION, str(series.paths[11]): Reason.LOCALIZER}


REFUSED: dict[str, tuple[Reason, dict[str, Any]]] = {
    "too few": (Reason.TOO_FEW_SLICES, {"n": 2}),
    "one place": (Reason.DUPLICATE_POSITION, {"n": 4, "positions_mm": (0, 0, 2.5, 5)}),
    "a gap": (Reason.SLICE_GAP, {"n": 6, "positions_mm": (0, 2.5, 5, 10, 12.5, 15)}),
    "uneven": (Reason.SPACING_NONUNIFORM, {"n": 6, "positions_mm": (0, 1, 3, 6, 10, 15)}),
    "constant": (Reason.HU_IMPLAUSIBLE, {"hu": np.zeros((4, 16, 16), np.int16)}),
}


@pytest.mark.parametrize(("reason", "wanted"), REFUSED.values(), ids=REFUSED)
def test_a_series_that_cannot_be_a_volume_is_a_record_with_its_reason(
    tmp_path: Path, reason: Reason, wanted: dict[str, Any]
) -> None:
    series = write_series(tmp_path / "in", **wanted)
    result = processed(series.folder)
    assert (result.record.status, result.record.reason, result.record.store) == (Status.REJECTED, reason, None)
    assert result.record.detail
    assert result.histogram is None
    assert {(outcome.status, outcome.reason) for outcome in result.slices} == {(FileStatus.REJECTED, reason)}
    assert len(result.slices) == len(series.paths)
    assert not list(tmp_path.glob("out*"))


def test_a_file_that_changed_since_the_scan_makes_the_series_unstable(series: Series) -> None:
    job = job_of(series.folder)
    os.utime(series.paths[5], ns=(1, 1))
    assert process(job).record.reason is Reason.UNSTABLE


def test_a_planned_volume_over_the_limit_is_refused_before_it_is_made(series: Series) -> None:
    policy = Policy(limits=Limits(max_voxels=20_000))
    assert processed(series.folder, policy=policy).record.status is Status.OK
    refusal = processed(series.folder, Resample(spacing_mm=(0.05, 0.05, 0.05)), policy=policy, folder="other").record
    assert refusal.reason is Reason.LIMIT
    assert refusal.detail is not None
    assert refusal.detail.endswith("planned voxels are over max_voxels 20000")


def test_without_rescale_stored_values_are_hounsfield_units_where_that_is_allowed(tmp_path: Path) -> None:
    def forget(dataset: Dataset, _: int) -> None:
        del dataset.RescaleSlope, dataset.RescaleIntercept, dataset.RescaleType

    series = write_series(tmp_path / "in", change=forget, signed=True, bits_stored=16, intercept=0)
    result = processed(series.folder, policy=Policy(hounsfield=HounsfieldOptions(rescale_missing="assume_hu")))
    assert (result.record.status, result.record.warnings) == (Status.OK, (SeriesWarning.W_RESCALE_TYPE,))
    np.testing.assert_array_equal(open_store(tmp_path / "out.zarr").array[...], series.truth)


@pytest.mark.parametrize(
    ("row", "column", "letters"),
    [
        (Xyz(1, 0, 0), Xyz(0, 1, 0), "LPS"),
        (Xyz(-1, 0, 0), Xyz(0, -1, 0), "RAS"),
        (Xyz(1, 0, 0), Xyz(0, 0, -1), "LIP"),
        (Xyz(0, 1, 0), Xyz(0, 0, -1), "PIR"),
    ],
)
def test_without_orient_a_volume_stays_in_the_frame_of_its_acquisition(
    tmp_path: Path, row: Xyz, column: Xyz, letters: str
) -> None:
    series = write_series(tmp_path / "in", row_axis=row, column_axis=column)
    record = processed(series.folder).record
    store = open_store(tmp_path / "out.zarr")
    np.testing.assert_array_equal(store.array[...], series.truth)
    np.testing.assert_allclose(store.geometry.affine_lps, series.affine_lps, atol=1e-9)
    assert record.orientation == letters
    assert (SeriesWarning.W_NGFF_APPROXIMATE in record.warnings) is (letters != "LPS")


def test_a_refusal_keeps_what_was_known_before(series: Series) -> None:
    job = job_of(series.folder)
    result = refused(job.record, job.series, Reason.NOT_SELECTED, "ranked second")
    expected = replace(job.record, status=Status.EXCLUDED, reason=Reason.NOT_SELECTED, detail="ranked second")
    assert result.record == expected


def test_a_job_and_its_result_can_travel(series: Series) -> None:
    job = pickle.loads(pickle.dumps(job_of(series.folder, replace(RECIPE, steps=(Orient("LPS"),)))))  # noqa: S301  our own
    result = process(job)
    arrived = pickle.loads(pickle.dumps(result))  # noqa: S301  our own
    assert arrived.record == result.record
    assert arrived.slices == result.slices
