"""A torso known by a formula: a body with two lungs, on a table, in any order of the array's axes."""

import numpy as np
import volumes

from pipeline.geometry import Geometry, Xyz, Zyx
from pipeline.steps.orient import LPS_AXES
from pipeline.volume import Mask, Volume

AIR_HU, LUNG_HU, TISSUE_HU, TABLE_HU = -1000, -850, 40, 300
BODY_MM, LUNG_MM = (60.0, 85.0), (40.0, 32.0, 28.0)
"""Half axes: of the body along y and x, of a lung along z, y and x."""
LUNGS_AT_MM = 40.0
"""How far to the left and to the right of the middle a lung's middle lies."""
TABLE_MM = 3.0
SHAPE, SPACING_MM = Zyx(40, 100, 130), Zyx(3.0, 1.5, 1.5)


def grid(shape: Zyx[int] = SHAPE, spacing_mm: Zyx[float] = SPACING_MM) -> Geometry:
    """Return an upright grid with the patient's middle in its own."""
    origin = Xyz(*(-(n - 1) / 2 * mm for n, mm in zip(shape[::-1], spacing_mm[::-1], strict=True)))
    return Geometry(shape, spacing_mm, origin, LPS_AXES)


def torso(geometry: Geometry | None = None, *, lungs: int = 2, lung_scale: float = 1.0) -> Volume:
    """Return the torso as a grid shows it; the table is a thin shell that touches the back."""
    geometry = geometry or grid()
    index = np.stack([*np.indices(geometry.shape), np.ones(geometry.shape)])
    x, y, z, _ = np.tensordot(geometry.affine_lps, index, axes=1)
    hu = np.full(geometry.shape, AIR_HU, np.float32)
    hu[(y / BODY_MM[0]) ** 2 + (x / BODY_MM[1]) ** 2 <= 1] = TISSUE_HU
    for side in (-1, 1)[:lungs]:
        half = [mm * lung_scale for mm in LUNG_MM]
        inside = (z / half[0]) ** 2 + (y / half[1]) ** 2 + ((x - side * LUNGS_AT_MM) / half[2]) ** 2 <= 1
        hu[inside] = LUNG_HU
    hu[(y > BODY_MM[0]) & (y <= BODY_MM[0] + TABLE_MM)] = TABLE_HU
    return volumes.volume(hu, geometry)


def turned(geometry: Geometry, order: Zyx[int]) -> Geometry:
    """Return the grid with its array's axes in another order, the first of them flipped."""
    permute = geometry.permute(order)
    start, step = Zyx(permute.shape.z - 1.0, 0.0, 0.0), Zyx(-1.0, 1.0, 1.0)
    return permute.regrid(start, step, permute.shape)


def cut_off(geometry: Geometry, radius_mm: float) -> Mask:
    """Return what a round field of view measures."""
    index = np.stack([*np.indices(geometry.shape), np.ones(geometry.shape)])
    x, y, _, _ = np.tensordot(geometry.affine_lps, index, axes=1)
    inside: Mask = x**2 + y**2 <= radius_mm**2
    return inside
