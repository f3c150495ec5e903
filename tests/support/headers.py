"""Slice headers for tests, as a scan gives them: sound ones, changed as a test needs, without files."""

from dataclasses import is_dataclass, replace
from typing import Any

from pipeline.dicom.files.encoding import EXPLICIT_LE
from pipeline.dicom.headers.slice import CT_IMAGE, Identity, ImagePlane, Pixels, Rescale, Series, SliceHeader
from pipeline.geometry import Xyz
from pipeline.sources.files import FoundFile

SOUND = SliceHeader(
    file=FoundFile("/in/chest/000", 4000, 1),
    identity=Identity(
        sop_class_uid=CT_IMAGE,
        series_instance_uid="1.2.3",
        study_instance_uid="1.2",
        frame_of_reference_uid="1.2.9",
        patient_id="P-1",
        modality="CT",
        image_type=("ORIGINAL", "PRIMARY", "AXIAL"),
    ),
    pixels=Pixels(
        transfer_syntax=EXPLICIT_LE,
        rows=32,
        columns=32,
        samples=1,
        photometric="MONOCHROME2",
        bits_allocated=16,
        bits_stored=12,
        high_bit=11,
        offset=1000,
        length=2048,
    ),
    plane=ImagePlane(
        position=Xyz(0, 0, 0),
        row_direction=Xyz(1, 0, 0),
        column_direction=Xyz(0, 1, 0),
        row_spacing=0.8,
        column_spacing=0.7,
        thickness=2.5,
        spacing_between_slices=2.5,
    ),
    rescale=Rescale(slope=1, intercept=-1024, kind="HU"),
    reconstruction=("STANDARD", 120.0, 2.5, None),
)
"""A slice without fault."""


def changed(header: SliceHeader, **changes: Any) -> SliceHeader:
    """Return a header with other fields; a dict changes fields of a part: ``pixels={"rows": 64}``."""
    new = {}
    for name, value in changes.items():
        part = getattr(header, name)
        new[name] = replace(part, **value) if is_dataclass(part) and isinstance(value, dict) else value
    return replace(header, **new)


def slice_at(z: int, step_mm: float = 2.5, **changes: Any) -> SliceHeader:
    """Return slice ``z`` of a sound series, counted from the feet, changed as told."""
    header = changed(
        SOUND,
        file=FoundFile(f"/in/chest/{z:03}", 4000, 1),
        identity={"sop_instance_uid": f"1.2.3.{z + 1}"},
        plane={"position": Xyz(0.0, 0.0, z * step_mm)},
        instance_number=z + 1,
    )
    return changed(header, **changes)


def series_of(*slices: SliceHeader) -> Series:
    """Return slices as a series, under the UID of the first."""
    return Series((slices[0].identity.series_instance_uid,), slices)


def sound_series(n: int = 5, **changes: Any) -> Series:
    """Return a series whose slices are all changed alike."""
    return series_of(*(slice_at(z, **changes) for z in range(n)))
