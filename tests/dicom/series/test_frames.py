from dataclasses import replace
from pathlib import Path
from typing import Any

import pydicom
import pytest
from headers import SOUND, changed, series_of
from multiframe import join_frames
from phantoms import write_series
from running import carry_out

from pipeline.dicom.headers.slice import SliceHeader
from pipeline.dicom.series.split import describe_missing_parts, split_volumes
from pipeline.geometry import Xyz
from pipeline.store.read import open_store
from pipeline.vocabulary import SeriesWarning


def frame(number: int, **phase: str) -> SliceHeader:
    return replace(SOUND, frame=number, phase=phase)


def test_frames_of_one_stack_are_one_volume() -> None:
    series = series_of(frame(1, StackID="1"), frame(2, StackID="1"))
    assert split_volumes(series) == (series,)


@pytest.mark.parametrize("word", ["StackID", "TemporalPositionIndex", "NominalPercentageOfCardiacPhase"])
def test_frames_that_are_told_apart_are_volumes_of_their_own(word: str) -> None:
    series = series_of(*(frame(n, **{word: "a" if n % 2 else "b"}) for n in range(1, 7)))
    volumes = split_volumes(series)
    assert [[header.frame for header in volume.slices] for volume in volumes] == [[1, 3, 5], [2, 4, 6]]
    assert len({volume.identity for volume in volumes}) == 2


def stack_frame(z: float, stack: str, **changes: Any) -> SliceHeader:
    return changed(changed(frame(1, StackID=stack), plane={"position": Xyz(0, 0, z)}), **changes)


def test_stacks_that_are_parts_of_one_even_scan_are_joined() -> None:
    series = series_of(*(stack_frame(2.5 * k, "321"[k // 4]) for k in range(12)))
    assert split_volumes(series) == (series,)


@pytest.mark.parametrize(
    ("heights", "stacks"),
    [
        ([0, 1, 2, 3, 20, 21, 22, 23], "11112222"),
        ([0, 1, 2, 3, 4, 5, 6, 7], "12121212"),
        ([0, 1, 2, 3, 3, 4, 5, 6], "11112222"),
        ([0, 1, 2, 3, 5, 7, 9, 11], "11112222"),
    ],
    ids=["apart", "alternating", "overlapping", "another step"],
)
def test_other_stacks_are_volumes_that_say_so(heights: list[float], stacks: str) -> None:
    volumes = split_volumes(series_of(*(stack_frame(z, stack) for z, stack in zip(heights, stacks, strict=True))))
    assert [len(volume.slices) for volume in volumes] == [4, 4]
    assert all(SeriesWarning.W_STACK_PART in header.warnings for volume in volumes for header in volume.slices)


def test_stacks_of_other_thickness_or_direction_are_not_joined() -> None:
    thick = [stack_frame(2.5 * k, "1") for k in range(4)]
    thin = [stack_frame(2.5 * k, "2", reconstruction=("STANDARD", 120.0, 1.0, None)) for k in range(4, 8)]
    coronal, turned = (
        {"column_direction": Xyz(0, 0, 1)},
        {"row_direction": Xyz(0, 1, 0), "column_direction": Xyz(-1, 0, 0)},
    )
    assert len(split_volumes(series_of(*thick, *thin))) == 2
    for plane in (coronal, turned):
        other = [stack_frame(2.5 * k, "2", plane=plane) for k in range(4, 8)]
        assert len(split_volumes(series_of(*thick, *other))) == 2


def test_single_frame_series_are_left_to_the_policy() -> None:
    series = series_of(replace(SOUND, phase={"StackID": "1"}), replace(SOUND, phase={"StackID": "2"}))
    assert split_volumes(series) == (series,)


def test_a_concatenation_must_have_all_its_parts() -> None:
    parts = [
        frame(1, ConcatenationUID="1.2", InConcatenationNumber=str(n), InConcatenationTotalNumber="3")
        for n in (1, 2, 3)
    ]
    assert describe_missing_parts(tuple(parts)) is None
    assert describe_missing_parts(tuple(parts[:2])) == "2 of 3 parts of a concatenation"
    assert describe_missing_parts((SOUND,)) is None


@pytest.mark.usefixtures("in_this_process")
@pytest.mark.parametrize("n_parts", [2, 1])
def test_a_concatenation_is_joined_or_refused(tmp_path: Path, n_parts: int) -> None:
    series = write_series(tmp_path / "single")
    (tmp_path / "in").mkdir()
    for part in range(n_parts):
        order = range(12)[part::2]
        path = join_frames(series, tmp_path / "in" / f"{part}.dcm", order)
        whole = pydicom.dcmread(path)
        whole.ConcatenationUID = "1.2.3"
        whole.InConcatenationNumber, whole.InConcatenationTotalNumber = part + 1, 2
        whole.SOPInstanceUID = whole.file_meta.MediaStorageSOPInstanceUID = f"1.2.3.{part + 1}"
        whole.save_as(path)
    (record,) = (outcome := carry_out(tmp_path, tmp_path / "in")).records
    if n_parts == 1:
        assert (record.status, record.reason) == ("rejected", "MULTIFRAME")
    else:
        assert (open_store(outcome.output.root / str(record.store)).array[:] == series.truth).all()
