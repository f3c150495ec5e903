from dataclasses import replace
from typing import Any

import pytest
from headers import series_of, slice_at
from hypothesis import given
from hypothesis import strategies as st

from pipeline.dicom.headers.group import (
    find_shared_patient_ids,
    group_slices,
    has_uid,
    identify_series,
    warn_of_unassigned,
)
from pipeline.dicom.headers.slice import SliceHeader
from pipeline.sources.folders import FoundFile
from pipeline.vocabulary import Reason, SeriesWarning

NO_UID = {"series_instance_uid": ""}


def at(path: str, header: SliceHeader) -> SliceHeader:
    return replace(header, file=FoundFile(path, 4000, 1))


def stray(path: str) -> SliceHeader:
    return SliceHeader(file=FoundFile(path, 10, 1), refusal=(Reason.NOT_DICOM, "there is no DICOM in the file"))


def in_series(uid: str, path: str) -> SliceHeader:
    return at(path, slice_at(0, identity={"series_instance_uid": uid}))


def test_slices_are_grouped_by_uid_whatever_their_folder() -> None:
    slices = [in_series("1.2", "/in/b/1"), in_series("1.1", "/in/a/1"), in_series("1.2", "/in/a/2")]
    groups = group_slices(slices)
    assert groups.unassigned == ()
    assert [series.identity for series in groups.series] == [("1.1",), ("1.2",)]
    assert [header.file.path for header in groups.series[1].slices] == ["/in/a/2", "/in/b/1"]


@given(st.permutations([in_series(f"1.{z % 2}", f"/in/{z}") for z in range(6)]))
def test_the_order_of_files_does_not_change_the_groups(slices: list[SliceHeader]) -> None:
    assert group_slices(slices) == group_slices(sorted(slices, key=lambda header: header.file.path))


def test_frames_of_a_file_come_in_their_order() -> None:
    frames = [replace(in_series("1.2", "/in/1"), frame=number) for number in (10, 2, 1)]
    assert [header.frame for header in group_slices(frames).series[0].slices] == [1, 2, 10]


@pytest.mark.parametrize("part", ["study_instance_uid", "frame_of_reference_uid", "series_number"])
def test_without_a_uid_images_are_grouped_by_the_next_best_key(part: str) -> None:
    here = [at(f"/in/a/{z}", slice_at(z, identity=NO_UID)) for z in range(2)]
    elsewhere = at("/in/b/2", slice_at(2, identity=NO_UID))
    other = at("/in/a/3", slice_at(3, identity=NO_UID | {part: "9.9"}))
    assert len(group_slices(here).series) == 1
    assert len(group_slices([*here, elsewhere]).series) == 2
    assert len(group_slices([*here, other]).series) == 2


def test_what_is_no_image_and_has_no_uid_is_a_stray() -> None:
    report = slice_at(0, identity=NO_UID | {"modality": "SR", "sop_class_uid": "1.2.840.10008.5.1.4.1.1.88.11"})
    readme = stray("/in/readme")
    groups = group_slices([report, readme])
    assert groups.series == ()
    assert [id(one) for one in groups.unassigned] == [id(report), id(readme)]


@pytest.mark.parametrize("reason", Reason)
def test_a_file_that_breaks_off_before_its_uid_belongs_to_no_series(reason: Reason) -> None:
    is_cut_short = reason in {"UNREADABLE", "UNSTABLE", "NOT_DICOM", "CORRUPT", "LIMIT"}
    assert (identify_series(slice_at(0, identity=NO_UID, refusal=(reason, "broken"))) is None) is is_cut_short
    assert identify_series(slice_at(0, refusal=(reason, "broken"))) == ("1.2.3",)


def warned(*paths: str, unassigned: tuple[str, ...]) -> set[str]:
    """Return which folders' series are warned of unassigned; every file is a series of its own."""
    groups = group_slices([*(in_series(path, path) for path in paths), *(stray(path) for path in unassigned)])
    found = warn_of_unassigned(groups)
    assert all(warnings == {SeriesWarning.W_FILE_SKIPPED} for warnings in found.values())
    return {identity[0] for identity in found}


def test_a_skipped_file_is_told_to_every_series_in_its_folder() -> None:
    assert warned("/in/a/1", "/in/a/2", "/in/b/1", unassigned=("/in/a/notes",)) == {"/in/a/1", "/in/a/2"}


def test_else_to_those_in_the_nearest_folder_above() -> None:
    paths = ("/in/1", "/in/a/1", "/in/a/b/c/1")
    assert warned(*paths, unassigned=("/in/a/b/notes",)) == {"/in/a/1"}
    assert warned(*paths, unassigned=("/in/x/y/notes",)) == {"/in/1"}
    assert warned(*paths, unassigned=("/other/notes",)) == set()


def test_a_series_in_two_folders_is_warned_in_either() -> None:
    groups = group_slices([in_series("1.2", "/in/a/1"), in_series("1.2", "/in/b/1"), stray("/in/b/notes")])
    assert set(warn_of_unassigned(groups)) == {("1.2",)}


def people(**second: Any) -> set[str]:
    first = {"patient_id": "P-1", "birth_and_sex": "1970/F"}
    slices = [slice_at(0, identity=first), slice_at(1, identity=first | {"series_instance_uid": "1.9"} | second)]
    return find_shared_patient_ids(group_slices(slices))


def test_one_id_of_two_people_is_found() -> None:
    assert people(birth_and_sex="1981/F") == {"P-1"}
    assert people() == set()
    assert people(patient_id="P-2", birth_and_sex="1981/F") == set()


def test_no_id_is_shared_by_nobody() -> None:
    slices = [slice_at(z, identity={"patient_id": "", "birth_and_sex": str(z)}) for z in range(2)]
    assert find_shared_patient_ids(group_slices(slices)) == set()


@pytest.mark.parametrize(("uid", "expected"), [("1.2.3", True), ("../1", False), ("1.2 x", False)])
def test_a_series_is_known_by_its_uid_if_that_is_one(uid: str, *, expected: bool) -> None:
    assert has_uid(series_of(slice_at(0, identity={"series_instance_uid": uid}))) is expected


def test_a_series_without_a_uid_is_known_by_something_else() -> None:
    (series,) = group_slices([slice_at(0, identity=NO_UID)]).series
    assert not has_uid(series)


def with_identity(z: int, **identity: str) -> SliceHeader:
    warnings = frozenset({SeriesWarning.W_ID_MISSING}) if identity.get("patient_id") == "" else frozenset()
    uids = {"sop_instance_uid": f"1.2.3.{z + 1}"}
    return slice_at(z, identity=uids | identity, warnings=warnings, elements={"PatientID": identity.get("patient_id")})


@pytest.mark.parametrize("name", ["patient_id", "study_instance_uid", "frame_of_reference_uid"])
def test_an_identity_that_is_empty_in_some_slices_is_that_of_the_others(name: str) -> None:
    (series,) = group_slices([with_identity(0, **{name: ""}), with_identity(1, **{name: "1.5"})]).series
    assert [getattr(header.identity, name) for header in series.slices] == ["1.5", "1.5"]
    assert [SeriesWarning.W_ID_FILLED in header.warnings for header in series.slices] == [True, False]
    assert not any(SeriesWarning.W_ID_MISSING in header.warnings for header in series.slices)


def test_a_filled_patient_stands_in_the_elements_too() -> None:
    (series,) = group_slices([with_identity(0, patient_id=""), with_identity(1, patient_id="P-7")]).series
    assert series.slices[0].elements == {"PatientID": "P-7"}


def test_an_identity_is_not_guessed_of_two_others() -> None:
    slices = [with_identity(0, patient_id=""), with_identity(1, patient_id="A"), with_identity(2, patient_id="B")]
    (series,) = group_slices(slices).series
    assert series.slices[0].identity.patient_id == ""
    assert not any(SeriesWarning.W_ID_FILLED in header.warnings for header in series.slices)


def series_without_uid(root: str, *roots: str) -> list[tuple[str, ...]]:
    slices = [at(f"{root}/a/{z}", slice_at(z, identity=NO_UID)) for z in range(2)]
    return [series.identity for series in group_slices(slices, roots or (root,)).series]


def test_a_series_without_a_uid_has_one_key_under_two_roots() -> None:
    assert series_without_uid("/mnt/night") == series_without_uid("/cache/x/copy")


def test_a_root_within_another_does_not_change_the_key() -> None:
    assert series_without_uid("/in/site", "/in") == series_without_uid("/in/site", "/in/site", "/in")


def test_series_without_a_uid_that_lie_alike_under_two_roots_stay_apart() -> None:
    slices = [at(f"{root}/a/{z}", slice_at(z, identity=NO_UID)) for root in ("/in/b", "/in/c") for z in range(2)]
    places = [series.place for series in group_slices(slices, ["/in/b", "/in/c"]).series]
    assert places == ["b/a", "c/a"]
