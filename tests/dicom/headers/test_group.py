from dataclasses import replace

import pytest
from headers import series_of, slice_at

from pipeline.dicom.headers.group import build_series, has_uid, identify_series, name_places
from pipeline.dicom.headers.slice import Series, SliceHeader
from pipeline.sources.files import FoundFile
from pipeline.vocabulary import Reason, SeriesWarning

NO_UID = {"series_instance_uid": ""}


def at(path: str, header: SliceHeader) -> SliceHeader:
    return replace(header, file=FoundFile(path, 4000, 1))


@pytest.mark.parametrize("part", ["study_instance_uid", "frame_of_reference_uid", "series_number"])
def test_without_a_uid_images_are_grouped_by_the_next_best_key(part: str) -> None:
    here = [identify_series(at(f"/in/a/{z}", slice_at(z, identity=NO_UID))) for z in range(2)]
    assert here[0] == here[1]
    assert identify_series(at("/in/b/2", slice_at(2, identity=NO_UID))) != here[0]
    assert identify_series(at("/in/a/3", slice_at(3, identity=NO_UID | {part: "9.9"}))) != here[0]


def test_what_is_no_image_and_has_no_uid_belongs_to_no_series() -> None:
    report = slice_at(0, identity=NO_UID | {"modality": "SR", "sop_class_uid": "1.2.840.10008.5.1.4.1.1.88.11"})
    assert identify_series(report) is None


def test_slices_come_in_the_order_of_their_paths_and_frames() -> None:
    frames = [replace(at("/in/1", slice_at(0)), frame=number) for number in (10, 2, 1)]
    series = build_series(("1.2",), [at("/in/2", slice_at(0)), *frames, at("/in/0", slice_at(0))])
    assert [(header.file.path, header.frame) for header in series.slices] == [
        ("/in/0", None), ("/in/1", 1), ("/in/1", 2), ("/in/1", 10), ("/in/2", None),
    ]  # fmt: skip


@pytest.mark.parametrize("reason", Reason)
def test_a_file_that_breaks_off_before_its_uid_belongs_to_no_series(reason: Reason) -> None:
    is_cut_short = reason in {"UNREADABLE", "UNSTABLE", "NOT_DICOM", "CORRUPT", "LIMIT"}
    assert (identify_series(slice_at(0, identity=NO_UID, refusal=(reason, "broken"))) is None) is is_cut_short
    assert identify_series(slice_at(0, refusal=(reason, "broken"))) == ("1.2.3",)


@pytest.mark.parametrize(("uid", "expected"), [("1.2.3", True), ("../1", False), ("1.2 x", False)])
def test_a_series_is_known_by_its_uid_if_that_is_one(uid: str, *, expected: bool) -> None:
    assert has_uid(series_of(slice_at(0, identity={"series_instance_uid": uid}))) is expected


def test_a_series_without_a_uid_is_known_by_something_else() -> None:
    header = slice_at(0, identity=NO_UID)
    assert not has_uid(build_series(identify_series(header) or (), [header]))


def built(slices: list[SliceHeader]) -> Series:
    return build_series(("1.2.3",), slices)


def with_identity(z: int, **identity: str) -> SliceHeader:
    warnings = frozenset({SeriesWarning.W_ID_MISSING}) if identity.get("patient_id") == "" else frozenset()
    uids = {"sop_instance_uid": f"1.2.3.{z + 1}"}
    return slice_at(z, identity=uids | identity, warnings=warnings, elements={"PatientID": identity.get("patient_id")})


@pytest.mark.parametrize("name", ["patient_id", "study_instance_uid", "frame_of_reference_uid"])
def test_an_identity_that_is_empty_in_some_slices_is_that_of_the_others(name: str) -> None:
    series = built([with_identity(0, **{name: ""}), with_identity(1, **{name: "1.5"})])
    assert [getattr(header.identity, name) for header in series.slices] == ["1.5", "1.5"]
    assert [SeriesWarning.W_ID_FILLED in header.warnings for header in series.slices] == [True, False]
    assert not any(SeriesWarning.W_ID_MISSING in header.warnings for header in series.slices)


def test_a_filled_patient_stands_in_the_elements_too() -> None:
    series = built([with_identity(0, patient_id=""), with_identity(1, patient_id="P-7")])
    assert series.slices[0].elements == {"PatientID": "P-7"}


def test_an_identity_is_not_guessed_of_two_others() -> None:
    slices = [with_identity(0, patient_id=""), with_identity(1, patient_id="A"), with_identity(2, patient_id="B")]
    series = built(slices)
    assert series.slices[0].identity.patient_id == ""
    assert not any(SeriesWarning.W_ID_FILLED in header.warnings for header in series.slices)


def series_without_uid(root: str, *roots: str) -> list[str]:
    """Return the places of series without a UID that lie in the folder a of a root."""
    key = identify_series(at(f"{root}/a/1", slice_at(1, identity=NO_UID)))
    assert key
    return list(name_places([key], roots or (root,)).values())


def test_a_series_without_a_uid_has_one_key_under_two_roots() -> None:
    assert series_without_uid("/mnt/night") == series_without_uid("/cache/x/copy")


def test_a_root_within_another_does_not_change_the_key() -> None:
    assert series_without_uid("/in/site", "/in") == series_without_uid("/in/site", "/in/site", "/in")


def test_series_without_a_uid_that_lie_alike_under_two_roots_stay_apart() -> None:
    keys = [identify_series(at(f"{root}/a/1", slice_at(1, identity=NO_UID))) for root in ("/in/b", "/in/c")]
    assert list(name_places([key for key in keys if key], ["/in/b", "/in/c"]).values()) == ["b/a", "c/a"]
