"""A store to read: opened lazily."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import zarr

from pipeline.axes import Zyx
from pipeline.geometry import Geometry
from pipeline.store.ngff import geometry_from_json


@dataclass(frozen=True, eq=False)
class StoredVolume:
    """An open store: nothing is read from ``array``, ``mask`` and ``labels`` until they are indexed."""

    array: "zarr.Array[Any]"
    mask: "zarr.Array[Any] | None"
    attributes: dict[str, Any]
    geometry: Geometry
    labels: "dict[str, zarr.Array[Any]]" = field(default_factory=dict)


def open_store(path: Path) -> StoredVolume:
    """Open a store for reading; law: what was written is what is read, bit for bit."""
    group = zarr.open_group(path, mode="r", zarr_format=3, use_consolidated=False)
    attributes: dict[str, Any] = dict(group.attrs["ctprep"])  # type: ignore[arg-type]  # JSON: an object, as written
    array = _array(group, "0")
    return StoredVolume(
        array=array,
        mask=_array(group, "mask") if "mask" in group else None,
        attributes=attributes,
        geometry=geometry_from_json(attributes, Zyx(*array.shape[-3:])),
        labels=dict(group.require_group("labels").arrays()) if "labels" in group else {},
    )


def _array(group: zarr.Group, name: str) -> "zarr.Array[Any]":
    member = group[name]
    if not isinstance(member, zarr.Array):
        msg = f"{name} is no array"
        raise TypeError(msg)
    return member
