"""The cache folder: local copies of what lies in buckets, with one process at a time in each."""

import fcntl
import hashlib
import os
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from pipeline.errors import LockedError, OutputError
from pipeline.output.durable import open_for
from pipeline.sources.address import Address

CACHE_VARIABLE = "CTPREP_CACHE"
"""Names the folder in which inputs are mirrored and outputs have their working copies."""

OWNER_ONLY = 0o700


def cache_folder(environment: Mapping[str, str] = os.environ) -> Path:
    """Return the folder that ``CTPREP_CACHE`` names, else ctprep's own in the user's cache."""
    if named := environment.get(CACHE_VARIABLE):
        return Path(named).absolute()
    usual = Path.home() / ("Library/Caches" if sys.platform == "darwin" else ".cache")
    return Path(environment.get("XDG_CACHE_HOME") or usual).absolute() / "ctprep"


def input_folder(address: Address) -> Path:
    """Return where an input root is mirrored: a readable place, the same on every machine with the same cache."""
    return make_private_folder(cache_folder() / "inputs" / address.bucket / address.prefix)


def output_folder(address: Address, environment: Mapping[str, str] = os.environ) -> Path:
    """Return where an output has its working copy: a place of its own for each address at each endpoint."""
    endpoint = environment.get("AWS_ENDPOINT_URL_S3") or environment.get("AWS_ENDPOINT_URL", "")
    name = hashlib.blake2b(f"{endpoint}\n{address}".encode(), digest_size=10).hexdigest()
    return make_private_folder(cache_folder() / "outputs" / name)


def make_private_folder(folder: Path) -> Path:
    """Return a folder that is there and its owner's alone; raises OutputError where it cannot be made."""
    try:
        for place in (*reversed(folder.parents), folder):
            if not place.is_dir():
                place.mkdir(mode=OWNER_ONLY, exist_ok=True)
    except OSError as error:
        msg = f"the cache folder {folder} cannot be made: {error.strerror}; {CACHE_VARIABLE} names another"
        raise OutputError(msg) from error
    return folder


@contextmanager
def hold_alone(path: Path, *, waits: bool) -> Iterator[None]:
    """Hold a lock that the kernel frees, however the process ends; raises LockedError where another has it."""
    with open_for(path, os.O_RDWR, private=True) as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX if waits else fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            msg = "another run on this machine works on this output: wait for it to end"
            raise LockedError(msg) from error
        yield
