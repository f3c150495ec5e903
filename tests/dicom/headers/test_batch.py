from pathlib import Path

from dicom_bytes import found_file
from phantoms import write_series

from pipeline.dicom.headers.batch import (
    Batch,
    Terms,
    identify_owner,
    pack_observations,
    read_batch,
    unpack_observations,
)
from pipeline.dicom.headers.read import read_headers
from pipeline.limits import Limits
from pipeline.sources.files import FoundFile
from pipeline.vocabulary import Reason

TERMS = Terms(Limits(), frozenset({"KVP", "Rows"}))


def read(folder: Path) -> Batch:
    return read_batch([found_file(path) for path in sorted(folder.iterdir())], TERMS)


def test_a_batch_holds_what_reading_each_file_alone_gives(tmp_path: Path) -> None:
    write_series(tmp_path)
    for file, slices in read(tmp_path).pairs():
        assert slices == read_headers(file, TERMS.limits, TERMS.wanted)


def test_ct_is_observed_and_nothing_else(tmp_path: Path) -> None:
    series = write_series(tmp_path, change=lambda dataset, z: setattr(dataset, "Modality", "MR" if z else "CT"))
    (tmp_path / "notes.txt").write_text("no DICOM")
    batch = read(tmp_path)
    assert len(batch.files) == 13
    _, files = unpack_observations(pack_observations(batch))
    assert [owner for _, owner, _ in files] == [(series.patient_id, series.study_uid, series.series_uid)]
    assert "Rows" in {batch.pool[number].keyword for numbers in batch.seen for number in numbers}


def test_what_the_system_refuses_is_refused(tmp_path: Path) -> None:
    refused = FoundFile(str(tmp_path / "x"), 1, 1, (Reason.UNREADABLE, "a link"))
    absent = FoundFile(str(tmp_path / "y"), 1, 1)
    batch = read_batch([refused, absent], TERMS)
    assert [header.refusal and header.refusal[0] for slices in batch.slices for header in slices] == ["UNREADABLE"] * 2
    assert batch.seen == [frozenset()] * 2


def test_an_owner_without_patient_or_study_is_known_by_its_series(tmp_path: Path) -> None:
    def nameless(dataset: object, _z: int) -> None:
        dataset.PatientID = dataset.StudyInstanceUID = ""  # type: ignore[attr-defined]

    series = write_series(tmp_path, change=nameless)
    (header,) = read(tmp_path).slices[0]
    assert identify_owner(header) == (series.series_uid,) * 3
