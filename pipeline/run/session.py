"""A configuration whose folders lie in buckets, as one whose folders lie here: fetched before a run, sent after it."""

import secrets
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from pipeline.config import Config, dump, with_absolute_paths
from pipeline.errors import OutputError
from pipeline.output.durable import write_bytes
from pipeline.output.layout import OutputFolder
from pipeline.sources.address import address_of
from pipeline.sources.bucket import Bucket
from pipeline.sources.bucket_input import mirrored
from pipeline.sources.bucket_output import State
from pipeline.sources.cache import alone, made, output_folder
from pipeline.sources.lease import leased
from pipeline.sources.uploads import Uploads


@dataclass(frozen=True)
class WorkingCopy:
    """What a run works with: folders of this machine, and an output that knows where it lies."""

    config: Config
    output: OutputFolder


def _silence(message: str) -> None:
    """Say nothing."""
    del message


@contextmanager
def working_copy(
    config: Config, say: Callable[[str], None] = _silence, *, writes: bool = True
) -> Iterator[WorkingCopy]:
    """Yield the configuration with folders of this machine; where nothing lies in a bucket, as it is.

    What was finished is in the bucket when the block ends, however it ends.  Without ``writes`` nothing is changed
    there.  Raises UsageError where an input cannot be read, LockedError where another run holds the output, OutputError
    where that cannot be reached or written.
    """
    roots = tuple(str(_here(root, say)) for root in config.input.roots)
    local = replace(config, input=replace(config.input, roots=roots))
    address = address_of(config.output.folder)
    if address is None:
        yield WorkingCopy(local, OutputFolder(Path(config.output.folder)))
        return
    place = output_folder(address)
    copy = made(place / "copy")
    local = replace(local, output=replace(config.output, folder=str(copy)))
    with alone(place / "lock", waits=False):
        state = State(Bucket.open(address, OutputError), OutputFolder(copy), place / "known.json")
        if writes:
            with _sent_back(state, config, say) as output:
                yield WorkingCopy(local, output)
        else:
            state.fetch(mends=False)
            yield WorkingCopy(local, replace(state.output, far=Uploads(state.bucket, state.output)))


def _here(root: str, say: Callable[[str], None]) -> Path | str:
    address = address_of(root)
    return root if address is None else mirrored(address, say)


@contextmanager
def _sent_back(state: State, config: Config, say: Callable[[str], None]) -> Iterator[OutputFolder]:
    """Fetch an output, hand it out, and send back what became of it, unless the bucket itself was lost."""
    with leased(state.bucket, _holder(state.index.with_name("holder"))) as lease:
        if lease.warning:
            say(lease.warning)
        state.fetch(mends=True)
        uploads = Uploads(state.bucket, state.output, lease)
        try:
            yield replace(state.output, far=uploads)
        except OutputError:
            raise
        except BaseException:
            _send_back(state, uploads, config)
            raise
        else:
            _send_back(state, uploads, config)
        finally:
            uploads.pool.shutdown(cancel_futures=True)


def _send_back(state: State, uploads: Uploads, config: Config) -> None:
    uploads.settle()
    if state.output.private_config.exists():
        resolved = dump(with_absolute_paths(config), paths=True)
        write_bytes(state.output.private_config, resolved.encode(), private=True)
    state.publish()


def _holder(path: Path) -> str:
    """Return the name of this working folder, made the first time: whoever holds its lock holds the name."""
    if not path.exists():
        write_bytes(path, secrets.token_hex(16).encode(), private=True)
    return path.read_text("ascii")
