"""A stored volume to one PNG file: its three middle planes beside each other, true to scale."""

from io import BytesIO

import numpy as np
from PIL import Image

from pipeline.report.planes import VIEWS, Planes, planes_of
from pipeline.report.windows import Values, Window, hu_line, unpacked, windows_for
from pipeline.store.read import StoredVolume

LONGEST_SIDE = 640
"""Pixels of a plane at most; below that the finest spacing is one pixel."""

GAP = 8
"""Black pixels between two planes."""


def snapshot_of(stored: StoredVolume) -> bytes:
    """Return axial, coronal and sagittal plane; of several channels the first, in HU where there is a way back."""
    array = np.asarray(stored.array[(0,) * (stored.array.ndim - 3)])
    views = [planes_of(array, stored.geometry, view, (0.5,)) for view in VIEWS]
    values = [_values(planes, stored) for planes in views]
    window = windows_for(values, in_hu=hu_line(stored.attributes) is not None)[0]
    px_per_mm = _scale(stored, views)
    images = [_image(planes, plane, window, px_per_mm) for planes, plane in zip(views, values, strict=True)]
    return _png(_side_by_side(images))


def _values(planes: Planes, stored: StoredVolume) -> Values:
    a, b = hu_line(stored.attributes) or (1.0, 0.0)
    return unpacked(planes.values[0], stored.array.attrs) * np.float32(a) + np.float32(b)


def _scale(stored: StoredVolume, views: list[Planes]) -> float:
    longest_mm = max(max(planes.height_mm, planes.width_mm) for planes in views)
    return min(1 / min(stored.geometry.spacing_mm), LONGEST_SIDE / longest_mm)


def _image(planes: Planes, values: Values, window: Window, px_per_mm: float) -> Image.Image:
    size = (max(round(planes.width_mm * px_per_mm), 1), max(round(planes.height_mm * px_per_mm), 1))
    return Image.fromarray(window.grey(values)).resize(size, Image.Resampling.BILINEAR)


def _side_by_side(images: list[Image.Image]) -> Image.Image:
    width = sum(image.width for image in images) + GAP * (len(images) - 1)
    sheet = Image.new("L", (width, max(image.height for image in images)))
    left = 0
    for image in images:
        sheet.paste(image, (left, 0))
        left += image.width + GAP
    return sheet


def _png(image: Image.Image) -> bytes:
    file = BytesIO()
    image.save(file, "PNG")
    return file.getvalue()
