"""A finished store in a bucket: written so that it is readable only when it is whole, and checked afterwards."""

import hashlib
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from pipeline.errors import OutputError
from pipeline.sources.bucket import Bucket

VOLUMES = "volumes"
GROUP = "zarr.json"

THREADS = 4
"""Files of one store on their way at a time."""


def store_name(series_key: str) -> str:
    """Return where the store of a series lies below the output."""
    return f"{VOLUMES}/{series_key}.zarr"


def put_store(bucket: Bucket, folder: Path, name: str) -> None:
    """Write a store: first what it is made of, then the metadata of its arrays, at the very end that of the group.

    What lies there before is removed, the group's metadata first: a reader finds a whole store or none.
    Raises OutputError where the bucket does not hold what was written.
    """
    remove_store(bucket, name)
    sizes = {path.relative_to(folder).as_posix(): path.stat().st_size for path in folder.rglob("*") if path.is_file()}
    for names in _in_turn(sizes):
        with ThreadPoolExecutor(THREADS) as pool:
            for _ in pool.map(lambda one: bucket.put(f"{name}/{one}", folder / one), names):
                pass
    if sizes_of_store(bucket, name) != sizes:
        msg = f"{bucket.address}: a store that was written is not there as it was written"
        raise OutputError(msg)


def remove_store(bucket: Bucket, name: str) -> None:
    """Remove everything that lies under the name of a store."""
    names = sizes_of_store(bucket, name)
    if GROUP in names:
        bucket.remove([f"{name}/{GROUP}"])
    bucket.remove(f"{name}/{one}" for one in names if one != GROUP)


def fetch_store(bucket: Bucket, name: str, folder: Path) -> None:
    """Write what lies under the name of a store into a folder that is not there yet."""
    folder.mkdir(parents=True)
    for one in sizes_of_store(bucket, name):
        path = folder / one
        path.parent.mkdir(parents=True, exist_ok=True)
        bucket.fetch(f"{name}/{one}", path)


def sizes_of_store(bucket: Bucket, name: str) -> dict[str, int]:
    """Return the bytes of each file of a store; nothing where there is none."""
    return {found.name.removeprefix(f"{name}/"): found.size for found in bucket.objects(name)}


def hash_of_store(bucket: Bucket, name: str) -> str:
    """Return the SHA-256 over the sorted relative names, each followed by NUL and the file's bytes, as of a folder."""
    digest = hashlib.sha256()
    for one in sorted(sizes_of_store(bucket, name)):
        digest.update(one.encode() + b"\0")
        for block in bucket.blocks(f"{name}/{one}"):
            digest.update(block)
    return digest.hexdigest()


def _in_turn(names: dict[str, int]) -> Iterator[list[str]]:
    """Yield the names in the order in which they may be written."""
    arrays = [name for name in names if name.endswith(f"/{GROUP}")]
    yield [name for name in names if name != GROUP and name not in arrays]
    yield arrays
    yield [name for name in names if name == GROUP]
