"""``ctprep scan``: headers alone, and every table that follows from them."""

from pipeline.config import Config
from pipeline.output.state import OutputState
from pipeline.run.publish import publish_scan
from pipeline.run.session import Listener, NoListener, Session, open_session
from pipeline.run.unchanged import LastScan
from pipeline.scan import PRELOAD
from pipeline.scan.files import FileCounts


def scan_only(config: Config, listener: Listener | None = None) -> dict[str, int]:
    """Read headers only, write the inventory of files, and return what was found; raises as `run.run` does.

    Nothing is read where neither the files nor the configuration have changed since the last scan.
    """
    with open_session(config, listener or NoListener(), needs_statistics=False) as session:
        last, listing = LastScan(session), session.list_files()
        return last.read(listing) or _scan(session, listing, last)


def _scan(session: Session, listing: FileCounts, last: LastScan) -> dict[str, int]:
    """Scan, and write every table that follows from headers."""
    with session.open_cluster(PRELOAD) as dispatcher:
        found = session.scan(dispatcher, listing)
    publish_scan(session, found, OutputState.open(session.output, session.database))
    counts = {
        "files": found.n_files,
        "series": len(found.series),
        "refused by their headers": sum(scanned.refusal is not None for scanned in found.series),
        "files of no series": len({header.file.path for header in found.unassigned}),
    }
    if found.unreadable:
        counts["files that cannot be read"] = found.unreadable.n_files
        counts["folders that cannot be read"] = found.unreadable.n_folders
    last.write(found, counts)
    return counts
