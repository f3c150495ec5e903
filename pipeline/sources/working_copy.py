"""An output in a bucket as a folder of this machine: a working copy, sent back when a run ends."""

import secrets
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from pipeline.errors import OutputError
from pipeline.output.durable import write_bytes
from pipeline.output.layout import OutputFolder
from pipeline.sources.address import Address
from pipeline.sources.bucket import Bucket
from pipeline.sources.bucket_output import OutputCopy
from pipeline.sources.cache import hold_alone, make_private_folder, output_folder
from pipeline.sources.lease import hold_lease
from pipeline.sources.uploads import Uploads


def fetch_tables(address: Address) -> Path:
    """Fetch the public tables of an output in a bucket, for who reads it; return the folder that they are in."""
    bucket = Bucket.open(address, OutputError)
    folder = make_private_folder(output_folder(address) / "tables")
    for name in ("manifest.parquet", "slices.parquet"):
        aside = folder / f".{secrets.token_hex(4)}.{name}"
        (folder / name).unlink(missing_ok=True)
        if bucket.fetch(name, aside):
            aside.replace(folder / name)
    return folder


@contextmanager
def open_working_copy(address: Address, say: Callable[[str], None], *, writes: bool = True) -> Iterator[OutputFolder]:
    """Yield the working copy of an output in a bucket.

    What was finished is in the bucket when the block ends, also where it ends by an error.  Without ``writes`` nothing
    is changed there.  Raises LockedError where another run holds the output, OutputError where that cannot be reached
    or written.
    """
    place = output_folder(address)
    with hold_alone(place / "lock", waits=False):
        state = _state_of(address, place)
        if writes:
            with _send_back_at_end(state, say) as output:
                yield output
        else:
            state.fetch(mends=False)
            yield replace(state.output, remote=Uploads(state.bucket, state.output))


def _state_of(address: Address, place: Path) -> OutputCopy:
    copy = OutputFolder(make_private_folder(place / "copy"))
    return OutputCopy(Bucket.open(address, OutputError), copy, place / "known.json")


@contextmanager
def _send_back_at_end(state: OutputCopy, say: Callable[[str], None]) -> Iterator[OutputFolder]:
    """Fetch an output, yield it, and send back what was written, unless the bucket itself was lost."""
    with hold_lease(state.bucket, _holder(state.index.with_name("holder"))) as lease:
        if lease.warning:
            say(lease.warning)
        state.fetch(mends=True)
        uploads = Uploads(state.bucket, state.output, lease)
        try:
            yield replace(state.output, remote=uploads)
        except OutputError:
            raise
        except BaseException:
            _send_back(state, uploads)
            raise
        else:
            _send_back(state, uploads)
        finally:
            uploads.pool.shutdown(cancel_futures=True)


def _send_back(state: OutputCopy, uploads: Uploads) -> None:
    uploads.settle()
    state.publish()


def _holder(path: Path) -> str:
    """Return the name of this working folder, made the first time: the process that holds its lock holds the name."""
    if not path.exists():
        write_bytes(path, secrets.token_hex(16).encode(), private=True)
    return path.read_text("ascii")
