import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from jobs import RECIPE, job_of, processed
from phantoms import Series, write_series
from pydicom.dataset import Dataset
from pydicom.encaps import encapsulate
from pydicom.uid import JPEG2000Lossless

from pipeline.geometry import Xyz, Zyx
from pipeline.output.durable import hash_store
from pipeline.prepare.series import process
from pipeline.program.step import Step
from pipeline.report.options import PictureRequest
from pipeline.report.pictures import pictures_of, read_pictures
from pipeline.steps.clip import Clip
from pipeline.steps.crop_or_pad import CropOrPad
from pipeline.steps.normalise import Normalise
from pipeline.steps.orient import Orient
from pipeline.steps.resample import Resample
from pipeline.store.read import open_store
from pipeline.vocabulary import FileStatus, Reason, SeriesWarning, Status, Verdict


@pytest.fixture
def series(tmp_path: Path) -> Series:
    return write_series(tmp_path / "in")


def test_a_series_is_stored_with_its_true_values(series: Series) -> None:
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


def test_warnings_of_all_stages_are_sorted(tmp_path: Path) -> None:
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


def test_hounsfield_units_beyond_16_bits_are_warned_of(tmp_path: Path) -> None:
    def spoil(dataset: Dataset, z: int) -> None:
        if z == 3:
            dataset.PixelData = dataset.PixelData[:400] + (32767).to_bytes(2, "little") + dataset.PixelData[402:]

    series = write_series(tmp_path / "in", signed=True, bits_stored=16, intercept=1000, change=spoil)
    record = processed(series.folder).record
    assert (record.status, record.hu_max) == (Status.OK, 33767)
    assert record.warnings == (SeriesWarning.W_HU_RANGE,)


def scout(dataset: Dataset, z: int) -> None:
    if z == 11:
        dataset.ImageType = ["ORIGINAL", "PRIMARY", "LOCALIZER"]
        dataset.ImageOrientationPatient = [1, 0, 0, 0, 0, -1]


def test_a_mask_left_out_has_a_reason(tmp_path: Path) -> None:
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


@pytest.mark.parametrize(
    ("row", "column", "letters"),
    [
        (Xyz(1, 0, 0), Xyz(0, 1, 0), "LPS"),
        (Xyz(-1, 0, 0), Xyz(0, -1, 0), "RAS"),
        (Xyz(1, 0, 0), Xyz(0, 0, -1), "LIP"),
        (Xyz(0, 1, 0), Xyz(0, 0, -1), "PIR"),
    ],
)
def test_without_orient_a_volume_keeps_its_axes(tmp_path: Path, row: Xyz, column: Xyz, letters: str) -> None:
    series = write_series(tmp_path / "in", row_axis=row, column_axis=column)
    record = processed(series.folder).record
    store = open_store(tmp_path / "out.zarr")
    np.testing.assert_array_equal(store.array[...], series.truth)
    np.testing.assert_allclose(store.geometry.affine_lps, series.affine_lps, atol=1e-9)
    assert record.orientation == letters
    assert (SeriesWarning.W_NGFF_APPROXIMATE in record.warnings) is (letters != "LPS")


def spoilt_at(z: int) -> Callable[[Dataset, int], None]:
    """Return what puts rubbish in the place of one slice's codestream."""

    def spoil(dataset: Dataset, k: int) -> None:
        if k == z:
            dataset.PixelData = encapsulate([b"\xff\x4f\xff\x51" + bytes(300)])

    return spoil


@pytest.mark.parametrize("steps", [(), (Normalise("z_score"),), (Resample(spacing_mm=(1, 1, 1)),)])
def test_an_undecodable_slice_leaves_no_folder(tmp_path: Path, steps: tuple[Step, ...]) -> None:
    series = write_series(tmp_path / "in", transfer_syntax=JPEG2000Lossless, change=spoilt_at(7))
    result = processed(series.folder, *steps)
    assert (result.record.reason, result.folder) == (Reason.PIXEL_DECODE, None)
    assert [path.name for path in tmp_path.iterdir()] == ["in"]


@pytest.mark.parametrize("steps", [(), (Normalise("z_score"),), (CropOrPad((4, 8, 8)), Normalise("z_score"))])
def test_implausible_values_are_reported_before_a_missing_statistic(tmp_path: Path, steps: tuple[Step, ...]) -> None:
    series = write_series(tmp_path / "in", hu=np.full((6, 16, 16), 40, np.int16))
    result = processed(series.folder, *steps)
    assert result.record.reason is Reason.HU_IMPLAUSIBLE
    assert result.record.detail == "every measured voxel has the same value"
    assert [path.name for path in tmp_path.iterdir()] == ["in"]


def test_a_missing_statistic_of_plausible_values_is_the_reason(series: Series) -> None:
    result = processed(series.folder, Clip(2900, 3000), Normalise("z_score"))
    assert result.record.reason is Reason.HU_IMPLAUSIBLE
    assert result.record.detail is not None
    assert "at this step" in result.record.detail


def test_an_undecodable_slice_is_refused_though_no_plane_needs_it(tmp_path: Path) -> None:
    flat = np.full((6, 16, 16), 40, np.int16)
    series = write_series(tmp_path / "in", hu=flat, transfer_syntax=JPEG2000Lossless, change=spoilt_at(0))
    for number, steps in enumerate([(CropOrPad((2, 8, 8)),), (CropOrPad((2, 8, 8)), Normalise("z_score"))]):
        assert processed(series.folder, *steps, folder=f"{number}.zarr").record.reason is Reason.PIXEL_DECODE


@pytest.mark.parametrize(
    "steps", [(CropOrPad((3, 9, 9)),), (Resample(factor=(0.25, 1, 1), method="nearest"),), (CropOrPad((20, 40, 40)),)]
)
def test_slices_that_no_plane_needs_are_read_and_counted(series: Series, steps: tuple[Step, ...]) -> None:
    whole, part = processed(series.folder), processed(series.folder, *steps, folder="part.zarr")
    assert part.histogram is not None
    assert whole.histogram is not None
    assert part.histogram.first_bin_hu == whole.histogram.first_bin_hu
    np.testing.assert_array_equal(part.histogram.counts, whole.histogram.counts)
    for told in ("fingerprint", "content_hash", "hu_min", "hu_mean", "hu_std", "noise_hu", "body_share", "n_slices"):
        assert getattr(part.record, told) == getattr(whole.record, told)
    assert part.record.shape != whole.record.shape


def test_each_try_writes_into_a_folder_of_its_own(series: Series) -> None:
    job = job_of(series.folder, folder="key.unfinished")
    first, second = process(job), process(job)
    assert first.folder != second.folder
    assert first.folder is not None
    assert second.folder is not None
    assert {Path(first.folder).name, Path(second.folder).name} == {
        path.name for path in series.folder.parent.glob("key*")
    }
    assert hash_store(Path(first.folder)) == hash_store(Path(second.folder)) == first.record.sha256
    assert first.record.sha256 == second.record.sha256


@pytest.mark.parametrize("steps", [(), (Orient("LPS"), Resample((1.0, 1.0, 1.0)), Clip(-1000, 400))])
def test_pictures_of_a_volume_as_it_passes_are_those_of_its_store(series: Series, steps: tuple[Step, ...]) -> None:
    folder = series.folder.parent / "report"
    job = replace(job_of(series.folder, replace(RECIPE, steps=steps)), pictures=PictureRequest(str(folder)))
    result = process(job)
    assert result.folder is not None
    found = read_pictures(folder, result.record.sha256, "none")
    expected = pictures_of(open_store(Path(result.folder)), "none")
    assert found is not None
    assert {name: (folder / name).read_bytes() for name in found.files} == expected.files
    assert (found.windows, found.strips) == (expected.windows, expected.strips)


def test_pictures_that_cannot_be_written_cost_no_volume(series: Series) -> None:
    (series.folder.parent / "report").write_text("")
    pictures = PictureRequest(str(series.folder.parent / "report"))
    assert process(replace(job_of(series.folder), pictures=pictures)).record.status == Status.OK


def test_a_failed_write_can_be_retried(series: Series) -> None:
    result = process(job_of(series.folder, folder="absent/key.unfinished"))
    assert (result.record.status, result.record.reason) == (Status.FAILED, Reason.OUTPUT_IO)
    assert result.record.detail == "writing failed: No such file or directory"
    assert result.folder is None
