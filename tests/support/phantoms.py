"""DICOM series for tests, made in code: a small body without any symmetry, written as a scanner would.

The default is the phantom of the bad inputs: 12 slices of 32 x 32, unsigned 12 bit, file names against z.  What a test
needs otherwise it asks for; ``change`` spoils single slices.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import cos, radians, sin
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from phantom_pixels import PixelForm, put_pixels
from pydicom.dataelem import RawDataElement
from pydicom.dataset import Dataset
from pydicom.tag import Tag
from pydicom.uid import CTImageStorage, ExplicitVRLittleEndian, generate_uid

from pipeline.geometry import Geometry, Xyz, Zyx

Hu = NDArray[np.int16]
Change = Callable[[Dataset, int], None]
"""Alters the dataset of slice ``z``, counted along the normal, just before it is written."""

SPACING_MM = Zyx(2.5, 0.8, 0.7)
ORIGIN_MM = Xyz(-11.2, -12.8, -100.0)
TO_THE_LEFT, TO_THE_BACK = Xyz(1.0, 0.0, 0.0), Xyz(0.0, 1.0, 0.0)
"""Where the rows and the columns of a slice run, when the patient lies on the back."""


@dataclass(frozen=True, eq=False)
class Series:
    """A series on disk and what it holds; everything in slice order along the normal, lowest first.

    ``truth`` is [z, y, x] in HU as the files hold it, in the frame of the acquisition; ``geometry`` is that of an even
    stack (with ``tilt_deg`` its axes are not at right angles, with ``positions_mm`` its z spacing is the nominal one).
    """

    folder: Path
    paths: tuple[Path, ...]
    truth: NDArray[Any]
    geometry: Geometry
    patient_id: str
    study_uid: str
    series_uid: str

    @property
    def affine_lps(self) -> NDArray[np.float64]:
        """4 x 4, from index (z, y, x, 1) to LPS millimetres."""
        return self.geometry.affine_lps


@dataclass(frozen=True, kw_only=True, eq=False)
class Scan:
    """How a series is to be written; ``hu`` replaces the body, ``positions_mm`` the even steps along the normal.

    With ``tilt_deg`` the slices turn about their rows while positions go on along the old normal: a tilted gantry.
    """

    n: int = 12
    rows: int = 32
    columns: int = 32
    seed: int = 0
    hu: Hu | None = None
    spacing: Zyx[float] = SPACING_MM
    origin: Xyz = ORIGIN_MM
    row_axis: Xyz = TO_THE_LEFT
    column_axis: Xyz = TO_THE_BACK
    tilt_deg: float = 0.0
    positions_mm: Sequence[float] | None = None
    signed: bool = False
    bits_stored: int = 12
    slope: float = 1
    intercept: float = -1024
    transfer_syntax: str = ExplicitVRLittleEndian
    patient_id: str = "P-1"
    study_uid: str = ""
    series_uid: str = ""
    change: Change | None = None
    name: Callable[[int], str] | None = None

    def stored(self) -> NDArray[np.int32]:
        """Return the stored values, held within the bits there are."""
        hu = truth_volume(self.n, self.rows, self.columns, self.seed) if self.hu is None else self.hu
        low = -(1 << self.bits_stored - 1) if self.signed else 0
        return np.rint((hu - self.intercept) / self.slope).clip(low, low + (1 << self.bits_stored) - 1).astype(np.int32)

    def truth(self) -> NDArray[Any]:
        """Return HU as the files hold them: int16 where slope and intercept are whole numbers, else float64."""
        hu = self.stored() * self.slope + self.intercept
        return hu.astype(np.int16) if hu.dtype.kind == "i" else hu

    def geometry(self) -> Geometry:
        """Return the grid of an even stack."""
        row, column = np.array(self.row_axis), np.array(self.column_axis)
        normal = np.cross(row, column)
        tilted = cos(radians(self.tilt_deg)) * column + sin(radians(self.tilt_deg)) * normal
        return Geometry(
            shape=Zyx(*self.stored().shape),
            spacing_mm=self.spacing,
            origin_mm=self.origin,
            axes=Zyx(*(Xyz(*(float(value) for value in axis)) for axis in (normal, tilted, row))),
        )


def write_series(folder: Path, **wanted: Any) -> Series:
    """Write one series into ``folder`` and return it; keywords are the fields of :class:`Scan`.

    UIDs follow from the patient and the folder's name, so the same call writes the same bytes.
    """
    scan = Scan(**wanted)
    study_uid = scan.study_uid or uid("study", scan.patient_id)
    series_uid = scan.series_uid or uid("series", scan.patient_id, folder.name)
    geometry, stored = scan.geometry(), scan.stored()
    n = geometry.shape.z
    names = [scan.name(z) if scan.name else f"IM{n - z:04d}.dcm" for z in range(n)]
    folder.mkdir(parents=True, exist_ok=True)
    for z, name in enumerate(names):
        dataset = Dataset()
        _identify(dataset, scan.patient_id, study_uid, series_uid, z, n)
        _place(dataset, scan, geometry, z)
        _scale(dataset, scan)
        put_pixels(dataset, stored[z], PixelForm(scan.transfer_syntax, scan.bits_stored, scan.signed))
        if scan.change:
            scan.change(dataset, z)
        dataset.save_as(folder / name)
    paths = tuple(folder / name for name in names)
    return Series(folder, paths, scan.truth(), geometry, scan.patient_id, study_uid, series_uid)


def truth_volume(n: int, rows: int, columns: int, seed: int = 0) -> Hu:
    """Return a body [z, y, x] in whole HU: air, fat, tissue, two unlike lungs, spine, table and noise; no symmetry."""
    z, y, x = np.meshgrid(*(np.linspace(-1, 1, count) for count in (n, rows, columns)), indexing="ij", sparse=True)
    body = ((x - 0.08 + 0.05 * z) / 0.8) ** 2 + ((y + 0.1) / 0.65) ** 2
    hu = np.full((n, rows, columns), -1000.0)
    hu[np.broadcast_to((y > 0.82) & (y < 0.95) & (x > -0.7), hu.shape)] = 60
    hu[body < 1] = -100
    tissue = body < 0.82
    hu[tissue] = np.broadcast_to(40 + 15 * z + 10 * x, hu.shape)[tissue]
    hu[((x - 0.4) / 0.24) ** 2 + ((y + 0.15 + 0.1 * z) / 0.38) ** 2 < 1 - 0.4 * z] = -780
    hu[((x + 0.3) / 0.18) ** 2 + ((y + 0.1) / 0.3) ** 2 < 1 - 0.3 * z] = -850
    hu[((x - 0.05) / 0.12) ** 2 + ((y - 0.3 - 0.05 * z) / 0.14) ** 2 < 1] = 500
    noise = np.random.default_rng(seed).normal(0, 12, hu.shape)
    return np.rint(hu + noise).clip(-1024, 1500).astype(np.int16)


def uid(*words: str) -> str:
    """Return the UID that belongs to ``words``: the same ones always give the same."""
    return str(generate_uid(entropy_srcs=list(words)))


def put_raw(dataset: Dataset, keyword: str, value: bytes, vr: str | None = None) -> None:
    """Put the bytes of a value into a dataset unchecked, as a careless writer would; an odd length is padded."""
    tag = Tag(keyword)
    even = value + b" " * (len(value) % 2)
    raw = RawDataElement(tag, vr or dataset[tag].VR, len(even), even, 0, is_implicit_VR=False, is_little_endian=True)
    dataset._dict[tag] = raw


def _identify(dataset: Dataset, patient_id: str, study_uid: str, series_uid: str, z: int, n: int) -> None:
    """Say which patient, study, series and slice this is, and what made it."""
    dataset.SpecificCharacterSet = "ISO_IR 192"
    dataset.ImageType = ["ORIGINAL", "PRIMARY", "AXIAL"]
    dataset.SOPClassUID = CTImageStorage
    dataset.SOPInstanceUID = uid("slice", series_uid, str(z))
    dataset.StudyDate = dataset.SeriesDate = dataset.AcquisitionDate = "20200102"
    dataset.StudyTime = "101500"
    dataset.AccessionNumber = ""
    dataset.Modality = "CT"
    dataset.Manufacturer = "ACME"
    dataset.StudyDescription = dataset.BodyPartExamined = "CHEST"
    dataset.SeriesDescription = "AXIAL STD"
    dataset.PatientName = "ANON"
    dataset.PatientID = patient_id
    dataset.PatientBirthDate = ""
    dataset.PatientSex = "F"
    dataset.PatientAge = "061Y"
    dataset.KVP = 120
    dataset.XRayTubeCurrent = 220
    dataset.ConvolutionKernel = "STANDARD"
    dataset.PatientPosition = "HFS"
    dataset.StudyInstanceUID = study_uid
    dataset.SeriesInstanceUID = series_uid
    dataset.SeriesNumber, dataset.AcquisitionNumber, dataset.InstanceNumber = 2, 1, n - z
    dataset.FrameOfReferenceUID = uid("frame", study_uid)
    dataset.PositionReferenceIndicator = "SN"


def _place(dataset: Dataset, scan: Scan, geometry: Geometry, z: int) -> None:
    """Say where the slice lies."""
    advance_mm = scan.positions_mm[z] if scan.positions_mm else z * scan.spacing.z
    position = np.array(scan.origin) + advance_mm * np.array(geometry.axes.z)
    dataset.SliceThickness = dataset.SpacingBetweenSlices = decimal(scan.spacing.z)
    dataset.GantryDetectorTilt = decimal(scan.tilt_deg)
    dataset.ImagePositionPatient = [decimal(value) for value in position]
    dataset.ImageOrientationPatient = [decimal(value) for value in (*geometry.axes.x, *geometry.axes.y)]
    dataset.SliceLocation = decimal(position[2])
    dataset.PixelSpacing = [decimal(scan.spacing.y), decimal(scan.spacing.x)]


def decimal(value: float) -> str:
    """Return a number as a DICOM decimal string, which has at most 16 characters (DICOM PS3.5, 6.2)."""
    return f"{value + 0.0:.10g}"


def _scale(dataset: Dataset, scan: Scan) -> None:
    """Say what the stored values mean, and how to look at them."""
    dataset.WindowCenter, dataset.WindowWidth = 40, 400
    dataset.RescaleIntercept, dataset.RescaleSlope = decimal(scan.intercept), decimal(scan.slope)
    dataset.RescaleType = "HU"
