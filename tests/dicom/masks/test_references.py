from pathlib import Path

from masked import FRAME, SERIES, grid, marked, outline, segments, structures
from pydicom.dataset import Dataset

from pipeline.dicom.masks.read import read_references
from pipeline.limits import Limits
from pipeline.masks.links import References
from pipeline.vocabulary import MaskReason

SQUARE = [(0.5, 0.5), (4.5, 0.5), (4.5, 3.5), (0.5, 3.5)]


def references(tmp_path: Path, dataset: Dataset) -> References:
    dataset.save_as(tmp_path / "object.dcm", enforce_file_format=True)
    return read_references(str(tmp_path / "object.dcm"), Limits())


def image(uid: str) -> Dataset:
    item = Dataset()
    item.ReferencedSOPInstanceUID = uid
    return item


def test_a_structure_set_names_its_series_frame_and_regions(tmp_path: Path) -> None:
    dataset = structures({"gtv": [], "": []})
    dataset.StructureSetDate, dataset.StructureSetTime = "20200131", "1230"
    found = references(tmp_path, dataset)
    assert (found.series_uids, found.image_uids, found.frame_uids) == ((SERIES,), (), (FRAME,))
    assert (found.regions, found.made) == (("gtv", "unnamed 2"), "20200131123000000000")


def test_the_image_of_each_contour_is_known(tmp_path: Path) -> None:
    dataset = structures({"gtv": [outline(grid(), 1, SQUARE)]})
    del dataset.ReferencedFrameOfReferenceSequence
    dataset.ROIContourSequence[0].ContourSequence[0].ContourImageSequence = [image("1.2.9")]
    found = references(tmp_path, dataset)
    assert (found.series_uids, found.image_uids, found.frame_uids) == ((), ("1.2.9",), (FRAME,))


def test_a_segmentation_names_its_series_or_the_source_of_each_frame(tmp_path: Path) -> None:
    dataset = segments(grid(), {"liver": marked(grid()) > 0})
    assert references(tmp_path, dataset).series_uids == (SERIES,)
    del dataset.ReferencedSeriesSequence
    derivation = Dataset()
    derivation.SourceImageSequence = [image("1.2.8")]
    dataset.PerFrameFunctionalGroupsSequence[0].DerivationImageSequence = [derivation]
    found = references(tmp_path, dataset)
    assert (found.series_uids, found.image_uids, found.regions) == ((), ("1.2.8",), ("liver",))


def test_an_object_that_cannot_be_read_says_so(tmp_path: Path) -> None:
    path = tmp_path / "x.dcm"
    path.write_bytes(b"no DICOM at all")
    assert read_references(str(path), Limits()).unread is MaskReason.UNREADABLE
    with path.open("wb") as file:
        file.truncate(2 * 2**20)
    assert read_references(str(path), Limits(max_file_mb=1)).unread is MaskReason.TOO_LARGE
