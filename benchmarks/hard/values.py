"""Series whose stored values mean something else than their headers say, and maps that are no Hounsfield units."""

from pathlib import Path

import numpy as np
from pydicom import Dataset

from hard.phantom import AIR_HU, Part, hu_at
from hard.stack import SIDE, placed, points_of, write

OVERLAY_BIT, OVERLAY_GROUP = 12, 0x6000
UNDECLARED_BITS = 12


def overlay_bits(folder: Path) -> tuple[Part, ...]:
    """Write a stack whose bit 12 is an overlay: a frame, and a bar across the body."""
    drawn = np.zeros((SIDE, SIDE), "<u2")
    drawn[[4, -5], 4:-4], drawn[4:-4, [4, -5]], drawn[20:23, 10:40] = 1, 1, 1

    def change(dataset: Dataset, _: int) -> None:
        stored = np.frombuffer(dataset.PixelData, "<u2").reshape(SIDE, SIDE)
        dataset.PixelData = (stored | drawn << OVERLAY_BIT).tobytes()
        for element, vr, value in (
            *((0x0010, "US", SIDE), (0x0011, "US", SIDE), (0x0040, "CS", "G"), (0x0050, "SS", [1, 1])),
            *((0x0100, "US", 16), (0x0102, "US", OVERLAY_BIT)),
        ):
            dataset.add_new((OVERLAY_GROUP, element), vr, value)

    return (write(folder, change=change)[0],)


def sixteen_bits_called_twelve(folder: Path, *, has_metal: bool) -> tuple[Part, ...]:
    """Write signed values of 16 bits, and say that 12 are stored: only metal needs more, else the sign runs on."""

    def change(dataset: Dataset, _: int) -> None:
        dataset.BitsStored, dataset.HighBit = UNDECLARED_BITS, UNDECLARED_BITS - 1

    return (write(folder, signed=True, bits_stored=16, intercept=0, has_metal=has_metal, change=change)[0],)


def parameter_map(folder: Path, *, kind: str, rescale_type: str | None, most: float) -> tuple[Part, ...]:
    """Write a map of a parameter as CT images: 0 around the body, up to ``most`` in it.  No part of it is HU."""

    def change(dataset: Dataset, _: int) -> None:
        dataset.ImageType, dataset.SeriesDescription = ["DERIVED", "SECONDARY", "AXIAL", kind], "RESULT"
        del dataset.RescaleType
        if rescale_type:
            dataset.RescaleType = rescale_type

    hu = hu_at(points_of(**placed()), contrast=1.0)
    values = np.clip((hu - AIR_HU - 500) / 1500, 0, 1) * most
    write(folder, hu=values, intercept=0, change=change)
    return ()


def labelled(folder: Path, image_type: str = "AXIAL", rescale_type: str = "HU") -> tuple[Part, ...]:
    """Write a stack in Hounsfield units with another ImageType or RescaleType."""

    def change(dataset: Dataset, _: int) -> None:
        if image_type != "AXIAL":
            dataset.ImageType = ["DERIVED", "SECONDARY", "AXIAL", image_type]
        dataset.RescaleType = rescale_type

    return (write(folder, change=change)[0],)
