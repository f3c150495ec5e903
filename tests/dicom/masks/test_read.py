from pathlib import Path

import numpy as np
import pytest
from masked import grid, marked, outline, segments, structures
from pydicom.dataset import Dataset

from pipeline.dicom.masks.read import read_mask
from pipeline.limits import Limits
from pipeline.masks.drawn import RegionChoice
from pipeline.masks.grid import MaskMismatchError

ALL = RegionChoice()
SQUARE = [(0.5, 0.5), (4.5, 0.5), (4.5, 3.5), (0.5, 3.5)]


def test_both_kinds_are_read_from_their_files(tmp_path: Path) -> None:
    source, mask = grid(), marked(grid()) > 0
    segments(source, {"liver": mask}).save_as(tmp_path / "seg.dcm", enforce_file_format=True)
    structures({"gtv": [outline(source, 2, SQUARE)]}).save_as(tmp_path / "rs.dcm", enforce_file_format=True)
    segmented = read_mask(tmp_path / "seg.dcm", "SEG", source, ALL, Limits())
    assert segmented is not None
    np.testing.assert_array_equal(segmented.labels, mask)
    drawn = read_mask(tmp_path / "rs.dcm", "RTSTRUCT", source, RegionChoice("gtv"), Limits())
    assert drawn is not None
    assert drawn.labels.sum() == 12


def test_an_object_without_a_wanted_region_has_no_mask(tmp_path: Path) -> None:
    structures({"gtv": []}).save_as(tmp_path / "rs.dcm", enforce_file_format=True)
    assert read_mask(tmp_path / "rs.dcm", "RTSTRUCT", grid(), RegionChoice("heart"), Limits()) is None


@pytest.mark.parametrize("implicit", [True, False])
def test_objects_without_preamble_and_meta_are_read(tmp_path: Path, implicit: bool) -> None:  # noqa: FBT001
    source, mask = grid(), marked(grid()) > 0
    for name, dataset in (
        ("seg", segments(source, {"a": mask})),
        ("rs", structures({"a": [outline(source, 2, SQUARE)]})),
    ):
        bare = Dataset(dataset)
        bare.save_as(tmp_path / name, implicit_vr=implicit, little_endian=True, enforce_file_format=False)
        assert (tmp_path / name).read_bytes()[:2] == b"\x08\x00"
    segmented = read_mask(tmp_path / "seg", "SEG", source, ALL, Limits())
    drawn = read_mask(tmp_path / "rs", "RTSTRUCT", source, ALL, Limits())
    assert segmented is not None
    assert drawn is not None
    np.testing.assert_array_equal(segmented.labels, mask)
    assert drawn.labels.sum() == 12


def test_what_cannot_be_read_is_a_mismatch_that_tells_no_text(tmp_path: Path) -> None:
    path = tmp_path / "somebody.dcm"
    path.write_bytes(b"no DICOM at all")
    with pytest.raises(MaskMismatchError, match=r"^the SEG cannot be read \(\w+\)$"):
        read_mask(path, "SEG", grid(), ALL, Limits())
    with pytest.raises(MaskMismatchError, match=r"FileNotFoundError"):
        read_mask(tmp_path / "gone.dcm", "SEG", grid(), ALL, Limits())


def test_a_file_over_the_limit_is_not_opened(tmp_path: Path) -> None:
    path = tmp_path / "rs.dcm"
    with path.open("wb") as file:
        file.truncate(2 * 2**20)
    with pytest.raises(MaskMismatchError, match="larger than max_file_mb 1"):
        read_mask(path, "RTSTRUCT", grid(), ALL, Limits(max_file_mb=1))
