from dataclasses import replace
from pathlib import Path
from typing import Any, NoReturn

import pytest
from dicom_bytes import found_file
from phantoms import write_series
from pydicom.dataset import Dataset

from pipeline.dicom.headers.read import read_headers
from pipeline.limits import Limits
from pipeline.sources.files import FoundFile
from pipeline.vocabulary import Reason, SeriesWarning

LIMITS = Limits()
NOTHING: frozenset[str] = frozenset()


def test_elements_are_kept_for_the_manifest_as_asked(tmp_path: Path) -> None:
    series = write_series(tmp_path, n=1)
    wanted = frozenset({"KVP", "ImageType", "PatientAge", "ReconstructionDiameter"})
    (read,) = read_headers(found_file(series.paths[0]), LIMITS, wanted)
    assert read.elements == {"KVP": 120, "ImageType": ["ORIGINAL", "PRIMARY", "AXIAL"], "PatientAge": "061Y"}


def test_what_the_search_refused_is_not_opened(tmp_path: Path) -> None:
    found = FoundFile(str(tmp_path / "absent"), 0, 0, (Reason.UNSTABLE, "young"))
    (read,) = read_headers(found, LIMITS, NOTHING)
    assert (read.file, read.refusal, read.elements) == (found, found.refusal, {})


def test_a_young_file_is_read_for_what_it_belongs_to_alone(tmp_path: Path) -> None:
    series = write_series(tmp_path / "in", n=3)
    refusal = Reason.UNSTABLE, "the file is younger than settle_seconds"
    young = replace(found_file(series.paths[0]), refusal=refusal)
    (header,) = read_headers(young, Limits(), frozenset())
    assert header.refusal == refusal
    assert header.identity.series_instance_uid == series.series_uid


def test_what_the_system_refuses_is_unreadable(tmp_path: Path) -> None:
    (read,) = read_headers(FoundFile(str(tmp_path / "absent"), 10, 0), LIMITS, NOTHING)
    assert read.refusal == (Reason.UNREADABLE, "reading failed (FileNotFoundError)")


def test_a_file_cut_in_its_pixels_keeps_its_identity(tmp_path: Path) -> None:
    path = write_series(tmp_path, n=1).paths[0]
    path.write_bytes(path.read_bytes()[:-100])
    (read,) = read_headers(found_file(path), LIMITS, NOTHING)
    assert read.refusal is not None
    assert read.refusal[0] is Reason.PIXELS_LENGTH
    assert read.identity.series_instance_uid != ""
    assert read.is_ct


def test_a_directory_of_files_says_so_in_its_meta_information(tmp_path: Path) -> None:
    def spoil(dataset: Dataset, _z: int) -> None:
        dataset.file_meta.MediaStorageSOPClassUID = "1.2.840.10008.1.3.10"
        del dataset.SOPClassUID

    series = write_series(tmp_path, n=1, change=spoil)
    (read,) = read_headers(found_file(series.paths[0]), LIMITS, NOTHING)
    assert (read.identity.sop_class_uid, read.is_ct) == ("1.2.840.10008.1.3.10", False)


def test_reading_never_fails_for_what_the_system_does_between(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    series = write_series(tmp_path, n=1)

    def fail(*_: Any) -> NoReturn:
        raise BlockingIOError

    monkeypatch.setattr("pipeline.dicom.headers.read.read_data_set", fail)
    (read,) = read_headers(found_file(series.paths[0]), LIMITS, NOTHING)
    assert read.refusal == (Reason.UNREADABLE, "reading failed (BlockingIOError)")


def test_warnings_of_the_file_and_of_its_elements_are_joined(tmp_path: Path) -> None:
    series = write_series(tmp_path, n=1, change=lambda dataset, _: dataset.pop("PatientID"))
    series.paths[0].write_bytes(series.paths[0].read_bytes() + bytes(100))
    (read,) = read_headers(found_file(series.paths[0]), LIMITS, NOTHING)
    assert read.warnings == {SeriesWarning.W_META_REPAIRED, SeriesWarning.W_ID_MISSING}
