"""What of an input is not there any more; a share that is not mounted is an empty folder, so nothing is deleted."""

import os
from collections.abc import Iterable, Iterator, Mapping

from pipeline.output.state import Finished
from pipeline.plan.plan import Planned, State
from pipeline.scan.series import Scan
from pipeline.sources.address import address_of
from pipeline.sources.folders import InputOptions
from pipeline.vocabulary import Status


def has_vanished(found: Scan, finished: Mapping[str, Finished]) -> bool:
    """Tell whether no CT is left of an input that held some, or no file of one that held any."""
    return not found.n_files or (not found.has_ct and any(_was_ct(known) for known in finished.values()))


def told_of_vanished(options: InputOptions, found: Scan, plans: Iterable[Planned]) -> Iterator[str]:
    """Yield in words which roots are empty, and how many series are gone; nothing where none is."""
    n_gone = sum(plan.state is State.GONE for plan in plans)
    if n_gone:
        for root in empty_roots(options, _paths_of(found)):
            yield f"{root} holds no file at all (is it mounted?)"
        yield f"{n_gone} series are gone from the input; their stores are kept, and `ctprep gc` lists them"


def _was_ct(known: Finished) -> bool:
    return known.record.status is not Status.EXCLUDED


def empty_roots(options: InputOptions, paths: Iterable[str]) -> list[str]:
    """Return the roots under which none of these files lies; a bucket is never one, as nobody mounts it."""
    found = list(paths)
    return [root for root in options.roots if not (address_of(root) or _holds_any(root, found))]


def _holds_any(root: str, paths: Iterable[str]) -> bool:
    inside = os.path.join(os.path.realpath(root), "")  # noqa: PTH118 - str paths, as the scan has them
    return any(path.startswith(inside) for path in paths)


def _paths_of(found: Scan) -> Iterator[str]:
    """Yield a file of each series, and all others."""
    yield from (one.series.slices[0].file.path for one in found.series)
    yield from (stray.file.path for stray in found.unassigned)
