import os
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from phantoms import uid, write_series
from pydicom.dataset import Dataset

from pipeline.dicom.policy import Policy
from pipeline.limits import Limits
from pipeline.privacy import PseudonymKey
from pipeline.scan.contents import describe_contents
from pipeline.scan.scan import scan
from pipeline.scan.series import Scan, ScannedSeries, identify_patient
from pipeline.sources.folders import InputOptions
from pipeline.vocabulary import Reason, SeriesWarning

KEY = PseudonymKey(b"k" * 32)


def scanned(*roots: Path, policy: Policy | None = None, key: PseudonymKey = KEY, **options: Any) -> Scan:
    return scan(InputOptions(tuple(str(root) for root in roots)), policy or Policy(), key, **options)


def only(found: Scan) -> ScannedSeries:
    (series,) = found.series
    return series


def test_a_series_is_known_before_its_pixels_are_read(tmp_path: Path) -> None:
    written = write_series(tmp_path / "a", n=5)
    series = only(scanned(tmp_path))
    assert (series.refusal, series.warnings) == (None, frozenset())
    assert series.series.identity == (written.series_uid,)
    assert [header.file.path for header in series.series.slices] == sorted(map(str, written.paths))
    assert series.record.series_key == KEY.keyed_hash("series", written.series_uid)
    assert (series.record.n_files, series.record.study_day) == (5, 0)
    assert series.record.elements["KVP"] == 120
    assert "PatientName" not in series.record.elements


def test_elements_are_kept_as_asked(tmp_path: Path) -> None:
    write_series(tmp_path, n=1)
    assert only(scanned(tmp_path, tags=["SeriesDescription"])).record.elements["SeriesDescription"] == "AXIAL STD"
    assert "SeriesDescription" not in only(scanned(tmp_path)).record.elements


def test_one_series_in_two_folders_is_one_and_two_in_one_folder_are_two(tmp_path: Path) -> None:
    one = {"series_uid": uid("one")}
    write_series(tmp_path / "a", n=2, **one)
    write_series(tmp_path / "b", n=2, **one)
    write_series(tmp_path / "b", n=2, series_uid=uid("other"), name="other{}".format)
    sizes = {series.series.identity[0]: series.record.n_files for series in scanned(tmp_path).series}
    assert sizes == {uid("one"): 4, uid("other"): 2}


def test_names_order_and_roots_do_not_change_what_is_found(tmp_path: Path) -> None:
    write_series(tmp_path / "a" / "s", n=3)
    write_series(tmp_path / "b" / "s", n=3, name="{}.ima".format)
    left, right = only(scanned(tmp_path / "a")), only(scanned(tmp_path / "b" / "s"))
    assert replace(left.record, elements={}) == replace(right.record, elements={})


def test_what_belongs_to_no_series_is_a_stray_and_counted(tmp_path: Path) -> None:
    write_series(tmp_path / "a", n=3)
    (tmp_path / "a" / "notes.txt").write_text("not a scan")
    (tmp_path / "a" / "empty.dcm").touch()
    found = scanned(tmp_path)
    assert {Path(stray.file.path).name for stray in found.unassigned} == {"notes.txt", "empty.dcm"}
    assert {stray.refusal and stray.refusal[0] for stray in found.unassigned} == {Reason.NOT_DICOM}
    assert only(found).warnings == {SeriesWarning.W_FILE_SKIPPED}
    assert found.n_files == 5


def test_an_empty_input_holds_no_ct(tmp_path: Path) -> None:
    found = scanned(tmp_path)
    assert (found.series, found.unassigned, found.n_files, found.has_ct) == ((), (), 0, False)


def modality(word: str) -> Any:
    return lambda dataset, _: setattr(dataset, "Modality", word)


def localizer(dataset: Dataset, _: int) -> None:
    dataset.ImageType = ["ORIGINAL", "PRIMARY", "LOCALIZER"]


@pytest.mark.parametrize(
    ("change", "reason", "has_ct"),
    [
        (modality("MR"), Reason.NOT_CT, False),
        (localizer, Reason.LOCALIZER, False),
        (lambda dataset, _: dataset.pop("PixelSpacing"), Reason.TAG_MISSING, True),
    ],
)
def test_a_series_is_refused_by_its_headers(tmp_path: Path, change: Any, reason: Reason, *, has_ct: bool) -> None:
    write_series(tmp_path, n=3, change=change)
    found = scanned(tmp_path)
    refusal = only(found).refusal
    assert refusal is not None
    assert refusal[0] is reason
    assert found.has_ct is has_ct


def test_limits_hold_before_anything_is_read(tmp_path: Path) -> None:
    write_series(tmp_path, n=5)
    refusal = only(scanned(tmp_path, policy=Policy(limits=Limits(max_slices=4)))).refusal
    assert refusal == (Reason.LIMIT, "5 slices are over max_slices 4")


def test_a_file_cut_in_its_pixels_refuses_its_series(tmp_path: Path) -> None:
    path = write_series(tmp_path, n=5).paths[2]
    path.write_bytes(path.read_bytes()[:-1000])
    refusal = only(scanned(tmp_path)).refusal
    assert refusal == (Reason.PIXELS_LENGTH, "the file ends inside the pixel data")


@pytest.mark.parametrize("n_bytes", [300, 700, 850])
def test_a_file_cut_before_its_uid_is_skipped(tmp_path: Path, n_bytes: int) -> None:
    path = write_series(tmp_path, n=5).paths[2]
    assert path.read_bytes().find(b"\x20\x00\x0e\x00UI") + 20 > n_bytes
    path.write_bytes(path.read_bytes()[:n_bytes])
    found = scanned(tmp_path)
    assert only(found).warnings == {SeriesWarning.W_FILE_SKIPPED}
    assert [stray.refusal and stray.refusal[0] for stray in found.unassigned] == [Reason.CORRUPT]


def test_an_invalid_uid_is_warned_of_and_grouped_all_the_same(tmp_path: Path) -> None:
    def forget(dataset: Dataset, _: int) -> None:
        dataset.SeriesInstanceUID = ""

    write_series(tmp_path, n=3, change=forget)
    series = only(scanned(tmp_path))
    assert SeriesWarning.W_UID_INVALID in series.warnings
    assert (series.record.n_files, series.refusal) == (3, None)


def test_one_patient_id_of_two_people_is_warned_of_in_both(tmp_path: Path) -> None:
    for name, birth in (("a", "19700101"), ("b", "19810101")):
        write_series(tmp_path / name, n=1, change=lambda d, _, birth=birth: setattr(d, "PatientBirthDate", birth))
    assert [series.warnings for series in scanned(tmp_path).series] == [{SeriesWarning.W_ID_SHARED}] * 2


def test_days_are_counted_from_a_patient_s_first_study(tmp_path: Path) -> None:
    days = {"20200102": 0, "20200103": 1, "20210102": 366, "2020-01-02": None, "": None}
    for number, date in enumerate(days):
        write_series(
            tmp_path / str(number),
            n=1,
            study_uid=uid("study", str(number)),
            series_uid=f"1.2.{number}",
            change=lambda dataset, _, date=date: dataset.__setitem__("StudyDate", _date(date)),
        )
    write_series(tmp_path / "other", n=1, patient_id="P-2", series_uid="1.2.9")
    found = {series.series.identity[0]: series.record.study_day for series in scanned(tmp_path).series}
    assert list(found.values()) == [*days.values(), 0]


def _date(text: str) -> Any:
    from pydicom.dataelem import RawDataElement
    from pydicom.tag import Tag

    return RawDataElement(
        Tag("StudyDate"), "DA", len(text), text.encode(), 0, is_implicit_VR=False, is_little_endian=True
    )


def test_patient_and_study_are_pseudonyms_of_one_key(tmp_path: Path) -> None:
    write_series(tmp_path / "a", n=1)
    write_series(tmp_path / "b", n=1)
    write_series(tmp_path / "c", n=1, patient_id="P-2")
    records = [series.record for series in scanned(tmp_path).series]
    assert len({record.patient for record in records}) == len({record.study for record in records}) == 2
    assert len({record.series_key for record in records}) == 3
    again = [series.record for series in scanned(tmp_path, key=PseudonymKey(b"l" * 32)).series]
    for one, other in zip(records, again, strict=True):
        assert {one.patient, one.study, one.series_key}.isdisjoint({other.patient, other.study, other.series_key})


def test_without_a_patient_id_the_study_stands_for_the_patient(tmp_path: Path) -> None:
    for name, study in (("a", "1.5"), ("b", "1.5"), ("c", "1.6")):
        write_series(tmp_path / name, n=1, patient_id="", study_uid=study, series_uid=uid(name))
    patients = [identify_patient(series.first) for series in scanned(tmp_path).series]
    assert len(set(patients)) == 2


def test_what_an_input_holds_is_described_by_kind(tmp_path: Path) -> None:
    def other(dataset: Dataset, z: int) -> None:
        dataset.Modality, dataset.SOPClassUID = ("MR", "1.2.840.10008.5.1.4.1.1.4") if z else ("SECRET 1", "1.2.3")

    write_series(tmp_path / "mr", n=3, change=other)
    for name in ("a.nii.gz", "b.NII", "c.zip", "notes.txt"):
        (tmp_path / name).write_bytes(b"no DICOM")
    found = scanned(tmp_path)
    assert not found.has_ct
    assert describe_contents(found) == "7 files: 2 MR, 2 NIfTI, 1 archives, 1 not DICOM, 1 of another modality"


@pytest.mark.parametrize("change", ["touched", "grown", "added", "removed", "renamed"])
def test_the_signature_changes_with_the_files(tmp_path: Path, change: str) -> None:
    paths = write_series(tmp_path, n=3).paths
    before = only(scanned(tmp_path)).signature
    assert only(scanned(tmp_path)).signature == before
    if change == "touched":
        os.utime(paths[0], ns=(1, 1))
    elif change == "grown":
        paths[0].write_bytes(paths[0].read_bytes() + bytes(8))
    elif change == "added":
        (tmp_path / "copy").write_bytes(paths[0].read_bytes())
    elif change == "removed":
        paths[0].unlink()
    else:
        paths[0].rename(tmp_path / "renamed")
    assert only(scanned(tmp_path)).signature != before
