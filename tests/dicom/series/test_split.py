from dataclasses import replace
from pathlib import Path

import pytest
import slices
from phantoms import write_series
from pydicom.dataset import Dataset
from running import carry_out

from pipeline.dicom.headers.slice import Series, SliceHeader
from pipeline.dicom.policy import GeometryOptions, Policy
from pipeline.dicom.series.split import MOST_PARTS, split_parts
from pipeline.geometry import Xyz
from pipeline.store.read import open_store

POLICY = Policy(geometry=GeometryOptions(duplicate_position="split"))
N = 10


def volume(name: str, n: int = N, **phase: str) -> tuple[SliceHeader, ...]:
    """Return slices 2.5 mm apart that all say the same of their phase."""
    headers = slices.axial(2.5 * k for k in range(n))
    return tuple(renamed(header, f"{name}-{k}", **phase) for k, header in enumerate(headers))


def renamed(header: SliceHeader, name: str, **phase: str) -> SliceHeader:
    file = replace(header.file, path=f"/in/{name}")
    return replace(header, file=file, identity=replace(header.identity, sop_instance_uid=name), phase=phase)


def parts(*volumes: tuple[SliceHeader, ...]) -> dict[tuple[str, ...], int]:
    """Return the identities of a series' parts, and how many slices each has."""
    series = Series(("1.2",), tuple(header for one in volumes for header in one))
    return {part.identity: len(part.slices) for part in split_parts(series, POLICY)}


@pytest.mark.parametrize(
    "keyword",
    [
        "TemporalPositionIdentifier",
        "TemporalPositionIndex",
        "NominalPercentageOfCardiacPhase",
        "TriggerTime",
        "AcquisitionNumber",
        "ConvolutionKernel",
        "ReconstructionDiameter",
    ],
)
def test_two_volumes_under_one_series_become_two(keyword: str) -> None:
    first, second = volume("a", **{keyword: "1"}), volume("b", **{keyword: "2"})
    assert parts(first, second) == {("1.2", f"{keyword}=1"): N, ("1.2", f"{keyword}=2"): N}


def test_the_first_element_that_tells_them_apart_names_the_parts() -> None:
    same = {"TemporalPositionIdentifier": "1"}
    first = volume("a", AcquisitionNumber="1", ConvolutionKernel="B30f", **same)
    second = volume("b", AcquisitionNumber="2", ConvolutionKernel="B60f", **same)
    assert set(parts(first, second)) == {("1.2", "AcquisitionNumber=1"), ("1.2", "AcquisitionNumber=2")}


def timed(name: str, date: str, start: float, *, whole: bool) -> tuple[SliceHeader, ...]:
    """Return a volume acquired slice after slice, half a second each."""
    times = [f"{101500 + start + k / 2:013.6f}" for k in range(N)]
    told = ({"AcquisitionDateTime": date + time} if whole else {"AcquisitionTime": time} for time in times)
    return tuple(
        renamed(header, header.file.path, **({"AcquisitionDate": date} | phase))
        for header, phase in zip(volume(name), told, strict=True)
    )


@pytest.mark.parametrize("whole", [True, False])
def test_acquisition_times_are_cut_at_the_widest_pause(whole: bool) -> None:  # noqa: FBT001  (a parameter of the test)
    volumes = [timed(name, "20200102", start, whole=whole) for name, start in (("a", 0), ("b", 20), ("c", 40))]
    found = parts(*volumes)
    assert list(found.values()) == [N] * 3
    assert all(identity[1].startswith("AcquisitionDateTime=") for identity in found)


def test_a_series_without_repeats_is_never_split() -> None:
    series = Series(("1.2",), volume("a", AcquisitionNumber="1"))
    assert split_parts(series, POLICY) == (series,)


@pytest.mark.parametrize("choice", ["drop_identical", "reject"])
def test_only_the_policy_splits(choice: str) -> None:
    series = Series(("1.2",), volume("a", AcquisitionNumber="1") + volume("b", AcquisitionNumber="2"))
    policy = Policy(geometry=GeometryOptions(duplicate_position=choice))  # type: ignore[arg-type]
    assert split_parts(series, policy) == (series,)


def test_phases_may_cover_different_lengths() -> None:
    whole = volume("a", AcquisitionNumber="1")
    assert len(parts(whole, volume("b", 9, AcquisitionNumber="2"))) == 2
    assert len(parts(whole, volume("b", 5, AcquisitionNumber="2"))) == 2
    assert len(parts(whole, volume("b", 2, AcquisitionNumber="2"))) == 1


def moved(part: tuple[SliceHeader, ...], mm: float) -> tuple[SliceHeader, ...]:
    """Return the slices of a part, moved along the table."""

    def move(header: SliceHeader) -> SliceHeader:
        position = header.plane.position or Xyz(0.0, 0.0, 0.0)
        return replace(header, plane=replace(header.plane, position=Xyz(position.x, position.y, position.z + mm)))

    return tuple(move(header) for header in part)


def test_ranges_that_share_one_position_are_volumes_each() -> None:
    lower, upper = volume("a", AcquisitionNumber="1"), moved(volume("b", AcquisitionNumber="2"), (N - 1) * 2.5)
    assert list(parts(lower, upper).values()) == [N, N]
    third = moved(volume("c", AcquisitionNumber="3"), 2 * (N - 1) * 2.5)
    assert list(parts(lower, upper, third).values()) == [N, N, N]


def test_table_positions_of_two_phases_are_no_volumes() -> None:
    """Each block of four slices has a number of its own, in both phases; only the times tell the phases apart."""
    phases = []
    for phase, start in (("a", 0), ("b", 300)):
        times = [f"10{(start + 5 * (k // 4)) // 60:02}{(start + 5 * (k // 4)) % 60:02}" for k in range(12)]
        phases.append(
            tuple(
                renamed(header, f"{phase}-{k}", AcquisitionNumber=f"{phase}{k // 4}", AcquisitionTime=times[k])
                for k, header in enumerate(volume(phase, 12))
            )
        )
    assert list(parts(*phases).values()) == [12, 12]


def test_times_without_dates_tell_phases_apart_through_midnight() -> None:
    first, second = volume("a", AcquisitionTime="235950"), volume("b", AcquisitionTime="000040.5")
    assert len(parts(first, second)) == 2


def test_tube_voltages_and_kinds_tell_volumes_apart() -> None:
    def of(name: str, kvp: float, kind: str) -> tuple[SliceHeader, ...]:
        identity = {"image_type": ("ORIGINAL", "PRIMARY", "AXIAL", kind)}
        return tuple(
            replace(header, identity=replace(header.identity, **identity), reconstruction=("B30f", kvp, 3.0, None))
            for header in volume(name)
        )

    assert list(parts(of("a", 80, "x"), of("b", 140, "x"))) == [("1.2", "KVP=140"), ("1.2", "KVP=80")]
    assert list(parts(of("a", 80, "low"), of("b", 80.0, "high"))) == [
        ("1.2", "ImageType=axial/high"),
        ("1.2", "ImageType=axial/low"),
    ]


@pytest.mark.parametrize("element", ["FrameAcquisitionDateTime", "FrameReferenceDateTime"])
def test_times_of_frames_tell_phases_apart(element: str) -> None:
    first, second = volume("a", **{element: "20200102100100"}), volume("b", **{element: "20200102100130"})
    assert len(parts(first, second)) == 2


def test_one_time_for_each_phase_tells_them_apart() -> None:
    first, second = volume("a", ContentTime="100000"), volume("b", ContentTime="100500")
    assert len(parts(first, second)) == 2


def test_times_of_an_export_split_nothing() -> None:
    first, second = volume("a", 3), volume("b", 3)
    order = [0, 4, 2, 3, 1, 5]  # one of each position before the pause, but in no order
    written = [
        renamed(header, header.identity.sop_instance_uid, ContentTime=f"1000{10 * (place > 2) + place:02}")
        for place, header in zip(order, (*first, *second), strict=True)
    ]
    assert len(parts(tuple(written))) == 1


def test_passes_half_a_step_apart_become_two_volumes() -> None:
    first, second = volume("a", AcquisitionNumber="1"), moved(volume("b", AcquisitionNumber="2"), 1.25)
    assert parts(first, second) == {("1.2", "AcquisitionNumber=1"): N, ("1.2", "AcquisitionNumber=2"): N}


def test_a_part_with_repeats_of_its_own_is_no_volume() -> None:
    first, second = volume("a", AcquisitionNumber="1"), volume("b", AcquisitionNumber="2")
    again = (renamed(second[3], "other", AcquisitionNumber="2"),)
    assert len(parts(first, second, again)) == 1


def test_a_copy_of_a_slice_stays_beside_it() -> None:
    first, second = volume("a", AcquisitionNumber="1"), volume("b", AcquisitionNumber="2")
    copy = (replace(second[3], file=replace(second[3].file, path="/in/copy")),)
    assert parts(first, second, copy) == {("1.2", "AcquisitionNumber=1"): N, ("1.2", "AcquisitionNumber=2"): N + 1}
    assert len(parts(second, copy)) == 1


def test_frames_of_one_object_are_no_copies() -> None:
    def frames(name: str, first: int, phase: str) -> tuple[SliceHeader, ...]:
        one = volume(name, TemporalPositionIndex=phase)
        identity = replace(one[0].identity, sop_instance_uid="one")
        return tuple(replace(header, frame=first + k, identity=identity) for k, header in enumerate(one))

    assert len(parts(frames("a", 1, "1"), frames("a", 1 + N, "2"))) == 2


def test_a_slice_that_says_nothing_forbids_the_split() -> None:
    first, second = volume("a", AcquisitionNumber="1"), volume("b", AcquisitionNumber="2")
    silent = (replace(second[0], phase={}), *second[1:])
    assert len(parts(first, silent)) == 1


def test_there_are_at_most_64_parts() -> None:
    many = [volume(str(k), 3, TemporalPositionIdentifier=str(k)) for k in range(MOST_PARTS + 1)]
    assert len(parts(*many[:-1])) == MOST_PARTS
    assert len(parts(*many)) == 1


def test_what_is_no_image_goes_with_the_first_part() -> None:
    first, second = volume("a", AcquisitionNumber="1"), volume("b", AcquisitionNumber="2")
    identity = replace(first[0].identity, image_type=("ORIGINAL", "PRIMARY", "LOCALIZER"))
    scout = replace(first[0], identity=identity)
    assert list(parts((scout,), second, first).values()) == [N + 1, N]


@pytest.mark.parametrize(
    "plane", [{"position": None}, {"row_direction": Xyz(0.0, 0.0, 0.0)}, {"column_direction": Xyz(0.0, 0.0, 1.0)}]
)
def test_slices_without_a_common_normal_are_left_to_the_checks(plane: dict[str, object]) -> None:
    first, second = volume("a", AcquisitionNumber="1"), volume("b", AcquisitionNumber="2")
    odd = (replace(second[0], plane=replace(second[0].plane, **plane)), *second[1:])  # type: ignore[arg-type]
    assert len(parts(first, odd)) == 1


@pytest.mark.usefixtures("in_this_process")
@pytest.mark.parametrize(("choice", "n_stores"), [("split", 2), ("drop_identical", 0)])
def test_a_run_makes_a_volume_of_each_pass_or_refuses_both(tmp_path: Path, choice: str, n_stores: int) -> None:
    def alternate(dataset: Dataset, z: int) -> None:
        dataset.AcquisitionNumber = z % 2 + 1

    series = write_series(tmp_path / "in", n=20, change=alternate)
    yaml = f"geometry: {{duplicate_position: {choice}}}\nstore: {{dtype: int16}}\n"
    outcome = carry_out(tmp_path, tmp_path / "in", yaml)
    stored = [open_store(outcome.output.root / str(one.store)).array[:] for one in outcome.records if one.store]
    assert len(stored) == n_stores
    for truth in (series.truth[::2], series.truth[1::2])[:n_stores]:
        assert any((volume == truth).all() for volume in stored)
    if not n_stores:
        (record,) = outcome.records
        assert (record.reason, record.detail) == (
            "MIXED_GEOMETRY",
            "2 acquisitions alternate along the stack, by AcquisitionNumber",
        )
