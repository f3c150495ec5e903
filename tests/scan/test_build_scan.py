from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest
from headers import slice_at
from hypothesis import given, settings
from hypothesis import strategies as st
from scanned import scan_slices
from slices import axial

from pipeline.dicom.headers.slice import SliceHeader
from pipeline.scan.series import Scan, Unreadable
from pipeline.sources.files import FoundFile
from pipeline.sources.folders import NOT_LISTED, REFUSED_FILE
from pipeline.vocabulary import Reason, SeriesWarning


def at(path: str, header: SliceHeader) -> SliceHeader:
    return replace(header, file=FoundFile(path, 4000, 1))


def stray(path: str) -> SliceHeader:
    return SliceHeader(file=FoundFile(path, 10, 1), refusal=(Reason.NOT_DICOM, "there is no DICOM in the file"))


def in_series(uid: str, path: str) -> SliceHeader:
    return at(path, slice_at(0, identity={"series_instance_uid": uid}))


def paths_of(scan: Scan) -> dict[str, list[str]]:
    """Return the paths of each series by its UID."""
    return {one.series.identity[0]: [header.file.path for header in one.series.slices] for one in scan.series}


def test_slices_are_grouped_by_uid_whatever_their_folder() -> None:
    scan = scan_slices([in_series("1.2", "/in/b/1"), in_series("1.1", "/in/a/1"), in_series("1.2", "/in/a/2")])
    assert list(scan.unassigned) == []
    assert paths_of(scan) == {"1.1": ["/in/a/1"], "1.2": ["/in/a/2", "/in/b/1"]}


@settings(max_examples=20, deadline=None)
@given(st.permutations([in_series(f"1.{z % 2}", f"/in/{z}") for z in range(6)]))
def test_the_order_of_files_does_not_change_the_series(slices: Sequence[SliceHeader]) -> None:
    ordered = scan_slices(sorted(slices, key=lambda header: header.file.path))
    assert scan_slices(slices).series == ordered.series
    assert paths_of(scan_slices(slices)) == paths_of(ordered)


def test_what_belongs_to_no_series_comes_in_the_order_of_its_paths() -> None:
    slices = [stray(f"/in/{folder}/{name}") for folder in "ba" for name in ("z", "y")]
    assert [header.file.path for header in scan_slices(slices).unassigned] == [
        "/in/a/y", "/in/a/z", "/in/b/y", "/in/b/z",
    ]  # fmt: skip


def test_a_series_is_loaded_as_it_was_judged() -> None:
    slices = [replace(header, file=FoundFile(f"/in/{z}", 1, 1)) for z, header in enumerate(axial(range(5)))]
    (one,) = scan_slices(slices).series
    assert one.series.slices == tuple(slices)
    assert (one.n_images, one.first.path, one.has_masks) == (5, "/in/0", False)


def test_series_of_one_slice_are_joined_where_that_is_asked_for() -> None:
    slices = [
        replace(
            header,
            file=FoundFile(f"/in/{z}", 1, 1),
            identity=replace(header.identity, series_instance_uid=f"1.{z}", patient_id="P", study_instance_uid="1.2"),
        )
        for z, header in enumerate(axial(range(5)))
    ]
    assert len(scan_slices(slices).series) == 5
    (joined,) = scan_slices(slices, joins=True).series
    assert [header.file.path for header in joined.series.slices] == [f"/in/{z}" for z in range(5)]


def warned(*paths: str, unassigned: tuple[str, ...]) -> set[str]:
    """Return which series are warned of files of no series; every file is a series of its own."""
    scan = scan_slices([*(in_series(path, path) for path in paths), *(stray(path) for path in unassigned)])
    return {one.series.identity[0] for one in scan.series if SeriesWarning.W_FILE_SKIPPED in one.warnings}


def test_every_series_in_the_folder_of_a_skipped_file_is_warned() -> None:
    assert warned("/in/a/1", "/in/a/2", "/in/b/1", unassigned=("/in/a/notes",)) == {"/in/a/1", "/in/a/2"}


def test_else_those_in_the_nearest_folder_above() -> None:
    paths = ("/in/1", "/in/a/1", "/in/a/b/c/1")
    assert warned(*paths, unassigned=("/in/a/b/notes",)) == {"/in/a/1"}
    assert warned(*paths, unassigned=("/in/x/y/notes",)) == {"/in/1"}
    assert warned(*paths, unassigned=("/other/notes",)) == set()


def test_a_series_in_two_folders_is_warned_in_either() -> None:
    scan = scan_slices([in_series("1.2", "/in/a/1"), in_series("1.2", "/in/b/1"), stray("/in/b/notes")])
    assert [SeriesWarning.W_FILE_SKIPPED in one.warnings for one in scan.series] == [True]


def shares_id(**second: Any) -> list[bool]:
    first = {"patient_id": "P-1", "birth_and_sex": "1970/F"}
    slices = [slice_at(0, identity=first), slice_at(1, identity=first | {"series_instance_uid": "1.9"} | second)]
    return [SeriesWarning.W_ID_SHARED in one.warnings for one in scan_slices(slices).series]


@pytest.mark.parametrize(
    ("second", "is_shared"),
    [
        ({"birth_and_sex": "1981/F"}, True),
        ({}, False),
        ({"patient_id": "P-2", "birth_and_sex": "1981/F"}, False),
    ],
)
def test_one_id_of_two_people_is_found(second: dict[str, str], *, is_shared: bool) -> None:
    assert shares_id(**second) == [is_shared, is_shared]


def test_no_id_is_shared_by_nobody() -> None:
    slices = [
        slice_at(z, identity={"patient_id": "", "birth_and_sex": str(z), "series_instance_uid": f"1.{z + 1}"})
        for z in range(2)
    ]
    assert not any(SeriesWarning.W_ID_SHARED in one.warnings for one in scan_slices(slices).series)


def test_what_the_system_refuses_is_counted_and_beside_which_series_it_lies() -> None:
    slices = [in_series("1.1", "/in/a/1"), in_series("1.2", "/in/b/1"), in_series("1.3", "/in/c/d/1"), stray("/in/a/2")]
    file = FoundFile("/in/b/2", 0, 0, (Reason.UNREADABLE, f"{REFUSED_FILE} (PermissionError)"))
    folder = FoundFile("/in/c/e", 0, 0, (Reason.UNREADABLE, NOT_LISTED))
    scan = scan_slices([*slices, *(SliceHeader(file=one, refusal=one.refusal) for one in (file, folder))])
    assert scan.unreadable == Unreadable(n_files=1, n_folders=1)
    assert {one.series.identity[0]: one.n_unreadable for one in scan.series} == {"1.1": 0, "1.2": 1, "1.3": 1}
