"""What a command starts before it has imported what it needs itself: both take a second, side by side."""

import pickle
from collections.abc import Iterator
from contextlib import closing, contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pipeline.cluster import ForkServer


@contextmanager
def workers_ahead() -> Iterator["ForkServer"]:
    """Start the process that workers are copied from; it ends with the block, if not before."""
    from pipeline.cluster import ForkServer  # noqa: PLC0415  --help shall not wait for these
    from pipeline.prepare.work import warm  # noqa: PLC0415

    with closing(ForkServer()) as server:
        server.warm(pickle.dumps(warm))
        yield server
