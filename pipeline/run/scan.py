"""``ctprep scan``: headers alone, and every table that follows from them."""

from pipeline.cluster import open_pool
from pipeline.config import Config, check_ready_to_read
from pipeline.output.layout import OutputFolder
from pipeline.output.lock import run_lock
from pipeline.output.state import Ledger
from pipeline.plan.recipe import key_of, scan_of
from pipeline.run.publish import Publisher
from pipeline.run.session import working_copy
from pipeline.run.unchanged import LastScan


def scan_only(config: Config) -> dict[str, int]:
    """Read headers only, account for every file, and return what was found; raises as `run.run` does."""
    check_ready_to_read(config)
    with working_copy(config) as work:
        work.output.prepare()
        with run_lock(work.output):
            last = LastScan(work.config, work.output)
            return last.told() or _scanned(work.config, work.output, last)


def _scanned(config: Config, output: OutputFolder, last: LastScan) -> dict[str, int]:
    """Scan, and write every table that follows from headers."""
    key = key_of(config, output)
    with open_pool(config.cluster, config.limits) as pool:
        found = scan_of(config, key, output.scan, pool)
    Publisher(config, output, key, Ledger.open(output)).scan(found)
    counts = {
        "files": found.n_files,
        "series": len(found.series),
        "refused by their headers": sum(scanned.refusal is not None for scanned in found.series),
        "files of no series": len(found.unassigned),
    }
    last.keep(found, counts)
    return counts
