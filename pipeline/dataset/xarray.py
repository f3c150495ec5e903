"""Volumes for xarray: arrays with millimetres along their axes."""

from typing import Any

import numpy as np

from pipeline.dataset.volume import CohortVolume
from pipeline.errors import UsageError

try:
    import xarray
except ModuleNotFoundError as _error:
    _message = "xarray is not installed: pip install 'ctprep[xarray]'"
    raise UsageError(_message) from _error


def to_dataarray(volume: CohortVolume) -> "xarray.DataArray":
    """Return the values with coordinates in millimetres along z, y and x, and the store's attributes.

    A coordinate is the place in the patient (LPS) along the array's own axis: the patient's z, y and x where the volume
    is oriented and not oblique; ``affine_lps`` among the attributes is the truth.
    """
    geometry = volume.geometry
    coordinates: dict[str, Any] = {
        name: (name, float(np.dot(axis, geometry.origin_mm)) + np.arange(n) * mm, {"units": "mm"})
        for name, axis, n, mm in zip(volume.axes, geometry.axes, geometry.shape, geometry.spacing_mm, strict=True)
    }
    if volume.channels:
        coordinates["c"] = list(volume.channels)
    dims = ("c", *volume.axes)[-len(volume.shape) :]
    attributes = dict(volume.attributes)
    return xarray.DataArray(volume.values(), coordinates, dims, name=volume.key, attrs=attributes)
