"""A cohort of CT series of 512 x 512, made on the spot: bodies with noise as scanners make it, always the same bytes.

    python benchmarks/cohort/made.py FOLDER [--patients 8] [--slices N]

A folder per series, file names shuffled against the order of slices; two of eight padded outside the field of view, one
in JPEG lossless.
"""

import sys
from argparse import ArgumentParser
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.encaps import encapsulate
from pydicom.uid import CTImageStorage, ExplicitVRLittleEndian, JPEGLosslessSV1

N = 512
ROOT = "1.2.826.0.1.3680043.8.498.55"
PADDING = -2000


@dataclass(frozen=True)
class Acquisition:
    """How one series was taken."""

    n_slices: int
    step_mm: float
    pixel_mm: float
    noise_hu: float
    is_padded: bool = False
    is_compressed: bool = False


PLAN = (
    Acquisition(300, 1.0, 0.703125, 18),
    Acquisition(250, 1.25, 0.742188, 14, is_padded=True),
    Acquisition(260, 1.25, 0.683594, 22),
    Acquisition(240, 1.25, 0.78125, 12, is_compressed=True),
    Acquisition(200, 1.5, 0.722656, 16, is_padded=True),
    Acquisition(130, 2.5, 0.820312, 10),
    Acquisition(320, 1.0, 0.664062, 30),
    Acquisition(400, 0.75, 0.703125, 26),
)


def make_cohort(folder: Path, n_patients: int = 8, n_slices: int | None = None) -> None:
    """Write the series; with ``n_slices`` each has so many."""
    for patient in range(n_patients):
        taken = PLAN[patient % len(PLAN)]
        count = n_slices or taken.n_slices
        place = folder / f"P{patient:04}"
        place.mkdir(parents=True)
        names = np.random.default_rng(patient).permutation(count)
        grains = _grains(patient)
        for k in range(count):
            hu = _slice_hu(taken, k / max(count - 1, 1), np.roll(grains[k % len(grains)], 37 * k, axis=(k % 2)))
            (place / f"IM{names[k]:05}.dcm").write_bytes(_file(patient, k, taken, hu))


def _grains(seed: int, n: int = 12) -> NDArray[np.float32]:
    """Return fields of noise with the power of a reconstruction: a ramp that rolls off."""
    radius = np.hypot(*np.meshgrid(np.fft.fftfreq(N), np.fft.rfftfreq(N), indexing="ij"))
    power = np.sqrt(radius * np.exp(-((radius / 0.22) ** 2)) + 1e-3)
    white = np.random.default_rng([7, seed]).standard_normal((n, N, N))
    fields = np.fft.irfft2(np.fft.rfft2(white) * power, s=(N, N))
    return (fields / fields.std()).astype(np.float32)


def _slice_hu(taken: Acquisition, height: float, grain: NDArray[np.float32]) -> NDArray[np.int16]:
    """Return one slice of a chest: body, lungs, heart, spine, table."""
    at = (np.arange(N, dtype=np.float32) - (N - 1) / 2) * np.float32(taken.pixel_mm)
    y, x = at[:, None], at[None, :]
    hu = np.full((N, N), -1000, np.float32)
    body = (x / 165) ** 2 + (y / 115) ** 2 < 1
    hu[body] = -90
    hu[(x / 150) ** 2 + (y / 102) ** 2 < 1] = 45
    size = np.sqrt(max(0.0, 1 - (2 * height - 0.95) ** 2))
    if size > 0.05:
        for side in (-1, 1):
            lung = ((x - side * 78) / (58 * size)) ** 2 + ((y + 4) / (70 * size)) ** 2 < 1
            hu[lung] = np.where(np.sin(0.45 * x + 9 * height) * np.sin(0.4 * y) > 0.9, 20, -850)[lung]
    hu[((x + 18) / 45) ** 2 + ((y + 18) / 38) ** 2 < size**2] = 120
    hu[(x / 22) ** 2 + ((y - 70) / 20) ** 2 < 1] = 400
    hu[(np.abs(y - 128 - 0.0008 * x**2) < 2.2) & (np.abs(x) < 210)] = -250
    hu += grain * np.where(body, taken.noise_hu, taken.noise_hu * 0.45)
    stored = np.clip(np.rint(hu), -1024, 3071).astype(np.int16)
    if taken.is_padded:
        stored[x**2 + y**2 > (N / 2 * taken.pixel_mm) ** 2] = PADDING
    return stored


def _file(patient: int, k: int, taken: Acquisition, hu: NDArray[np.int16]) -> bytes:
    dataset = Dataset()
    dataset.file_meta = FileMetaDataset()
    dataset.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    series = f"{ROOT}.{patient + 1}"
    values = {
        "SOPClassUID": CTImageStorage, "SOPInstanceUID": f"{series}.9.{k + 1}", "SeriesInstanceUID": f"{series}.2",
        "StudyInstanceUID": f"{series}.1", "FrameOfReferenceUID": f"{series}.3", "PatientID": f"P{patient:04}",
        "PatientName": "Nobody", "Modality": "CT", "Manufacturer": "PHANTOM",
        "ImageType": ["ORIGINAL", "PRIMARY", "AXIAL"],
        "StudyDate": "20240102", "KVP": "120", "ConvolutionKernel": "B50f", "SliceThickness": f"{taken.step_mm:g}",
        "PatientPosition": "HFS", "InstanceNumber": str(k + 1), "RescaleIntercept": "0", "RescaleSlope": "1",
        "RescaleType": "HU", "Rows": N, "Columns": N, "SamplesPerPixel": 1, "PhotometricInterpretation": "MONOCHROME2",
        "BitsAllocated": 16, "BitsStored": 16, "HighBit": 15, "PixelRepresentation": 1,
        "PixelSpacing": [f"{taken.pixel_mm:g}"] * 2, "ImageOrientationPatient": [1, 0, 0, 0, 1, 0],
        "ImagePositionPatient": [f"{-(N - 1) / 2 * taken.pixel_mm:g}"] * 2 + [f"{k * taken.step_mm:g}"],
    }  # fmt: skip
    for keyword, value in values.items():
        setattr(dataset, keyword, value)
    if taken.is_padded:
        dataset.add_new("PixelPaddingValue", "SS", PADDING)
    dataset.PixelData = hu.tobytes()
    dataset["PixelData"].VR = "OW"
    if taken.is_compressed:
        _compress(dataset, hu)
    with BytesIO() as stream:
        dataset.save_as(stream, enforce_file_format=True)
        return stream.getvalue()


def _compress(dataset: Dataset, hu: NDArray[np.int16]) -> None:
    """Encode as JPEG lossless, as archives do; raises RuntimeError where gdcm refuses."""
    import gdcm

    image = gdcm.Image()
    image.SetNumberOfDimensions(2)
    image.SetDimension(0, N)
    image.SetDimension(1, N)
    image.SetPixelFormat(gdcm.PixelFormat(1, 16, 16, 15, 1))
    image.SetPhotometricInterpretation(gdcm.PhotometricInterpretation(gdcm.PhotometricInterpretation.MONOCHROME2))
    element = gdcm.DataElement(gdcm.Tag(0x7FE0, 0x0010))
    element.SetByteStringValue(hu.tobytes())
    image.SetDataElement(element)
    change = gdcm.ImageChangeTransferSyntax()
    change.SetTransferSyntax(gdcm.TransferSyntax(gdcm.TransferSyntax.JPEGLosslessProcess14_1))
    change.SetInput(image)
    if not change.Change():
        msg = "gdcm does not encode JPEG lossless"
        raise RuntimeError(msg)
    fragment = change.GetOutput().GetDataElement().GetSequenceOfFragments().GetFragment(0).GetByteValue()
    dataset.PixelData = encapsulate([fragment.GetBuffer().encode("utf-8", "surrogateescape")])
    dataset.file_meta.TransferSyntaxUID = JPEGLosslessSV1


if __name__ == "__main__":
    parser = ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--patients", type=int, default=8)
    parser.add_argument("--slices", type=int)
    options = parser.parse_args(sys.argv[1:])
    make_cohort(options.folder, options.patients, options.slices)
