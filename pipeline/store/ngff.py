"""A geometry as metadata: OME-NGFF 0.5 multiscales and ctprep's own affines, and back.

Sources: https://ngff.openmicroscopy.org/0.5 (axes, multiscales) and its RFC-4 (orientation).
"""

from collections.abc import Mapping
from math import hypot
from typing import Any

import numpy as np

from pipeline.geometry import LPS_AXES, Geometry, Xyz, Zyx

NGFF_VERSION = "0.5"

EXACT_WITHIN = 1e-4
"""The largest difference of an axis' cosines from the patient's: 0.05 mm over half a metre."""

_DIRECTIONS = {
    "L": "right-to-left",
    "R": "left-to-right",
    "P": "anterior-to-posterior",
    "A": "posterior-to-anterior",
    "S": "inferior-to-superior",
    "I": "superior-to-inferior",
}
"""RFC-4's names, by the side of the patient towards which an index grows."""


def is_exact_in_ngff(geometry: Geometry, names: str = "zyx") -> bool:
    """Return whether scale and translation describe the geometry exactly: the array's axes are the patient's.

    ``names`` are those of the array's axes, in their order.
    """
    patient = [LPS_AXES["zyx".index(name)] for name in names]
    return bool(np.allclose(geometry.axes, patient, rtol=0, atol=EXACT_WITHIN))


def orientation_of(geometry: Geometry, names: str = "zyx") -> str:
    """Return the sides of the patient towards which x, y and z grow, wherever they stand among the array's axes."""
    return "".join(geometry.sides[names.index(name)] for name in "xyz")


def describe_multiscales(
    geometry: Geometry, *coarser: Geometry, has_channels: bool, name: str = "volume", axes: str = "zyx"
) -> dict[str, Any]:
    """Return the ``ome`` attribute of a group whose array ``0`` lies on the grid, and ``1`` ... on coarser ones.

    The translation is the coordinate of voxel [0, 0, 0] along each array axis: where the axes are the patient's, the
    origin's z, y and x.  An oblique grid is described along its own axes; ``affine_lps`` is exact.  ``axes`` are the
    names of the array's axes, in their order.
    """
    datasets = [
        _describe_dataset(level, grid, has_channels=has_channels) for level, grid in enumerate((geometry, *coarser))
    ]
    channel_axis = [{"name": "c", "type": "channel"}] if has_channels else []
    image = {"name": name, "axes": channel_axis + _describe_space_axes(geometry, axes), "datasets": datasets}
    return {"version": NGFF_VERSION, "multiscales": [image]}


def _describe_dataset(level: int, geometry: Geometry, *, has_channels: bool) -> dict[str, Any]:
    scale = [float(mm) for mm in geometry.spacing_mm]
    translation = [float(np.dot(axis, geometry.origin_mm)) + 0.0 for axis in geometry.axes]
    leading_scale, leading_translation = ([1.0], [0.0]) if has_channels else ([], [])
    return {
        "path": str(level),
        "coordinateTransformations": [
            {"type": "scale", "scale": leading_scale + scale},
            {"type": "translation", "translation": leading_translation + translation},
        ],
    }


def _describe_space_axes(geometry: Geometry, names: str) -> list[dict[str, Any]]:
    return [
        {
            "name": name,
            "type": "space",
            "unit": "millimeter",
            "orientation": {"type": "anatomical", "value": _DIRECTIONS[side]},
        }
        for name, side in zip(names, geometry.sides, strict=True)
    ]


def geometry_to_json(geometry: Geometry) -> dict[str, Any]:
    """Return the geometry's own attributes; ``affine_lps`` turns an index (z, y, x, 1) into LPS millimetres."""
    return {
        "spacing_mm": [float(mm) for mm in geometry.spacing_mm],
        "origin_mm": [float(mm) for mm in geometry.origin_mm],
        "affine_lps": (geometry.affine_lps + 0.0).tolist(),
        "affine_ras": (geometry.affine_ras + 0.0).tolist(),
    }


def geometry_from_json(attributes: Mapping[str, Any], shape: Zyx[int]) -> Geometry:
    """Return the geometry in the attributes; only the axes are computed, the rest is as stored."""
    columns = np.array(attributes["affine_lps"])[:3, :3].T
    return Geometry(
        shape=shape,
        spacing_mm=Zyx(*attributes["spacing_mm"]),
        origin_mm=Xyz(*attributes["origin_mm"]),
        axes=Zyx(*(Xyz(*(float(value) / hypot(*column) for value in column)) for column in columns)),
    )
