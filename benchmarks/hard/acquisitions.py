"""Series of several passes, of stacks, and of headers that do not quite agree, as archives hold them."""

from collections.abc import Callable, Sequence
from pathlib import Path

from phantoms import decimal, uid
from pydicom import Dataset, dcmread

from hard.enhanced import as_enhanced
from hard.phantom import Part, part_of
from hard.stack import SPACING, N, placed, points_of, write
from pipeline.geometry import Zyx

MIDDLE = N // 2
CUT_BYTES = 300
"""Where a file is cut in its header: behind the file meta information, before the series is named."""
ROUNDED_MM = 0.9765625
"""A pixel spacing (500 mm in 512 pixels) that has more decimals than some writers keep."""
SECONDS_A_SLICE, SECONDS_A_PASS = 0.5, 60


def passes(folder: Path, shifts_mm: Sequence[float], contrasts: Sequence[float], *, numbered: bool) -> tuple[Part, ...]:
    """Write passes over one range under one series UID, each shifted along it; numbered, or known by their times."""
    series_uid, parts = uid("passes"), []
    for k, (shift_mm, contrast) in enumerate(zip(shifts_mm, contrasts, strict=True)):
        part, _ = write(
            folder,
            series_uid=series_uid,
            shift_mm=shift_mm,
            contrast=contrast,
            between=True,
            change=_of_pass(k, numbered=numbered),
            name=f"P{k}I{{:04d}}.dcm".format,
        )
        parts.append(part)
    return tuple(parts)


def _of_pass(k: int, *, numbered: bool) -> Callable[[Dataset, int], None]:
    """Return what says of a slice which pass made it."""

    def change(dataset: Dataset, z: int) -> None:
        seconds = k * SECONDS_A_PASS + z * SECONDS_A_SLICE
        dataset.AcquisitionTime = dataset.ContentTime = f"10{15 + int(seconds // 60):02d}{seconds % 60:09.6f}"
        dataset.AcquisitionNumber = k + 1 if numbered else 1
        dataset.InstanceNumber = k * N + z + 1
        dataset.SOPInstanceUID = dataset.file_meta.MediaStorageSOPInstanceUID = uid("pass", str(k), str(z))

    return change


def step_and_shoot(folder: Path) -> tuple[Part, ...]:
    """Write a stack each slice of which is an acquisition of its own: numbers and times rise along the table."""

    def change(dataset: Dataset, z: int) -> None:
        _of_pass(0, numbered=True)(dataset, z)
        dataset.AcquisitionNumber = z + 1

    return (write(folder, change=change)[0],)


def cut_in_its_header(folder: Path) -> tuple[Part, ...]:
    """Write a stack one file of which ends within its header, as a copy that broke off leaves it."""
    part, paths = write(folder)
    paths[MIDDLE].write_bytes(paths[MIDDLE].read_bytes()[:CUT_BYTES])
    return (part,)


def two_stacks(folder: Path) -> tuple[Part, ...]:
    """Write one scan as an Enhanced CT object of two stacks; two volumes of half its length are as right as one."""
    _, paths = write(folder)
    as_enhanced(paths, folder / "multiframe.dcm")
    whole = dcmread(folder / "multiframe.dcm")
    for groups in whole.PerFrameFunctionalGroupsSequence:
        (content,) = groups.FrameContentSequence
        z = content.InStackPositionNumber - 1
        content.StackID, content.InStackPositionNumber = str(1 + z // MIDDLE), 1 + z % MIDDLE
    whole.save_as(folder / "multiframe.dcm")
    points = points_of(**placed())
    return part_of(points[:MIDDLE]), part_of(points[MIDDLE:])


def empty_patient(folder: Path) -> tuple[Part, ...]:
    """Write a stack in which three slices lost their PatientID."""

    def change(dataset: Dataset, z: int) -> None:
        if z in {3, 4, MIDDLE}:
            dataset.PatientID = ""

    return (write(folder, change=change)[0],)


def rounded_spacing(folder: Path) -> tuple[Part, ...]:
    """Write a stack in which every third slice has a rounded pixel spacing."""

    def change(dataset: Dataset, z: int) -> None:
        if z % 3 == 0:
            dataset.PixelSpacing = [decimal(round(ROUNDED_MM, 4))] * 2

    return (write(folder, spacing=Zyx(SPACING.z, ROUNDED_MM, ROUNDED_MM), change=change)[0],)
