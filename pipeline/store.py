"""A prepared volume to a Zarr group and back: layout, attributes, hash.  The only room that knows zarr."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import sha256
from math import ceil, prod
from pathlib import Path
from typing import Any, Literal

import numpy as np
import zarr
from numpy.typing import NDArray
from zarr.codecs import BloscCodec

from pipeline.axes import Zyx
from pipeline.durable import sync_tree
from pipeline.geometry import Geometry
from pipeline.ngff import geometry_from_json, geometry_to_json, multiscales
from pipeline.volume import Mask

FORMAT = "ctprep-volume"
FORMAT_VERSION = 1

MOST_SHARDS = 8
"""Of array ``0``; with the mask's single one a store stays below ten data files."""

SMALL_SHARD_BYTES = 32 * 2**20
"""Layers of chunks share a shard up to this size before compression: many small files burden a shared file system."""

_ZARR_SETTINGS = {"threading.max_workers": 1, "async.concurrency": 1, "json_indent": 2}
"""One thread a task, one shard in memory at a time, and the same bytes whatever the user's zarr is set to."""

_READ_BYTES = 2**20


@dataclass(frozen=True)
class StoreOptions:
    """``store:`` of the configuration."""

    dtype: Literal["auto", "int16", "uint8", "uint16", "float16", "float32"] = "auto"
    chunks: tuple[int, int, int] = (64, 64, 64)
    shards: Literal["auto"] | tuple[int, int, int] | None = "auto"
    level: int = 1
    mask: Literal["auto"] | bool = "auto"
    pyramid_levels: int = 1

    def __post_init__(self) -> None:
        for holds, rule in (
            (min(self.chunks) >= 1, "chunks must be at least 1"),
            (_are_multiples(self.shards, self.chunks), "shards must be whole multiples of chunks"),
            (0 <= self.level <= 9, "level must be from 0 to 9"),
            (self.pyramid_levels >= 1, "pyramid_levels must be at least 1"),
            (self.pyramid_levels <= 1, "pyramid_levels above 1 are not written yet"),
        ):
            if not holds:
                raise ValueError(rule)


@dataclass(frozen=True, eq=False, kw_only=True)
class StoreContent:
    """What a store shall hold.

    ``array`` is [z, y, x], or [c, z, y, x] where ``channels`` names each c; ``measured`` is [z, y, x].  ``attributes``
    are ctprep's own but for the format and the geometry.  ``scale_factor`` and ``add_offset`` turn stored integers into
    normalised values (CF conventions 8.1).  Chunks that are all ``fill_value`` are
    not stored: give what padding has become.
    """

    array: NDArray[Any]
    measured: Mask
    geometry: Geometry
    attributes: Mapping[str, Any]
    channels: tuple[str, ...] | None = None
    scale_factor: float | None = None
    add_offset: float | None = None
    fill_value: float = 0


@dataclass(frozen=True)
class StoreReceipt:
    """What the manifest says of a store's bytes."""

    n_bytes: int
    sha256: str


@dataclass(frozen=True, eq=False)
class StoredVolume:
    """An open store: nothing is read from ``array`` and ``mask`` until they are indexed."""

    array: "zarr.Array[Any]"
    mask: "zarr.Array[Any] | None"
    attributes: dict[str, Any]
    geometry: Geometry


def write_store(folder: Path, content: StoreContent, options: StoreOptions) -> StoreReceipt:
    """Write a whole store into a folder that is not there yet, and force it to disk.

    The same content and options give the same bytes.  Raises FileExistsError, or another OSError where the system
    refuses; ValueError if an attribute is no JSON.
    """
    folder.mkdir()
    attributes = _group_attributes(content)
    json.dumps(attributes, allow_nan=False)
    with zarr.config.set(_ZARR_SETTINGS):
        group = zarr.create_group(folder, zarr_format=3, attributes=attributes)
        _write_image(group, content, options)
        if options.mask is True or (options.mask == "auto" and not content.measured.all()):
            _write_mask(group, content.measured, options)
    sync_tree(folder)
    return StoreReceipt(n_bytes=size_of_store(folder), sha256=hash_store(folder))


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
    )


def hash_store(path: Path) -> str:
    """Return the SHA-256 over the sorted relative POSIX paths, each followed by NUL and the file's bytes."""
    digest = sha256()
    for name, file_path in sorted((file.relative_to(path).as_posix(), file) for file in _files(path)):
        digest.update(name.encode() + b"\0")
        with file_path.open("rb") as file:
            while block := file.read(_READ_BYTES):
                digest.update(block)
    return digest.hexdigest()


def size_of_store(path: Path) -> int:
    """Return the bytes of all files of a store."""
    return sum(file.stat().st_size for file in _files(path))


def _files(path: Path) -> list[Path]:
    return [file for file in path.rglob("*") if not file.is_dir()]


def _array(group: zarr.Group, name: str) -> "zarr.Array[Any]":
    member = group[name]
    if not isinstance(member, zarr.Array):
        msg = f"{name} is no array"
        raise TypeError(msg)
    return member


def _group_attributes(content: StoreContent) -> dict[str, Any]:
    identity = {"format": FORMAT, "format_version": FORMAT_VERSION}
    channels = {} if content.channels is None else {"channels": list(content.channels)}
    return {
        "ome": multiscales(content.geometry, has_channels=content.channels is not None),
        "ctprep": identity | geometry_to_json(content.geometry) | channels | dict(content.attributes),
    }


def _write_image(group: zarr.Group, content: StoreContent, options: StoreOptions) -> None:
    packing = {"scale_factor": content.scale_factor, "add_offset": content.add_offset}
    n_channels = content.array.shape[:-3]
    chunks = _chunks(Zyx(*content.array.shape[-3:]), options)
    shards = _shards(content.array, chunks, options)
    image = group.create_array(
        "0",
        shape=content.array.shape,
        dtype=content.array.dtype,
        chunks=(*(1 for _ in n_channels), *chunks),
        shards=None if shards is None else (*n_channels, *shards),
        compressors=_codec(content.array.dtype, options),
        fill_value=content.array.dtype.type(content.fill_value),
        dimension_names=("c", "z", "y", "x")[-content.array.ndim :],
        attributes={name: value for name, value in packing.items() if value is not None},
        config={"order": "C", "write_empty_chunks": False},
    )
    image[...] = content.array


def _write_mask(group: zarr.Group, measured: Mask, options: StoreOptions) -> None:
    chunks = _chunks(Zyx(*measured.shape), options)
    mask = group.create_array(
        "mask",
        shape=measured.shape,
        dtype="uint8",
        chunks=chunks,
        shards=tuple(ceil(n / chunk) * chunk for n, chunk in zip(measured.shape, chunks, strict=True)),
        compressors=_codec(np.dtype("uint8"), options),
        fill_value=0,
        dimension_names=("z", "y", "x"),
        config={"order": "C", "write_empty_chunks": False},
    )
    mask[...] = measured.view(np.uint8)


def _codec(dtype: np.dtype[Any], options: StoreOptions) -> BloscCodec:
    """Zstandard behind the shuffle that suits the numbers: by bits for integers, by bytes for floating point."""
    shuffle: Literal["shuffle", "bitshuffle"] = "shuffle" if dtype.kind == "f" else "bitshuffle"
    return BloscCodec(typesize=dtype.itemsize, cname="zstd", clevel=options.level, shuffle=shuffle)


def _chunks(shape: Zyx[int], options: StoreOptions) -> Zyx[int]:
    return Zyx(*(min(n, chunk) for n, chunk in zip(shape, options.chunks, strict=True)))


def _shards(array: NDArray[Any], chunks: Zyx[int], options: StoreOptions) -> Zyx[int] | None:
    """Return the shape of a shard: as asked, or whole layers of chunks, no more of them than ``MOST_SHARDS``."""
    if options.shards is None:
        return None
    n_chunks = Zyx(*(ceil(n / chunk) for n, chunk in zip(array.shape[-3:], chunks, strict=True)))
    if options.shards == "auto":
        layer_bytes = array.itemsize * prod(array.shape) // n_chunks.z
        per_shard = Zyx(max(ceil(n_chunks.z / MOST_SHARDS), SMALL_SHARD_BYTES // layer_bytes), n_chunks.y, n_chunks.x)
    else:
        per_shard = Zyx(*(shard // chunk for shard, chunk in zip(options.shards, options.chunks, strict=True)))
    return Zyx(*(min(n, k) * chunk for n, k, chunk in zip(n_chunks, per_shard, chunks, strict=True)))


def _are_multiples(shards: Literal["auto"] | tuple[int, int, int] | None, chunks: tuple[int, int, int]) -> bool:
    if shards is None or shards == "auto":
        return True
    return all(shard >= chunk >= 1 and shard % chunk == 0 for shard, chunk in zip(shards, chunks, strict=True))
