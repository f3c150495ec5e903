"""Slice headers for tests, made in code: only what the places of slices need."""

from collections.abc import Iterable
from math import cos, radians, sin
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pipeline.dicom.headers.slice import CT_IMAGE, Identity, ImagePlane, Pixels, SliceHeader
from pipeline.geometry import Xyz
from pipeline.sources.files import FoundFile

ROWS, COLUMNS = 24, 20
ROW_MM, COLUMN_MM = 0.8, 0.7


def turned(degrees: tuple[float, float, float]) -> tuple[Xyz, Xyz]:
    """Return the row and column directions of a slice turned about x, then y, then z."""
    turn = np.eye(3)
    for axis, angle in enumerate(degrees):
        one, other = (axis + 1) % 3, (axis + 2) % 3
        rotation = np.eye(3)
        rotation[one, one] = rotation[other, other] = cos(radians(angle))
        rotation[other, one] = sin(radians(angle))
        rotation[one, other] = -rotation[other, one]
        turn = rotation @ turn
    return xyz(turn[:, 0]), xyz(turn[:, 1])


def xyz(vector: NDArray[np.float64]) -> Xyz:
    return Xyz(*(float(value) for value in vector))


def header(name: str, position: Xyz | None, **plane: Any) -> SliceHeader:
    """Return a slice of a file called ``name``; keywords are the fields of its plane."""
    directions = {"row_direction": Xyz(1.0, 0.0, 0.0), "column_direction": Xyz(0.0, 1.0, 0.0)}
    return SliceHeader(
        file=FoundFile(path=f"/in/{name}", size=1, mtime_ns=0),
        identity=Identity(sop_class_uid=CT_IMAGE, modality="CT", sop_instance_uid=name, image_type=("ORIGINAL",)),
        pixels=Pixels(rows=ROWS, columns=COLUMNS),
        plane=ImagePlane(position=position, row_spacing=ROW_MM, column_spacing=COLUMN_MM, **(directions | plane)),
    )


def axial(heights: Iterable[float], **plane: Any) -> tuple[SliceHeader, ...]:
    """Return axial slices at these heights."""
    return tuple(header(f"{k:03d}", Xyz(-5.0, 7.0, float(z)), **plane) for k, z in enumerate(heights))


def leaning(
    positions_mm: Iterable[float], drift: tuple[float, float], degrees: tuple[float, float, float]
) -> tuple[SliceHeader, ...]:
    """Return slices at positions along their normal that drift so many millimetres a millimetre along x and y."""
    row, column = turned(degrees)
    normal = np.cross(row, column)
    start = np.array([-31.0, 12.5, 140.0])
    way = normal + drift[0] * np.array(row) + drift[1] * np.array(column)
    return tuple(
        header(f"{k:03d}", xyz(start + position * way), row_direction=row, column_direction=column)
        for k, position in enumerate(positions_mm)
    )
