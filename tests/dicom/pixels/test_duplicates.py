from collections.abc import Iterable
from pathlib import Path

import numpy as np
import pytest
from multiframe import join_frames
from phantoms import Series, uid, write_series
from pydicom import dcmread
from pydicom.uid import RLELossless
from stored_slices import LIMITS, headers_of

from pipeline.dicom.headers.slice import SliceHeader
from pipeline.dicom.pixels.raw import UniqueSlices, drop_copies
from pipeline.vocabulary import SeriesWarning


def unique(paths: Iterable[Path]) -> UniqueSlices:
    return drop_copies(headers_of(*paths), LIMITS)


def names(slices: Iterable[SliceHeader]) -> list[str]:
    return [Path(header.file.path).name for header in slices]


@pytest.fixture
def series(tmp_path: Path) -> Series:
    return write_series(tmp_path / "series", n=4)


def test_without_copies_nothing_is_dropped_and_no_pixel_is_read(series: Series) -> None:
    slices = headers_of(*series.paths)
    for path in series.paths:
        path.unlink()
    found = drop_copies(slices, LIMITS)
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
    frames = headers_of(join_frames(series, tmp_path / "enhanced", order=(0, 1, 1, 2)))
    found = drop_copies(frames, LIMITS)
    assert [frame.frame for frame in found.slices] == [1, 2, 4]


def test_identical_frames_of_one_compressed_file_are_dropped_too(series: Series, tmp_path: Path) -> None:
    path = join_frames(series, tmp_path / "enhanced", order=(0, 1, 1, 2))
    whole = dcmread(path)
    whole.compress(RLELossless, encoding_plugin="pylibjpeg", generate_instance_uid=False)
    whole.save_as(path)
    found = drop_copies(headers_of(path), LIMITS)
    assert [frame.frame for frame in found.slices] == [1, 2, 4]
