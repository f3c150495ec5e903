"""Writing of a store: planes as they come, label images, then metadata, then a sync to disk.

Label images are those of OME-NGFF 0.5: ``labels`` lists its members, each is a multiscale image
(https://ngff.openmicroscopy.org/0.5, labels and image-label).
"""

import json
import shutil
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import zarr
from numpy.typing import NDArray

from pipeline.geometry import Geometry, Zyx
from pipeline.output.durable import hash_store, size_of_store, sync_tree
from pipeline.store.arrays import PlaneWriter, create_array
from pipeline.store.layout import Axes, Layout, StoreOptions, choose_mask_layout
from pipeline.store.ngff import NGFF_VERSION, describe_multiscales, geometry_to_json
from pipeline.store.read import StoredPlanes, read_planes
from pipeline.volume import Mask

FORMAT = "ctprep-volume"
FORMAT_VERSION = 1

_ZARR_SETTINGS = {"threading.max_workers": 1, "async.concurrency": 1, "json_indent": 2}
"""One thread per task, and the same bytes under any zarr settings of the user."""

Labels = NDArray[np.integer[Any]]


@dataclass(frozen=True, eq=False)
class LabelImage:
    """Labels [z, y, x], or [region, z, y, x] with a layer for each region; 0 where nothing is.

    ``levels`` are the labels on the image's own grid, then on each coarser one.  ``names`` are those of the numbers
    that the configuration gives a name.
    """

    levels: tuple[Labels, ...]
    names: Mapping[int, str] = field(default_factory=dict)


@dataclass(frozen=True, eq=False, kw_only=True)
class StoreContent:
    """The content of a store.

    ``planes`` is called once for each z, from 0 on.  ``channels`` names a leading c axis, if any.  ``scale_factor`` and
    ``add_offset`` turn stored integers into normalised values (CF conventions 8.1).  ``fill_value`` is the value of
    missing chunks: that of padding.
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

    @property
    def packing(self) -> dict[str, float]:
        """The attributes of CF packing, empty where values are stored directly."""
        packing = {"scale_factor": self.scale_factor, "add_offset": self.add_offset}
        return {key: value for key, value in packing.items() if value is not None}


@dataclass(frozen=True)
class StoreReceipt:
    """Size and hash of a store, for the manifest."""

    n_bytes: int
    sha256: str


@contextmanager
def create_store(folder: Path, options: StoreOptions) -> Iterator["NewStore"]:
    """Create a store in a new folder; the folder is removed if anything is raised inside.

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
    """A store that is being written: first its planes, then its attributes."""

    folder: Path
    group: zarr.Group
    options: StoreOptions

    def write(self, content: StoreContent, level: int = 0) -> None:
        """Write the planes of a level as they come; with level 0 also the mask."""
        _write_planes(self, str(level), content, with_mask=level == 0 and self.options.mask is not False)

    def planes(self, level: int = 0) -> StoredPlanes:
        """Return the planes of a level that was written; of level 0 also the mask."""
        return read_planes(self.group, str(level), None if level else "mask")

    def write_labels(self, images: Mapping[str, LabelImage], grids: Sequence[Geometry]) -> None:
        """Write label images by name; ``grids`` are those of the image's levels, which were written before."""
        write_labels(self.group, images, grids, self.options.of_labels)

    def finish(
        self, content: StoreContent, attributes: Mapping[str, Any], coarser: Sequence[Geometry] = ()
    ) -> StoreReceipt:
        """Write the attributes of the group, sync all files to disk, and return the store's size and hash.

        ``attributes`` are those of ``ctprep`` except format and geometry; raises ValueError if one is no JSON.
        ``coarser`` are the grids of the levels above 0.  Law: the same content, attributes and options give the same
        bytes.
        """
        group_attributes = _group_attributes(content, attributes, coarser, self.options.axes)
        json.dumps(group_attributes, allow_nan=False)
        self.group.attrs.update(group_attributes)
        with ThreadPoolExecutor(1) as beside:  # sync while the processor hashes
            on_disk = beside.submit(sync_tree, self.folder)
            receipt = StoreReceipt(n_bytes=size_of_store(self.folder), sha256=hash_store(self.folder))
            on_disk.result()
        return receipt


def _write_planes(store: "NewStore", name: str, content: StoreContent, *, with_mask: bool) -> None:
    layout = Layout.of(content.shape, np.dtype(content.dtype), store.options)
    image = create_array(
        store.group,
        name,
        content.shape,
        np.dtype(content.dtype),
        layout,
        store.options,
        fill_value=content.fill_value,
        attributes=content.packing,
    )
    mask = _MaskWriter(store, content.geometry.shape, layout) if with_mask else None
    for z in range(content.geometry.shape.z):
        plane, valid = content.planes(z)
        image.put(plane)
        if mask:
            mask.put(valid)


class _MaskWriter:
    """Writes the mask beside the image; with ``mask: auto`` it is created at the first voxel that is not valid."""

    def __init__(self, store: "NewStore", shape: Zyx[int], layout: Layout) -> None:
        self._store, self._shape, self._layout = store, shape, choose_mask_layout(layout, shape)
        self._all = np.ones(shape[1:], np.uint8)
        self._n_whole = 0
        self._planes = self._create() if store.options.mask is True else None

    def put(self, valid: Mask | None) -> None:
        """Add the mask of the next plane, None if it is valid everywhere."""
        if self._planes is None and valid is not None and not valid.all():
            self._planes = self._create()
            for _ in range(self._n_whole):
                self._planes.put(self._all)
        if self._planes is None:
            self._n_whole += 1
        else:
            self._planes.put(self._all if valid is None else valid.view(np.uint8))

    def _create(self) -> PlaneWriter:
        options = self._store.options.of_labels
        return create_array(self._store.group, "mask", tuple(self._shape), np.dtype("uint8"), self._layout, options)


def _group_attributes(
    content: StoreContent, attributes: Mapping[str, Any], coarser: Sequence[Geometry], axes: Axes
) -> dict[str, Any]:
    identity = {"format": FORMAT, "format_version": FORMAT_VERSION}
    channels = {} if content.channels is None else {"channels": list(content.channels)}
    order = {} if axes == "zyx" else {"axes": list(axes)}
    return {
        "ome": describe_multiscales(content.geometry, *coarser, has_channels=content.channels is not None, axes=axes),
        "ctprep": identity | geometry_to_json(content.geometry) | order | channels | dict(attributes),
    }


def write_labels(
    group: zarr.Group, images: Mapping[str, LabelImage], grids: Sequence[Geometry], options: StoreOptions
) -> None:
    """Write each label image to ``labels/<name>``; ``grids`` are those of the levels.  Without any no group is made."""
    if not images:
        return
    folder = group.create_group("labels")
    folder.attrs["ome"] = {"version": NGFF_VERSION, "labels": sorted(images)}
    for name, image in sorted(images.items()):
        _write_image(folder.create_group(name), name, image, grids, options)


def _write_image(
    group: zarr.Group, name: str, image: LabelImage, grids: Sequence[Geometry], options: StoreOptions
) -> None:
    has_layers = image.levels[0].ndim == 4
    described = describe_multiscales(*grids, has_channels=has_layers, name=name, axes=options.axes)
    group.attrs["ome"] = described | {"image-label": _describe_label({} if has_layers else image.names)}
    if has_layers and image.names:
        group.attrs["ctprep"] = {"layers": [name for _, name in sorted(image.names.items())]}
    for level, array in enumerate(image.levels):
        planes = create_array(
            group, str(level), array.shape, array.dtype, Layout.of(array.shape, array.dtype, options), options
        )
        for z in range(array.shape[-3]):
            planes.put(array[..., z, :, :])


def _describe_label(names: Mapping[int, str]) -> dict[str, Any]:
    properties = [{"label-value": number, "name": name} for number, name in sorted(names.items())]
    return {"source": {"image": "../../"}} | ({"properties": properties} if properties else {})
