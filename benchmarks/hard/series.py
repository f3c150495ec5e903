"""The hard series: each a folder of DICOM files made in code, and the truth that they hold."""

import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from phantoms import decimal, uid
from pydicom import Dataset, dcmread
from pydicom.uid import JPEG2000Lossless, RLELossless

from hard.acquisitions import cut_in_its_header, empty_patient, passes, rounded_spacing, step_and_shoot, two_stacks
from hard.encoding import (
    bare,
    filled_with_ff,
    latin_names,
    no_delimiter,
    private_without_vr,
    rewritten,
    two_fragments,
    unknown_vr,
)
from hard.enhanced import as_enhanced
from hard.phantom import Part, hu_at, part_of
from hard.stack import SIDE, SPACING, N, placed, points_of, write
from hard.values import labelled, overlay_bits, parameter_map, sixteen_bits_called_twelve
from pipeline.geometry import Xyz

PADDING_HU, RADIUS_MM = -2000, 26.0
MISSING = 8

Write = Callable[[Path], tuple[Part, ...]]


@dataclass(frozen=True)
class Case:
    """A hard series: what is odd about it, and what writes it and returns its truth."""

    title: str
    write: Write


def simple(**wanted: Any) -> Write:
    """Return what writes one stack."""
    return lambda folder: (write(folder, **wanted)[0],)


def missing_slice(folder: Path) -> tuple[Part, ...]:
    """Write a stack, and take one slice away."""
    _, paths = write(folder)
    paths[MISSING].unlink()
    points = np.delete(points_of(**placed()), MISSING, axis=0)
    return (part_of(points),)


def duplicate(folder: Path, *, extra_hu: int) -> tuple[Part, ...]:
    """Write a stack, and one slice twice; of two different ones neither is judged."""
    part, paths = write(folder)
    again = dcmread(paths[MISSING])
    again.SOPInstanceUID = again.file_meta.MediaStorageSOPInstanceUID = uid("again")
    again.InstanceNumber = N + 1
    again.PixelData = (again.pixel_array + extra_hu).astype("<u2").tobytes()
    again.save_as(folder / "I9999.dcm")
    return (part_of(np.delete(points_of(**placed()), MISSING, axis=0)),) if extra_hu else (part,)


def localizer_inside(folder: Path) -> tuple[Part, ...]:
    """Write a stack and, under the same series UID, a scout of the same size in a coronal plane."""
    part, paths = write(folder)
    scout = dcmread(paths[0])
    scout.SOPInstanceUID = scout.file_meta.MediaStorageSOPInstanceUID = uid("scout")
    scout.ImageType = ["ORIGINAL", "PRIMARY", "LOCALIZER"]
    scout.ImageOrientationPatient = [1, 0, 0, 0, 0, -1]
    scout.ImagePositionPatient = [-24, 0, 24]
    scout.InstanceNumber = 0
    scout.save_as(folder / "I0000_.dcm")
    return (part,)


def padded(folder: Path, *, declared: bool) -> tuple[Part, ...]:
    """Write a stack whose pixels outside the reconstruction circle are lower than air."""

    def declare(dataset: Dataset, _: int) -> None:
        dataset.ReconstructionDiameter = decimal(2 * RADIUS_MM)
        if declared:
            dataset.add_new("PixelPaddingValue", "SS", PADDING_HU)

    points = points_of(**placed())
    y, x = np.ogrid[:SIDE, :SIDE]
    distance = np.hypot((y - (SIDE - 1) / 2) * SPACING.y, (x - (SIDE - 1) / 2) * SPACING.x)
    outside = np.broadcast_to(distance > RADIUS_MM, points.shape[:3])
    hu = np.where(outside, PADDING_HU, hu_at(points))
    write(folder, hu=hu, signed=True, bits_stored=16, intercept=0, change=declare)
    far = np.broadcast_to(distance > RADIUS_MM + 3, points.shape[:3])
    return (part_of(points, padding=points[far]),)


def no_position(folder: Path) -> tuple[Part, ...]:
    """Write a stack whose files hold SliceLocation but no position; where it lies in the patient cannot be known."""

    def forget(dataset: Dataset, _: int) -> None:
        del dataset.ImagePositionPatient

    write(folder, change=forget)
    return (part_of(points_of(**placed()), placed=False),)


def two_orientations(folder: Path) -> tuple[Part, ...]:
    """Write an axial and a coronal stack under one series UID."""
    common = {"series_uid": uid("two orientations")}
    axial, _ = write(folder / "a", **common)
    coronal, _ = write(folder / "b", column_axis=Xyz(0.0, 0.0, -1.0), change=renumbered, **common)
    return flattened(folder, (axial, coronal))


def two_phases(folder: Path) -> tuple[Part, ...]:
    """Write two phases of a contrast medium, slice by slice at the same positions, under one series UID."""

    def later(dataset: Dataset, z: int) -> None:
        renumbered(dataset, z)
        dataset.AcquisitionNumber, dataset.TemporalPositionIdentifier = 2, 2
        dataset.AcquisitionTime = dataset.ContentTime = "101530"

    def sooner(dataset: Dataset, _: int) -> None:
        dataset.TemporalPositionIdentifier = 1
        dataset.AcquisitionTime = dataset.ContentTime = "101500"

    common = {"series_uid": uid("two phases")}
    first, _ = write(folder / "a", change=sooner, **common)
    second, _ = write(folder / "b", change=later, contrast=1.0, **common)
    return flattened(folder, (first, second))


def renumbered(dataset: Dataset, z: int) -> None:
    """Give a slice of a second stack names of its own."""
    dataset.InstanceNumber = 2 * N - z
    dataset.SOPInstanceUID = dataset.file_meta.MediaStorageSOPInstanceUID = uid("second", dataset.SOPInstanceUID)


def flattened(folder: Path, parts: tuple[Part, ...]) -> tuple[Part, ...]:
    """Move the files of the folders below into ``folder``, as an export lays them."""
    for path in sorted(folder.glob("*/*")):
        path.rename(folder / (path.parent.name + path.name))
    for below in [path for path in folder.iterdir() if path.is_dir()]:
        below.rmdir()
    return parts


def drifting(folder: Path) -> tuple[Part, ...]:
    """Write a stack whose slices move along their rows from one to the next: a tilt that no tag tells."""
    points = points_of(**placed())
    points[..., 0] += 0.4 * (np.arange(N) - (N - 1) / 2)[:, None, None]

    def drift(dataset: Dataset, z: int) -> None:
        del dataset.GantryDetectorTilt
        dataset.ImagePositionPatient = [decimal(mm) for mm in points[z, 0, 0]]

    write(folder, hu=hu_at(points), change=drift)
    return (part_of(points),)


def rescaled(folder: Path) -> tuple[Part, ...]:
    """Write a stack in which every other slice has another slope and intercept."""

    def rescale(dataset: Dataset, z: int) -> None:
        if z % 2:
            hu = np.frombuffer(dataset.PixelData, "<u2").astype(float) - 1024
            dataset.RescaleSlope, dataset.RescaleIntercept = 2, -1200
            dataset.PixelData = np.rint((hu + 1200) / 2).astype("<u2").tobytes()

    return (write(folder, change=rescale)[0],)


def monochrome1(folder: Path) -> tuple[Part, ...]:
    """Write a stack that asks to be displayed inverted, which changes no Hounsfield unit."""
    return (write(folder, change=lambda dataset, _: setattr(dataset, "PhotometricInterpretation", "MONOCHROME1"))[0],)


def sign_mislabelled(folder: Path) -> tuple[Part, ...]:
    """Write signed values, and say that they are not."""

    def mislabel(dataset: Dataset, _: int) -> None:
        dataset.PixelRepresentation = 0

    return (write(folder, signed=True, bits_stored=16, intercept=0, change=mislabel)[0],)


def truncated(folder: Path) -> tuple[Part, ...]:
    """Write a stack, and cut one file in the middle of its pixels."""
    part, paths = write(folder)
    os.truncate(paths[MISSING], paths[MISSING].stat().st_size - SIDE * SIDE)
    return (part,)


def enhanced(folder: Path) -> tuple[Part, ...]:
    """Write a stack as one multi-frame object whose frames are out of order."""
    part, paths = write(folder)
    as_enhanced(paths, folder / "multiframe.dcm")
    return (part,)


def uneven_mm() -> NDArray[np.float64]:
    """Return positions whose step doubles half way."""
    return np.concatenate([np.arange(12) * 1.7, 11 * 1.7 + np.arange(1, N - 11) * 3.4])


CASES = (
    Case("regular (control)", simple()),
    Case("gantry tilted +15 degrees", simple(tilt_deg=15.0)),
    Case("gantry tilted -15 degrees", simple(tilt_deg=-15.0)),
    Case("position drift, no tilt tag", drifting),
    Case("a slice missing", missing_slice),
    Case("uneven spacing", simple(positions_mm=tuple(uneven_mm().tolist()))),
    Case("a slice twice, same pixels", lambda folder: duplicate(folder, extra_hu=0)),
    Case("a slice twice, other pixels", lambda folder: duplicate(folder, extra_hu=200)),
    Case("two phases", two_phases),
    Case("two orientations mixed", two_orientations),
    Case("localizer inside", localizer_inside),
    Case("no position", no_position),
    Case("names against z", simple(name=lambda z: f"I{N - z:04d}.dcm")),
    Case("padding, declared", lambda folder: padded(folder, declared=True)),
    Case("padding, undeclared", lambda folder: padded(folder, declared=False)),
    Case("rescale per slice", rescaled),
    Case("MONOCHROME1", monochrome1),
    Case("sign mislabelled", sign_mislabelled),
    Case("pixels truncated", truncated),
    Case("JPEG 2000", simple(transfer_syntax=JPEG2000Lossless)),
    Case("RLE", simple(transfer_syntax=RLELossless)),
    Case("multi-frame, out of order", enhanced),
    Case("two passes, half a step", lambda folder: passes(folder, (0, 1.25), (0, 1), numbered=True)),
    Case("three passes, third steps", lambda folder: passes(folder, (0, 2.5 / 3, 5 / 3), (0, 1, 0), numbered=False)),
    Case("two passes, 0.02 mm apart", lambda folder: passes(folder, (0, 0.02), (0, 1), numbered=True)),
    Case("step and shoot (control)", step_and_shoot),
    Case("a file cut in its header", cut_in_its_header),
    Case("multi-frame, two stacks", two_stacks),
    Case("PatientID empty in some", empty_patient),
    Case("PixelSpacing rounded in some", rounded_spacing),
    Case("overlay in bit 12", overlay_bits),
    Case("sign runs on (control)", lambda folder: sixteen_bits_called_twelve(folder, has_metal=False)),
    Case("metal beyond 12 signed bits", lambda folder: sixteen_bits_called_twelve(folder, has_metal=True)),
    Case("blood flow map, unit US", lambda folder: parameter_map(folder, kind="CBF", rescale_type="US", most=90)),
    Case("iodine map, no unit", lambda folder: parameter_map(folder, kind="IODINE", rescale_type=None, most=60)),
    Case("monoenergetic (control)", lambda folder: labelled(folder, image_type="MONO_70KEV")),
    Case("RescaleType Houndsfield", lambda folder: labelled(folder, rescale_type="Houndsfield")),
    Case("JPEG-LS, 0xFF after its end", filled_with_ff),
    Case("JPEG, no delimiter", no_delimiter),
    Case("JPEG, frame in two fragments", two_fragments),
    Case("no preamble, implicit VR", bare),
    Case("private element without VR", lambda folder: rewritten(folder, private_without_vr)),
    Case("Rows and bits written as UN", unknown_vr),
    Case("file names in Latin-1", latin_names),
)
