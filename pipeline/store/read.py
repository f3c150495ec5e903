"""Reading of a store: opened lazily, or plane by plane."""

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import zarr
from numpy.typing import NDArray

from pipeline.geometry import Geometry, Zyx
from pipeline.store.ngff import geometry_from_json
from pipeline.volume import Mask


@dataclass(frozen=True, eq=False)
class StoredVolume:
    """An open store; ``array``, ``mask`` and ``labels`` are read when they are indexed."""

    array: "zarr.Array[Any]"
    mask: "zarr.Array[Any] | None"
    attributes: dict[str, Any]
    geometry: Geometry
    labels: "dict[str, zarr.Array[Any]]" = field(default_factory=dict)


def open_store(path: Path) -> StoredVolume:
    """Open a store for reading; law: arrays are read as they were written, bit for bit."""
    group = zarr.open_group(path, mode="r", zarr_format=3, use_consolidated=False)
    attributes: dict[str, Any] = dict(group.attrs["ctprep"])  # type: ignore[arg-type]  # JSON: an object, as written
    array = _array(group, "0")
    return StoredVolume(
        array=array,
        mask=_array(group, "mask") if "mask" in group else None,
        attributes=attributes,
        geometry=geometry_from_json(attributes, Zyx(*array.shape[-3:])),
        labels=_open_labels(group),
    )


def _open_labels(group: zarr.Group) -> "dict[str, zarr.Array[Any]]":
    """Return the label images by name, in full size; older stores hold them as plain arrays."""
    labels = group.get("labels")
    found = {}
    for name, member in labels.members() if isinstance(labels, zarr.Group) else ():
        found[name] = _array(member, "0") if isinstance(member, zarr.Group) else member
    return dict(sorted(found.items()))


def read_label_names(path: Path, name: str) -> dict[int, str]:
    """Return the names of a label image's numbers, or of its layers, counted from 1; empty where it has none."""
    labels: Any = zarr.open_group(path, mode="r", use_consolidated=False)["labels"]
    attributes: dict[str, Any] = dict(labels[name].attrs)
    layers = attributes.get("ctprep", {}).get("layers", [])
    properties = attributes.get("ome", {}).get("image-label", {}).get("properties", [])
    named = {int(one["label-value"]): str(one["name"]) for one in properties}
    return named or {number: str(layer) for number, layer in enumerate(layers, start=1)}


def _array(group: zarr.Group, name: str) -> "zarr.Array[Any]":
    member = group[name]
    if not isinstance(member, zarr.Array):
        msg = f"{name} is no array"
        raise TypeError(msg)
    return member


StoredPlanes = Callable[[int], tuple[NDArray[Any], Mask | None]]
"""A function from z to a plane [c, y, x] as it is stored, and its valid mask [y, x], None if valid everywhere."""


def read_planes(group: zarr.Group, image: str, mask: str | None) -> StoredPlanes:
    """Return the planes of an image, and of the mask if it exists; one layer of chunks is in memory."""
    voxels = read_array_planes(group[image])
    valid = read_array_planes(group[mask]) if mask is not None and mask in group else None

    def plane(z: int) -> tuple[NDArray[Any], Mask | None]:
        return voxels(z), None if valid is None else valid(z)[0].astype(np.bool_)

    return plane


def read_array_planes(array: Any) -> Callable[[int], NDArray[Any]]:
    """Return a function from z to a plane [c, y, x], with one channel where the array has no channel axis."""
    depth = array.chunks[-3]

    @lru_cache(maxsize=1)
    def layer(start: int) -> NDArray[Any]:
        planes: NDArray[Any] = array[..., start : start + depth, :, :]
        return planes.reshape(-1, *planes.shape[-3:])

    return lambda z: layer(z - z % depth)[:, z % depth]
