import shutil
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest
import zarr
from obstore.store import S3Store
from stores import StoreContent, write_store
from zarr.storage import ObjectStore

from pipeline.errors import OutputError
from pipeline.geometry import LPS_AXES, Geometry, Xyz, Zyx
from pipeline.output.durable import hash_store
from pipeline.sources.bucket_stores import (
    fetch_store,
    hash_of_store,
    put_store,
    remove_store,
    sizes_of_store,
    store_name,
)
from pipeline.store.layout import StoreOptions

if TYPE_CHECKING:
    from bucket_server import BucketServer

NAME = store_name("ab")
ARRAY = np.arange(8**3, dtype="int16").reshape(8, 8, 8)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Write a store of eight chunks and a mask."""
    measured = np.ones(ARRAY.shape, bool)
    measured[0] = False
    geometry = Geometry(Zyx(8, 8, 8), Zyx(1.0, 1.0, 1.0), Xyz(0.0, 0.0, 0.0), LPS_AXES)
    content = StoreContent(array=ARRAY, valid=measured, geometry=geometry, attributes={"units": "HU"})
    write_store(tmp_path / "ab.zarr", content, StoreOptions(chunks=(4, 4, 4), shards=None))
    return tmp_path / "ab.zarr"


def test_a_store_is_written_data_first_and_the_groups_metadata_last(server: "BucketServer", folder: Path) -> None:
    put_store(server.opened("out"), folder, NAME)
    names = [name.removeprefix(f"out/{NAME}/") for name in server.written()]
    kinds = ["data" if "/c/" in name else "array" if "/" in name else "group" for name in names]
    assert kinds == sorted(kinds, key=["data", "array", "group"].index)
    assert kinds.count("group") == 1
    assert len(names) == sum(path.is_file() for path in folder.rglob("*"))


def test_a_store_has_the_same_hash_on_both_sides(server: "BucketServer", folder: Path, tmp_path: Path) -> None:
    bucket = server.opened("out")
    put_store(bucket, folder, NAME)
    assert hash_of_store(bucket, NAME) == hash_store(folder)
    assert sum(sizes_of_store(bucket, NAME).values()) == sum(p.stat().st_size for p in folder.rglob("*") if p.is_file())
    fetch_store(bucket, NAME, tmp_path / "back")
    assert hash_store(tmp_path / "back") == hash_store(folder)


def test_zarr_reads_a_store_where_it_lies(server: "BucketServer", folder: Path) -> None:
    put_store(server.opened("out"), folder, NAME)
    far = S3Store(server.bucket, prefix=f"out/{NAME}", client_options={"allow_http": True})
    group = zarr.open_group(ObjectStore(far, read_only=True), mode="r")
    array = group["0"]
    assert isinstance(array, zarr.Array)
    assert np.array_equal(np.asarray(array[...]), ARRAY)


def test_what_lay_there_before_is_gone_before_anything_is_written(server: "BucketServer", folder: Path) -> None:
    bucket = server.opened("out")
    for name in ("zarr.json", "old/c/0"):
        bucket.put(f"{NAME}/{name}", b"old")
    shutil.rmtree(folder / "mask")
    there: list[set[str]] = []
    server.before = lambda request: there.append(set(sizes_of_store(bucket, NAME))) if request[0] == "PUT" else None
    put_store(bucket, folder, NAME)
    assert there[0] == set()
    assert all("zarr.json" not in names for names in there)
    assert "old/c/0" not in sizes_of_store(bucket, NAME)


def test_a_store_that_is_not_as_it_was_written_is_said(
    server: "BucketServer", folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    bucket = server.opened("out")
    put = type(bucket).put
    monkeypatch.setattr(type(bucket), "put", lambda self, name, path: put(self, name, path.read_bytes()[:-1]))
    with pytest.raises(OutputError, match="not there as it was written"):
        put_store(bucket, folder, NAME)


def test_removing_a_store_leaves_its_neighbours(server: "BucketServer", folder: Path) -> None:
    bucket = server.opened("out")
    put_store(bucket, folder, NAME)
    bucket.put(store_name("abc") + "/zarr.json", b"")
    remove_store(bucket, NAME)
    remove_store(bucket, NAME)
    assert server.tree("out").keys() == {"volumes/abc.zarr/zarr.json"}
