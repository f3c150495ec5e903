from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from dicom_bytes import found_file
from multiframe import join_frames
from phantoms import Series, uid, write_series
from pydicom.dataset import Dataset
from pydicom.uid import RLELossless

from pipeline.dicom.headers.read import read_headers
from pipeline.dicom.headers.slice import SliceHeader
from pipeline.dicom.pixels.load import Deduplicated, load_volume, without_copies
from pipeline.dicom.policy import Policy
from pipeline.dicom.stack.stack import stacked
from pipeline.errors import SeriesRefusedError
from pipeline.limits import Limits
from pipeline.vocabulary import Reason, SeriesWarning

POLICY = Policy()
LIMITS = Limits()


def headers(*paths: Path) -> list[SliceHeader]:
    return [header for path in paths for header in read_headers(found_file(path), LIMITS, frozenset())]


def unique(paths: Iterable[Path]) -> Deduplicated:
    return without_copies(headers(*paths), LIMITS)


def names(slices: Iterable[SliceHeader]) -> list[str]:
    return [Path(header.file.path).name for header in slices]


def only(z: int, change: Callable[[Dataset], Any]) -> Callable[[Dataset, int], None]:
    return lambda dataset, k: change(dataset) if k == z else None


@pytest.fixture
def series(tmp_path: Path) -> Series:
    return write_series(tmp_path / "series", n=4)


def test_a_volume_is_the_truth_in_the_order_of_the_normal(series: Series) -> None:
    shuffled = [series.paths[z] for z in (2, 0, 3, 1)]
    loaded = load_volume(stacked(headers(*shuffled)), POLICY)
    np.testing.assert_array_equal(loaded.volume.voxels, series.truth)
    assert loaded.volume.measured.all()
    assert loaded.volume.geometry == series.geometry
    assert loaded.warnings == frozenset()


def test_each_slice_has_its_own_rescale(tmp_path: Path) -> None:
    def change(dataset: Dataset, z: int) -> None:
        dataset.RescaleSlope, dataset.RescaleIntercept = 1 + z, -1000 - z

    series = write_series(tmp_path, n=3, change=change)
    loaded = load_volume(stacked(headers(*series.paths)), POLICY)
    stored = series.truth.astype(int) + 1024
    for z in range(3):
        np.testing.assert_array_equal(loaded.volume.voxels[z], stored[z] * (1 + z) - 1000 - z)


def test_frames_are_ordered_by_place_and_never_by_number(series: Series, tmp_path: Path) -> None:
    path = join_frames(series, tmp_path / "enhanced", order=(2, 0, 3, 1))
    loaded = load_volume(stacked(headers(path)), POLICY)
    np.testing.assert_array_equal(loaded.volume.voxels, series.truth)


def test_hashes_tell_slices_apart_and_do_not_depend_on_how_they_are_written(tmp_path: Path) -> None:
    one, other = (
        load_volume(stacked(headers(*write_series(tmp_path / name, n=3, **form).paths)), POLICY)
        for name, form in (("native", {}), ("rle", {"transfer_syntax": RLELossless, "patient_id": "P-2"}))
    )
    assert one.pixel_hashes == other.pixel_hashes
    assert one.hu_hashes == other.hu_hashes
    assert len(set(one.pixel_hashes)) == len(set(one.hu_hashes)) == 3


def test_what_single_slices_give_cause_to_warn_of_is_told_once(tmp_path: Path) -> None:
    def dirty(dataset: Dataset) -> None:
        pixels = np.frombuffer(dataset.PixelData, "<u2") | 0x8000
        dataset.PixelData = pixels.astype("<u2").tobytes()

    series = write_series(tmp_path, n=3, change=only(1, dirty))
    loaded = load_volume(stacked(headers(*series.paths)), POLICY)
    assert loaded.warnings == {SeriesWarning.W_HIGH_BITS}
    np.testing.assert_array_equal(loaded.volume.voxels, series.truth)


def test_one_slice_that_cannot_be_read_refuses_the_series(series: Series) -> None:
    stack = stacked(headers(*series.paths))
    series.paths[2].unlink()
    with pytest.raises(SeriesRefusedError) as caught:
        load_volume(stack, POLICY)
    assert caught.value.reason is Reason.UNREADABLE


def test_without_copies_nothing_is_dropped_and_no_pixel_is_read(series: Series) -> None:
    slices = headers(*series.paths)
    for path in series.paths:
        path.unlink()
    found = without_copies(slices, LIMITS)
    assert (found.slices, found.dropped, found.warnings) == (tuple(slices), (), set())


def test_identical_slices_are_dropped_but_the_first_by_path(tmp_path: Path) -> None:
    series = write_series(tmp_path, n=3, name="IM{}".format)
    copy = tmp_path / "IM1.copy"
    copy.write_bytes(series.paths[1].read_bytes())
    found = unique([*series.paths, copy])
    assert names(found.slices) == ["IM0", "IM1", "IM2"]
    assert names(found.dropped) == ["IM1.copy"]
    assert found.warnings == {SeriesWarning.W_DUPLICATE_DROPPED}


def test_a_copy_under_another_uid_and_in_another_encoding_of_its_header_is_one(tmp_path: Path) -> None:
    series = write_series(tmp_path / "a", n=2)
    other = write_series(
        tmp_path / "b", n=2, change=lambda dataset, z: setattr(dataset, "SOPInstanceUID", uid("other", str(z)))
    )
    found = unique([*series.paths, *other.paths])
    assert len(found.slices) == 2
    assert found.warnings == {SeriesWarning.W_DUPLICATE_SERIES}


def test_slices_that_differ_are_never_dropped(tmp_path: Path) -> None:
    series = write_series(tmp_path / "a", n=2)
    pixels = write_series(tmp_path / "b", n=2, seed=1)
    rescale = write_series(tmp_path / "c", n=2, change=lambda dataset, _: setattr(dataset, "RescaleIntercept", -1000))
    found = unique([*series.paths, *pixels.paths, *rescale.paths])
    assert (len(found.slices), found.dropped) == (6, ())


def test_equal_pixels_at_other_places_are_no_copies(tmp_path: Path) -> None:
    blank = write_series(tmp_path, hu=np.zeros((3, 8, 8), np.int16))
    assert unique(blank.paths).dropped == ()


def test_a_series_of_which_only_some_slices_are_elsewhere_again_was_not_copied_whole(tmp_path: Path) -> None:
    series = write_series(tmp_path / "a", n=3)
    again = write_series(tmp_path / "b", n=3)
    assert unique([*series.paths, again.paths[0]]).warnings == {SeriesWarning.W_DUPLICATE_DROPPED}
    assert unique([*series.paths, *again.paths]).warnings == {SeriesWarning.W_DUPLICATE_SERIES}


def test_identical_frames_of_one_file_are_dropped_too(series: Series, tmp_path: Path) -> None:
    frames = headers(join_frames(series, tmp_path / "enhanced", order=(0, 1, 1, 2)))
    found = without_copies(frames, LIMITS)
    assert [frame.frame for frame in found.slices] == [1, 2, 4]
