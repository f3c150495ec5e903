"""One series' volume: its arrays as the store holds them, its values, patches of it, and where they lie."""

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from pipeline.dataset.carry import project, restore
from pipeline.dataset.chain import Chain, chain_of
from pipeline.dataset.places import Places, box_around, corners_of
from pipeline.errors import OutputError, UsageError
from pipeline.geometry import Geometry
from pipeline.output.layout import OutputFolder
from pipeline.output.tables import read_rows
from pipeline.sources.address import Address
from pipeline.sources.bucket import Bucket, ObjectFiles
from pipeline.store.chunks import LocalFiles, StoreReader, UnknownLayoutError
from pipeline.store.read import StoredVolume, open_store, read_label_names

Box = tuple[NDArray[np.float64], NDArray[np.float64]]
MEASURED = "mask"
"""The name by which the store's own mask is asked for, beside ``labels/<name>``."""


@lru_cache(maxsize=256)
def _opened(path: Path, _sha256: str, _process: int) -> StoredVolume:
    """Open a store once per process, and again when a run has written another under its name."""
    return open_store(path)


@lru_cache(maxsize=4096)
def _reader(root: Path, store: str, address: Address | None, _sha256: str, _process: int) -> StoreReader:
    """Return what reads a store by its chunks: a few kilobytes once its first patch was read."""
    return StoreReader(LocalFiles(root / store) if address is None else ObjectFiles(_bucket(address, _process), store))


@lru_cache(maxsize=16)
def _bucket(address: Address, _process: int) -> Bucket:
    """Return a bucket, opened once per process: what reaches for it has threads, which no fork survives."""
    return Bucket.open(address, OutputError)


@dataclass(frozen=True)
class CohortVolume:
    """The volume of one series; nothing is read until it is asked for."""

    output: OutputFolder
    row: Mapping[str, Any]
    address: Address | None = None

    @property
    def key(self) -> str:
        """The series' ``series_key``."""
        return str(self.row["series_key"])

    @property
    def _store(self) -> StoredVolume:
        if self.address:
            msg = f"series {self.key} lies in a bucket: values(), patch() and label_patch() read it there"
            raise UsageError(msg)
        return _opened(self.output.root / self.row["store"], self.row["sha256"], os.getpid())

    @property
    def _reader(self) -> StoreReader:
        return _reader(self.output.root, self.row["store"], self.address, self.row["sha256"], os.getpid())

    @property
    def array(self) -> Any:
        """The zarr array [z, y, x] or [c, z, y, x], as it is stored."""
        return self._store.array

    @property
    def mask(self) -> Any | None:
        """The zarr array [z, y, x] that is 1 where a voxel is valid; None where all are."""
        return self._store.mask

    @property
    def labels(self) -> Mapping[str, Any]:
        """The zarr arrays under ``labels/``, by name: [z, y, x], or [region, z, y, x] where regions are layers."""
        return self._store.labels

    @property
    def attributes(self) -> Mapping[str, Any]:
        """The group attribute ``ctprep`` of the store."""
        return self._reader.attributes

    @property
    def geometry(self) -> Geometry:
        """Where the grid lies in the patient."""
        try:
            return self._reader.geometry
        except UnknownLayoutError:
            return self._store.geometry

    @property
    def shape(self) -> tuple[int, ...]:
        """The array's shape, with the leading c where there are channels."""
        try:
            return self._reader.image.shape
        except UnknownLayoutError:
            return tuple(self.array.shape)

    @property
    def axes(self) -> str:
        """The names of the array's axes after c, in their order: ``zyx``, or another order of ``store.axes``."""
        return "".join(self.attributes.get("axes", "zyx"))

    @property
    def channels(self) -> tuple[str, ...] | None:
        """The names along c; None where there is no such axis."""
        return tuple(self.attributes["channels"]) if "channels" in self.attributes else None

    @property
    def units(self) -> str:
        """What the values are: HU or normalised."""
        return str(self.attributes["units"])

    @property
    def is_invertible(self) -> bool:
        """Whether a way leads from the values back to HU, between the limits of the steps."""
        return None not in self._inverses

    def values(self) -> NDArray[Any]:
        """Return the whole volume's values: float32 where integers hold normalised ones, else as stored."""
        return self._unpacked(self._part("0", _whole(self.geometry.shape)))

    def hounsfield(self) -> NDArray[Any]:
        """Return the whole volume in HU, clipped where the steps clipped; raises UsageError where no way leads back."""
        values = self.values()
        if self.units == "HU":
            return values
        pairs = [pair for pair in self._inverses if pair is not None]
        if not self.is_invertible:
            msg = f"series {self.key}: no way leads back to HU from what the steps have made"
            raise UsageError(msg)
        a, b = (np.array([pair[name] for pair in pairs], np.float32).reshape(-1, 1, 1, 1) for name in ("a", "b"))
        hu = values.reshape(-1, *values.shape[-3:]) * a + b
        return np.asarray(hu.reshape(values.shape), np.float32)

    def measured(self) -> NDArray[np.bool_]:
        """Return the mask [z, y, x], True where a voxel is valid."""
        return self.label_patch(MEASURED, (0, 0, 0), self.geometry.shape).view(np.bool_)

    def patch(self, start: Sequence[int], shape: Sequence[int]) -> NDArray[Any]:
        """Return the values from ``start`` [z, y, x] on, reading no more chunks than hold them.

        Beyond the volume lies what padding has become.
        """
        window = PatchWindow.on(self.geometry.shape, start, shape)
        return window.fill(self._unpacked(self._part("0", window.taken)), self._padding)

    def label_patch(self, name: str, start: Sequence[int], shape: Sequence[int]) -> NDArray[Any]:
        """Return a part of ``labels/<name>``, or of the ``mask`` of valid voxels; beyond the volume lies 0."""
        window = PatchWindow.on(self.geometry.shape, start, shape)
        if self.is_whole(name):
            part = np.ones([taken.stop - taken.start for taken in window.taken], np.uint8)
        else:
            part = self._part(name, window.taken)
        return window.fill(part, (0,))

    def _part(self, name: str, taken: Sequence[slice]) -> NDArray[Any]:
        """Return a part of the array ``0``, of the mask or of a label: from its chunks, or as zarr reads them."""
        try:
            found = self._reader.find(name) if name in ("0", MEASURED) else self._reader.label(name)
        except UnknownLayoutError:
            found = None
        if found is not None:
            return found.read(taken)
        array = self.array if name == "0" else self.label(name)
        return np.asarray(array[(..., *taken)])

    def is_whole(self, name: str) -> bool:
        """Tell whether the mask is asked for where every voxel is valid, so that none is stored."""
        try:
            return name == MEASURED and self._reader.mask is None
        except UnknownLayoutError:
            return False

    def label(self, name: str) -> Any:
        """Return the array of a label, or of the ``mask``; raises UsageError where there is none."""
        found = self.mask if name == MEASURED else self.labels.get(name)
        if found is None:
            known = ", ".join(self.labels) or "none"
            msg = f"series {self.key} has no {name}; its labels are: {known}"
            raise UsageError(msg)
        return found

    def visibility(self, name: str) -> dict[str, NDArray[np.int64]]:
        """Return how many voxels each region of ``labels/<name>`` has on each slice [z], by the region's name.

        A region without a name is called by its number.  Slices lie across the array's z, wherever it stands.
        """
        array = np.asarray(self.label(name)[...])
        names = read_label_names(self.output.root / self.row["store"], name)
        along = np.moveaxis(array, self.axes.index("z") - 3, -3)
        if array.ndim == 4:
            layers = dict(enumerate(along != 0, start=1))
        else:
            numbers = sorted({*names, *np.unique(array[array > 0]).tolist()})
            layers = {number: along == number for number in numbers}
        return {names.get(number, str(number)): layer.sum(axis=(1, 2)) for number, layer in layers.items()}

    def to_index(self, world: ArrayLike) -> NDArray[np.float64]:
        """Return the fractional indices [..., (z, y, x)] of points [..., (x, y, z)] in LPS millimetres."""
        return self._places.to_index(np.asarray(world, np.float64))

    def to_world(self, index: ArrayLike) -> NDArray[np.float64]:
        """Return the points [..., (x, y, z)] in LPS millimetres of indices [..., (z, y, x)]."""
        return self._places.to_world(np.asarray(index, np.float64))

    def from_pixel(self, slice_: ArrayLike | str, row: ArrayLike, column: ArrayLike) -> NDArray[np.float64]:
        """Return the fractional indices [..., (z, y, x)] in the store of pixels of the source, as the steps moved them.

        ``slice_`` is ``z_index`` or ``slice_key`` of slices.parquet; ``row`` and ``column`` count pixel centres from 0.
        """
        z = self._z_index(slice_) if isinstance(slice_, str) else slice_
        return self._places.from_source(np.stack(np.broadcast_arrays(z, row, column), axis=-1).astype(np.float64))

    def to_pixel(self, index: ArrayLike) -> NDArray[np.float64]:
        """Return [..., (slice, row, column)] of the source, fractional, of indices [..., (z, y, x)] in the store."""
        return self._places.to_source(np.asarray(index, np.float64))

    def box_from_pixel(self, low: ArrayLike, high: ArrayLike) -> Box:
        """Return the box in the store that holds a box of the source, both by their (slice, row, column) corners.

        Corners are places, not counts: pixels 3 to 7 reach from 2.5 to 7.5.
        """
        return box_around(self._places.from_source(corners_of(low, high)))

    def box_to_pixel(self, low: ArrayLike, high: ArrayLike) -> Box:
        """Return the box of the source that holds a box of the store, both by their corners."""
        return box_around(self._places.to_source(corners_of(low, high)))

    def project(self, array: NDArray[Any]) -> NDArray[Any]:
        """Return an array on the source's grid [slice, row, column] as the steps bring it to the store's.

        Integers and booleans are labels: the nearest one, and 0 where nothing was.  Floats are sampled as the image
        was, and 0 where nothing was.
        """
        return project(self._chain, array)

    def restore(self, array: NDArray[Any], method: Literal["nearest", "linear"] = "nearest") -> NDArray[Any]:
        """Return an array on the store's grid [z, y, x] on the source's [slice, row, column]; 0 beyond it.

        ``linear`` gives float32.  Law: where nothing was resampled, ``restore(project(a)) == a`` but for what was cut.
        """
        return restore(self._places, array, method)

    def _unpacked(self, stored: NDArray[Any]) -> NDArray[Any]:
        packing = self._packing
        if "scale_factor" not in packing:
            return stored
        values: NDArray[Any] = np.multiply(stored, packing["scale_factor"], dtype=np.float32)
        values += np.float32(packing["add_offset"])
        return values

    @property
    def _packing(self) -> Mapping[str, Any]:
        try:
            return self._reader.image.layout.attributes
        except UnknownLayoutError:
            return dict(self.array.attrs)

    @property
    def _padding(self) -> Sequence[float]:
        """What padding has become, a channel."""
        padding: Sequence[float] = self.attributes["padding"]
        return padding

    @property
    def _inverses(self) -> list[dict[str, float] | None]:
        pairs = self.attributes["inverse"]
        return pairs if isinstance(pairs, list) else [pairs]

    @cached_property
    def slices(self) -> list[dict[str, Any]]:
        """The slices that are in the volume, in the order of the stack."""
        rows = read_rows(self.output.slices, "series_key", self.key)
        used = (row for row in rows if row["status"] == "used" and row["z_index"] is not None)
        return sorted(used, key=lambda row: row["z_index"])

    @cached_property
    def _chain(self) -> Chain:
        return chain_of(self.attributes, self.geometry, self.slices)

    @cached_property
    def _places(self) -> Places:
        return Places(self._chain, self.geometry)

    def _z_index(self, slice_key: str) -> int:
        for row in self.slices:
            if row["slice_key"] == slice_key:
                return int(row["z_index"])
        msg = f"series {self.key} has no slice {slice_key}"
        raise UsageError(msg)


@dataclass(frozen=True)
class PatchWindow:
    """Where a window of ``shape`` meets an array: ``taken`` of the array becomes ``placed`` of the window."""

    shape: tuple[int, ...]
    taken: tuple[slice, ...]
    placed: tuple[slice, ...]

    @classmethod
    def on(cls, array_shape: Sequence[int], start: Sequence[int], shape: Sequence[int]) -> "PatchWindow":
        """Return the window of ``shape`` that begins at ``start``, which may lie outside the array."""
        sides = zip(array_shape, start, shape, strict=True)
        parts = [(int(first), *_overlap(int(n), int(first), int(count))) for n, first, count in sides]
        return cls(
            shape=tuple(int(count) for count in shape),
            taken=tuple(slice(low, high) for _, low, high in parts),
            placed=tuple(slice(low - first, high - first) for first, low, high in parts),
        )

    @property
    def is_inside(self) -> bool:
        """Whether the array covers the window."""
        return all(part == slice(0, n) for part, n in zip(self.placed, self.shape, strict=True))

    def fill(self, part: NDArray[Any], outside: Sequence[float]) -> NDArray[Any]:
        """Return the window [..., z, y, x] that holds what was taken, and where nothing was ``outside``, a channel."""
        if self.is_inside:
            return part
        window = np.empty((*part.shape[:-3], *self.shape), part.dtype)
        window[...] = np.reshape(np.asarray(outside, part.dtype), (-1, 1, 1, 1)[4 - window.ndim :])
        z, y, x = self.placed
        window[..., z, y, x] = part
        return window


def _whole(shape: Sequence[int]) -> tuple[slice, ...]:
    return tuple(slice(0, n) for n in shape)


def _overlap(n: int, first: int, count: int) -> tuple[int, int]:
    """Return which samples of an axis of n a stretch of ``count`` takes; none where it misses them."""
    low = min(max(first, 0), n, max(first + count, 0))
    return low, max(low, min(first + count, n))


def affine_xyz(geometry: Geometry, axes: str = "zyx") -> NDArray[np.float64]:
    """Return 4 x 4, from index (x, y, z, 1) to RAS millimetres, of a grid whose axes are ``axes``."""
    columns = [axes.index(name) for name in "xyz"]
    return np.asarray(geometry.affine_ras[:, [*columns, 3]], np.float64)


def to_cxyz(array: NDArray[Any], axes: str = "zyx") -> NDArray[Any]:
    """Return an array whose axes after c are ``axes`` as [c, x, y, z], in memory in that order."""
    channels = array.reshape(-1, *array.shape[-3:])
    return np.ascontiguousarray(channels.transpose(0, *(1 + axes.index(name) for name in "xyz")))
