"""Planes to a store: gathered into whole shards, each encoded once, written aside and forced to disk."""

import json
import shutil
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import zarr
from numpy.typing import NDArray

from pipeline.durable import sync_tree
from pipeline.geometry import Geometry
from pipeline.ngff import geometry_to_json, multiscales
from pipeline.store.codec import codec
from pipeline.store.files import hash_store, size_of_store
from pipeline.store.labels import write_labels
from pipeline.store.layout import Layout, mask_chunks
from pipeline.store.options import StoreOptions
from pipeline.store.read_back import StoredPlanes, planes_written
from pipeline.volume import Mask

FORMAT = "ctprep-volume"
FORMAT_VERSION = 1

_ZARR_SETTINGS = {
    "threading.max_workers": 1,
    "async.concurrency": 1,
    "codec_pipeline.batch_size": 64,
    "json_indent": 2,
}
"""One thread a task, one shard in memory at a time, and the same bytes whatever the user's zarr is set to.

Chunks go to the codec many at a time: one by one, zarr spends as long on each as the codec does.
"""


_AS_THEY_ARE: Any = {"order": "C", "write_empty_chunks": True}
"""Chunks of padding alone shrink to some bytes; to look for them, zarr would take longer than to compress them."""


@dataclass(frozen=True, eq=False, kw_only=True)
class StoreContent:
    """What a store shall hold.

    ``planes`` is asked once for each z, from 0 on.  ``channels`` names a leading c axis, if any.  ``scale_factor`` and
    ``add_offset`` turn stored integers into normalised values (CF conventions 8.1).  ``fill_value`` is what
    a reader takes for chunks that are not there: give what padding has become.
    """

    planes: StoredPlanes
    dtype: str
    geometry: Geometry
    channels: tuple[str, ...] | None = None
    scale_factor: float | None = None
    add_offset: float | None = None
    fill_value: float = 0

    @property
    def shape(self) -> tuple[int, ...]:
        """The array's shape: [z, y, x], or [c, z, y, x]."""
        return (*(() if self.channels is None else (len(self.channels),)), *self.geometry.shape)


@dataclass(frozen=True)
class StoreReceipt:
    """What the manifest says of a store's bytes."""

    n_bytes: int
    sha256: str


@contextmanager
def new_store(folder: Path, options: StoreOptions) -> Iterator["NewStore"]:
    """Make a store in a folder that is not there yet; whatever is raised inside, no folder is left.

    Raises FileExistsError, or another OSError where the system refuses.
    """
    folder.mkdir()
    try:
        with zarr.config.set(_ZARR_SETTINGS):
            yield NewStore(folder, zarr.create_group(folder, zarr_format=3), options)
    except BaseException:
        shutil.rmtree(folder, ignore_errors=True)
        raise


@dataclass(frozen=True, eq=False)
class NewStore:
    """A store that is being written: first its planes, then what is known when all of them are."""

    folder: Path
    group: zarr.Group
    options: StoreOptions

    def write(self, content: StoreContent, level: int = 0) -> None:
        """Write the planes of a level, a shard at a time; beside the finest, 0, also the mask."""
        options = replace(self.options, mask=False) if level else self.options
        _write_planes(self.group, str(level), content, options)

    def planes(self, level: int = 0) -> StoredPlanes:
        """Return the planes of a level that was written; beside the finest also the mask."""
        return planes_written(self.group, str(level), None if level else "mask")

    def write_labels(self, labels: Mapping[str, NDArray[Any]]) -> None:
        """Write labels [z, y, x] on the image's grid, by name."""
        write_labels(self.group, labels, self.options)

    def finish(
        self, content: StoreContent, attributes: Mapping[str, Any], coarser: Sequence[Geometry] = ()
    ) -> StoreReceipt:
        """Write the group's attributes, force all to disk, and return the hash of every byte.

        ``attributes`` are ctprep's own but for the format and the geometry; ValueError if one is no JSON.  ``coarser``
        are the grids of the levels above 0.  Law: what is the same, content, attributes and options, gives the same
        bytes.
        """
        told = _group_attributes(content, attributes, coarser)
        json.dumps(told, allow_nan=False)
        self.group.attrs.update(told)
        sync_tree(self.folder)
        return StoreReceipt(n_bytes=size_of_store(self.folder), sha256=hash_store(self.folder))


def _write_planes(group: zarr.Group, name: str, content: StoreContent, options: StoreOptions) -> None:
    layout = Layout.of(content.shape, np.dtype(content.dtype), options)
    image = _create_image(group, name, content, layout, options)
    mask = _MaskWriter(group, content, layout, options)
    n_planes, n_rows, n_columns = content.geometry.shape
    n_channels = len(content.channels or ("",))
    layer = np.empty((n_channels, min(layout.depth, n_planes), n_rows, n_columns), content.dtype)
    measured = np.empty(layer.shape[1:], np.bool_)
    for start in range(0, n_planes, layout.depth):
        depth = min(layout.depth, n_planes - start)
        for z in range(depth):
            layer[:, z], seen = content.planes(start + z)
            measured[z] = True if seen is None else seen
        image[..., start : start + depth, :, :] = layer[:, :depth] if content.channels else layer[0, :depth]
        mask.write(start, measured[:depth])


def _create_image(
    group: zarr.Group, name: str, content: StoreContent, layout: Layout, options: StoreOptions
) -> "zarr.Array[Any]":
    packing = {"scale_factor": content.scale_factor, "add_offset": content.add_offset}
    dtype = np.dtype(content.dtype)
    n_channels = content.shape[:-3]
    return group.create_array(
        name,
        shape=content.shape,
        dtype=dtype,
        chunks=(*(1 for _ in n_channels), *layout.chunks),
        shards=None if layout.shards is None else (*n_channels, *layout.shards),
        compressors=codec(dtype, layout.chunks, options),
        fill_value=dtype.type(content.fill_value),
        dimension_names=("c", "z", "y", "x")[-len(content.shape) :],
        attributes={name: value for name, value in packing.items() if value is not None},
        config=_AS_THEY_ARE,
    )


class _MaskWriter:
    """Writes the mask as the image is written; with ``mask: auto`` there is none until a voxel is not measured."""

    def __init__(self, group: zarr.Group, content: StoreContent, layout: Layout, options: StoreOptions) -> None:
        self._group, self._shape = group, tuple(content.geometry.shape)
        self._options, self._layout = options, layout
        self._array: zarr.Array[Any] | None = self._created() if options.mask is True else None

    def write(self, start: int, measured: Mask) -> None:
        """Write a shard's planes, from ``start`` on."""
        if self._array is None and self._options.mask == "auto" and not measured.all():
            self._array = self._created()
            for before in range(0, start, self._layout.depth):
                self._array[before : before + self._layout.depth] = np.uint8(1)
        if self._array is not None:
            self._array[start : start + len(measured)] = measured.view(np.uint8)

    def _created(self) -> "zarr.Array[Any]":
        dtype, chunks = np.dtype("uint8"), mask_chunks(self._layout.chunks, self._shape)
        sides = (-(-n // chunk) * chunk for n, chunk in zip(self._shape[1:], chunks[1:], strict=True))
        return self._group.create_array(
            "mask",
            shape=self._shape,
            dtype=dtype,
            chunks=tuple(chunks),
            shards=(self._layout.depth, *sides),
            compressors=codec(dtype, chunks, self._options),
            fill_value=0,
            dimension_names=("z", "y", "x"),
            config=_AS_THEY_ARE,
        )


def _group_attributes(
    content: StoreContent, attributes: Mapping[str, Any], coarser: Sequence[Geometry]
) -> dict[str, Any]:
    identity = {"format": FORMAT, "format_version": FORMAT_VERSION}
    channels = {} if content.channels is None else {"channels": list(content.channels)}
    return {
        "ome": multiscales(content.geometry, *coarser, has_channels=content.channels is not None),
        "ctprep": identity | geometry_to_json(content.geometry) | channels | dict(attributes),
    }
