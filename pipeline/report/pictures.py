"""A stored volume to three pictures that stand in the page itself."""

from base64 import b64encode
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from io import BytesIO
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from pipeline.report.planes import VIEWS, Plane, View, plane_of
from pipeline.store import StoredVolume

LONGEST_SIDE = 320
"""Pixels of the longest side of a volume's pictures: sharp enough beside each other, some 30 kB a series."""

QUALITY = 70

LUNG_TISSUE_HU = (-900.0, -500.0)
LUNG_LEAST_SHARE = 0.25
"""Of all that is denser than air in the middle of the planes, so much must be lung for the lung window to be chosen."""

Values = NDArray[np.float32]


@dataclass(frozen=True)
class Window:
    """The range of values shown from black to white, and how it is written; values that are not HU have no unit."""

    name: str
    low: float
    high: float
    unit: str = "HU"
    digits: int = 0


LUNG = Window("lung", -1350.0, 150.0)
SOFT_TISSUE = Window("soft tissue", -160.0, 240.0)


@dataclass(frozen=True)
class Picture:
    """A picture as a data URI, true to scale: all pictures of a volume have the same millimetres a pixel."""

    view: View
    uri: str
    width: int
    height: int


@dataclass(frozen=True)
class Pictures:
    """The pictures of a volume and the window they are shown in."""

    window: Window
    planes: tuple[Picture, ...]


def pictures_of(stored: StoredVolume) -> Pictures:
    """Take the three middle planes of a stored volume, in HU where they can be turned back into HU."""
    planes = [plane_of(stored.array, stored.geometry, view) for view in VIEWS]
    hu = hu_line(stored.attributes)
    values = [_unpacked(plane.values, stored.array.attrs) for plane in planes]
    if hu is not None:
        values = [value * np.float32(hu[0]) + np.float32(hu[1]) for value in values]
    window = window_for(values, in_hu=hu is not None)
    px_per_mm = LONGEST_SIDE / max(max(plane.height_mm, plane.width_mm) for plane in planes)
    return Pictures(
        window, tuple(_picture(plane, value, window, px_per_mm) for plane, value in zip(planes, values, strict=True))
    )


def hu_line(attributes: Mapping[str, Any]) -> tuple[float, float] | None:
    """Return a and b of ``HU = a * value + b`` for a store's first channel, or None where there is no way back."""
    if attributes.get("units") == "HU":
        return 1.0, 0.0
    inverse = attributes.get("inverse")
    first = inverse[0] if isinstance(inverse, list) and inverse else inverse
    return (float(first["a"]), float(first["b"])) if first else None


def window_for(planes: Sequence[Values], *, in_hu: bool) -> Window:
    """Return the window that suits the values, no wider than they are.

    Lung is looked for in the middle half of the planes alone: what a patient lies on has the density of lung as well.
    """
    values = np.concatenate([plane.ravel() for plane in planes])
    if not in_hu:
        low, high = np.percentile(values, (1, 99))
        return Window("stored values", float(low), max(float(high), np.nextafter(low, np.inf)), unit="", digits=3)
    middle = np.concatenate([_middle(plane) for plane in planes])
    dense = middle > LUNG_TISSUE_HU[0]
    lung = np.count_nonzero(dense & (middle < LUNG_TISSUE_HU[1]))
    fit = LUNG if lung > LUNG_LEAST_SHARE * np.count_nonzero(dense) else SOFT_TISSUE
    low, high = max(fit.low, float(values.min())), min(fit.high, float(values.max()))
    return Window(fit.name, low, high) if low < high else fit


def _middle(plane: Values) -> Values:
    height, width = plane.shape
    return plane[height // 4 : height - height // 4, width // 4 : width - width // 4].ravel()


def _unpacked(values: NDArray[Any], packing: Mapping[str, Any]) -> Values:
    """Return what stored numbers stand for (CF conventions 8.1)."""
    scale, offset = packing.get("scale_factor"), packing.get("add_offset")
    unpacked: Values = values.astype(np.float32)
    return unpacked * np.float32(1 if scale is None else scale) + np.float32(0 if offset is None else offset)


def _picture(plane: Plane, values: Values, window: Window, px_per_mm: float) -> Picture:
    grey = np.clip((values - window.low) / (window.high - window.low), 0, 1) * 255
    size = (max(round(plane.width_mm * px_per_mm), 1), max(round(plane.height_mm * px_per_mm), 1))
    image = Image.fromarray(np.rint(grey).astype(np.uint8)).resize(size, Image.Resampling.BILINEAR)
    return Picture(plane.view, _data_uri(image), *size)


def _data_uri(image: Image.Image) -> str:
    file = BytesIO()
    image.save(file, "WEBP", quality=QUALITY)
    return f"data:image/webp;base64,{b64encode(file.getvalue()).decode('ascii')}"
