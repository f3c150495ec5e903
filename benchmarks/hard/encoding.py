"""Series in files that break a rule of DICOM's encoding, where one reading is left."""

import os
from collections.abc import Callable
from pathlib import Path

from phantoms import put_raw
from pydicom import Dataset, dcmread, dcmwrite
from pydicom.encaps import encapsulate, generate_frames
from pydicom.uid import JPEGLosslessSV1, JPEGLSLossless

from hard.phantom import Part
from hard.stack import write

DELIMITER = b"\xfe\xff\xdd\xe0" + bytes(4)
PATIENT_NAME = b"\x10\x00\x10\x00PN"
"""How the first element of group 0010 begins in explicit VR."""
PRIVATE = b"\x09\x00\x10\x00LO\x04\x00ACME" + b"\x09\x00\x01\x10  \x04\x00\x01\x02\x03\x04"
"""A private creator, and an element of its whose VR is two spaces."""


def rewritten(folder: Path, rewrite: Callable[[bytes], bytes], **wanted: str) -> tuple[Part, ...]:
    """Write a stack, and each file anew as ``rewrite`` has it."""
    part, paths = write(folder, **wanted)
    for path in paths:
        path.write_bytes(rewrite(path.read_bytes()))
    return (part,)


def private_without_vr(content: bytes) -> bytes:
    """Put a private element in whose VR is two spaces."""
    before, found, after = content.partition(PATIENT_NAME)
    return before + PRIVATE + found + after


def without_delimiter(content: bytes) -> bytes:
    """Cut the delimiter off that ends the fragments."""
    return content.removesuffix(DELIMITER)


def no_delimiter(folder: Path) -> tuple[Part, ...]:
    """Write JPEG lossless files that end with their last fragment."""
    return rewritten(folder, without_delimiter, transfer_syntax=JPEGLosslessSV1)


def filled_with_ff(folder: Path) -> tuple[Part, ...]:
    """Write JPEG-LS streams of an odd length, filled up with 0xFF after their end marker."""
    part, paths = write(folder, transfer_syntax=JPEGLSLossless)
    for path in paths:
        dataset = dcmread(path)
        (stream,) = generate_frames(dataset.PixelData, number_of_frames=1)
        end = stream.rindex(b"\xff\xd9") + 2
        dataset.PixelData = encapsulate([stream[:end] + b"\xff" * (2 - end % 2)])
        dataset.save_as(path)
    return (part,)


def two_fragments(folder: Path) -> tuple[Part, ...]:
    """Write JPEG lossless frames in two fragments each, both of them in the offset table."""
    part, paths = write(folder, transfer_syntax=JPEGLosslessSV1)
    for path in paths:
        dataset = dcmread(path)
        (stream,) = generate_frames(dataset.PixelData, number_of_frames=1)
        half = len(stream) // 4 * 2
        dataset.PixelData = encapsulate([stream[:half], stream[half:]])
        dataset.save_as(path)
    return (part,)


def bare(folder: Path) -> tuple[Part, ...]:
    """Write bare data sets in implicit VR: no preamble, no file meta information."""
    part, paths = write(folder)
    for path in paths:
        dataset = dcmread(path)
        kept = Dataset()
        kept.update(dataset)
        dcmwrite(path, kept, implicit_vr=True, little_endian=True)
    return (part,)


def unknown_vr(folder: Path) -> tuple[Part, ...]:
    """Write Rows, Columns and BitsStored as UN."""

    def change(dataset: Dataset, _: int) -> None:
        for keyword in ("Rows", "Columns", "BitsStored"):
            put_raw(dataset, keyword, int(dataset[keyword].value).to_bytes(2, "little"), "UN")

    return (write(folder, change=change)[0],)


def latin_names(folder: Path) -> tuple[Part, ...]:
    """Write a stack whose file names are Latin-1, and no UTF-8."""
    part, paths = write(folder)
    for path in paths:
        path.rename(path.with_name(os.fsdecode(path.stem.encode() + b"\xe9.dcm")))
    return (part,)
