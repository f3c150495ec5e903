"""Stored values into the pixel elements of a dataset, in any transfer syntax a CT may come in."""

from dataclasses import dataclass

import gdcm
import numpy as np
from numpy.typing import NDArray
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.encaps import encapsulate
from pydicom.uid import ExplicitVRBigEndian, JPEG2000Lossless, JPEGLosslessSV1, JPEGLSLossless, RLELossless

GDCM_SYNTAX = {
    RLELossless: gdcm.TransferSyntax.RLELossless,
    JPEGLosslessSV1: gdcm.TransferSyntax.JPEGLosslessProcess14_1,
    JPEGLSLossless: gdcm.TransferSyntax.JPEGLSLossless,
    JPEG2000Lossless: gdcm.TransferSyntax.JPEG2000Lossless,
}
"""One encoder serves every compressed syntax."""


@dataclass(frozen=True)
class PixelForm:
    """How stored values are written; 16 bits are allocated for each."""

    transfer_syntax: str
    bits_stored: int
    signed: bool


def put_pixels(dataset: Dataset, stored: NDArray[np.int32], form: PixelForm) -> None:
    """Put one slice [y, x] into a dataset that has its SOP UIDs, and make the dataset ready to be saved as a file."""
    dataset.preamble = bytes(128)
    dataset.file_meta = FileMetaDataset()
    dataset.file_meta.FileMetaInformationGroupLength = 0  # counted when it is written
    dataset.file_meta.FileMetaInformationVersion = b"\x00\x01"
    dataset.file_meta.MediaStorageSOPClassUID = dataset.SOPClassUID
    dataset.file_meta.MediaStorageSOPInstanceUID = dataset.SOPInstanceUID
    dataset.file_meta.TransferSyntaxUID = form.transfer_syntax
    dataset.file_meta.ImplementationClassUID = "1.2.826.0.1.3680043.8.498.77.1"
    dataset.SamplesPerPixel, dataset.PhotometricInterpretation = 1, "MONOCHROME2"
    dataset.Rows, dataset.Columns = stored.shape
    dataset.BitsAllocated, dataset.BitsStored, dataset.HighBit = 16, form.bits_stored, form.bits_stored - 1
    dataset.PixelRepresentation = int(form.signed)
    endian = ">" if form.transfer_syntax == ExplicitVRBigEndian else "<"
    pixels = stored.astype(f"{endian}{'i' if form.signed else 'u'}2").tobytes()
    compressed = form.transfer_syntax in GDCM_SYNTAX
    dataset.add_new("PixelData", "OW", encapsulate([_compressed(pixels, dataset)]) if compressed else pixels)
    dataset["PixelData"].is_undefined_length = compressed


def _compressed(pixels: bytes, dataset: Dataset) -> bytes:
    """Return one frame as GDCM encodes it without loss."""
    writer = gdcm.ImageWriter()  # owns the image: it must outlive it
    image = writer.GetImage()
    image.SetNumberOfDimensions(2)
    image.SetDimensions((dataset.Columns, dataset.Rows, 1))
    image.SetPhotometricInterpretation(gdcm.PhotometricInterpretation(gdcm.PhotometricInterpretation.MONOCHROME2))
    image.SetTransferSyntax(gdcm.TransferSyntax(gdcm.TransferSyntax.ImplicitVRLittleEndian))
    image.SetPixelFormat(
        gdcm.PixelFormat(1, 16, dataset.BitsStored, dataset.HighBit, dataset.PixelRepresentation),
    )
    element = gdcm.DataElement(gdcm.Tag(0x7FE0, 0x0010))
    element.SetByteStringValue(pixels)
    image.SetDataElement(element)
    change = gdcm.ImageChangeTransferSyntax()
    change.SetTransferSyntax(gdcm.TransferSyntax(GDCM_SYNTAX[dataset.file_meta.TransferSyntaxUID]))
    change.SetInput(image)
    assert change.Change(), "GDCM refuses to encode the frame"
    fragment = change.GetOutput().GetDataElement().GetSequenceOfFragments().GetFragment(0)
    return fragment.GetByteValue().GetBuffer().encode("utf-8", "surrogateescape")
