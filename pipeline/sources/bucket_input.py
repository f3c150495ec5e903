"""An input root in a bucket as a folder of this machine: what changed is fetched, what is gone is removed."""

import hashlib
import os
import shutil
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from pipeline.errors import UsageError
from pipeline.sources.address import Address
from pipeline.sources.bucket import Bucket, BucketObject
from pipeline.sources.cache import cache_folder, hold_alone, input_folder, make_private_folder

THREADS = 16
"""Objects fetched at a time: slices are small, and most of the time is spent waiting."""

NS = 10**9


def mirror_input(address: Address, say: Callable[[str], None]) -> Path:
    """Return a folder that holds what lies under an input root in a bucket, each object as a file.

    A file's time is the object's, and in the nanoseconds stands what its etag says: so a change of either is a change
    of the file, on every machine.  Raises UsageError where the root cannot be read whole.
    """
    bucket = Bucket.open(address, UsageError)
    folder = input_folder(address)
    with hold_alone(cache_folder() / "inputs.lock", waits=True):
        wanted = _wanted(bucket)
        kept = _kept(folder, wanted)
        if missing := [found for name, found in wanted.items() if name not in kept]:
            _fetch(bucket, folder, missing, say)
        _remove_empty(folder)
    return folder


def _wanted(bucket: Bucket) -> dict[str, BucketObject]:
    """Return the objects under a root by name, without those that only mark a folder."""
    listed = {found.name: found for found in bucket.objects()}
    if not listed:
        msg = f"{bucket.address}: nothing lies there; look at the name, and whether the bucket is the right one"
        raise UsageError(msg)
    folders = {parent for name in listed for parent in _parents(name)}
    clashing = [name for name in listed.keys() & folders if listed[name].size]
    if clashing:
        msg = f"{bucket.address}: {len(clashing)} objects have the name of a folder too: a file cannot; rename them"
        raise UsageError(msg)
    return {name: found for name, found in listed.items() if name not in folders}


def _kept(folder: Path, wanted: Mapping[str, BucketObject]) -> set[str]:
    """Return the names of the files that are as their objects are, and remove all others."""
    kept = set()
    for path in [path for path in folder.rglob("*") if not path.is_dir()]:
        name, status = path.relative_to(folder).as_posix(), path.lstat()
        if name in wanted and (status.st_size, status.st_mtime_ns) == _stamp(wanted[name]):
            kept.add(name)
        else:
            path.unlink()
    return kept


def _parents(name: str) -> Iterable[str]:
    parts = name.split("/")
    return ("/".join(parts[:n]) for n in range(1, len(parts)))


def _stamp(found: BucketObject) -> tuple[int, int]:
    """Return the size and the time in nanoseconds that an object has as a file."""
    digest = int.from_bytes(hashlib.blake2b(found.etag.encode(), digest_size=8).digest())
    return found.size, int(found.modified.timestamp()) * NS + digest % NS


def _fetch(bucket: Bucket, folder: Path, missing: Sequence[BucketObject], say: Callable[[str], None]) -> None:
    """Fetch objects aside, each moved to its place when it is whole, so that no other run reads half a file."""
    n_bytes = sum(found.size for found in missing)
    say(f"fetching {len(missing)} objects, {n_bytes / 2**20:.1f} MB, from {bucket.address}")
    if n_bytes > (free := free_bytes(folder)):
        msg = f"{bucket.address}: {n_bytes / 2**20:.0f} MB are to be fetched, the cache has {free / 2**20:.0f} MB left"
        raise UsageError(msg)
    aside = cache_folder() / "fetching"
    shutil.rmtree(aside, ignore_errors=True)
    make_private_folder(aside)

    def fetch(numbered: tuple[int, BucketObject]) -> None:
        number, found = numbered
        _fetch_one(bucket, found, aside / str(number), folder / found.name)

    with ThreadPoolExecutor(THREADS) as pool:
        for _ in pool.map(fetch, enumerate(missing)):
            pass
    shutil.rmtree(aside)


def free_bytes(folder: Path) -> int:
    """Return how much the disk under a folder still holds."""
    return shutil.disk_usage(folder).free


def _fetch_one(bucket: Bucket, listed: BucketObject, aside: Path, path: Path) -> None:
    """Fetch an object as it is now; an empty one that is not there by its name marks a folder."""
    found = bucket.fetch(listed.name, aside)
    if found is None and listed.size:
        msg = f"{bucket.address}: an object that is listed is not there by its name; run again"
        raise UsageError(msg)
    if found is None:
        return
    _, time_ns = _stamp(found)
    try:
        os.utime(aside, ns=(time_ns, time_ns))
        path.parent.mkdir(parents=True, exist_ok=True)
        aside.rename(path)
    except OSError as error:
        msg = f"{bucket.address}: an object cannot be kept as a file: {error.strerror}"
        raise UsageError(msg) from error


def _remove_empty(folder: Path) -> None:
    """Remove the folders that an object no longer lies in."""
    for place in sorted((path for path in folder.rglob("*") if path.is_dir()), reverse=True):
        if not any(place.iterdir()):
            place.rmdir()
