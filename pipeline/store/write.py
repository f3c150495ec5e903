"""Planes to a store: written aside as they come, described, and forced to disk."""

import json
import shutil
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import zarr
from numpy.typing import NDArray

from pipeline.geometry import Geometry, Zyx
from pipeline.output.durable import hash_store, size_of_store, sync_tree
from pipeline.store.arrays import PlaneWriter, create_array, write_labels
from pipeline.store.layout import Layout, StoreOptions, choose_mask_layout
from pipeline.store.ngff import describe_multiscales, geometry_to_json
from pipeline.store.read import StoredPlanes, read_planes
from pipeline.volume import Mask

FORMAT = "ctprep-volume"
FORMAT_VERSION = 1

_ZARR_SETTINGS = {"threading.max_workers": 1, "async.concurrency": 1, "json_indent": 2}
"""One thread a task, and the same bytes whatever the user's zarr is set to."""


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
def create_store(folder: Path, options: StoreOptions) -> Iterator["NewStore"]:
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
        """Write the planes of a level as they come; beside the finest, 0, also the mask."""
        _write_planes(self, str(level), content, with_mask=level == 0 and self.options.mask is not False)

    def planes(self, level: int = 0) -> StoredPlanes:
        """Return the planes of a level that was written; beside the finest also the mask."""
        return read_planes(self.group, str(level), None if level else "mask")

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
        with ThreadPoolExecutor(1) as beside:  # the disk works while the processor does
            on_disk = beside.submit(sync_tree, self.folder)
            receipt = StoreReceipt(n_bytes=size_of_store(self.folder), sha256=hash_store(self.folder))
            on_disk.result()
        return receipt


def _write_planes(store: "NewStore", name: str, content: StoreContent, *, with_mask: bool) -> None:
    layout = Layout.of(content.shape, np.dtype(content.dtype), store.options)
    packing = {"scale_factor": content.scale_factor, "add_offset": content.add_offset}
    image = create_array(
        store.group,
        name,
        content.shape,
        np.dtype(content.dtype),
        layout,
        store.options,
        fill_value=content.fill_value,
        attributes={key: value for key, value in packing.items() if value is not None},
    )
    mask = _MaskWriter(store, content.geometry.shape, layout) if with_mask else None
    for z in range(content.geometry.shape.z):
        plane, valid = content.planes(z)
        image.put(plane)
        if mask:
            mask.put(valid)


class _MaskWriter:
    """Writes the mask as the image is written; with ``mask: auto`` there is none until a voxel is not measured."""

    def __init__(self, store: "NewStore", shape: Zyx[int], layout: Layout) -> None:
        self._store, self._shape, self._layout = store, shape, choose_mask_layout(layout, shape)
        self._all = np.ones(shape[1:], np.uint8)
        self._n_whole = 0
        self._planes = self._created() if store.options.mask is True else None

    def put(self, valid: Mask | None) -> None:
        """Take the next plane's mask, None where all of it was measured."""
        if self._planes is None and valid is not None and not valid.all():
            self._planes = self._created()
            for _ in range(self._n_whole):
                self._planes.put(self._all)
        if self._planes is None:
            self._n_whole += 1
        else:
            self._planes.put(self._all if valid is None else valid.view(np.uint8))

    def _created(self) -> PlaneWriter:
        options = self._store.options
        return create_array(self._store.group, "mask", tuple(self._shape), np.dtype("uint8"), self._layout, options)


def _group_attributes(
    content: StoreContent, attributes: Mapping[str, Any], coarser: Sequence[Geometry]
) -> dict[str, Any]:
    identity = {"format": FORMAT, "format_version": FORMAT_VERSION}
    channels = {} if content.channels is None else {"channels": list(content.channels)}
    return {
        "ome": describe_multiscales(content.geometry, *coarser, has_channels=content.channels is not None),
        "ctprep": identity | geometry_to_json(content.geometry) | channels | dict(attributes),
    }
