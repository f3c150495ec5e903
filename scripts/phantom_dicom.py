"""An acquisition to DICOM files, one per slice."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from phantom_scanner import PADDING_STORED, Acquisition, Affine, Habits
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import CTImageStorage, ExplicitVRLittleEndian, generate_uid


@dataclass(frozen=True, eq=False)
class Scan:
    """An acquisition as it is exported: under which patient, as which series; ``words`` make its UIDs its own."""

    patient_id: str
    number: int
    words: tuple[str, ...]
    acquisition: Acquisition

    @property
    def series_uid(self) -> str:
        """The SeriesInstanceUID."""
        return uid(*self.words, f"series {self.number}")


def uid(*words: str) -> str:
    """Return the UID that belongs to ``words``: the same ones always give the same."""
    return str(generate_uid(entropy_srcs=list(words)))


def write_scan(folder: Path, scan: Scan, *, with_position: bool = True) -> None:
    """Write a series, a file per slice, beside what ``folder`` holds already."""
    folder.mkdir(parents=True, exist_ok=True)
    for k, plane in enumerate(scan.acquisition.stored):
        dataset = _header(scan, instance=k + 1)
        _place(dataset, scan.acquisition.affine, k, scan.acquisition.protocol.tilt_deg)
        if not with_position:
            del dataset.ImagePositionPatient
        _put_pixels(dataset, plane, scan.acquisition.habits)
        dataset.save_as(folder / _name(dataset, scan, k), enforce_file_format=True)


def write_localizer(folder: Path, scan: Scan) -> None:
    """Write a coronal overview under the UID of a series whose slices go up and whose rows run to the left."""
    stored, affine = scan.acquisition.stored, scan.acquisition.affine
    top = affine @ (len(stored) - 1, 0, 0, 1)
    coronal = np.column_stack([affine[:, 1], -affine[:, 0], affine[:, 2], top])
    dataset = _header(scan, instance=len(stored) + 1)
    dataset.ImageType = ["ORIGINAL", "PRIMARY", "LOCALIZER"]
    _place(dataset, coronal, 0)
    _put_pixels(dataset, stored.mean(axis=1)[::-1].astype(np.int16), scan.acquisition.habits)
    dataset.save_as(folder / f"S{scan.number}LOC.dcm", enforce_file_format=True)


def decimal(value: float) -> str:
    """Return a number as a DICOM decimal string, which has at most 16 characters (DICOM PS3.5, 6.2)."""
    return f"{value + 0.0:.10g}"


def _name(dataset: Dataset, scan: Scan, k: int) -> str:
    n, names = len(scan.acquisition.stored), scan.acquisition.habits.names
    if names == "uid":
        return str(dataset.SOPInstanceUID)
    goes_up = scan.acquisition.affine[2, 0] > 0
    along = k + 1 if goes_up == (names == "with z") else n - k
    return f"S{scan.number}IM{along:04d}.dcm"


def _header(scan: Scan, instance: int) -> Dataset:
    """Say which patient, study, series and slice this is, and what made it."""
    study_uid = uid(*scan.words, "study")
    dataset = Dataset()
    _put(
        dataset,
        SpecificCharacterSet="ISO_IR 192",
        ImageType=["ORIGINAL", "PRIMARY", "AXIAL"],
        SOPClassUID=CTImageStorage,
        SOPInstanceUID=uid(scan.series_uid, f"instance {instance}"),
        StudyDate="20200102",
        SeriesDate="20200102",
        AcquisitionDate="20200102",
        StudyTime="101500",
        AccessionNumber="",
        Modality="CT",
        Manufacturer="Phantom Works",
        StudyDescription="CHEST",
        SeriesDescription="CHEST AXIAL",
        PatientName="PHANTOM",
        PatientID=scan.patient_id,
        PatientBirthDate="",
        PatientSex="O",
        PatientAge="050Y",
        BodyPartExamined="CHEST",
        KVP="120",
        XRayTubeCurrent="200",
        ConvolutionKernel="STANDARD",
        PatientPosition=scan.acquisition.habits.position,
        StudyInstanceUID=study_uid,
        SeriesInstanceUID=scan.series_uid,
        SeriesNumber=scan.number,
        AcquisitionNumber=1,
        InstanceNumber=instance,
        FrameOfReferenceUID=uid(study_uid, "frame"),
        PositionReferenceIndicator="SN",
    )
    return dataset


def _place(dataset: Dataset, affine: Affine, k: int, tilt_deg: float = 0.0) -> None:
    """Say where slice ``k`` lies."""
    position = affine @ (k, 0, 0, 1)
    step_mm, row_step_mm, column_step_mm = np.linalg.norm(affine[:3, :3], axis=0)
    cosines = np.concatenate([affine[:3, 2] / column_step_mm, affine[:3, 1] / row_step_mm])
    _put(
        dataset,
        SliceThickness=decimal(step_mm),
        GantryDetectorTilt=decimal(tilt_deg),
        ImagePositionPatient=[decimal(value) for value in position[:3]],
        ImageOrientationPatient=[decimal(value) for value in cosines],
        SliceLocation=decimal(position[2]),
        PixelSpacing=[decimal(row_step_mm), decimal(column_step_mm)],
    )


def _put_pixels(dataset: Dataset, plane: NDArray[np.int16], habits: Habits) -> None:
    """Put the stored values of a slice in, what they mean and how to look at them, and make the dataset a file."""
    bits = 16 if habits.signed else 12
    centres, widths = zip(*habits.windows, strict=True)
    _put(
        dataset,
        SamplesPerPixel=1,
        PhotometricInterpretation="MONOCHROME2",
        Rows=plane.shape[0],
        Columns=plane.shape[1],
        BitsAllocated=16,
        BitsStored=bits,
        HighBit=bits - 1,
        PixelRepresentation=int(habits.signed),
        WindowCenter=[decimal(centre) for centre in centres],
        WindowWidth=[decimal(width) for width in widths],
        RescaleIntercept=decimal(habits.intercept),
        RescaleSlope=decimal(habits.slope),
        RescaleType="HU",
    )
    if habits.padding in ("SS", "US"):
        written = PADDING_STORED if habits.padding == "SS" else PADDING_STORED + (1 << 16)
        dataset.add_new("PixelPaddingValue", habits.padding, written)
    dataset.add_new("PixelData", "OW", plane.astype("<i2").tobytes())
    dataset.file_meta = FileMetaDataset()
    dataset.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    dataset.file_meta.ImplementationClassUID = uid("ctprep phantom")
    dataset.file_meta.ImplementationVersionName = "PHANTOM"


def _put(dataset: Dataset, **values: Any) -> None:
    for keyword, value in values.items():
        setattr(dataset, keyword, value)
